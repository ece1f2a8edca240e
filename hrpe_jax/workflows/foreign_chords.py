"""Does the melody model follow its chords? Its NLL of real melodies under their own and other chords.

A model that follows the harmony finds a melody likelier under its own chords than under those of another song
in the same key, or its own two bars late; the difference is what it has from the chords.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hrpe_jax.analysis.harmony_hmm import find_melody_chords, too_little
from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import melody
from hrpe_jax.data.loader import eval_batches
from hrpe_jax.data.shards import Dataset
from hrpe_jax.report.collect import score_of
from hrpe_jax.score.score import ChordSpan, Score
from hrpe_jax.tasks import build_task
from hrpe_jax.training.train_step import evaluate_sets

LATE_BARS = 2
CHORD_FIELDS = (
    "conditioning_chord_ids", "conditioning_root_pc", "conditioning_quality_code",
    "conditioning_function_code", "next_chord_ids", "ticks_to_next",
)  # fmt: skip
"""What a melody record says of chords."""
ROWS = ("own chords", "own chords, 2 bars late", "another song's, same key", "found from the melody")

Record = Mapping[str, Any]


class _Melodies:
    """Records of one split of one stage, as `eval_batches` takes them."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def records(self, stage: str, split: str) -> Sequence[Record]:
        return self._records

    def lengths(self, stage: str, split: str) -> np.ndarray:
        return np.array([len(record["event_ids"]) for record in self._records], np.int64)


def foreign_chords(model: Model, dataset: Dataset, split: str, seed: int = 0) -> dict[str, Any]:
    """NLL of the melodies of a split under four kinds of chords.

    Args:
        model: with a melody stage.
        dataset: a prepared data set.
        split: "train", "valid" or "test".
        seed: of which song lends its chords to which.

    Returns:
        "songs" (those that have chords and another song of their style, mode and meter to borrow from; the
        same in all rows) and "rows": of each of `ROWS` "nll" a melody event and "nll_per_note", in nats. No
        rows where the model has no melody stage, or the split fewer than two such songs.
    """
    if model.melody is None:
        return {"songs": 0, "rows": {}}
    stored, styles = _both_stages(dataset, split)
    scores = [score_of(records) for records in stored]
    lender = _lenders(scores, styles, seed)
    sets: dict[str, list[Record]] = {name: [] for name in ROWS}
    for index, other in lender.items():
        score, record = scores[index], stored[index]["melody"]
        if too_little(score.melody):
            continue
        spans = (
            list(score.chords),
            late(score, LATE_BARS),
            borrowed(score, scores[other]),
            list(find_melody_chords(score)),
        )
        made = [under(record, score, chords) for chords in spans]
        for name, own in zip(ROWS, made, strict=True):
            sets[name].append(own)
    songs = len(sets[ROWS[0]])
    if songs < 2:
        return {"songs": songs, "rows": {}}
    task = build_task("melody", model.melody.config.model)
    trained = model.melody
    batches = [
        eval_batches(_Melodies(records), "melody", trained.config.batch, split=split)
        for records in sets.values()
    ]
    figures = evaluate_sets(task, trained.config, trained.params, batches, 0)
    rows = {
        name: {figure: own[figure] for figure in ("nll", "nll_per_note")}
        for name, own in zip(sets, figures, strict=True)
    }
    return {"songs": songs, "rows": rows}


def under(record: Record, score: Score, chords: Sequence[ChordSpan]) -> Record:
    """The melody record of a song, as if these were its chords.

    Args:
        record: of the melody stage.
        score: of the song.
        chords: spans that take the place of its own.
    """
    end = score.end
    spans = [replace(span, duration=min(span.end, end) - span.onset) for span in chords if span.onset < end]
    if spans and spans[-1].end < end:  # bars are counted to the end of the song
        spans[-1] = replace(spans[-1], duration=end - spans[-1].onset)
    made = melody.encode(replace(score, chords=tuple(spans)))
    if made["event_ids"] != record["event_ids"]:
        raise AssertionError(f"{score.id}: other chords must not change the melody's events")
    return {**record, **{name: made[name] for name in CHORD_FIELDS}}


def late(score: Score, bars: int) -> list[ChordSpan]:
    """The chords of a song so many bars late; the last ones come first."""
    by, end = bars * score.meter.bar_ticks, score.end
    return _looped(score.chords, end, end - by % end)


def borrowed(score: Score, other: Score) -> list[ChordSpan]:
    """The chords of another song in the key of this one, over and over where it is shorter."""
    moved = other.transpose((score.key.tonic - other.key.tonic) % 12)
    repeats = -(-score.end // max(other.end, 1))
    return [
        replace(span, onset=span.onset + turn * other.end) for turn in range(repeats) for span in moved.chords
    ]


def _looped(chords: Sequence[ChordSpan], end: int, start: int) -> list[ChordSpan]:
    """Chords of a piece of `end` ticks, from tick `start` on and round again."""
    found = []
    for turn in (0, end):
        for span in chords:
            onset, stop = max(span.onset + turn, start), min(span.end + turn, start + end)
            if onset < stop:
                found.append(replace(span, onset=onset - start, duration=stop - onset))
    return found


def _both_stages(dataset: Dataset, split: str) -> tuple[list[dict[str, Record]], list[str]]:
    """The records of the songs that have both stages, and their styles."""
    records = {stage: iter(dataset.records(stage, split)) for stage in ("backbone", "melody")}
    rows: list[dict[str, Record]] = [
        {stage: next(own) for stage, own in records.items() if stage in song} for song in dataset.songs(split)
    ]
    styles = [song.get("style", "") for song in dataset.songs(split)]
    kept = [index for index, row in enumerate(rows) if len(row) == 2]
    return [rows[index] for index in kept], [styles[index] for index in kept]


def _lenders(scores: Sequence[Score], styles: Sequence[str], seed: int) -> dict[int, int]:
    """Of each song with chords another one of its style, mode and meter: a cycle through those, drawn by the
    seed."""
    rng = np.random.default_rng(seed)
    groups: dict[tuple[str, str, str], list[int]] = {}
    for index, (score, style) in enumerate(zip(scores, styles, strict=True)):
        if score.chords and score.melody:
            groups.setdefault((style, score.key.mode, str(score.meter)), []).append(index)
    found: dict[int, int] = {}
    for group in groups.values():
        order = rng.permutation(group).tolist()
        if len(order) > 1:
            found |= dict(zip(order, [*order[1:], order[0]], strict=True))
    return dict(sorted(found.items()))
