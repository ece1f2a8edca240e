"""Records: one song of one stage as JSON bytes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from hrpe_jax.codec import backbone, melody
from hrpe_jax.codec.bars import BeatGrid
from hrpe_jax.codec.vocabulary import STAGES
from hrpe_jax.score.score import Score

Record = dict[str, Any]

_TOKENS = {"backbone": "input_ids", "melody": "event_ids"}


def records_of(score: Score, beats: tuple[BeatGrid, np.ndarray] | None = None) -> dict[str, Record]:
    """The record of every stage (see `codec.backbone.encode` and `codec.melody.encode` for the fields).

    Args:
        score: any score.
        beats: what `backbone.harmony_of_beats(score)` returned, where it is at hand.
    """
    beats = backbone.harmony_of_beats(score) if beats is None else beats
    return {"backbone": backbone.encode(score, beats), "melody": melody.encode(score, beats)}


def token_count(stage: str, record: Record) -> int:
    """How many tokens a song has, BOS and EOS included (the backbone keeps its last as `target_id`)."""
    return len(record[_TOKENS[stage]]) + (stage == "backbone")


def to_bytes(record: Record) -> bytes:
    """A record as it is stored."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def from_bytes(data: bytes) -> Record:
    """A stored record."""
    record: Record = json.loads(data)
    return record


__all__ = ["STAGES", "Record", "from_bytes", "records_of", "to_bytes", "token_count"]
