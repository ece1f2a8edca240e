"""Losses and accuracies as (sum, weight) pairs, so that parts of a batch add up right."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class TargetScores(NamedTuple):
    """All that training needs of the scores of a whole vocabulary; ``[...]`` each.

    Attributes:
      log_likelihood: natural log probability of the target, float32.
      is_top: whether no other scores higher.
      even: mean natural log probability of what is possible, float32; label smoothing wants it.
    """

    log_likelihood: Array
    is_top: Array
    even: Array


def target_scores(logits: Array, targets: Array) -> TargetScores:
    """The scores of targets ``[...]`` among ``[..., vocabulary]``; below -1e8 stands what is impossible."""
    wide = logits.astype(jnp.float32)
    possible = wide > -1e8
    mean = jnp.sum(jnp.where(possible, wide, 0.0), axis=-1) / jnp.sum(possible, axis=-1)
    even = mean - jax.nn.logsumexp(wide, axis=-1)
    return TargetScores(log_likelihood(logits, targets), is_top(logits, targets), even)


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


def smoothed(loss: tuple[Array, Array], even: Array, weights: Array, amount: float) -> tuple[Array, Array]:
    """Label smoothing (Szegedy et al., 2016) of a negative log likelihood.

    Args:
      loss: the pair (sum, weight) of the likelihood of the targets.
      even: of ``target_scores``, ``[...]``.
      weights: ``[...]``.
      amount: share of each target that is spread evenly over what is possible.

    Returns:
      The pair of (1 - amount) times the loss plus amount times the cross entropy of the even distribution.
    """
    return (1 - amount) * loss[0] + amount * weighted(-even, weights)[0], loss[1]
