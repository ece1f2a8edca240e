"""What comes back: bars, phrases and sections within a tune, tunes within a set, and structureness.

Bars are equal where notes of the same pitches begin at the same places, however long they are held; equal in
rhythm where notes begin at the same places. Nothing here is better when higher: a tune in which every bar
returns is a loop.

Structureness is the method of audio analysis on symbolic chroma. Its numbers compare with no number computed
from audio.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hrpe_jax.metrics.arrays import Music, Piece, Undefined, piece_of, sung
from hrpe_jax.metrics.structure import Content, bar_ids, cosine_ssm, run_of_equals
from hrpe_jax.score.form import Section


def bar_return(music: Music, lag: int, of: Content = "pitches") -> float:
    """How many bars are equal to the bar so many bars before.

    Formula: bars b >= lag with notes that equal bar b - lag / bars b >= lag with notes
    Range: 0..1; not defined where no bar after the first `lag` has notes.
    Direction: closest to real music.
    Source: this project, after the bar similarity of Yu et al., "Museformer", NeurIPS 2022.

    Args:
        music: the melody.
        lag: bars.
        of: "notes": onset, duration and pitch; "pitches": onset and pitch; "rhythm": onsets alone.
    """
    ids = bar_ids(sung(music), of)
    heard = ids[lag:] >= 0
    if not heard.any():
        raise Undefined(f"no bar after the first {lag} has notes")
    return float((ids[lag:] == ids[: max(len(ids) - lag, 0)])[heard].mean())


def best_return(music: Music, length: int = 8) -> float:
    """How well the stretch of bars that returns best equals what it returns to.

    Formula: the maximum over bars a and b >= a + length of the share of i < length for which bar b + i has
        notes and equals bar a + i
    Range: 0..1; not defined with fewer than 2 length bars, or without melody.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody.
        length: bars of a stretch.
    """
    piece = sung(music)
    if piece.bars < 2 * length:
        raise Undefined(f"it is shorter than {2 * length} bars")
    ids = bar_ids(piece, "pitches")
    best = 0
    for lag in range(length, piece.bars - length + 1):
        equal = (ids[lag:] == ids[:-lag]) & (ids[lag:] >= 0)
        total = np.concatenate([[0], np.cumsum(equal)])
        best = max(best, int((total[length:] - total[:-length]).max()))
    return best / length


def section_return(music: Music, of: Content = "pitches") -> float:
    """How many bars of a section that comes again equal the same bar of its first time.

    Formula: bars with notes in sections whose letter was there before, and not marked as varied, that equal
        the bar at the same place of the first section of that letter / such bars
    Range: 0..1; not defined where the form is not known or no section comes again.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody, or chords, and the form.
        of: as of `bar_return`; or "chords".
    """
    ids = bar_ids(piece_of(music), of)
    equal = [ids[first] == ids[again] for first, again in _returning_bars(piece_of(music)) if ids[again] >= 0]
    if not equal:
        raise Undefined("no section of it comes again" if piece_of(music).form else "its form is not known")
    return float(np.mean(equal))


def has_contrast(music: Music) -> float:
    """Whether sections with another letter differ from those before in melody or chords.

    Formula: 0 where all bars of a section with a new letter equal, in notes and chords, the bars at the same
        places of an earlier section with melody, else 1
    Range: 0 or 1; the mean over pieces is a share. Not defined where there is one letter only.
    Direction: closest to real music: a bridge that is the verse again is none.
    Source: this project.
    """
    piece = piece_of(music)
    notes, chords = bar_ids(piece, "pitches"), bar_ids(piece, "chords")
    sections = [section for section in piece.form if section.has_melody]
    new = [
        (index, section)
        for index, section in enumerate(sections)
        if index and section.name not in {other.name for other in sections[:index]}
    ]
    if not new:
        raise Undefined("it has one section only" if piece.form else "its form is not known")
    for index, section in new:
        own = slice(section.first_bar, section.end_bar)
        for other in sections[:index]:
            if other.bars < section.bars:
                continue
            same = slice(other.first_bar, other.first_bar + section.bars)
            if (notes[own] == notes[same]).all() and (chords[own] == chords[same]).all():
                return 0.0
    return 1.0


def _returning_bars(piece: Piece) -> list[tuple[int, int]]:
    """Pairs of a bar of the first section of a letter and the bar at its place in a literal return."""
    first: dict[str, Section] = {}
    pairs = []
    for section in piece.form:
        known = first.setdefault(section.name, section)
        if known is not section and not section.is_varied and section.has_melody:
            bars = min(known.bars, section.bars)
            pairs += [(known.first_bar + bar, section.first_bar + bar) for bar in range(bars)]
    return pairs


def is_stuck(music: Music, times: int = 4) -> float:
    """Whether a bar, or two bars, are heard so many times in a row without any change.

    Formula: 1 where times - 1 bars in a row equal the bar before them, or 2 (times - 1) bars in a row the bar
        two before, else 0
    Range: 0 or 1; the mean over pieces is a share. Not defined without melody.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody.
        times: how often they are heard.
    """
    ids = bar_ids(sung(music), "pitches")
    return float(run_of_equals(ids, 1) >= times - 1 or run_of_equals(ids, 2) >= 2 * (times - 1))


VAMPS = {1: 6, 2: 8, 4: 12}
"""By the bars of a pattern how many bars of it are a vamp."""


def longest_vamp(music: Music, length: int) -> float:
    """For how many bars the chords of so many bars come round without a change.

    Formula: length + the most bars in a row with the same chord on each beat as the bar `length` before; 0
        where no bar has them
    Range: 0, or above length to the bars of the piece; not defined without chords.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the chords.
        length: bars of what comes round.
    """
    piece = piece_of(music)
    if not len(piece.chord):
        raise Undefined(piece.no_chords)
    found = run_of_equals(bar_ids(piece, "chords"), length)
    return float(found + length if found else 0)


def is_vamp(music: Music) -> float:
    """Whether the chords are stuck: those of one, two or four bars come round without a change.

    Formula: 1 where `longest_vamp` of 1 bar is 6 bars or more, of 2 bars 8, or of 4 bars 12, else 0
    Range: 0 or 1; the mean over pieces is a share. Not defined without chords.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the chords.
    """
    return float(any(longest_vamp(music, length) >= bars for length, bars in VAMPS.items()))


def prime_taken_up(music: Music, prime_bars: int, of: Content = "pitches") -> float:
    """How many bars of a continuation repeat a bar of what it goes on from.

    Formula: bars b >= prime_bars with notes that equal any bar before prime_bars / bars b >= prime_bars with
        notes
    Range: 0..1; not defined where the continuation has no notes.
    Direction: closest to real music, whose first bars are taken for the prime.
    Source: this project.

    Args:
        music: prime and continuation as one piece.
        prime_bars: bars of the prime.
        of: as of `bar_return`.
    """
    ids = bar_ids(sung(music), of)
    after = ids[prime_bars:][ids[prime_bars:] >= 0]
    if not len(after):
        raise Undefined("the continuation has no notes")
    return float(np.isin(after, ids[:prime_bars]).mean())


GRAM = 4


def grams(piece: Piece, length: int = GRAM) -> np.ndarray:
    """The runs of so many notes of a melody, by intervals and time between onsets, whatever the key.

    Args:
        piece: the melody.
        length: notes of a run.

    Returns:
        int64 `[runs]`, equal numbers for equal runs; notes with more than two bars between them are in none.
    """
    step, later = np.diff(piece.pitch), np.diff(piece.onset)
    count = len(step) - length + 2
    if count < 1:
        return np.zeros(0, np.int64)
    moves = (step + 128) * 512 + np.minimum(later, 511)
    key = np.zeros(count, np.int64)
    near = np.ones(count, np.bool_)
    for place in range(length - 1):
        key = key * (1 << 17) + moves[place : place + count]
        near &= later[place : place + count] <= 2 * piece.meter.bar_ticks
    return key[near]


def numbered(runs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The runs of some pieces, int64 `[runs]` each, with 0, 1, 2, ... instead of their numbers."""
    _, small = np.unique(np.concatenate([*runs, np.zeros(0, np.int64)]), return_inverse=True)
    return np.split(small, np.cumsum([len(own) for own in runs])[:-1]) if len(runs) else []


def distinct_grams(runs: Sequence[np.ndarray]) -> float:
    """How many of the runs of notes of a set of pieces are different ones.

    Formula: distinct runs of 4 notes (3 intervals, 3 distances of onsets) / runs, all pieces together
    Range: above 0, to 1; 0 without any. It falls with the number of pieces: compare equal numbers.
    Direction: closest to real music.
    Source: Li et al., "A Diversity-Promoting Objective Function", NAACL 2016 (distinct n-grams).

    Args:
        runs: of each piece its runs, `numbered`.
    """
    found = np.concatenate([*runs, np.zeros(0, np.int64)])
    return float(np.count_nonzero(np.bincount(found))) / len(found) if len(found) else 0.0


def shared_grams(runs: Sequence[np.ndarray]) -> float:
    """Self-similarity of a set: how much of each piece stands in another piece.

    Formula: the mean over pieces of (runs of 4 notes that are also in another piece / runs of the piece)
    Range: 0..1; 0 without any. It grows with the number of pieces: compare equal numbers.
    Direction: closest to real music.
    Source: this project, after self-BLEU (Zhu et al., "Texygen", SIGIR 2018).

    Args:
        runs: of each piece its runs, `numbered`.
    """
    own = [part for part in runs if len(part)]
    if not own:
        return 0.0
    found = np.concatenate(own)
    piece = np.repeat(np.arange(len(own)), [len(part) for part in own])
    width = int(found.max()) + 1
    pairs = np.unique(piece * width + found)
    holders = np.bincount(pairs % width, minlength=width)
    shared = holders[found] > 1
    return float((np.bincount(piece, shared) / np.bincount(piece)).mean())


THRESHOLD = 0.8
"""Bars less similar than this are not the same: that is where similarity 0 lies."""
PENALTY = -1.0
_SCORE = 1 << 32  # a path family's score in units of 2^-16, path length and covered bars in one integer
_LENGTH = 1 << 16
_BELOW = -(1 << 60)


def sounding_chroma(music: Music) -> np.ndarray:
    """How many ticks of each bar every pitch class of the melody sounds, float64 `[bars, 12]`.

    A note counts for the bar in which it begins.
    """
    piece = piece_of(music)
    cells = piece.bar * 12 + piece.pitch % 12
    return np.bincount(cells, piece.duration, minlength=12 * piece.bars).reshape(-1, 12)


def chroma_ssm(music: Music) -> np.ndarray:
    """Similarity of bars for the scape plot, float64 `[bars, bars]`, 1 on the diagonal.

    Formula: c = cosine of the bars' chroma, two empty bars 1; (c - 0.8) / 0.2 where that is above 0, else -1
    """
    found = sounding_chroma(music)
    empty = ~found.any(axis=1)
    cosine = cosine_ssm(found)
    cosine[np.ix_(empty, empty)] = 1
    away = (cosine - THRESHOLD) / (1 - THRESHOLD)
    np.fill_diagonal(away, 1)
    return np.where(away > 0, np.minimum(away, 1), PENALTY)


def fitness_scape(ssms: np.ndarray) -> np.ndarray:
    """Fitness of every segment of some pieces.

    Formula: the best family of paths over a segment (steps (1,1), (1,2), (2,1); paths do not overlap) has
        score s, length l and covers c bars; with m = length of the segment, the normalised score is (s - m)
        / l, the normalised coverage (c - m) / bars, and fitness is their harmonic mean, 0 where nothing but
        the segment itself is found.
    Source: Mueller, Jiang and Grosche, "A Robust Fitness Measure for Capturing Repetitions in Music
        Recordings", IEEE TASLP 21(3), 2013.

    Args:
        ssms: `[pieces, bars, bars]`, 1 on the diagonal.

    Returns:
        float64 `[pieces, bars, bars]`: by length - 1 and first bar of the segment; 0 where it would leave
        the piece.
    """
    pieces, bars, _ = ssms.shape
    units = np.round(ssms * 2**16).astype(np.int64) * _SCORE + _LENGTH
    scape = np.zeros((pieces, bars, bars))
    for length in range(1, bars + 1):
        starts = bars - length + 1
        score, path, covered = _best_families(units, length)
        normal = np.maximum(0, (score - length) / np.maximum(path, 1))
        coverage = np.maximum(0, covered - length) / bars
        scape[:, length - 1, :starts] = 2 * normal * coverage / np.maximum(normal + coverage, 1e-12)
    return scape


def fitness_by_length(ssms: np.ndarray) -> np.ndarray:
    """The largest fitness of the segments of each length, 1 bar to all, `[pieces, bars]`."""
    return fitness_scape(ssms).max(axis=2)


def structureness(music: Music, shortest: int = 1, longest: int | None = None) -> float:
    """SI: how much of a piece is repetitions of its fittest segment of some length, on symbolic chroma by
    bars.

    Formula: the largest fitness over segments of shortest to longest bars, on the scape plot of the melody's
        chroma, one frame a bar (`fitness_scape`, `chroma_ssm`)
    Range: 0..1; not defined where the piece has no segment so long. Silence and one bar looped have the most.
    Direction: closest to real music.
    Source: Wu and Yang, "The Jazz Transformer on the Front Line", ISMIR 2020, there from audio and in
        seconds; here from notes, so the numbers do not compare.

    Args:
        music: the melody.
        shortest: segment, in bars.
        longest: segment, in bars; None: up to the whole piece.
    """
    piece = piece_of(music)
    if piece.bars < shortest:
        raise Undefined(f"it has fewer than {shortest} bars")
    return float(fitness_by_length(chroma_ssm(piece)[None])[0, shortest - 1 : longest].max())


def _best_families(units: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score, path length and covered bars of the best path family over each segment of a length.

    All three are carried in one integer through the dynamic programme, score first, so that a maximum of
    integers is the best family and, of equal ones, that of the longest path. Each `[pieces, starts]`.
    """
    pieces, bars, _ = units.shape
    starts = bars - length + 1
    inside = np.lib.stride_tricks.sliding_window_view(units, length, axis=2)  # [pieces, row, start, column]
    outside = np.zeros((pieces, starts), np.int64)  # best so far with no path open
    before = np.full((pieces, starts, length), _BELOW)  # ... with a path at this column, one row up
    further = before.copy()  # ... two rows up
    for row in range(bars):
        now = np.full((pieces, starts, length), _BELOW)
        now[..., 0] = outside + 1
        if length > 1:
            np.maximum(before[..., :-1] + 1, further[..., :-1] + 2, out=now[..., 1:])
        if length > 2:
            np.maximum(now[..., 2:], before[..., :-2] + 1, out=now[..., 2:])
        now += inside[:, row]
        outside = np.maximum(outside, now[..., -1])
        before, further = now, before
    score = outside // _SCORE
    rest = outside - score * _SCORE
    return score / 2**16, rest // _LENGTH, rest % _LENGTH
