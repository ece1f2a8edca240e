"""Phrases, endings and range of a melody: where it breathes, how it begins and ends, how high it lies.

A phrase ends at a note after which the melody rests for half a beat or more, or from which the next note
begins two beats later or more: there a singer can breathe. No file has to say where phrases are, so the same
rule holds for real songs and for generated pieces. A rest and a long note inside a phrase are taken for its
end, which is why all numbers here are compared with the same number for real music.

Generated pieces begin with their first bar and so must the excerpts of songs: each begins where a section or
a phrase begins. All bars of an excerpt are as long as the meter says.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from hrpe_jax.metrics.arrays import Music, Piece, Undefined, cut, piece_of, sung
from hrpe_jax.metrics.structure import bar_ids, chord_at

REST_BEATS, LONG_BEATS = 0.5, 2
"""A rest of so many beats, or a next onset so many beats later, ends a phrase."""


def ending_notes(piece: Piece) -> np.ndarray:
    """Indices of the notes that end phrases, int64; the last note of the piece is among them."""
    if not len(piece.onset):
        return np.zeros(0, np.int64)
    beat = piece.meter.beat_ticks
    later = np.diff(piece.onset)
    rest = later - piece.duration[:-1]
    ends = (rest >= REST_BEATS * beat) | (later >= LONG_BEATS * beat)
    return np.flatnonzero(np.append(ends, True))


def breaths(piece: Piece) -> np.ndarray:
    """Ticks at which phrases end, int64, increasing: the onset of a note of two beats or more, else its end.

    The end of the last phrase is among them.
    """
    ends = ending_notes(piece)
    held = piece.duration[ends] >= LONG_BEATS * piece.meter.beat_ticks
    return piece.onset[ends] + np.where(held, 0, piece.duration[ends])


def first_notes(piece: Piece) -> np.ndarray:
    """Indices of the notes that begin phrases, int64."""
    ends = ending_notes(piece)
    return np.append(0, ends[:-1] + 1)[: len(ends)]


def first_bars(piece: Piece) -> np.ndarray:
    """Bars in which phrases begin, int64, increasing.

    A phrase that begins in the second half of a bar is taken for a pickup to the next bar.
    """
    first = first_notes(piece)
    bar = piece.bar[first] + (2 * piece.offset[first] > piece.meter.bar_ticks)
    return np.unique(bar[bar < piece.bars])


def longest_phrase(music: Music) -> float:
    """How many bars the melody goes on at most without a place to breathe.

    Formula: the maximum over phrases of (end - onset of its first note) / length of a bar. A phrase ends at a
        note before a rest of half a beat or more, or before an onset two beats later or more; its end is the
        end of that note, or its onset where it lasts two beats.
    Range: 0 and up, to the bars of the piece; not defined without melody.
    Direction: closest to real music.
    Source: this project.
    """
    piece = sung(music)
    return float((breaths(piece) - piece.onset[first_notes(piece)]).max()) / piece.meter.bar_ticks


def is_breathless(music: Music, bars: int = 8) -> float:
    """Whether the melody goes on for more than so many bars without the end of a phrase.

    Formula: 1 where `longest_phrase` is above `bars`, else 0
    Range: 0 or 1; the mean over pieces is a share. Not defined without melody.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody.
        bars: how many a singer may go on for.
    """
    return float(longest_phrase(music) > bars)


def ends_at_lines(music: Music, bars: int = 4) -> float:
    """How many of the lines of a tune, so many bars each, end with the end of a phrase.

    Formula: bar lines b = n, 2n, ... inside the piece with the end of a phrase between one bar before and an
        eighth of a bar after / those lines before which a note begins in the bar before
    Range: 0..1; not defined where the piece has no such line.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody, from the beginning of a section.
        bars: n.
    """
    piece = sung(music)
    lines = np.arange(bars, piece.bars, bars)
    lines = lines[np.isin(lines - 1, piece.bar)]
    if not len(lines):
        raise Undefined(f"it has no line of {bars} bars before its end")
    ends, bar = breaths(piece)[:-1], piece.meter.bar_ticks
    at = piece.starts[lines]
    first = np.searchsorted(ends, at - bar, side="left")
    behind = np.searchsorted(ends, at + bar // 8, side="left")
    return float((behind > first).mean())


def rhythm_variety(music: Music, bars: int = 16) -> float:
    """How many different rhythms the bars of a stretch have.

    Formula: the mean over stretches of so many bars, one behind the other, of (distinct sets of onsets in the
        bar / bars with notes); stretches with fewer than two bars with notes are left out
    Range: above 0, to 1 (no rhythm comes twice); not defined without such a stretch.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody, from the beginning of a section.
        bars: of a stretch.
    """
    ids = bar_ids(sung(music), "rhythm")
    groups = [ids[first : first + bars] for first in range(0, len(ids) - bars + 1, bars)]
    heard = [group[group >= 0] for group in groups]
    shares = [len(np.unique(group)) / len(group) for group in heard if len(group) > 1]
    if not shares:
        raise Undefined(f"it has no {bars} bars with notes in two of them")
    return float(np.mean(shares))


WHOLE = 1.5
"""A piece of fewer than so many windows is taken for one, from its first full bar on."""


def excerpts(music: Music, bars: int) -> list[Piece]:
    """Excerpts of so many bars of a piece, one behind the other, none overlapping.

    A piece that is hardly longer than the window gives one, from its first full bar. Of a longer one, each
    begins at the first section with melody (where the form is not known, the first phrase,
    `phrases.first_bars`) from which so many full bars follow.

    Args:
        music: the piece.
        bars: of each excerpt.

    Returns:
        Pieces of `bars` bars with a note in at least half of them; none where the piece is too short.
    """
    piece = piece_of(music)
    full = piece.lengths == piece.meter.bar_ticks
    if not full.any():
        return []
    if full.sum() < WHOLE * bars:
        first = int(np.argmax(full))
        return [cut(piece, first, bars)] if piece.bars - first >= bars else []
    heard = np.bincount(piece.bar, minlength=piece.bars) > 0
    found, behind = [], 0
    sections = [section.first_bar for section in piece.form if section.has_melody]
    for first in sections or first_bars(piece).tolist():
        stop = first + bars
        if first < behind or stop > piece.bars or not full[first:stop].all():
            continue
        if 2 * heard[first:stop].sum() < bars:
            continue
        found.append(cut(piece, first, bars))
        behind = stop
    return found


_TRIAD = {"major": (0, 4, 7), "minor": (0, 3, 7)}
HELD_BEATS = 2
LAST_BARS, IN_KEY = 16, 0.9
"""POP909's songs with one key throughout have 0.95 or more of their last 16 bars in its scale; of those that
change their key, four in five have less than this."""


def begins_at_once(music: Music) -> float:
    """Whether the melody begins in the first bar, or in a pickup to it.

    Formula: 1 where a note begins before the end of the first full bar, else 0
    Range: 0 or 1; the mean over pieces is a share. Not defined without melody.
    Direction: closest to real music.
    Source: this project.
    """
    piece = sung(music)
    full = np.flatnonzero(piece.lengths == piece.meter.bar_ticks)
    return float(piece.bar[0] <= (full[0] if len(full) else 0))


def beats_before_melody(music: Music) -> float:
    """How many beats pass before the first note of the melody.

    Formula: onset of the first note / length of a beat
    Range: 0 and up; not defined without melody.
    Direction: closest to real music.
    Source: this project.
    """
    piece = sung(music)
    return float(piece.onset[0]) / piece.meter.beat_ticks


Final = Literal["note", "triad", "chord", "held"]


def final_note(music: Music, what: tuple[Final, ...] = ("note",)) -> float:
    """Whether the last note of the melody ends the piece.

    Formula: 1 where all that is asked holds, else 0. "note": its pitch class is the tonic. "triad": it is in
        the tonic triad. "chord": the chord under its end, or the last one before, has the tonic as its root.
        "held": it lasts two beats or more.
    Range: 0 or 1; the mean over pieces is a share. Not defined without melody, without chords for "chord",
        and for songs that end in another key than their own: where less than 0.9 of the last 16 bars is in
        the scale.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: melody, chords and key.
        what: what must hold.
    """
    piece = sung(music)
    if what != ("held",) and _in_key_at_end(piece) < IN_KEY:
        raise Undefined("it ends in another key than its own")
    degree = int(piece.pitch[-1] - piece.tonic) % 12
    holds = {
        "note": degree == 0,
        "triad": degree in _TRIAD[piece.mode],
        "held": bool(piece.duration[-1] >= HELD_BEATS * piece.meter.beat_ticks),
    }
    if "chord" in what:
        if not len(piece.chord):
            raise Undefined(piece.no_chords)
        under = np.searchsorted(piece.chord_onset, piece.onset[-1] + piece.duration[-1], side="left") - 1
        holds["chord"] = int(piece.chord[max(under, 0)]) % 12 == piece.tonic
    return float(all(holds[name] for name in what))


def cadence_share(music: Music, degree: int, at: Literal["begin", "end"]) -> float:
    """How many phrases begin, or end, over a chord of this degree.

    Formula: phrases whose first (last) note begins over a chord whose root is so many semitones above the
        tonic / phrases whose first (last) note begins over a chord
    Range: 0..1; not defined where no such note is over a chord.
    Direction: closest to real music.
    Source: this project; phrases by `phrases.ending_notes`.

    Args:
        music: melody, chords and key.
        degree: semitones of the chord's root above the tonic: 0 is I, 7 is V.
        at: the first or the last note of phrases.
    """
    piece = sung(music)
    notes = first_notes(piece) if at == "begin" else ending_notes(piece)
    roots = chord_at(piece, piece.onset[notes])
    roots = roots[roots >= 0] % 12
    if not len(roots):
        raise Undefined("no phrase is over a chord" if len(piece.chord) else piece.no_chords)
    return float(((roots - piece.tonic) % 12 == degree).mean())


def _in_key_at_end(piece: Piece) -> float:
    """How much of the melody's last bars, by duration, is in the scale."""
    last = piece.bar > piece.bar[-1] - LAST_BARS
    return float(np.average(piece.scale[piece.pitch[last] % 12], weights=piece.duration[last]))


OCTAVE = 12


def range_semitones(music: Music) -> float:
    """How many semitones lie between the lowest and the highest note of a melody.

    Formula: max pitch - min pitch
    Range: 0..127 semitones; not defined without melody. It grows with the length.
    Direction: closest to real music.
    Source: the pitch range of Dong et al., "MusPy", ISMIR 2020.

    Example:
        >>> from hrpe_jax.score.score import Note, Score
        >>> from hrpe_jax.theory.key import Key
        >>> from hrpe_jax.theory.meter import Meter
        >>> melody = (Note(0, 24, 60), Note(24, 24, 67))
        >>> range_semitones(Score("a", "A", Key.parse("C major"), Meter(4, 4), 120.0, melody, ()))
        7.0
    """
    return float(np.ptp(sung(music).pitch))


def is_wide(music: Music, octaves: int = 2) -> float:
    """Whether a melody spans so many octaves or more.

    Formula: 1 where max pitch - min pitch >= 12 octaves, else 0
    Range: 0 or 1; the mean over pieces is a share. Not defined without melody.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody.
        octaves: few voices have two.
    """
    return float(range_semitones(music) >= OCTAVE * octaves)


def register_drift(music: Music) -> float:
    """How far the register moves from bar to bar.

    Formula: standard deviation over the bars with notes of the mean pitch of their notes
    Range: 0 semitones and up; not defined without melody.
    Direction: closest to real music.
    Source: this project.
    """
    piece = sung(music)
    count = np.bincount(piece.bar, minlength=piece.bars)
    total = np.bincount(piece.bar, piece.pitch, minlength=piece.bars)
    return float((total[count > 0] / count[count > 0]).std())


def median_pitch(music: Music) -> float:
    """The middle of the melody's pitches.

    Formula: median of the MIDI numbers of its notes
    Range: 0..127; not defined without melody.
    Direction: closest to real music.
    Source: this project.
    """
    return float(np.median(sung(music).pitch))
