"""What comes back in a tune: bars that return, whole phrases that return, sections, and loops that never stop.

Bars are equal where the same notes begin at the same places with the same lengths; equal in rhythm where notes
begin at the same places. Nothing here is better when higher: a tune in which every bar returns is a loop.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.metrics.arrays import Music, Undefined, sung
from hrpe_jax.metrics.bars import Content, bar_ids, bar_similarity


def bar_return(music: Music, lag: int, of: Content = "notes") -> float:
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

    Formula: the maximum over bars a and b >= a + length of the mean over i < length of J(a + i, b + i), J =
        the share of (onset in the bar, pitch, duration) that two bars have in common, two empty bars 0
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
    return stretch_similarity(bar_similarity(piece, "notes"), length)


def stretch_similarity(ssm: np.ndarray, length: int) -> float:
    """The largest mean over `length` places along a diagonal of an SSM, at lags of `length` and more."""
    best = 0.0
    for lag in range(length, len(ssm) - length + 1):
        total = np.concatenate([[0.0], np.cumsum(np.diagonal(ssm, lag), dtype=np.float64)])
        best = max(best, float((total[length:] - total[:-length]).max()) / length)
    return best


def loop_length(ids: np.ndarray, lag: int) -> int:
    """How many bars in a row, at most, equal the bar `lag` before; `ids` of `bar_ids`, empty bars break it."""
    best = current = 0
    for index in range(lag, len(ids)):
        current = current + 1 if ids[index] >= 0 and ids[index] == ids[index - lag] else 0
        best = max(best, current)
    return best


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
    ids = bar_ids(sung(music), "notes")
    return float(loop_length(ids, 1) >= times - 1 or loop_length(ids, 2) >= 2 * (times - 1))


def prime_taken_up(music: Music, prime_bars: int, of: Content = "notes") -> float:
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
