"""What the expectation of ``ops.repeats`` tells a network: an input, and a pointer at the output.

At the input a network sees the event that it may expect, for how long the past agreed, whether the
context is the same and how many bars ago that was, and where in sixteen bars it stands itself. At the output
one score, of the state of the network and of those, is added to the expected event's own (a pointer as in
Vinyals et al., 2015, to the one place that matters). Left to itself, a small attention network on small data
learns to look back late or never; counting finds the place at once, and what is learned is how far to trust
it.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from hrpe_jax.models.weights import lecun, matmul, normal, zeros
from hrpe_jax.ops.repeats import LONGEST, Expectation

STDDEV = 0.02
FARTHEST = 33  # bars ago that are told apart; what is farther counts as that
HYPERMETER = 16  # bars after which the count of bars begins anew: phrases are of 4, 8 or 16


class Copying(nn.Module):
    """The learned side of repeats.

    Attributes:
      width: of the model.
    """

    width: int

    def setup(self) -> None:
        """Creates the tables."""
        kinds = 2 * (LONGEST + 1)

        def table(name: str, size: int) -> Array:
            return self.param(name, normal(STDDEV, "vocab", "embed"), (size, self.width))

        self.expected_in = self.param(
            "expected_in", lecun(self.width, "embed", None), (self.width, self.width)
        )
        self.agree_in, self.agree_out = table("agree_in", kinds), table("agree_out", kinds)
        self.back_in, self.back_out = table("back_in", FARTHEST + 1), table("back_out", FARTHEST + 1)
        self.bar_in = table("bar_in", HYPERMETER)
        self.agree_bias = self.param("agree_bias", zeros("vocab"), (kinds,))
        self.back_bias = self.param("back_bias", zeros("vocab"), (FARTHEST + 1,))

    def embed(self, event: Array, found: Expectation) -> Array:
        """To be added to the input.

        Args:
          event: embedding of the expected event, ``[batch, length, width]``; any where nothing is expected.
          found: ``[batch, length]``, its clock in bars.
        """
        seen = jnp.where((found.agree > 0)[..., None], matmul(event, self.expected_in), 0.0)
        return (
            seen
            + self.agree_in[_kind(found)]
            + self.back_in[_back(found)]
            + self.bar_in[found.clock % HYPERMETER]
        )

    def trust(self, hidden: Array, found: Expectation) -> Array:
        """Score to be added to that of the expected event: float32 ``[batch, length]``."""
        kind, back = _kind(found), _back(found)
        rows = self.agree_out[kind] + self.back_out[back]
        bias = self.agree_bias[kind] + self.back_bias[back]
        return jnp.sum(hidden.astype(jnp.float32) * rows, axis=-1) + bias


def _kind(found: Expectation) -> Array:
    return found.agree + (LONGEST + 1) * found.same


def _back(found: Expectation) -> Array:
    return jnp.minimum(found.back, FARTHEST)


def point(logits: Array, expected: Array, trust: Array) -> Array:
    """The logits ``[..., vocabulary]`` with ``trust [...]`` added to that of ``expected [...]``.

    A comparison with all ids instead of a scatter, which a CPU and a TPU do row by row.
    """
    here = jnp.arange(logits.shape[-1]) == expected[..., None]
    return logits + jnp.where(here, trust[..., None], 0.0)
