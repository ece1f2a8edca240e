"""A composed piece: its score, its tokens, and how they were drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hrpe_jax.score.score import Score


@dataclass(frozen=True)
class Piece:
    """A piece that the stages wrote.

    Attributes:
        score: its music.
        backbone_ids: its chords as tokens, BOS to EOS.
        event_ids: its melody as tokens, BOS to EOS; empty where only chords were asked for.
        nats: by stage, the mean negative log likelihood of its events under the model itself; without
            "backbone" where the chords were given, without "melody" where none was asked for.
        settings: what was asked for, plain values.
    """

    score: Score
    backbone_ids: tuple[int, ...]
    event_ids: tuple[int, ...]
    nats: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
