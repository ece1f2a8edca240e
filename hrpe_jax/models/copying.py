"""What the expectation of ``ops.repeats`` tells a network: an input, and a pointer at the output.

At the input a network sees the event that it may expect, for how long the past agreed, and whether the
context is the same. At the output one
score, of the state of the network and of those two, is added to the expected event's own (a pointer as
in Vinyals et al., 2015, to the one place that matters). Left to itself, a small attention network on small
data learns to look back late or never; counting finds the place at once, and what is learned is how far to
trust it.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from hrpe_jax.models.weights import lecun, matmul, normal, zeros
from hrpe_jax.ops.repeats import LONGEST, Expectation

STDDEV = 0.02


class Copying(nn.Module):
    """The learned side of repeats.

    Attributes:
      width: of the model.
    """

    width: int

    def setup(self) -> None:
        """Creates the tables."""
        kinds = 2 * (LONGEST + 1)
        self.expected_in = self.param(
            "expected_in", lecun(self.width, "embed", None), (self.width, self.width)
        )
        self.agree_in = self.param("agree_in", normal(STDDEV, "vocab", "embed"), (kinds, self.width))
        self.agree_out = self.param("agree_out", normal(STDDEV, "vocab", "embed"), (kinds, self.width))
        self.trust_bias = self.param("trust_bias", zeros("vocab"), (kinds,))

    def embed(self, event: Array, found: Expectation) -> Array:
        """To be added to the input.

        Args:
          event: embedding of the expected event, ``[batch, length, width]``; any where nothing is expected.
          found: ``[batch, length]``.
        """
        seen = jnp.where((found.agree > 0)[..., None], matmul(event, self.expected_in), 0.0)
        return seen + self.agree_in[_kind(found)]

    def trust(self, hidden: Array, found: Expectation) -> Array:
        """Score to be added to that of the expected event: float32 ``[batch, length]``."""
        rows = self.agree_out[_kind(found)]
        return jnp.sum(hidden.astype(jnp.float32) * rows, axis=-1) + self.trust_bias[_kind(found)]


def _kind(found: Expectation) -> Array:
    return found.agree + (LONGEST + 1) * found.same


def point(logits: Array, expected: Array, trust: Array) -> Array:
    """The logits ``[..., vocabulary]`` with ``trust [...]`` added to that of ``expected [...]``.

    A comparison with all ids instead of a scatter, which a CPU and a TPU do row by row.
    """
    here = jnp.arange(logits.shape[-1]) == expected[..., None]
    return logits + jnp.where(here, trust[..., None], 0.0)
