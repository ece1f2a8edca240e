"""Masked attention with optional harmonic terms.

Two implementations that agree: "reference" adds a dense H-RPE bias to the logits, "folded" computes the same
bias as an inner product of extra features (``hrpe.fold``). Logits and softmax are float32 in both.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class Side(NamedTuple):
    """Where the queries (or the keys) stand, all ``[batch, length]``.

    Attributes:
      positions: int, events since the start of the song; order within a song.
      segments: int, which song of the row; 0 is padding and is never attended to.
    """

    positions: Array
    segments: Array


def mask(queries: Side, keys: Side, window: int | None = None) -> Array:
    """Which keys a query may see: of the same song, not later, at most ``window - 1`` events back.

    Returns:
      bool ``[batch, 1, query, key]``.
    """
    distance = queries.positions[:, :, None] - keys.positions[:, None, :]
    seen = (distance >= 0) & (queries.segments[:, :, None] == keys.segments[:, None, :])
    seen &= keys.segments[:, None, :] > 0
    if window is not None:
        seen &= distance < window
    return seen[:, None]


def attention(
    q: Array,
    k: Array,
    v: Array,
    seen: Array,
    *,
    bias: Array | None = None,
    features: tuple[Array, Array] | None = None,
) -> Array:
    """Softmax attention over the keys that ``seen`` allows; a query that sees nothing gets zeros.

    Args:
      q: ``[batch, heads, query, width]``, rotated, not scaled.
      k: ``[batch, heads, key, width]``, rotated.
      v: ``[batch, heads, key, width]``.
      seen: bool ``[batch, 1, query, key]``.
      bias: ``[batch, heads, query, key]`` added to the logits ("reference").
      features: U ``[batch, heads, query, features]`` and V ``[batch, key, features]``, whose inner products
        are added to the logits ("folded").

    Returns:
      ``[batch, heads, query, width]`` in the dtype of ``v``.
    """
    scale = q.shape[-1] ** -0.5
    logits = jnp.einsum("bhqd,bhkd->bhqk", q * scale, k, preferred_element_type=jnp.float32)
    if features is not None:
        u, w = features
        batch, heads, length, width = u.shape
        # One matrix product for all heads, since the keys' features are shared between them.
        extra = jnp.einsum("bqf,bkf->bqk", u.reshape(batch, heads * length, width), w, precision="highest")
        logits = logits + extra.reshape(logits.shape)
    if bias is not None:
        logits = logits + bias
    logits = jnp.where(seen, logits, -1e30)
    weights = jax.nn.softmax(logits, axis=-1)
    weights = jnp.where(seen.any(axis=-1, keepdims=True), weights, 0.0)
    return jnp.einsum("bhqk,bhkd->bhqd", weights.astype(v.dtype), v)
