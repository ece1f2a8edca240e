"""Intervals for means over pieces, and distances between sets of equally many pieces.

Every function here gives one number a draw (see `Draws`), all against the same yardsticks, so that
the rows of a table can be compared draw by draw.

A distance between two finite sets of pieces is above zero even where both are of the same kind, by an amount
that depends on how many there are: the floor. So all distances are taken between sets of the same number of
pieces n, and real music is measured against other real music: each draw parts the reference at random into a
yardstick of n pieces and, disjoint from it, n pieces from which the controls are made.

Resampling a set with replacement, as for the generated pieces, adds that noise once more. Its replicates are
therefore shifted to have the value itself as their mean; their spread is the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from hrpe_jax.metrics.structure import lag_curve, mean_distances

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
        generated.

        Args:
            reference: how many real pieces there are.
            generated: how many generated ones.
            draws: how many draws.
            seed: of them.
        """
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


GENERATED = "generated"


@dataclass(frozen=True)
class Distance:
    """The distances of one set.

    Attributes:
        values: `[draws]`; their mean is the value.
        resampled: `[draws]`, the same with the set resampled with replacement, for the interval; None where
            the values themselves show how much chance is in them.
    """

    values: np.ndarray
    resampled: np.ndarray | None = None


def value_distances(draws: Draws, reference: np.ndarray, values: np.ndarray, generated: bool) -> Distance:
    """Wasserstein distance of one number a piece: the mean difference of the sorted numbers of both sets.

    Args:
        draws: for as many pieces.
        reference: `[reference]`.
        values: `[generated]`, or of a control, one for each piece of the reference.
        generated: which of both.
    """
    yardstick = np.sort(reference[draws.yardstick], axis=1)

    def away(indices: np.ndarray) -> np.ndarray:
        return np.abs(np.sort(values[indices], axis=1) - yardstick).mean(axis=1)

    if generated:
        return Distance(away(draws.subset), away(draws.generated))
    return Distance(away(draws.held_out))


class PairSums:
    """How far apart the SSMs of two pieces are: sums of |S_ij - S'_ij| over i < j, of every set with the
    reference and with itself.

    Args:
        ssms: as of `SsmDistances`.
        workers: threads.
    """

    def __init__(self, ssms: Mapping[str, np.ndarray], workers: int = 2) -> None:
        rows = next(iter(ssms.values())).shape[1]
        first, second = np.triu_indices(rows, 1)
        # Apart, so that the distances with the empty bar and those without come from one pass.
        parts = [(first[which], second[which]) for which in (second < rows - 1, second == rows - 1)]
        jobs = [(name, other) for name in ssms for other in dict.fromkeys(("real", name))]

        def add_up(job: tuple[str, str]) -> tuple[np.ndarray, ...]:
            x, y = (ssms[name] for name in job)
            return tuple(len(i) * mean_distances(x[:, i, j], y[:, i, j]) for i, j in parts)

        with ThreadPoolExecutor(workers) as pool:
            self._sums = dict(zip(jobs, pool.map(add_up, jobs), strict=True))

    def of(self, name: str, other: str, silence: bool) -> np.ndarray:
        """Of two sets, `[pieces of the first, of the second]`; with the empty bar or without.

        Args:
            name: of the first set.
            other: of the second.
            silence: whether bars are compared with the empty bar too.
        """
        bars, empty = self._sums[name, other]
        return bars + empty if silence else bars


class SsmDistances:
    """SSMD, similarity error and energy distance of sets of SSMs.

    Args:
        draws: for as many pieces.
        ssms: by set, float32 `[pieces, bars + 1, bars + 1]`, the last row that of an empty bar; "real" is the
            reference; all others but "generated" have a piece for each of its pieces.
        silence: whether the empty bar counts.
    """

    def __init__(self, draws: Draws, ssms: Mapping[str, np.ndarray], silence: bool) -> None:
        self.silence = silence
        self.rows = next(iter(ssms.values())).shape[1] - (not silence)
        above = np.triu_indices(self.rows, 1)
        self._above = above
        self._entries = {name: np.ascontiguousarray(ssm[:, above[0], above[1]]) for name, ssm in ssms.items()}
        # The diagonals are equal, and every pair (i, j) comes twice.
        self._scale = 100 * 2 / self.rows**2
        self._lags = _lag_weights(self.rows, silence)
        pieces = len(self._entries["real"])
        self._yardstick = weights(draws.yardstick, pieces)
        self._held_out = weights(draws.held_out, pieces)
        if GENERATED in ssms:
            count = len(self._entries[GENERATED])
            self._subset, self._resampled = weights(draws.subset, count), weights(draws.generated, count)
        self._yardstick_mean = self._yardstick @ self._entries["real"]

    def ssmd(self) -> dict[str, Distance]:
        """`structure.statistical_ssmd` of every set."""
        return self._of_means(lambda away: self._scale * np.abs(away).sum(axis=1))

    def similarity_error(self) -> dict[str, Distance]:
        """`structure.similarity_error` of every set."""
        return self._of_means(lambda away: np.abs(away @ self._lags).mean(axis=1))

    def energy(self, sums: PairSums) -> tuple[dict[str, Distance], dict[str, np.ndarray]]:
        """`structure.energy_distance` of every set; and how far the SSM of each piece is from real ones.

        Args:
            sums: of the same SSMs.

        Returns:
            The distances; and by set the mean distance of each piece's SSM from those of the reference, of a
            piece of the reference from the others: 100 mean |S_ij - S'_ij|.
        """
        real = self._entries["real"]
        names = list(self._entries)
        across = {name: self._scale * sums.of(name, "real", self.silence) for name in names}
        within = {name: self._scale * sums.of(name, name, self.silence) for name in names}
        own = _quadratic(self._yardstick, within["real"], self._yardstick)

        def away(name: str, weight: np.ndarray) -> np.ndarray:
            between = _quadratic(weight, across[name], self._yardstick)
            return np.maximum(0, 2 * between - _quadratic(weight, within[name], weight) - own)

        result = {}
        for name in names:
            if name == GENERATED:
                result[name] = Distance(away(name, self._subset), away(name, self._resampled))
            else:
                result[name] = Distance(away(name, self._held_out))
        mean = {name: matrix.mean(axis=1) for name, matrix in across.items()}
        if len(real) > 1:
            mean["real"] = across["real"].sum(axis=1) / (len(real) - 1)
        return result, mean

    def _of_means(self, measure: Callable[[np.ndarray], np.ndarray]) -> dict[str, Distance]:
        result = {}
        for name, entries in self._entries.items():
            if name == GENERATED:
                both = (self._subset @ entries, self._resampled @ entries)
                result[name] = Distance(*(measure(mean - self._yardstick_mean) for mean in both))
            else:
                result[name] = Distance(measure(self._held_out @ entries - self._yardstick_mean))
        return result


def _lag_weights(rows: int, silence: bool) -> np.ndarray:
    """The linear map from the entries above the diagonal to `structure.lag_curve`, `[entries, rows - 1]`."""
    above = np.triu_indices(rows, 1)
    unit = np.zeros((len(above[0]), rows, rows), np.float32)
    entry = np.arange(len(above[0]))
    unit[entry, above[0], above[1]] = unit[entry, above[1], above[0]] = 1
    return lag_curve(unit, silence)


def _quadratic(left: np.ndarray, matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """sum_ij left_i matrix_ij right_j of every row of the weights."""
    return np.einsum("di,di->d", left @ matrix, right)
