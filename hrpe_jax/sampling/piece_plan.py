"""The plan of a piece that is to be composed: form, what its melody does bar by bar, attributes.

Both stages read it in the shape in which training showed it to them (`codec.plan`, `codec.attributes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hrpe_jax.codec.attributes import Attributes
from hrpe_jax.codec.columns import ATTRIBUTES, attribute_values, style_value
from hrpe_jax.codec.plan import BACK, COLUMNS, FORM_COLUMNS
from hrpe_jax.data.ending_model import Ending
from hrpe_jax.score.form import Section, form_text


@dataclass(frozen=True)
class PiecePlan:
    """What is planned of one piece.

    Attributes:
        form: its sections; empty where it is unknown.
        outline: int32 `[bars, columns]`, see `codec.plan`.
        attributes: of the whole piece.
        ending: how it should end; None for any way.
    """

    form: tuple[Section, ...]
    outline: np.ndarray
    attributes: Attributes
    ending: Ending | None = None


def melody_columns(plans: Sequence[PiecePlan] | None, rows: int, bars: int) -> tuple[np.ndarray, np.ndarray]:
    """The plans of rows as the melody's sampler reads them.

    Args:
        plans: one for each row, or None: all is unknown then.
        rows: how many.
        bars: room for so many, the plans' at least.

    Returns:
        int32 `[rows, bars + 1, columns]` and `[rows, attributes]`.
    """
    outline = np.zeros((rows, bars + 1, len(COLUMNS)), np.int32)
    unknown = attribute_values(Attributes())
    attributes = np.tile(np.array([unknown[name] for name in ATTRIBUTES], np.int32), (rows, 1))
    for row, plan in enumerate(plans or ()):
        outline[row, : len(plan.outline)] = plan.outline
        values = attribute_values(plan.attributes)
        attributes[row] = [values[name] for name in ATTRIBUTES]
    return outline, attributes


def backbone_columns(plans: Sequence[PiecePlan] | None, rows: int, bars: int) -> np.ndarray:
    """The plans of rows as the chords' sampler reads them: int32 `[rows, bars + 1, columns]`.

    The columns are those of `codec.columns.BACKBONE_PLAN`.
    """
    kept = [COLUMNS.index(name) for name in (*FORM_COLUMNS, BACK)]
    outline = np.zeros((rows, bars + 1, len(kept) + 1), np.int32)
    for row, plan in enumerate(plans or ()):
        outline[row, : len(plan.outline), :-1] = plan.outline[:, kept]
        outline[row, :, -1] = style_value(plan.attributes.style)
    return outline


def plan_values(plan: PiecePlan) -> dict[str, Any]:
    """A plan as JSON values: form, attributes, and the outline by column, one number a bar."""
    return {
        "form": form_text(plan.form),
        **plan.attributes.values(),
        "ending": None if plan.ending is None else plan.ending._asdict(),
        "outline": {name: plan.outline[:, number].tolist() for number, name in enumerate(COLUMNS)},
    }
