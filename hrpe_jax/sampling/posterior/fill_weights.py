"""What weighs candidates of a gap beside what follows: endings, and what the piece never does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.data.outline_model import ending
from hrpe_jax.score.score import Note, Score, bar_spans

UNLIKE = 1.0
"""Nats for each note too many in a bar, or in a run of one pitch."""


def unlike(score: Score, notes: Sequence[Note]) -> float:
    """Nats for what the piece never does: bars with more notes than any of its bars, and longer runs of one
    pitch. The model's likelihood of what follows does not tell these apart."""
    if not score.melody:
        return 0.0
    begins = np.array([start for start, _ in bar_spans(score)])

    def busiest(line: Sequence[Note]) -> int:
        bars = np.searchsorted(begins, [note.onset for note in line], side="right")
        return int(np.bincount(bars).max()) if len(line) else 0

    def longest_run(line: Sequence[Note]) -> int:
        return max((len(list(run)) for _, run in groupby(note.pitch for note in line)), default=0)

    dense = busiest(notes) - busiest(score.melody) - 1
    level = longest_run(notes) - max(longest_run(score.melody), 4)
    return UNLIKE * (max(0, dense) + max(0, level))


def ending_weight(model: Model, style: str, score: Score) -> float:
    """How often pieces end as this one does, log of the share; 0 where nothing is known of endings."""
    endings = model.tables.endings
    if endings is None or not score.melody:
        return 0.0
    seen = endings.counts.get(style) or endings.counts.get("pop") or {}
    last = score.melody[-1]
    chord = next((s.chord for s in score.chords if s.onset <= last.onset < s.end), None)
    root = -1 if chord is None or chord.is_none else chord.root
    found = ending(root, last.pitch, last.duration, score.key.tonic, score.key.mode == "minor")
    total = sum(seen.values())
    return float(np.log((seen.get(found, 0) + 0.5) / (total + 6)))
