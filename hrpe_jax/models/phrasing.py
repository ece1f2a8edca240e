"""What the candidates of ``ops.phrases`` tell a network: an input, and a pointer at the output.

As in ``copying``, of what matters here: which distance it is, for how many events in a row it has been right,
and whether the old event begins where the next one will. Rows of these three say how much of an expected
event is seen at the input, and how its score at the output depends on the state of the network.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.models.weights import lecun, matmul, normal, ones, zeros
from hrpe_jax.ops.phrases import Expectation

STDDEV = 0.02
RUNS = np.array([0, 1, 2, 3, 4, 6, 9, 14, 22])
"""For how many events in a row a distance was right: the steps that are told apart."""
KINDS = 1 + 2 * len(RUNS)  # nothing; begins there or not, by run


class Phrasing(nn.Module):
    """The learned side of phrases.

    Attributes:
      width: of the model.
      distances: how many.
      levels: how many scores a candidate has: of the event itself, and of wider classes that it is of.
    """

    width: int
    distances: int
    levels: int = 1

    def setup(self) -> None:
        """Creates the tables."""
        rows, width = self.distances * KINDS, self.width
        self.expected_in = self.param("expected_in", lecun(width, "embed", None), (width, width))
        self.gate = self.param("gate", ones("vocab", "embed"), (rows, width))
        self.row_in = self.param("row_in", normal(STDDEV, "vocab", "embed"), (rows, width))
        out = normal(STDDEV, "vocab", None, "embed")
        self.row_out = self.param("row_out", out, (rows, self.levels, width))
        self.bias = self.param("bias", zeros("vocab", None), (rows, self.levels))

    def embed(self, events: Array, found: Expectation) -> Array:
        """To be added to the input.

        Args:
          events: embeddings of the candidates, ``[batch, length, distances, width]``; any where there is
            none.
          found: ``[batch, length, distances]``.
        """
        rows = _rows(found)
        seen = jnp.where((found.event >= 0)[..., None], events * self.gate[rows], 0.0)
        return matmul(jnp.sum(seen, axis=-2), self.expected_in) + jnp.sum(self.row_in[rows], axis=-2)

    def trust(self, hidden: Array, found: Expectation) -> Array:
        """Scores to be added to those of the candidates: float32 ``[batch, length, distances, levels]``."""
        rows = _rows(found)
        return jnp.einsum("blw,blcnw->blcn", hidden.astype(jnp.float32), self.row_out[rows]) + self.bias[rows]


def _rows(found: Expectation) -> Array:
    """Which row of the tables, ``[batch, length, distances]``."""
    run = jnp.searchsorted(RUNS, found.right, side="right", method="compare_all") - 1
    kind = jnp.where(found.event >= 0, 1 + 2 * run + found.begins, 0)
    return jnp.arange(found.event.shape[-1]) * KINDS + kind
