"""Rotary positional embedding (RoPE; Su et al., "RoFormer", 2021).

Query and key are turned, pair by pair, by an angle proportional to their position; since a rotation by m and
one by n leave only m - n in the inner product, attention sees relative distance and nothing has to be added
to the embeddings.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array


class Rotation(NamedTuple):
    """Cosines and sines of the angles of some positions: both ``[..., length, width // 2]``, float32."""

    cos: Array
    sin: Array


def rotation(positions: Array, width: int, base: float = 10000.0) -> Rotation:
    """The rotation at each position.

    Args:
      positions: integers ``[..., length]``, in events.
      width: of one head; even.
      base: longest wavelength over 2 pi, in events.

    Raises:
      ValueError: width is odd.
    """
    if width % 2:
        raise ValueError(f"rope: width must be even, got {width}")
    frequencies = base ** (-jnp.arange(0, width, 2, dtype=jnp.float32) / width)
    angles = positions[..., None].astype(jnp.float32) * frequencies
    return Rotation(jnp.cos(angles), jnp.sin(angles))


def cyclic_rotation(turn: Rotation, codes: Array, present: Array, period: int = 12) -> Rotation:
    """Turns further by a cyclic code: inner products then see differences of the code as well (Z12 rotary).

    Pair i is turned by ``2 pi m code / period`` more, with the whole number m = i mod (period // 2 + 1): one
    turn of the code is m whole turns of the pair, so only the difference modulo the period remains. Pairs
    with m = 0 see position alone. Where the code is absent the others are zero and add nothing to any
    product.

    Args:
      turn: by position, ``[batch, length, width // 2]``.
      codes: int ``[batch, length]``.
      present: bool ``[batch, length]``.
      period: of the code.
    """
    pairs = turn.cos.shape[-1]
    multiples = jnp.arange(pairs) % (period // 2 + 1)
    angles = (2 * jnp.pi / period) * ((codes[..., None] * multiples) % period)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    counts = present[..., None] | (multiples == 0)
    return Rotation(
        jnp.where(counts, turn.cos * cos - turn.sin * sin, 0.0),
        jnp.where(counts, turn.sin * cos + turn.cos * sin, 0.0),
    )


def rotate(x: Array, turn: Rotation) -> Array:
    """Turns ``x [batch, heads, length, width]`` by ``turn [batch, length, width // 2]``; keeps its dtype.

    Dimension i is paired with dimension i + width // 2.
    """
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cos, sin = turn.cos[..., None, :, :], turn.sin[..., None, :, :]
    turned = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return turned.astype(x.dtype)
