"""Arguments of attention that are not plain arrays: where events stand, factors of a bias, the mask."""

from __future__ import annotations

from typing import NamedTuple

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

    Returns:
      bool ``[batch, 1, query, key]``.
    """
    distance = queries.positions[:, :, None] - keys.positions[:, None, :]
    seen = (distance >= 0) & (queries.segments[:, :, None] == keys.segments[:, None, :])
    seen &= keys.segments[:, None, :] > 0
    if window is not None:
        seen &= distance < window
    return seen[:, None]
