"""A song's chords on the tick axis: what the melody stage is told at every event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hrpe_jax.codec.backbone import run_starts
from hrpe_jax.codec.backbone_tokens import NO_CHORD0
from hrpe_jax.codec.bars import BeatGrid

NO_CHORD_ID = NO_CHORD0  # conditioning ids name a harmony only: always the one-beat token
MAX_TICKS_TO_NEXT = 95


@dataclass(frozen=True)
class Harmony:
    """The chords of a song on the tick axis, as the melody stage sees them.

    Attributes:
        ticks: int64 [changes], where each harmony begins; the first is 0.
        ids: int64 [changes], its backbone token for one beat.
        end: the tick behind the last.
    """

    ticks: np.ndarray
    ids: np.ndarray
    end: int

    @classmethod
    def of_beats(cls, grid: BeatGrid, harmony: np.ndarray) -> Harmony:
        """From a harmony per beat, as `backbone.harmony_of_beats` returns them."""
        starts = run_starts(harmony)
        return cls(grid.ticks[starts], harmony[starts], int(grid.ticks[-1]))

    def at(self, ticks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What sounds at each tick: chord id, id of the next harmony, ticks until that begins.

        No chord sounds from the end on; where nothing follows, the next is no chord in MAX_TICKS_TO_NEXT
        ticks.
        """
        changes = np.append(self.ticks, np.iinfo(np.int64).max)
        ids = np.append(self.ids, NO_CHORD_ID)
        index = np.searchsorted(self.ticks, ticks, "right")
        now = np.where(ticks < self.end, ids[index - 1], NO_CHORD_ID)
        return now, ids[index], np.minimum(changes[index] - ticks, MAX_TICKS_TO_NEXT)
