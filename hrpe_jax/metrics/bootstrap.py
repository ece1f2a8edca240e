"""Intervals for means over pieces, and the drawing of equal sets of pieces for distances between sets.

A distance between two finite sets of pieces is above zero even where both are of the same kind, by an amount
that depends on how many there are: the floor. So all distances are taken between sets of the same number of
pieces n, and real music is measured against other real music: each draw parts the reference at random into a
yardstick of n pieces and, disjoint from it, n pieces from which the controls are made.

Resampling a set with replacement, as for the generated pieces, adds that noise once more. Its replicates are
therefore shifted to have the value itself as their mean; their spread is the interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
_CHUNK = 4_000_000  # indices drawn at a time


def mean_interval(values: np.ndarray, draws: int, seed: int) -> tuple[float, float]:
    """Bootstrap percentile interval of a mean over pieces, 95 %.

    Args:
        values: `[pieces]`, two or more.
        draws: resamples with replacement.
        seed: equal seeds and numbers of pieces give equal resamples.
    """
    rng = np.random.default_rng([seed, len(values)])
    rows = max(1, _CHUNK // len(values))
    means = [
        values[rng.integers(0, len(values), (min(rows, draws - done), len(values)))].mean(axis=1)
        for done in range(0, draws, rows)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Draws:
    """Which pieces take part in each draw.

    Attributes:
        yardstick: int64 `[draws, n]`, pieces of the reference.
        held_out: int64 `[draws, n]`, pieces of the reference, none of the same draw's yardstick.
        generated: int64 `[draws, n]`, pieces of the generated set, with replacement.
        subset: int64 `[draws, n]`, pieces of the generated set, without.
    """

    yardstick: np.ndarray
    held_out: np.ndarray
    generated: np.ndarray
    subset: np.ndarray

    @property
    def n(self) -> int:
        """Pieces in each set."""
        return self.yardstick.shape[1]

    @classmethod
    def make(cls, reference: int, generated: int, draws: int, seed: int) -> Draws:
        """Draws of n = min(generated, reference // 2) pieces, or reference // 2 where nothing was
        generated."""
        rng = np.random.default_rng([seed, reference, generated])
        n = min(generated or reference, reference // 2)
        parted = np.argsort(rng.random((draws, reference), np.float32), axis=1)
        chosen = np.argsort(rng.random((draws, generated), np.float32), axis=1)[:, :n]
        again = rng.integers(0, generated, (draws, n)) if generated else chosen
        return cls(parted[:, :n], parted[:, n : 2 * n], again, chosen)


def weights(indices: np.ndarray, pieces: int) -> np.ndarray:
    """How much each piece counts in the mean of a draw, float32 `[draws, pieces]`, each row summing to 1."""
    draws, n = indices.shape
    flat = indices + np.arange(draws)[:, None] * pieces
    return (np.bincount(flat.ravel(), minlength=draws * pieces) / n).reshape(draws, pieces).astype(np.float32)


def summary(values: np.ndarray, resampled: np.ndarray | None = None) -> dict[str, float]:
    """A distance's value, the mean over draws, and its 95 % interval.

    Args:
        values: `[draws]`.
        resampled: `[draws]` of the same with replacement, whose spread around its mean is the interval; None
            takes that of the values.
    """
    value = float(values.mean())
    spread = values if resampled is None else resampled - resampled.mean() + value
    low, high = np.quantile(spread, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": value, "low": max(0.0, min(float(low), value)), "high": max(float(high), value)}
