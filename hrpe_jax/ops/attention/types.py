"""Arguments of attention that are not plain arrays: where events stand, factors of a bias, the mask.

The fused kernels take queries and keys with their features behind them; see ``attention``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

NOTHING = -1e30
"""The logit of a key that is not seen; finite, so that a row that sees nothing gives no NaN."""


class Side(NamedTuple):
    """Where the queries (or the keys) stand, all ``[batch, length]``.

    Attributes:
      positions: int, events since the start of the song; order within a song.
      segments: int, which song of the row; 0 is padding and is never attended to.
    """

    positions: Array
    segments: Array


class Features(NamedTuple):
    """Factors of a bias: ``bias[b, h, i, j] = query[b, h, i] . key[b, g, j]`` with g the group of head h.

    Attributes:
      query: ``[batch, heads, query, features]``.
      key: ``[batch, groups, key, features]``; heads are divided evenly, in order, among the groups.
    """

    query: Array
    key: Array


def mask(queries: Side, keys: Side, window: int | None = None) -> Array:
    """Which keys a query may see: of the same song, not later, at most ``window - 1`` events back.

    Args:
      queries: where they stand.
      keys: where they stand.
      window: events that a query sees, itself included; None for all before it.

    Returns:
      bool ``[batch, 1, query, key]``.
    """
    distance = queries.positions[:, :, None] - keys.positions[:, None, :]
    seen = (distance >= 0) & (queries.segments[:, :, None] == keys.segments[:, None, :])
    seen &= keys.segments[:, None, :] > 0
    if window is not None:
        seen &= distance < window
    return seen[:, None]


SONG_GAP = 6.0
"""Songs are told apart by the signs of a few features of this size: every one that differs takes
2 * SONG_GAP ** 2 = 72 off a logit, which leaves a weight of exp(-72)."""


def widen(q: Array, k: Array, features: Features | None, multiple: int) -> tuple[Array, Array]:
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
    """``x`` with zeros before and behind along an axis.

    Args:
      x: any array.
      before: how many zeros.
      after: how many zeros.
      axis: which.
    """
    return jnp.pad(x, [(before, after) if i == axis % x.ndim else (0, 0) for i in range(x.ndim)])
