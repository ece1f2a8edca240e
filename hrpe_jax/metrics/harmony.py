"""How the chords of a piece follow each other, and how a melody sits on them and in its key.

Conventions: pitch classes only, octaves do not matter. A note is compared with the chord that sounds under
    it; where no chord sounds it is left out. Real music is the yardstick, not 1: on Nottingham's tunes in
    4/4 the chord-tone ratio is 0.733.

Labels are root and fine quality (32 of them), no bass; no-chord is left out; a chord that is written again
is the same chord still. None of these is better when higher: compare with the same number on real music.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from hrpe_jax.metrics.arrays import TICKS_PER_16TH, Music, Piece, Undefined, piece_of, ragged_arange
from hrpe_jax.metrics.structure import bar_ids
from hrpe_jax.theory.tonal_space import tonal_centroid

CENTROIDS = np.stack([tonal_centroid([pitch_class]) for pitch_class in range(12)])
"""Tonal centroid of each pitch class, float64 `[12, 6]`."""


def centroids(tones: np.ndarray) -> np.ndarray:
    """Tonal centroids of pitch-class sets.

    Formula: zeta(S) = 1/|S| sum_p [sin 7 pi p/6, cos 7 pi p/6, sin 3 pi p/2, cos 3 pi p/2,
        (1/2) sin 2 pi p/3, (1/2) cos 2 pi p/3]
    Source: Harte, Sandler and Gasser, "Detecting Harmonic Change in Musical Audio", AMCMM 2006.

    Args:
        tones: bool `[..., 12]`.

    Returns:
        float64 `[..., 6]`.
    """
    return tones @ CENTROIDS / np.maximum(tones.sum(axis=-1, keepdims=True), 1)


def chord_progression_irregularity(music: Music, drop_last: bool = False, as_written: bool = False) -> float:
    """CPI: how many of the chord trigrams of a piece are different ones.

    Formula: unique trigrams of chord changes / trigrams of chord changes
    Range: above 0, to 1 (no progression comes twice); not defined with fewer than three changes.
    Direction: closest to real music.
    Source: Wu and Yang, "The Jazz Transformer on the Front Line", ISMIR 2020.

    Args:
        music: the chords.
        drop_last: leave the last trigram out, as the authors' program does.
        as_written: take every chord as it is written, as that program does, also where it is the one before.
    """
    piece = piece_of(music)
    labels = piece.chord if as_written else piece.chord[piece.changes]
    trigrams = np.stack([labels[:-2], labels[1:-1], labels[2:]], axis=1) if len(labels) > 2 else labels[:0]
    trigrams = trigrams[:-1] if drop_last else trigrams
    if not len(labels):
        raise Undefined(piece.no_chords)
    if not len(trigrams):
        raise Undefined("it has too few chord changes for a trigram")
    return len(np.unique(trigrams @ (384**2, 384, 1))) / len(trigrams)


def chord_coverage(music: Music) -> float:
    """CC: how many different chords a piece has.

    Formula: the number of distinct chords, root and fine quality
    Range: 1 and up; not defined without chords. It grows with the length.
    Direction: closest to real music.
    Source: Yeh et al., "Automatic Melody Harmonization with Triad Chords", Journal of New Music Research
        50(1), 2021.
    """
    piece = piece_of(music)
    if not len(piece.chord):
        raise Undefined(piece.no_chords)
    return float(len(np.unique(piece.chord)))


def chord_tonal_distance(music: Music) -> float:
    """CTD: how far apart adjacent chords are.

    Formula: the mean over adjacent different chords of the Euclidean distance of their tonal centroids
    Range: 0..about 2; not defined with fewer than two different chords in a row.
    Direction: closest to real music.
    Source: Yeh et al., "Automatic Melody Harmonization with Triad Chords", Journal of New Music Research
        50(1), 2021; centroids of Harte et al., 2006 (a public copy of the first takes the cosine twice).
    """
    piece = piece_of(music)
    if not len(piece.chord):
        raise Undefined(piece.no_chords)
    points = centroids(piece.chord_tones[piece.changes])
    if len(points) < 2:
        raise Undefined("it has no two different chords in a row")
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).mean())


def changes_on_bar_line(music: Music) -> float:
    """How many of the chord changes fall on a bar line.

    Formula: changes to another chord at the beginning of a bar / changes to another chord; the first chord is
        no change
    Range: 0..1; not defined without a change.
    Direction: closest to real music of the same meter.
    Source: this project.
    """
    piece = piece_of(music)
    at = piece.chord_onset[piece.changes[1:]]
    if not len(at):
        raise Undefined("its chord never changes" if len(piece.chord) else piece.no_chords)
    return float(np.isin(at, piece.starts).mean())


def chord_return(music: Music, lag: int) -> float:
    """How many bars have the chords of the bar so many bars before.

    Formula: bars b >= lag with the same chord on each beat as bar b - lag / bars b >= lag with chords
    Range: 0..1; not defined where no bar after the first `lag` has chords.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the chords.
        lag: bars.
    """
    ids = bar_ids(piece_of(music), "chords")
    heard = ids[lag:] >= 0
    if not heard.any():
        raise Undefined(f"no bar after the first {lag} has chords")
    return float((ids[lag:] == ids[: max(len(ids) - lag, 0)])[heard].mean())


def entropy(counts: np.ndarray) -> np.ndarray:
    """- sum p log2 p of histograms along the last axis, in bits; 0 for a histogram of nothing."""
    counts = np.asarray(counts, np.float64)
    share = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-12)
    return -(share * np.log2(share, out=np.zeros_like(share), where=share > 0)).sum(axis=-1) + 0.0


def pitch_class_entropy(music: Music, bars: int = 1) -> float:
    """H1, H4: entropy of the pitch classes that begin in windows of so many bars.

    Formula: - sum_c h_c log2 h_c, h = share of the window's notes with pitch class c, by onset; the mean
        over windows that begin at every bar; windows without notes are skipped.
    Range: 0..log2 12 = 3.585 bits; not defined without notes or with fewer bars. The entropy of the whole
        piece is another metric.
    Direction: closest to real music.
    Source: Wu and Yang, "The Jazz Transformer on the Front Line", ISMIR 2020 (H1 and H4).

    Args:
        music: the melody.
        bars: of each window.
    """
    piece = piece_of(music)
    if piece.bars < bars:
        raise Undefined(f"it has fewer than {bars} bars")
    histogram = np.bincount(piece.bar * 12 + piece.pitch % 12, minlength=12 * piece.bars).reshape(-1, 12)
    total = np.concatenate([np.zeros((1, 12), np.int64), np.cumsum(histogram, axis=0)])
    counts = total[bars:] - total[:-bars]
    counts = counts[counts.any(axis=1)]
    if not len(counts):
        raise Undefined("it has no melody")
    return float(entropy(counts).mean())


def chord_histogram_entropy(music: Music) -> float:
    """CHE: entropy of the chords of a piece.

    Formula: - sum_c p_c log2 p_c, p = share of the chord changes that lead to chord c, counted once each
        however long they sound. Labels: root and fine quality (32 of them), no bass; repeats are one change.
    Range: 0 bits and up; not defined without chords.
    Direction: closest to real music.
    Source: Yeh et al., "Automatic Melody Harmonization with Triad Chords", Journal of New Music Research
        50(1), 2021 (there over 48 triads, natural logarithm).
    """
    piece = piece_of(music)
    if not len(piece.changes):
        raise Undefined(piece.no_chords)
    _, counts = np.unique(piece.chord[piece.changes], return_counts=True)
    return float(entropy(counts))


Counting = Literal["notes", "duration", "strong"]

# By interval over the chord tone: unison, thirds, fifth and sixths are consonant, the fourth is neither.
_CONSONANCE = np.array([1, -1, -1, 1, 1, 0, -1, 1, 1, 1, -1, -1])
_OVER_TONE = _CONSONANCE[(np.arange(12)[:, None] - np.arange(12)) % 12].astype(float)  # [note, chord tone]


def chord_tone_ratio(music: Music, counting: Counting = "notes") -> float:
    """CTR: how much of the melody is made of chord tones.

    Formula: sum of w(n) over notes n whose pitch class is in the chord / sum of w(n) over all notes over
        chords
    Range: 0..1; not defined without melody over chords. For notes in a random key it is `chord_tone_chance`.
    Direction: closest to real music.
    Source: Yeh et al., "Automatic Melody Harmonization with Triad Chords", Journal of New Music Research
        50(1), 2021 (the chord tones of CTnCTR).

    Args:
        music: melody and chords.
        counting: "notes": w = 1, the chord is that at the note's onset. "duration": w = ticks, and a note
            held over a change of chord is compared with each of them for as long as it sounds. "strong": as
            "notes", but only notes that begin on a strong beat, the first of a bar and its middle where it
            has four beats.
    """
    piece = piece_of(music)
    note, span, weight = _paired(piece, counting)
    return _mean(piece.chord_tones[span, piece.pitch[note] % 12], weight, _nothing(piece))


def chord_tone_chance(music: Music, counting: Counting = "notes") -> float:
    """What the chord-tone ratio would be on average with the melody in a random key.

    Formula: sum of w(n) |chord| / 12 / sum of w(n)
    Range: 0..1; not defined without melody over chords.
    Direction: none, it says how large the chords are.
    Source: this project.
    """
    piece = piece_of(music)
    _, span, weight = _paired(piece, counting)
    return _mean(piece.chord_tones[span].sum(axis=1) / 12, weight, _nothing(piece))


def chord_tone_gain(music: Music, counting: Counting = "notes") -> float:
    """CTR above chance: the chord-tone ratio less what it would be with the melody in a random key.

    Formula: CTR - sum of w(n) |chord| / 12 / sum of w(n)
    Range: -1..1; not defined without melody over chords.
    Direction: closest to real music.
    Source: this project, after Yeh et al. 2021.
    """
    return chord_tone_ratio(music, counting) - chord_tone_chance(music, counting)


def ctnctr(music: Music, resolution: Literal["step", "chord tone"] = "step") -> float:
    """CTnCTR: chord tones, and other notes that resolve, among the notes of a melody.

    Formula: (n_c + n_p) / (n_c + n_n); n_c = chord tones, n_n = other notes, n_p = those of them that are at
        most 2 semitones from the next note of another pitch. The text leaves open whether that note must be
        a chord tone.
    Range: 0..1; not defined without melody over chords.
    Direction: closest to real music.
    Source: Yeh et al., "Automatic Melody Harmonization with Triad Chords", Journal of New Music Research
        50(1), 2021.

    Args:
        music: melody and chords; the chord of a note is that at its onset.
        resolution: "step": any next note counts. "chord tone": only one that belongs to its own chord.
    """
    piece = piece_of(music)
    note, span, _ = _paired(piece, "notes")
    if not len(note):
        raise Undefined(_nothing(piece))
    is_tone = piece.chord_tones[span, piece.pitch[note] % 12]
    # The next note of another pitch: the first after the run of equal pitches that this one is in.
    run_starts = np.append(np.flatnonzero(np.diff(piece.pitch) != 0) + 1, -1)
    following = run_starts[np.searchsorted(run_starts[:-1], note, side="right")]
    resolves = (following >= 0) & (np.abs(piece.pitch[following] - piece.pitch[note]) <= 2)
    if resolution == "chord tone":
        tones = np.zeros(len(piece.pitch), np.bool_)
        tones[note] = is_tone
        resolves &= tones[following]
    return float((is_tone | resolves).mean())


def pitch_consonance(music: Music) -> float:
    """PCS: how consonant the melody is with the tones of its chord.

    Formula: for every 16th in which a note sounds over a chord, the mean over chord tones of +1 where the
        note lies a unison, third, fifth or sixth over the tone (0, 3, 4, 7, 8, 9 semitones), 0 a fourth (5),
        else -1; the mean over those 16ths. The note and chord are those at the beginning of the 16th.
    Range: -1..1; not defined without melody over chords.
    Direction: closest to real music.
    Source: Yeh et al., "Automatic Melody Harmonization with Triad Chords", Journal of New Music Research
        50(1), 2021.
    """
    piece = piece_of(music)
    note, at = _sampled(piece, piece.onset, piece.onset + piece.duration)
    span = np.searchsorted(piece.chord_end, at, side="right")
    over = span < len(piece.chord)
    over[over] = piece.chord_onset[span[over]] <= at[over]
    if not over.any():
        raise Undefined(_nothing(piece))
    tones = piece.chord_tones[span[over]]
    score = (_OVER_TONE[piece.pitch[note[over]] % 12] * tones).sum(axis=1) / tones.sum(axis=1)
    return float(score.mean())


def melody_chord_tonal_distance(music: Music) -> float:
    """MCTD: how far the melody's notes are from the chords under them.

    Formula: the mean of the Euclidean distance of a note's tonal centroid from its chord's, weighted by how
        long they sound together
    Range: 0..about 2.5; not defined without melody over chords.
    Direction: closest to real music.
    Source: Yeh et al., "Automatic Melody Harmonization with Triad Chords", Journal of New Music Research
        50(1), 2021; centroids of Harte et al., 2006.
    """
    piece = piece_of(music)
    note, span, weight = _paired(piece, "duration")
    away = CENTROIDS[piece.pitch[note] % 12] - centroids(piece.chord_tones)[span]
    return _mean(np.linalg.norm(away, axis=1), weight, _nothing(piece))


def out_of_key_share(music: Music, of: Literal["all", "sounding"] = "all") -> float:
    """OOK: how much of the time a note sounds that is not in the key.

    Formula: 16ths in which an out-of-key note sounds / 16ths; minor has both sixths and both sevenths
    Range: 0..1; not defined for an empty piece. Silence has 0 where all 16ths count.
    Direction: closest to real music.
    Source: Zhu et al., "FGG", ICML 2025 (steps with an out-of-key note), here in the piece's own key.

    Args:
        music: the melody and its key.
        of: what is divided by: all 16ths of the piece, or only those in which a note sounds.
    """
    piece = piece_of(music)
    first = piece.onset // TICKS_PER_16TH
    count = -(-(piece.onset + piece.duration) // TICKS_PER_16TH) - first
    step = ragged_arange(first, count)
    foreign = np.repeat(~piece.scale[piece.pitch % 12], count)
    total = len(np.unique(step)) if of == "sounding" else -(-int(piece.lengths.sum()) // TICKS_PER_16TH)
    if not total:
        raise Undefined("it has no melody" if of == "sounding" else "it is empty")
    return len(np.unique(step[foreign])) / total


def semitone_share(music: Music) -> float:
    """How much of the time the melody lies a semitone over a tone of its chord: the harshest of clashes.

    Formula: ticks in which a note sounds over a chord of which it is no tone, but a semitone above one, in
        any octave / ticks in which a note sounds over a chord
    Range: 0..1; not defined without melody over chords.
    Direction: closest to real music.
    Source: this project; chord scales avoid such notes (Nettles and Graf, "The Chord Scale Theory and Jazz
        Harmony", 1997).
    """
    piece = piece_of(music)
    note, span, weight = _paired(piece, "duration")
    pitch_class = piece.pitch[note] % 12
    tones = piece.chord_tones[span]
    rows = np.arange(len(span))
    clash = tones[rows, (pitch_class - 1) % 12] & ~tones[rows, pitch_class]
    return _mean(clash, weight, _nothing(piece))


def in_key_share(music: Music, counting: Literal["notes", "duration"] = "duration") -> float:
    """How much of the melody is within the scale of the piece's key.

    Formula: sum of w(n) over notes in the scale / sum of w(n); minor has both sixths and both sevenths
    Range: 0..1; not defined without melody.
    Direction: closest to real music.
    Source: pitch-in-scale rate as in Dong et al., "MusPy", ISMIR 2020, in the piece's own key.

    Args:
        music: the melody and its key.
        counting: "duration": w = ticks. "notes": w = 1.
    """
    piece = piece_of(music)
    if not len(piece.pitch):
        raise Undefined("it has no melody")
    weight = piece.duration if counting == "duration" else np.ones(len(piece.pitch))
    return _mean(piece.scale[piece.pitch % 12], weight, "it has no melody")


def _nothing(piece: Piece) -> str:
    """Why a piece has no note over a chord."""
    if not len(piece.onset):
        return "it has no melody"
    return "no note of its melody is over a chord" if len(piece.chord) else piece.no_chords


def _paired(piece: Piece, counting: Counting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Notes, the chord spans under them, and weights, each `[pairs]`."""
    note, span, ticks, begins = piece.overlaps
    if counting == "duration":
        return note, span, ticks
    if counting == "strong":
        begins = begins & piece.strong[note]
    return note[begins], span[begins], np.ones(int(begins.sum()))


def _sampled(piece: Piece, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which item sounds at the beginning of each 16th, and the tick of it; items must not overlap."""
    first = -(-begin // TICKS_PER_16TH)
    count = np.maximum(-(-end // TICKS_PER_16TH) - first, 0)
    return np.repeat(np.arange(len(begin)), count), ragged_arange(first, count) * TICKS_PER_16TH


def _mean(values: np.ndarray, weight: np.ndarray, nothing: str) -> float:
    total = float(weight.sum())
    if not total:
        raise Undefined(nothing)
    return float((values * weight).sum()) / total
