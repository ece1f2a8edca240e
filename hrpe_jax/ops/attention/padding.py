"""Queries and keys with their features behind them, as the fused kernels take them; see ``attention``."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array

from hrpe_jax.ops.attention.types import Features

SONG_GAP = 6.0
"""Songs are told apart by the signs of a few features of this size: every one that differs takes
2 * SONG_GAP ** 2 = 72 off a logit, which leaves a weight of exp(-72)."""


def widen(
    q: Array, k: Array, features: Features | None, multiple: int, extra: int = 0
) -> tuple[Array, Array]:
    """Scales the queries and puts features behind queries and keys.

    Args:
      q: ``[batch, heads, query, width]``.
      k: ``[batch, heads, key, width]``.
      features: factors of the bias, or None.
      multiple: the total width becomes one of its multiples, filled with zeros.

    Returns:
      q and k ``[batch, heads, length, wide]`` in the dtype of ``k``; their inner products are the logits.
    """
    q = q * q.shape[-1] ** -0.5
    if features is not None:
        heads, groups = q.shape[1], features.key.shape[1]
        per_head = jnp.repeat(features.key, heads // groups, axis=1)
        per_head = jnp.broadcast_to(per_head, (*k.shape[:3], per_head.shape[-1]))
        q = jnp.concatenate([q, features.query.astype(q.dtype)], axis=-1)
        k = jnp.concatenate([k, per_head.astype(k.dtype)], axis=-1)
    wide = round_up(q.shape[-1], multiple)
    return pad_width(q, wide).astype(k.dtype), pad_width(k, wide)


def song_features(segments: Array, slots: int) -> Array:
    """``[batch, length, bits]`` whose inner products are largest, and equal, for events of one song.

    Args:
      segments: int ``[batch, length]``, at most ``slots``.
      slots: the most songs there can be in a row.
    """
    bits = song_bits(slots)
    signs = (segments[..., None] >> jnp.arange(bits)) & 1
    return SONG_GAP * (2.0 * signs.astype(jnp.float32) - 1.0)


def song_bits(slots: int) -> int:
    """How many ``song_features`` tell ``slots`` songs and padding apart."""
    return max(1, math.ceil(math.log2(slots + 1)))


def round_up(size: int, multiple: int) -> int:
    """The least multiple that is not less than ``size``."""
    return -(-size // multiple) * multiple


def pad_width(x: Array, width: int) -> Array:
    """``x`` with zeros behind its last axis up to ``width``."""
    return jnp.pad(x, (*((0, 0),) * (x.ndim - 1), (0, width - x.shape[-1])))


def pad_length(x: Array, before: int, after: int, axis: int) -> Array:
    """``x`` with zeros before and behind along an axis."""
    return jnp.pad(x, [(before, after) if i == axis % x.ndim else (0, 0) for i in range(x.ndim)])
