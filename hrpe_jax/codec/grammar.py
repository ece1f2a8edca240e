"""The grammars of both stages under one name; see `backbone_grammar` and `melody_grammar`."""

from __future__ import annotations

from hrpe_jax.codec.backbone_grammar import CLASS_FOLLOWS, accepts_backbone, backbone_mask
from hrpe_jax.codec.melody_grammar import (
    NEXT_STATE,
    STATE_BAR,
    STATE_BAR_TIE,
    STATE_END,
    STATE_START,
    STATE_VEL,
    STATE_VEL_TIE,
    STATES,
    accepts_melody,
    advance,
    bar_length,
    melody_mask,
)
from hrpe_jax.codec.melody_tokens import CLASS_OF, CLOCK_ADD, CLOCK_SET

__all__ = [
    "CLASS_FOLLOWS",
    "CLASS_OF",
    "CLOCK_ADD",
    "CLOCK_SET",
    "NEXT_STATE",
    "STATES",
    "STATE_BAR",
    "STATE_BAR_TIE",
    "STATE_END",
    "STATE_START",
    "STATE_VEL",
    "STATE_VEL_TIE",
    "accepts_backbone",
    "accepts_melody",
    "advance",
    "backbone_mask",
    "bar_length",
    "melody_mask",
]
