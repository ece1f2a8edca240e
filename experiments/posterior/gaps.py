"""How well bars that are written anew lead into those that follow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from hrpe_jax.sampling import fill
from hrpe_jax.sampling.spans import Span, read_bars
from hrpe_jax.score.score import Score


def gap_of(song: Score) -> Span | None:
    """Bars 9 to 12 of an excerpt, 5 to 8 of a short one; None with few notes in them, or no bars behind."""
    bars = len(song.bar_starts())
    if bars < 5 + 3:
        return None
    span = read_bars(song, (9, 12) if bars >= 14 else (5, 8))[0]
    if len(fill.notes_in(song, span)) < 4 or bars < span.last + fill.BARS_BEHIND:
        return None
    return span


def filled(composer: Any, song: Score, style: str, seed: int) -> dict[str, Any]:
    """The likelihood of what follows a gap, in nats, less that of the song's own bars.

    Args:
        composer: with a melody stage.
        song: with bars in the gap.
        style: that is given.
        seed: of all draws.
    """
    span = gap_of(song)
    if span is None:
        return {}
    request = fill.FillRequest(score=song, span=span, style=style, seed=seed)
    began = time.process_time()
    found = fill.fill(composer.model, request)
    seconds = time.process_time() - began
    own = fill.weight_of_own(composer.model, request)
    weights = np.array([each.log_likelihood for each in found])
    runs = [_runs([note.pitch for note in each.notes]) for each in found]

    def distinct(parts: Sequence[list[tuple[int, ...]]]) -> float:
        joined = [run for part in parts for run in part]
        return len(set(joined)) / max(1, len(joined))

    rng = np.random.default_rng(seed)
    some = rng.permutation(len(found))[:4]
    return {
        "single": float(weights.mean() - own),
        "drawn": float(weights[0] - own),
        "four": float(weights[:4].mean() - own),
        "best": float(weights.max() - own),
        "distinct": distinct(runs[:4]),
        "distinct_single": distinct([runs[place] for place in some]),
        "candidates": len(found),
        "cpu_seconds": seconds,
    }


def _runs(pitches: list[int]) -> list[tuple[int, ...]]:
    return [tuple(pitches[place : place + 4]) for place in range(len(pitches) - 3)]
