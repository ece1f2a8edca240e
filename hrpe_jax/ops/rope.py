"""Rotary positional embedding (RoPE; Su et al., "RoFormer", 2021).

Query and key are turned, pair by pair, by an angle proportional to their position; since a rotation by m and
one by n leave only m - n in the inner product, attention sees relative distance and nothing has to be added
to the embeddings.
"""

from __future__ import annotations

import functools
import math
from array import array
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

STEP = 1024
"""Positions in a table; three tables tell ``STEP ** 3`` of them apart, some 10 ** 9."""


class Rotation(NamedTuple):
    """Cosines and sines of the angles of some positions: both ``[..., length, width // 2]``, float32."""

    cos: Array
    sin: Array


def rotation(positions: Array, width: int, base: float = 10000.0) -> Rotation:
    """The rotation at each position.

    The angle of a position is the sum of those of its digits to the base ``STEP``, whose sines and cosines
    are in tables. So a far position is as exact as a near one (a float32 product of position and
    frequency is off by 1e-3 at event 20,000), and no program computes a sine: XLA's CPU backend would do it
    again in every kernel that reads one, for each head of each layer.

    Args:
      positions: integers, ``[..., length]``, in events; less than ``STEP ** 3`` from 0, on either side.
      width: of one head; even.
      base: longest wavelength over 2 pi, in events.

    Raises:
      ValueError: width is odd.

    Example:
        >>> turn = rotation(jnp.arange(3), width=4)
        >>> turn.cos.shape
        (3, 2)
    """
    if width % 2:
        raise ValueError(f"rope: width must be even, got {width}")
    distance = jnp.abs(positions)
    turn = None
    for power, table in enumerate(_tables(width, base)):
        digit = distance // STEP**power % STEP
        cos, sin = jnp.split(jnp.asarray(table).reshape(STEP, width)[digit], 2, axis=-1)
        if turn is not None:
            cos, sin = cos * turn.cos - sin * turn.sin, sin * turn.cos + cos * turn.sin
        turn = Rotation(cos, sin)
    assert turn is not None
    return Rotation(turn.cos, jnp.where(positions[..., None] < 0, -turn.sin, turn.sin))


@functools.cache
def _tables(width: int, base: float) -> tuple[array[float], ...]:
    """Cosines, then sines, ``[STEP, width]``, of 0 to ``STEP - 1`` times 1, ``STEP`` and ``STEP ** 2``.

    Computed in double precision, which JAX would have to be set to.
    """
    frequencies = [base ** (-i / width) for i in range(0, width, 2)]

    def table(distance: int) -> array[float]:
        entries = array("f")
        for n in range(STEP):
            angles = [distance * n * frequency for frequency in frequencies]
            entries.extend(map(math.cos, angles))
            entries.extend(map(math.sin, angles))
        return entries

    return tuple(table(STEP**power) for power in range(3))


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
