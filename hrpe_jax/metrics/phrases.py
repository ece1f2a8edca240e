"""Phrases of a melody: where it breathes, how long it goes on without, how many rhythms a phrase has.

A phrase ends at a note after which the melody rests for half a beat or more, or from which the next note
begins two beats later or more: there a singer can breathe. No file has to say where phrases are, so the same
rule holds for real songs and for generated pieces. A rest and a long note inside a phrase are taken for its
end, which is why all numbers here are compared with the same number for real music.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.metrics.arrays import Music, Piece, Undefined, sung
from hrpe_jax.metrics.bars import bar_ids

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
