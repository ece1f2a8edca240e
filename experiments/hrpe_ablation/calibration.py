"""Whether probabilities mean what they say: predictions in bins by the probability of the likeliest class."""

from __future__ import annotations

import numpy as np

BINS = 10
KINDS = ("count", "confidence", "hit")


class Calibration:
    """By bin: predictions, the sum of their likeliest class's probability, and how many of those came."""

    def __init__(self) -> None:
        self._sums = np.zeros((len(KINDS), BINS))

    def add(self, confidence: np.ndarray, hit: np.ndarray, count: np.ndarray | float = 1.0) -> None:
        """Adds predictions, arrays of any equal shape; those with ``count`` 0 do not count."""
        confidence, hit, count = (np.ravel(x) for x in np.broadcast_arrays(confidence, hit, count))
        which = np.minimum((confidence * BINS).astype(int), BINS - 1)
        for row, weight in zip(self._sums, (count, confidence * count, hit * count), strict=True):
            row += np.bincount(which, weight, BINS)

    def to_dict(self) -> dict[str, list[float]]:
        """Plain values for a record."""
        return {kind: [plain(x) for x in row] for kind, row in zip(KINDS, self._sums, strict=True)}


def plain(value: float) -> float:
    """Counts as whole numbers, sums to a ten-thousandth."""
    return int(value) if float(value).is_integer() else round(float(value), 4)
