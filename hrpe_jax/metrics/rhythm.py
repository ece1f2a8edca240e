"""How the bars of a melody relate: fullness, groove, and the pitch classes they use.

None of these is better when higher: compare with the same number on real music.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from hrpe_jax.score.score import Score


def full_bar_share(score: Score) -> float:
    """Share of bars that are as long as the meter says, 0..1; a bar is shorter where a reset cuts it.

    The last bar counts as full. nan for an empty score.
    """
    starts = score.bar_starts()
    if not starts:
        return float("nan")
    lengths = [after - start for start, after in pairwise(starts)]
    return (1 + sum(length == score.meter.bar_ticks for length in lengths)) / len(starts)


def onset_matrix(score: Score, positions: int | None = None) -> np.ndarray:
    """Which grid positions of each bar a melody note begins at, bool `[bars, positions]`.

    Args:
        score: The melody. positions: Grid positions to a bar; None takes one for every tick. Onsets between
        them go to the one before.
    """
    ticks = score.meter.bar_ticks
    positions = positions or ticks
    starts = np.asarray(score.bar_starts(), np.int64)
    onsets = np.asarray([note.onset for note in score.melody], np.int64)
    matrix = np.zeros((len(starts), positions), np.bool_)
    bars = np.searchsorted(starts, onsets, side="right") - 1
    matrix[bars, (onsets - starts[bars]) * positions // ticks] = True
    return matrix


def grooving_similarity(onsets: np.ndarray) -> float:
    """GS: how alike the onset patterns of the bars of a piece are, the mean over all pairs of bars.

    GS(a, b) = 1 - (1/Q) sum_q XOR(O[a, q], O[b, q]). It grows with Q: report the grid with the number.

    Args:
        onsets: bool `[bars, positions]`, see `onset_matrix`.

    Returns:
        0..1; nan with fewer than two bars.

    References:
        Wu and Yang, "The Jazz Transformer on the front line", ISMIR 2020 (Q = 64 there, at most 1,000 random
        pairs).
    """
    bars, positions = onsets.shape
    if bars < 2:
        return float("nan")
    # Summed per position: k onsets among B bars differ in k (B - k) of the pairs.
    count = onsets.sum(axis=0, dtype=np.int64)
    return 1 - float((count * (bars - count)).sum()) / (positions * bars * (bars - 1) / 2)


def pitch_class_entropy(score: Score, bars: int = 1) -> float:
    """H1, H4: mean entropy in bits of the pitch classes in windows of so many bars, 0..log2 12.

    H = - sum_c h_c log2 h_c over note counts h by onset; windows begin at every bar, those without notes are
    skipped.

    References:
        Wu and Yang, "The Jazz Transformer on the front line", ISMIR 2020.
    """
    starts = np.asarray(score.bar_starts(), np.int64)
    histogram = np.zeros((len(starts), 12))
    onsets = np.asarray([note.onset for note in score.melody], np.int64)
    classes = np.asarray([note.pitch % 12 for note in score.melody], np.int64)
    np.add.at(histogram, (np.searchsorted(starts, onsets, side="right") - 1, classes), 1)
    entropies = []
    for first in range(len(starts) - bars + 1):
        counts = histogram[first : first + bars].sum(axis=0)
        if counts.any():
            share = counts[counts > 0] / counts.sum()
            entropies.append(-float((share * np.log2(share)).sum()))
    return float(np.mean(entropies)) if entropies else float("nan")
