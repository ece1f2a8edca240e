"""How well bars that are written anew lead into those that follow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.posterior.songs import bars_of
from hrpe_jax.metrics.two_sample import FEWEST, two_sample
from hrpe_jax.sampling.posterior import fill
from hrpe_jax.sampling.posterior.spans import Span, read_bars
from hrpe_jax.score.score import Score, bar_spans


def gap_of(song: Score) -> Span | None:
    """Bars 9 to 12 of an excerpt, 5 to 8 of a short one; None with few notes in them, or no bars behind."""
    bars = len(song.bar_starts())
    if bars < 5 + 3:
        return None
    span = read_bars(song, (9, 12) if bars >= 14 else (5, 8))[0]
    if len(fill.notes_in(song, span)) < 4 or bars < span.last + fill.BARS_BEHIND:
        return None
    return span


ROWS = {
    "single": "one candidate",
    "drawn": "the first suggestion, drawn by weight",
    "four": "the first four",
    "best": "the best of 32",
    "distinct": "different runs of four notes among the first four",
    "distinct_single": "the same among four single draws",
}
"""What rows of the table are, in its order."""
AROUND = 2
"""Bars before and behind a gap that belong to the window in which a seam is looked for."""


class Windows:
    """Bars around gaps, and how well a classifier tells them from the songs' own bars."""

    def __init__(self) -> None:
        self.found: dict[str, list[Score]] = {name: [] for name in ("own", "suggested", "single", "unfilled")}

    def add(
        self, composer: Any, song: Score, span: Span, style: str, found: Sequence[fill.Candidate]
    ) -> None:
        """Takes the bars around the gap of one song: as they are, with the first suggestion, with a single
        draw, and all written by the model, so that no seam is inside.

        Args:
            composer: with a melody stage.
            song: with the gap.
            span: the gap.
            style: that was given.
            found: its candidates.
        """
        first, last = span.first - AROUND, span.last + AROUND
        single = next((each for each in found if not each.echoes), found[0])
        whole = Span(first, last, bar_spans(song)[first][0], sum(bar_spans(song)[last - 1]))
        request = fill.FillRequest(score=song, span=whole, style=style, seed=single.number, candidates=8)
        unfilled = sorted(fill.fill(composer.model, request), key=lambda each: (each.echoes, each.number))
        if not unfilled:
            return
        scores = (song, found[0].score, single.score, unfilled[0].score)
        for own, score in zip(self.found.values(), scores, strict=True):
            own.append(bars_of(replace(score, form=()), first, last))

    def tests(self) -> list[dict[str, Any]]:
        """The classifier's rows for each kind of window; without any where there are too few songs."""
        rows = []
        real = self.found["own"]
        for name, made in self.found.items():
            if name == "own" or len(real) < 2 * FEWEST:
                continue
            # No song is in both sets: the filled bars of every other song beside the own bars of the rest.
            bars = len(made[0].bar_starts())
            halves = [
                two_sample(made[first::2], real[1 - first :: 2], bars=bars, meter="all")["rows"]
                for first in (0, 1)
            ]
            for both in zip(*halves, strict=True):
                title = both[0]["name"]
                if title == "all families" or (name == "suggested" and "control" in title):
                    mean = {
                        key: float(np.mean([row[key] for row in both])) for key in ("value", "low", "high")
                    }
                    rows.append({"windows": name, "name": title, **mean})
        return rows


def filled(
    composer: Any, song: Score, style: str, seed: int, windows: Windows | None = None
) -> dict[str, Any]:
    """The likelihood of what follows a gap, in nats, less that of the song's own bars.

    Args:
        composer: with a melody stage.
        song: with bars in the gap.
        style: that is given.
        seed: of all draws.
        windows: to which those of this song are added.
    """
    span = gap_of(song)
    if span is None:
        return {}
    request = fill.FillRequest(score=song, span=span, style=style, seed=seed)
    began = time.process_time()
    found = fill.fill(composer.model, request)
    seconds = time.process_time() - began
    own = fill.weight_of_own(composer.model, request)
    if windows is not None:
        windows.add(composer, song, span, style, found)
    weights = np.array([each.log_likelihood for each in found])
    runs = [_runs([note.pitch for note in each.notes]) for each in found]

    def distinct(parts: Sequence[list[tuple[int, ...]]]) -> float:
        joined = [run for part in parts for run in part]
        return len(set(joined)) / max(1, len(joined))

    # Candidates that nothing was given are single draws of the stage.
    free = np.flatnonzero([not each.echoes for each in found])
    some = np.random.default_rng(seed).permutation(free)[:4]
    return {
        "single": float(weights[free].mean() - own),
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
