"""The columns that models read, by name: one list for records, batches, tasks and samplers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.codec.backbone import MAX_TICKS_TO_NEXT
from hrpe_jax.codec.melody_tokens import tempo_bin
from hrpe_jax.codec.plan import (
    BACK,
    COLUMNS,
    DENSITY_CODES,
    ENTRY_CODES,
    FORM_COLUMNS,
    TEMPO_CODES,
    UNKNOWN_PITCH,
    Attributes,
)

STYLES = ("pop", "folk", "standards", "hymns", "chorales")
"""Styles that models can be told apart by; value n + 1 of the column `style`, 0 for any other."""
STYLE = "style"
LOW, HIGH = "lowest", "highest"
ATTRIBUTES = {
    STYLE: 16,
    "tempo": TEMPO_CODES,
    LOW: 128,
    HIGH: 128,
    "density": DENSITY_CODES,
    "entry": ENTRY_CODES,
}
"""Attributes of a whole melody (`codec.plan`), and how many values each column has."""
UNKNOWN = {LOW: UNKNOWN_PITCH, HIGH: UNKNOWN_PITCH}
"""What stands for an unknown attribute where it is not 0."""
BACKBONE_PLAN = (*FORM_COLUMNS, BACK, STYLE)
BACKBONE_FIELDS = (
    "input_ids",
    "target_ids",
    "root_pc",
    "quality_code",
    "function_code",
    "bar_phase",
    "key",
    "beats_per_bar",
    "positions",
    *BACKBONE_PLAN,
)
"""Of every event of the backbone."""
MELODY_FIELDS = (
    "event_ids",
    "target_ids",
    "chord_id",
    "root_pc",
    "quality_code",
    "function_code",
    "next_chord_id",
    "next_root_pc",
    "next_quality_code",
    "ticks_to_next",
    "bar_phase",
    "positions",
    *COLUMNS,
)
"""Of every event of the melody."""
MELODY_ROW_FIELDS = ("key", "meter_num", "meter_den", "tempo_bin", *ATTRIBUTES)
"""Of a whole melody."""

# Where nothing stands: no chord, and values that are legal indices everywhere.
BACKBONE_PADDING = {
    "input_ids": backbone_tokens.PAD,
    "target_ids": backbone_tokens.PAD,
    "quality_code": backbone_tokens.NO_QUALITY_CODE,
    "function_code": backbone_tokens.NO_FUNCTION_CODE,
    "beats_per_bar": 1,
}
MELODY_PADDING = {
    "event_ids": melody_tokens.PAD,
    "target_ids": melody_tokens.PAD,
    "chord_id": backbone_tokens.NO_CHORD0,
    "quality_code": backbone_tokens.NO_QUALITY_CODE,
    "function_code": backbone_tokens.NO_FUNCTION_CODE,
    "next_chord_id": backbone_tokens.NO_CHORD0,
    "next_quality_code": backbone_tokens.NO_QUALITY_CODE,
    "ticks_to_next": MAX_TICKS_TO_NEXT,
}
EMPTY_ROW = (0, 4, 4, tempo_bin(120.0), *(UNKNOWN.get(name, 0) for name in ATTRIBUTES))
"""Row fields where a melody has ended: C major, 4/4, 120, attributes unknown."""


def style_value(style: str) -> int:
    """The value of the column `style`; 0 (unknown) for a name that is none of `STYLES`."""
    return STYLES.index(style) + 1 if style in STYLES else 0


def without_plan(batch: Mapping[str, Any]) -> dict[str, Any]:
    """A batch of either stage in which nothing of the plan is known: form, what bars do, attributes."""
    plan = {*COLUMNS, *ATTRIBUTES}
    return {
        name: np.full_like(values, UNKNOWN.get(name, 0)) if name in plan else values
        for name, values in batch.items()
    }


def attribute_values(attributes: Attributes) -> dict[str, int]:
    """The values of all `ATTRIBUTES`; all unknown for `Attributes()`."""
    return {STYLE: style_value(attributes.style), **asdict(attributes.codes())}
