"""How the models see the plan of a piece (`codec.plan`): embeddings, and parts that training hides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.codec.columns import HIGH, LOW, UNKNOWN
from hrpe_jax.codec.plan import BACK, FORM_COLUMNS
from hrpe_jax.models.initializers import normal, zeros

REGISTER = 31
"""Distances from the lowest and the highest pitch are told apart up to so many semitones."""
FORM_GROUP = (*[name for name in FORM_COLUMNS if name != "piece_left"], "returns", BACK)
"""Hidden together: a form is known, or it is not."""


class PlanFeatures(nn.Module):
    """Embeddings of plan columns, summed.

    Attributes:
      width: of the model.
      columns: names and sizes.
    """

    width: int
    columns: Mapping[str, int]

    @nn.compact
    def __call__(self, values: Mapping[str, Array]) -> Array:
        """Embeds the columns, int `[batch, length]` or `[batch, 1]` each, to `[batch, length, width]`."""
        total: Array | float = 0.0
        for name, size in self.columns.items():
            table = self.param(f"{name}_in", normal(0.02, "vocab", "embed"), (size, self.width))
            total = total + table[jnp.clip(values[name], 0, size - 1)]
        return jnp.asarray(total)


class RegisterFeatures(nn.Module):
    """The range of a melody, as the distance of pitches from its lowest and its highest.

    Attributes:
      width: of the model.
    """

    width: int

    def setup(self) -> None:
        """Creates the tables; all start at zero, where the range plays no part."""
        rows = 2 * REGISTER + 1
        self.tables = {
            end: (
                self.param(f"{end}_in", zeros("vocab", "embed"), (rows + 1, self.width)),
                self.param(f"{end}_out", zeros("vocab"), (rows,)),
            )
            for end in (LOW, HIGH)
        }

    def embed(self, pitch: Array, ends: Mapping[str, Array]) -> Array:
        """Of the last pitch `[batch, length]` (negative: none), with `lowest` and `highest`, `[batch]`."""
        total: Array | float = 0.0
        for end, (table, _) in self.tables.items():
            known = (ends[end][:, None] >= 0) & (pitch >= 0)
            total = total + table[jnp.where(known, _offset(pitch - ends[end][:, None]), 2 * REGISTER + 1)]
        return jnp.asarray(total)

    def score(self, pitches: int, ends: Mapping[str, Array]) -> Array:
        """What is added to the scores of all pitches: `[batch, 1, pitches]`."""
        total: Array | float = 0.0
        for end, (_, bias) in self.tables.items():
            limit = ends[end][:, None]
            total = total + jnp.where(limit >= 0, bias[_offset(jnp.arange(pitches) - limit)], 0.0)
        return jnp.asarray(total)[:, None]


def _offset(distance: Array) -> Array:
    return jnp.clip(distance, -REGISTER, REGISTER) + REGISTER


def hide(batch: Mapping[str, Array], key: Array, rate: float, attributes: Sequence[str]) -> dict[str, Array]:
    """The batch with parts of the plan unknown in some rows.

    Args:
      batch: int `[batch, length]` by plan column, `[batch]` by attribute; others are left alone.
      key: random key.
      rate: share of rows in which each part is hidden: the form, each other column, each attribute.
      attributes: names of attributes; the ends of the range are hidden together.
    """
    alone = [name for name in ("piece_left", "reuse", "breath") if name in batch]
    groups = [FORM_GROUP, ("returns",), *((name,) for name in alone)]
    groups += [(LOW, HIGH)] if LOW in batch else []
    groups += [(name,) for name in attributes if name not in (LOW, HIGH)]
    rows = batch["letter"].shape[0]
    hidden = dict(batch)
    for number, names in enumerate(groups):
        drop = jax.random.bernoulli(jax.random.fold_in(key, number), rate, (rows,))
        for name in names:
            if name in hidden:
                values = hidden[name]
                shape = (rows, *[1] * (values.ndim - 1))
                hidden[name] = jnp.where(drop.reshape(shape), UNKNOWN.get(name, 0), values)
    return hidden
