"""What the candidates of ``ops.repeats`` tell a network: an input, and a pointer at the output.

At the input a network sees the events that may follow, for how long the past agreed with each, whether the
context is the same, how many bars ago that was and how often it came, and where in sixteen bars it stands
itself. At the output a score, of the state of the network and of those, is added to each candidate's own (a
pointer as in Vinyals et al., 2015, to the places that matter). Left to itself, a small attention network on
small data learns to look back late or never; counting finds the places at once, and what is learned is how
far to trust them.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.models.initializers import lecun, matmul, normal, ones, zeros
from hrpe_jax.ops import phrases, repeats
from hrpe_jax.ops.repeats import CANDIDATES, LONGEST

STDDEV = 0.02
# Agreements that are told apart: each up to 32, then by quarters of an octave.
STEPS = np.unique([*range(33), *(int(32 * 2 ** (n / 4)) for n in range(4 * 5 + 1))]).clip(max=LONGEST)
KINDS = len(STEPS)
FARTHEST = 33  # bars ago that are told apart; what is farther counts as that
OFTEN = 8  # times that are told apart; more count as that
RUNS = np.array([0, 1, 2, 3, 4, 6, 9, 14, 22])
"""Numbers of correct predictions in a row that a phrase pointer distinguishes."""
RUN_KINDS = 1 + 2 * len(RUNS)  # no candidate; a candidate that begins at the place or not, by run
HYPERMETER = 16  # bars after which the count of bars begins anew: phrases are of 4, 8 or 16


class RepeatPointer(nn.Module):
    """A pointer to what followed earlier repeats (`ops.repeats`): its embedding, and scores at the output.

    Attributes:
      width: of the model.
      levels: how many scores a candidate has: of the event itself, and of wider classes that it is of.
    """

    width: int
    levels: int = 1

    def setup(self) -> None:
        """Creates the tables."""
        self.expected_in = self.param(
            "expected_in", lecun(self.width, None, "embed", None), (CANDIDATES, self.width, self.width)
        )
        self.bar_in = self.param("bar_in", normal(STDDEV, "vocab", "embed"), (HYPERMETER, self.width))
        sizes = {"agree": 2 * KINDS, "back": FARTHEST + 1, "often": OFTEN + 1, "rank": CANDIDATES}
        self.tables = {
            name: (
                self.param(f"{name}_in", normal(STDDEV, "vocab", "embed"), (size, self.width)),
                self.param(
                    f"{name}_out", normal(STDDEV, "vocab", None, "embed"), (size, self.levels, self.width)
                ),
                self.param(f"{name}_bias", zeros("vocab", None), (size, self.levels)),
            )
            for name, size in sizes.items()
        }

    def embed(self, events: Array, found: repeats.Expectation) -> Array:
        """To be added to the input.

        Args:
          events: embeddings of the candidates, ``[batch, length, candidates, width]``; any where there is
            none.
          found: ``[batch, length, candidates]``, its clock in bars.
        """
        seen = jnp.where((found.agree > 0)[..., None], events, 0.0)
        x = matmul(seen.reshape(*seen.shape[:2], -1), self.expected_in.reshape(-1, self.width))
        for name, index in _indices(found):
            x = x + jnp.sum(self.tables[name][0][index], axis=-2)
        return x + self.bar_in[found.clock % HYPERMETER]

    def trust(self, hidden: Array, found: repeats.Expectation) -> Array:
        """Scores to be added to those of the candidates: float32 ``[batch, length, candidates, levels]``."""
        rows = sum(self.tables[name][1][index] for name, index in _indices(found))
        bias = sum(self.tables[name][2][index] for name, index in _indices(found))
        return jnp.einsum("blw,blcnw->blcn", hidden.astype(jnp.float32), rows) + bias


def _indices(found: repeats.Expectation) -> list[tuple[str, Array]]:
    """Which row of each table, ``[batch, length, candidates]``."""
    agree = jnp.searchsorted(STEPS, found.agree, side="right", method="compare_all") - 1
    rank = jnp.broadcast_to(jnp.arange(CANDIDATES), found.agree.shape)
    return [
        ("agree", agree + KINDS * found.same),
        ("back", jnp.minimum(found.back, FARTHEST)),
        ("often", jnp.minimum(found.often, OFTEN)),
        ("rank", jnp.where(found.agree > 0, rank, 0)),
    ]


class PhrasePointer(nn.Module):
    """A pointer to what stood so many bars ago (`ops.phrases`): its embedding, and scores at the output.

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
        rows, width = self.distances * RUN_KINDS, self.width
        self.expected_in = self.param("expected_in", lecun(width, "embed", None), (width, width))
        self.gate = self.param("gate", ones("vocab", "embed"), (rows, width))
        self.row_in = self.param("row_in", normal(STDDEV, "vocab", "embed"), (rows, width))
        out = normal(STDDEV, "vocab", None, "embed")
        self.row_out = self.param("row_out", out, (rows, self.levels, width))
        self.bias = self.param("bias", zeros("vocab", None), (rows, self.levels))

    def embed(self, events: Array, found: phrases.Expectation) -> Array:
        """To be added to the input.

        Args:
          events: embeddings of the candidates, ``[batch, length, distances, width]``; any where there is
            none.
          found: ``[batch, length, distances]``.
        """
        rows = _rows(found)
        seen = jnp.where((found.event >= 0)[..., None], events * self.gate[rows], 0.0)
        return matmul(jnp.sum(seen, axis=-2), self.expected_in) + jnp.sum(self.row_in[rows], axis=-2)

    def trust(self, hidden: Array, found: phrases.Expectation) -> Array:
        """Scores to be added to those of the candidates: float32 ``[batch, length, distances, levels]``."""
        rows = _rows(found)
        return jnp.einsum("blw,blcnw->blcn", hidden.astype(jnp.float32), self.row_out[rows]) + self.bias[rows]


def _rows(found: phrases.Expectation) -> Array:
    """Which row of the tables, ``[batch, length, distances]``."""
    run = jnp.searchsorted(RUNS, found.right, side="right", method="compare_all") - 1
    kind = jnp.where(found.event >= 0, 1 + 2 * run + found.begins, 0)
    return jnp.arange(found.event.shape[-1]) * RUN_KINDS + kind


def hide_rows(found: Any, key: Array, rate: float) -> Any:
    """Candidates of a pointer with none in some rows: a model should not lean on them alone.

    Args:
      found: an `Expectation` of `ops.repeats`, `ops.phrases` or `ops.aligned`.
      key: random key.
      rate: share of rows without candidates.
    """
    hidden = jax.random.bernoulli(key, rate, (found.event.shape[0], 1, 1))
    nothing = {"event": -1, "kind": -1}
    fields = {
        name: jnp.where(hidden, jnp.asarray(nothing.get(name, 0), values.dtype), values)
        for name, values in found._asdict().items()
        if name != "clock"
    }
    return found._replace(**fields)


def point(logits: Array, expected: Array, trust: Array) -> Array:
    """The logits ``[..., vocabulary]`` with ``trust [..., candidates]`` added to those of ``expected``.

    A comparison with all ids instead of a scatter, which a CPU and a TPU do row by row.
    """
    ids = jnp.arange(logits.shape[-1])
    for k in range(expected.shape[-1]):
        logits = logits + jnp.where(ids == expected[..., k, None], trust[..., k, None], 0.0)
    return logits
