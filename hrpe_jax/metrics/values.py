"""The number that each metric gives each piece of each set, with the reasons where it gives none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from hrpe_jax.metrics import fitness
from hrpe_jax.metrics.arrays import Piece, Undefined
from hrpe_jax.metrics.registry import Metric
from hrpe_jax.metrics.structure import paired_ssmds

NO_MELODY = "it has no melody"
_BATCH = 32


@dataclass(frozen=True)
class Values:
    """One metric on one set.

    Attributes:
        number: float64 `[pieces]`, 0 where it has none.
        defined: bool `[pieces]`.
        reasons: why not, and for how many pieces.
    """

    number: np.ndarray
    defined: np.ndarray
    reasons: Mapping[str, int]

    @property
    def known(self) -> np.ndarray:
        """The numbers of those pieces that have one, `[defined pieces]`."""
        return self.number[self.defined]

    def among(self, places: Sequence[int], pieces: int, reason: str) -> Values:
        """The values of a larger set, in which these pieces have these places and the others no value."""
        number, defined = np.zeros(pieces), np.zeros(pieces, np.bool_)
        number[places], defined[places] = self.number, self.defined
        others = {reason: pieces - len(places)} if pieces > len(places) else {}
        return Values(number, defined, {**self.reasons, **others})


def measure(
    metric: Metric, pieces: Sequence[Piece], targets: Sequence[Piece] | None = None, silent: bool = False
) -> Values:
    """A metric of kind "piece", or "pair" with a target for each piece.

    Args:
        metric: one of the registry.
        pieces: windows.
        targets: as many, for kind "pair".
        silent: whether pieces without melody are meant to be (the control): rhythm and structure, which
            silence has too, are then measured.
    """
    number, defined, reasons = np.zeros(len(pieces)), np.zeros(len(pieces), np.bool_), Counter[str]()
    for index, piece in enumerate(pieces):
        try:
            if not (len(piece.onset) or silent) and metric.group in ("rhythm", "structure"):
                raise Undefined(NO_MELODY)
            arguments = (piece,) if targets is None else (piece, targets[index])
            number[index] = metric.function(*arguments, **metric.options)
            defined[index] = True
        except Undefined as reason:
            reasons[str(reason)] += 1
    return Values(number, defined, dict(reasons))


class PairedSsmds:
    """Paired SSMD of sets of pieces, both norms in one pass."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[float, float]] = {}

    def __call__(self, piece: Piece, target: Piece, norm: str) -> float:
        """`structure.paired_ssmd`; the pieces must outlive this."""
        key = id(piece), id(target)
        if key not in self._known:
            self._known[key] = paired_ssmds(piece, target)
        return self._known[key][("l1", "l2").index(norm)]


class Scapes:
    """Fitness scape plots of sets of pieces, each matrix once: looped bars, say, have all the same.

    Args:
        workers: threads.
    """

    def __init__(self, workers: int = 2) -> None:
        self._workers = workers
        self._known: dict[bytes, np.ndarray] = {}

    def measure(self, metric: Metric, pieces: Sequence[Piece], silent: bool = False) -> Values:
        """`fitness.structureness` of pieces of equally many bars."""
        shortest, longest = metric.options["shortest"], metric.options["longest"]
        heard = np.array([bool(len(piece.onset)) or silent for piece in pieces], np.bool_)
        if pieces and pieces[0].bars < shortest:
            why = f"it has fewer than {shortest} bars"
            return Values(np.zeros(len(pieces)), np.zeros(len(pieces), np.bool_), {why: len(pieces)})
        ssms = [fitness.chroma_ssm(piece) for piece in pieces]
        keys = [ssm.tobytes() for ssm in ssms]
        new = {key: ssm for key, ssm in zip(keys, ssms, strict=True) if key not in self._known}
        batches = [list(new)[first : first + _BATCH] for first in range(0, len(new), _BATCH)]
        with ThreadPoolExecutor(self._workers) as pool:
            found = pool.map(
                lambda batch: fitness.fitness_by_length(np.stack([new[key] for key in batch])), batches
            )
            for batch, rows in zip(batches, found, strict=True):
                self._known.update(zip(batch, rows, strict=True))
        number = np.array([self._known[key][shortest - 1 : longest].max() for key in keys])
        missing = int((~heard).sum())
        return Values(number, heard, {NO_MELODY: missing} if missing else {})
