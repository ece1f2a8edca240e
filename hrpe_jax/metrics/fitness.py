"""Structureness: how well the best repeated segment of a piece explains it, from a fitness scape plot.

This is the method of audio analysis on symbolic chroma, and its numbers compare with no number computed from
audio.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.metrics.arrays import Music, Undefined, piece_of
from hrpe_jax.metrics.structure import cosine_ssm

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
