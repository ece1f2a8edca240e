"""What attention has to know of events before the present ones, beside the layers' own states.

Hidden states or cached keys are not enough: RoPE needs the keys' positions, H-RPE their codes (and, for
lagged relations, the codes of a few events before the first key), the mask which slots hold a real event,
and the input embedding the event before. A ``History`` carries all of it, in the same shape for the XL
memory and for a cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.model_config import HarmonyConfig, ModelConfig
from hrpe_jax.models.layers import Context, Past
from hrpe_jax.ops import hrpe, rope
from hrpe_jax.ops.attention import Side

Lags = tuple[tuple[int, int], ...]


class History(NamedTuple):
    """Events so far. Arrays are ``[batch, margin + capacity]``; the margin holds codes that only lags need.

    Attributes:
      positions: int, events since the song's start.
      segments: int, 0 where the slot is empty or of another song.
      codes: what H-RPE relates.
      previous: embedding of the last event, ``[batch, width]``, zero at a song's start.
      past: the layers' states, layers leading.
      slot: int scalar, where (after the margin) the next event goes; only in a cache.
    """

    positions: Array
    segments: Array
    codes: hrpe.Codes
    previous: Array
    past: Past
    slot: Any = None


def margin(lags: Lags) -> int:
    """How many events before the first key the lags look at."""
    return max((max(pair) for pair in lags), default=0)


def empty(batch: int, capacity: int, lags: Lags, width: int, categories: int, past: Past) -> History:
    """A history without events."""
    shape = (batch, margin(lags) + capacity)
    zeros = jnp.zeros(shape, jnp.int32)
    codes = hrpe.Codes(zeros, (zeros,) * categories, jnp.zeros(shape, bool))
    return History(zeros, zeros, codes, jnp.zeros((batch, width), jnp.float32), past)


def forget(history: History, reset: Array) -> History:
    """Empties the rows where ``reset [batch]`` is true: a new song begins there."""
    kept = ~reset[:, None]
    codes = history.codes._replace(present=history.codes.present & kept)
    return history._replace(segments=history.segments * kept, codes=codes, previous=history.previous * kept)


def append(history: History, positions: Array, segments: Array, codes: hrpe.Codes) -> History:
    """Adds new events ``[batch, length]``: behind the last slot, or in a cache at ``slot``."""
    new = (positions, segments, codes)
    old = (history.positions, history.segments, history.codes)
    if history.slot is None:
        joined = jax.tree.map(lambda a, b: jnp.concatenate([a, b.astype(a.dtype)], axis=1), old, new)
    else:
        # Slot 0 lies behind the margin, whose width is what the arrays have more than the cached keys.
        column = history.segments.shape[1] - history.past.keys.shape[-2] + history.slot
        joined = jax.tree.map(
            lambda a, b: jax.lax.dynamic_update_slice(a, b.astype(a.dtype), (0, column)), old, new
        )
    return history._replace(positions=joined[0], segments=joined[1], codes=joined[2])


def context(history: History, new: int, config: ModelConfig, harmony: HarmonyConfig) -> Context:
    """The context of the last ``new`` events (in a cache: of those at ``slot``) among all of ``history``."""
    lags, edge = harmony.relations, margin(harmony.relations)
    capacity = history.segments.shape[1] - edge
    start = capacity - new if history.slot is None else history.slot

    def keys(x: Array) -> Array:
        return x[:, edge:]

    def queries(x: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(x, edge + start, new, axis=1)

    lagged = {n: hrpe.lag(history.codes, n, history.segments) for n in {n for pair in lags for n in pair}}
    query_side = Side(queries(history.positions), queries(history.segments))
    key_side = Side(keys(history.positions), keys(history.segments))

    def turn(side: Side, part: Callable[[Array], Array]) -> rope.Rotation:
        by_position = rope.rotation(side.positions, config.head_width, config.rope_base)
        if not harmony.turns:
            return by_position
        return rope.cyclic_rotation(by_position, part(history.codes.cyclic), part(history.codes.present))

    query_turn = turn(query_side, queries)
    return Context(
        query_side,
        key_side,
        query_turn,
        query_turn if history.slot is not None else turn(key_side, keys),
        tuple(jax.tree.map(queries, lagged[a]) for a, _ in lags),
        tuple(jax.tree.map(keys, lagged[b]) for _, b in lags),
        history.slot,
    )
