"""The bars and beats of a score: the grid that both codecs count on, short bars included."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hrpe_jax.score.score import Score
from hrpe_jax.theory.meter import Meter


def bar_spans(score: Score) -> list[tuple[int, int]]:
    """(start, length) in ticks of every bar that [0, score.end) touches.

    A bar ends after `meter.bar_ticks`, or at a bar reset where that comes first, be it at or behind the end.
    """
    full, end, resets, spans, start = score.meter.bar_ticks, score.end, score.bar_resets, [], 0
    while start < end:
        following = bisect_right(resets, start)
        stop = min(start + full, resets[following]) if following < len(resets) else start + full
        spans.append((start, stop - start))
        start = stop
    return spans


@dataclass(frozen=True)
class BeatGrid:
    """The beats of some bars.

    Attributes:
        ticks: int64 [beats + 1], where each beat begins; the last entry is where the last bar ends.
        phases: int64 [beats + 1], the beat's number within its bar; 0 for the last entry.
    """

    ticks: np.ndarray
    phases: np.ndarray

    @classmethod
    def of_bars(cls, spans: Sequence[tuple[int, int]], meter: Meter) -> BeatGrid:
        """The beats of bars given as (start, length); in every bar they count from its start."""
        step, end = meter.beat_ticks, 0
        ticks: list[int] = []
        phases: list[int] = []
        for start, length in spans:
            beats = range(start, start + length, step)
            ticks.extend(beats)
            phases.extend(range(len(beats)))
            end = start + length
        return cls(np.array([*ticks, end]), np.array([*phases, 0]))

    def nearest(self, ticks: np.ndarray) -> np.ndarray:
        """Number of the beat nearest to each tick; half way is the later beat, which it anticipates."""
        last = len(self.ticks) - 1
        before = np.clip(np.searchsorted(self.ticks, ticks, "right") - 1, 0, last)
        after = np.minimum(before + 1, last)
        return np.where(2 * ticks >= self.ticks[before] + self.ticks[after], after, before)


def beat_ticks(meter: Meter, bar_resets: Sequence[int], beats: int) -> list[int]:
    """The ticks of `beats` beats and of the end behind them, in bars that begin again at each reset."""
    step, ticks, tick, resets = meter.beat_ticks, [0], 0, list(bar_resets)
    for _ in range(beats):
        tick += step
        if resets and tick >= resets[0]:
            tick = resets.pop(0)
        ticks.append(tick)
    return ticks
