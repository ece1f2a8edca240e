"""Losses and accuracies as (sum, weight) pairs, so that parts of a batch add up right."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def log_likelihood(logits: Array, targets: Array) -> Array:
    """Natural log probability of the targets: ``[..., vocabulary]`` and ``[...]`` to ``[...]``, float32."""
    logits = logits.astype(jnp.float32)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return chosen - jax.nn.logsumexp(logits, axis=-1)


def is_top(logits: Array, targets: Array) -> Array:
    """Whether the target scores highest (ties count): bool ``[...]``.

    A comparison with the maximum, since XLA's argmax is an order of magnitude slower on a CPU.
    """
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return chosen >= jnp.max(logits, axis=-1)


def rank(logits: Array, targets: Array) -> Array:
    """How many entries score higher than the target: int ``[...]``, 0 where it is the likeliest."""
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)
    return jnp.sum(logits > chosen, axis=-1)


def weighted(values: Array, weights: Array) -> tuple[Array, Array]:
    """The pair (sum of values times weights, sum of weights)."""
    weights = weights.astype(jnp.float32)
    return jnp.sum(values * weights), jnp.sum(weights)
