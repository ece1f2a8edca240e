"""The learned tables of H-RPE and of its controls."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.models.config import HarmonyConfig, Lags
from hrpe_jax.models.initializers import zeros
from hrpe_jax.ops import hrpe
from hrpe_jax.theory.tonal_space import chord_distances

PERIOD = 12  # pitch classes
SHUFFLED = (4, 9, 0, 6, 11, 1, 10, 3, 8, 2, 7, 5)
"""Where the placebo puts each root: no transposition, inversion or other map that keeps intervals apart."""


class HarmonicTables(nn.Module):
    """All tables, zero at the start.

    Attributes:
      config: which relations exist, in which heads.
      heads: attention heads.
      head_width: of a query.
      categories: sizes of the categorical codes; a lagged relation uses only the first.
    """

    config: HarmonyConfig
    heads: int
    head_width: int
    categories: tuple[int, ...]

    @nn.compact
    def __call__(self) -> tuple[tuple[hrpe.Relation, ...], ...]:
        """For each group of heads (``config.sets``), one ``Relation`` for each of its lags."""
        sets = self.config.sets
        if sets and self.heads % len(sets):
            raise ValueError(f"harmony.head_sets: {len(sets)} sets do not divide {self.heads} heads")
        if self.config.variant == "theory":
            return ((self._distances(),),)
        prefixes = [f"set_{i}_" for i in range(len(sets))] if len(sets) > 1 else [""]
        return tuple(self._set(prefix, lags) for prefix, lags in zip(prefixes, sets, strict=False))

    def _set(self, prefix: str, lags: Lags) -> tuple[hrpe.Relation, ...]:
        heads = self.heads // len(self.config.sets)
        relations = []
        for a, b in lags:
            name = f"{prefix}lag_{a}_{b}"
            here = (a, b) == (0, 0)
            cyclic = self.param(f"{name}_cyclic", zeros("heads", "table"), (heads, PERIOD))
            sizes = self.categories if here else self.categories[:1]
            categories = tuple(
                self.param(f"{name}_category_{i}", zeros("heads", "table", "table2"), (heads, size, size))
                for i, size in enumerate(sizes)
            )
            query = None
            if here and self.config.query_dependent:
                query = self.param(
                    f"{name}_query", zeros("heads", "table", "kv"), (heads, PERIOD, self.head_width)
                )
            relation = hrpe.Relation(cyclic, categories, query)
            relations.append(symmetric(relation) if self.config.variant == "symmetric" else relation)
        return tuple(relations)

    def _distances(self) -> hrpe.Relation:
        """Each published distance with one weight for each head."""
        distances = np.stack(list(chord_distances().values()))
        weights = self.param("distances", zeros("heads", "table"), (self.heads, len(distances)))
        joint = jnp.einsum("hf,fqkn->hqkn", weights, jnp.asarray(distances, jnp.float32), precision="highest")
        return hrpe.Relation(jnp.zeros((self.heads, PERIOD)), (), None, joint)


def symmetric(relation: hrpe.Relation) -> hrpe.Relation:
    """The relation with both directions averaged: V to I is then the same as I to V."""

    def mirror(table: Array) -> Array:
        return (table + jnp.roll(jnp.flip(table, 1), 1, 1)) / 2

    return relation._replace(
        cyclic=mirror(relation.cyclic),
        categories=tuple((table + table.swapaxes(1, 2)) / 2 for table in relation.categories),
        query=None if relation.query is None else mirror(relation.query),
    )
