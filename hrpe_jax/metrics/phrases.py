"""Phrases of a melody: where it breathes, how long it goes on without, and how many rhythms a phrase has.

A phrase ends at a note after which the melody rests for a beat or more, or from which the next note begins two
beats later or more: there a singer can breathe. No file has to say where phrases are, so the same rule holds
for real songs and for generated pieces. A rest and a long note inside a phrase are taken for its end, which is
why all numbers here are compared with the same number for real music.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.metrics.arrays import Music, Piece, Undefined, sung
from hrpe_jax.metrics.bars import bar_ids

REST_BEATS, LONG_BEATS = 1, 2
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
    """Ticks at which phrases end, int64, increasing: where the rest begins, or the long note.

    The end of the piece is not among them.
    """
    ends = ending_notes(piece)[:-1]
    rest = piece.onset[ends + 1] - piece.onset[ends] - piece.duration[ends]
    rests = rest >= REST_BEATS * piece.meter.beat_ticks
    return piece.onset[ends] + np.where(rests, piece.duration[ends], 0)


def first_bars(piece: Piece) -> np.ndarray:
    """Bars in which phrases begin, int64, increasing.

    A phrase that begins in the second half of a bar is taken for a pickup to the next bar.
    """
    ends = ending_notes(piece)
    if not len(ends):
        return np.zeros(0, np.int64)
    first = np.append(0, ends[:-1] + 1)
    bar = piece.bar[first] + (2 * piece.offset[first] > piece.meter.bar_ticks)
    return np.unique(bar[bar < piece.bars])


def longest_stretch(music: Music) -> float:
    """How many bars the melody goes on at most without the end of a phrase.

    Formula: the largest distance between ends of phrases that follow each other, the beginning and the end of
        the piece among them, divided by the length of a bar. A phrase ends where a rest of one beat or more
        begins, or at the onset of a note that is followed two beats later or after.
    Range: above 0, to the bars of the piece; not defined without melody.
    Direction: closest to real music.
    Source: this project.
    """
    piece = sung(music)
    end = int(piece.lengths.sum())
    return float(np.diff(np.concatenate([[0], breaths(piece), [end]])).max()) / piece.meter.bar_ticks


def is_breathless(music: Music, bars: int = 8) -> float:
    """Whether the melody goes on for more than so many bars without the end of a phrase.

    Formula: 1 where `longest_stretch` is above `bars`, else 0
    Range: 0 or 1; the mean over pieces is a share. Not defined without melody.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody.
        bars: how many a singer may go on for.
    """
    return float(longest_stretch(music) > bars)


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
    ends, bar = breaths(piece), piece.meter.bar_ticks
    at = piece.starts[lines]
    first = np.searchsorted(ends, at - bar, side="left")
    behind = np.searchsorted(ends, at + bar // 8, side="left")
    return float((behind > first).mean())


def rhythm_variety(music: Music, bars: int = 4) -> float:
    """How many different rhythms the bars of a phrase have.

    Formula: the mean over groups of so many bars of (distinct sets of onsets in the bar / bars with notes);
        groups with fewer than two bars with notes are left out
    Range: above 0, to 1 (no rhythm comes twice in a phrase); not defined without such a group.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody, from the beginning of a section.
        bars: of a phrase.
    """
    ids = bar_ids(sung(music), "rhythm")
    groups = [ids[first : first + bars] for first in range(0, len(ids) - bars + 1, bars)]
    heard = [group[group >= 0] for group in groups]
    shares = [len(np.unique(group)) / len(group) for group in heard if len(group) > 1]
    if not shares:
        raise Undefined(f"it has no {bars} bars with notes in two of them")
    return float(np.mean(shares))
