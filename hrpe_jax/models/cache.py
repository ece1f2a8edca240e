"""What attention has to know of events before the present ones, beside the layers' own states.

Hidden states or cached keys are not enough: RoPE needs the keys' positions, H-RPE their codes (and, for
lagged relations, the codes of a few events before the first key), the mask which slots hold a real event,
and the input embedding the event before. A ``Cache`` carries all of it, in the same shape for the XL
memory and for a cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.models.config import HarmonyConfig, ModelConfig
from hrpe_jax.models.harmonic_attention import PERIOD, Context, LayerMemory
from hrpe_jax.ops import hrpe, repeats, rope
from hrpe_jax.ops.attention.types import Side

Lags = tuple[tuple[int, int], ...]


class Cache(NamedTuple):
    """Events so far: the XL memory, or the cache of a sampler. Arrays are ``[batch, margin + capacity]``;
    the margin holds codes that only lags need.

    Attributes:
      positions: int, events since the song's start.
      segments: int, 0 where the slot is empty or of another song.
      codes: what H-RPE relates.
      previous: embedding of the last event, ``[batch, width]``, zero at a song's start.
      past: the layers' states, layers leading; in a cache a list of them without ``scan_layers``.
      slot: int scalar, where (after the margin) the next event goes; only in a cache.
      repeats: the song so far, further back than anything else here; None without ``config.repeats``.
      phrases: the song so far by the clock; None in a model without them.
      transposed: what ``models.transposed_search`` knows of the song so far; None in a model without it.
    """

    positions: Array
    segments: Array
    codes: hrpe.Codes
    previous: Array
    past: Any
    slot: Any = None
    repeats: Any = None
    phrases: Any = None
    transposed: Any = None


def empty(config: ModelConfig, batch: int, capacity: int, margin: int, categories: int, past: Any) -> Cache:
    """A cache without events; with an empty `past` also the start of a memory.

    Args:
        config: of the model.
        batch: rows.
        capacity: events that it has room for.
        margin: how many events before the first key the relations look at (`HarmonyConfig.reach`).
        categories: how many categorical codes events have.
        past: what the layers remember, an empty `LayerMemory` for a memory.
    """
    shape = (batch, margin + capacity)
    zeros = jnp.zeros(shape, jnp.int32)
    codes = hrpe.Codes(zeros, (zeros,) * categories, jnp.zeros(shape, bool))
    song = repeats.empty(batch, config.repeats) if config.repeats else None
    return Cache(zeros, zeros, codes, jnp.zeros((batch, config.width), jnp.float32), past, repeats=song)


def empty_cache(
    config: ModelConfig, batch: int, slots: int, margin: int, categories: int, remembered: int | None = None
) -> Cache:
    """A cache of keys and values with room for ``slots`` events; without ``scan_layers`` layer by layer.

    Its ``repeats`` hold ``remembered`` events, ``config.repeats`` where not given: fewer cost less, and are
    the same as long as there are no more.

    Args:
        config: of the model.
        batch: rows.
        slots: events that it has room for.
        margin: how many events before the first key the relations look at (`HarmonyConfig.reach`).
        categories: how many categorical codes events have.
        remembered: events of ``repeats``.
    """
    rows = (batch,) if batch > 1 else ()  # see `transformer.LayerMemory`
    shape, dtype = (*rows, config.heads, slots, config.head_width), jnp.dtype(config.dtype)

    def layer(*leading: int) -> LayerMemory:
        return LayerMemory(
            keys=jnp.zeros((*leading, *shape), dtype), values=jnp.zeros((*leading, *shape), dtype)
        )

    past: Any = layer(config.layers) if config.scan_layers else [layer() for _ in range(config.layers)]
    cache = empty(config, batch, slots, margin, categories, past)
    if config.repeats and remembered is not None:
        cache = cache._replace(repeats=repeats.empty(batch, remembered))
    return cache._replace(slot=jnp.zeros((), jnp.int32))


def capacity(cache: Cache) -> int:
    """For how many events a cache has room."""
    layer = cache.past[0] if isinstance(cache.past, list) else cache.past
    return int(layer.keys.shape[-2])


def grow(cache: Cache, slots: int, remembered: int | None = None) -> Cache:
    """The cache with room for ``slots`` events, whose ``repeats`` hold ``remembered`` (None: as before).

    Args:
        cache: with fewer slots.
        slots: how many it has afterwards.
        remembered: events of ``repeats``; None for as many as before.
    """
    more = slots - capacity(cache)

    def pad(x: Array, axis: int) -> Array:
        widths = [(0, 0)] * x.ndim
        widths[axis] = (0, more)
        return jnp.pad(x, widths)

    sides = jax.tree.map(lambda x: pad(x, 1), (cache.positions, cache.segments, cache.codes))
    past = jax.tree.map(lambda x: pad(x, x.ndim - 2), cache.past)
    song = cache.repeats
    if song is not None and remembered is not None:
        song = repeats.grow(song, remembered)
    return cache._replace(positions=sides[0], segments=sides[1], codes=sides[2], past=past, repeats=song)


def spread(cache: Cache, count: int) -> Cache:
    """Each row of an unrolled model's cache so many times, one behind the other.

    Args:
        cache: whose `past` is a list.
        count: 2 or more.
    """

    def each(x: Array) -> Array:
        return jnp.repeat(x, count, axis=0)

    def layer(x: Array) -> Array:
        return each(x if x.ndim == 4 else x[None])  # see `empty_cache`: one row has no axis of its own

    kept = jax.tree.map(each, cache._replace(past=None, slot=None))
    return kept._replace(past=jax.tree.map(layer, cache.past), slot=cache.slot)


def drop(cache: Cache, count: Any) -> Cache:
    """The cache without its first ``count`` events; codes that lags need stay in the margin."""

    def shift(x: Array, axis: int) -> Array:
        return jnp.roll(x, -count, axis)

    sides = jax.tree.map(lambda x: shift(x, 1), (cache.positions, cache.segments, cache.codes))
    # What stood at the front is now behind the last event and must not be taken for one.
    columns = jnp.arange(sides[1].shape[1]) < sides[1].shape[1] - count
    return cache._replace(
        positions=sides[0],
        segments=jnp.where(columns, sides[1], 0),
        codes=sides[2],
        past=jax.tree.map(lambda x: shift(x, x.ndim - 2), cache.past),
        slot=cache.slot - count,
    )


def forget(cache: Cache, reset: Array) -> Cache:
    """Empties the rows where ``reset [batch]`` is true: a new song begins there."""
    kept = ~reset[:, None]
    codes = cache.codes._replace(present=cache.codes.present & kept)
    song = cache.repeats if cache.repeats is None else repeats.forget(cache.repeats, reset)
    return cache._replace(
        segments=cache.segments * kept, codes=codes, previous=cache.previous * kept, repeats=song
    )


def append(cache: Cache, positions: Array, segments: Array, codes: hrpe.Codes) -> Cache:
    """Adds new events ``[batch, length]``: behind the last slot, or in a cache at ``slot``.

    Args:
        cache: to be added to.
        positions: int ``[batch, length]``.
        segments: int ``[batch, length]``.
        codes: of the events.
    """
    new = (positions, segments, codes)
    old = (cache.positions, cache.segments, cache.codes)
    if cache.slot is None:
        joined = jax.tree.map(lambda a, b: jnp.concatenate([a, b.astype(a.dtype)], axis=1), old, new)
    else:
        # Slot 0 lies behind the margin, whose width is what the arrays have more than the cached keys.
        column = cache.segments.shape[1] - capacity(cache) + cache.slot
        joined = jax.tree.map(
            lambda a, b: jax.lax.dynamic_update_slice(a, b.astype(a.dtype), (0, column)), old, new
        )
    return cache._replace(positions=joined[0], segments=joined[1], codes=joined[2])


def motion(cache: Cache, new: int, margin: int) -> hrpe.Codes:
    """The codes of the last ``new`` events (in a cache: of those at ``slot``) with roots as motions.

    Args:
        cache: with the new events.
        new: how many they are.
        margin: as for `empty`.
    """
    codes = hrpe.motion(cache.codes, PERIOD, cache.segments)
    start = cache.segments.shape[1] - margin - new if cache.slot is None else cache.slot
    return jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, margin + start, new, axis=1), codes)


def context(cache: Cache, new: int, config: ModelConfig, harmony: HarmonyConfig) -> Context:
    """The context of the last ``new`` events (in a cache: of those at ``slot``) among all of ``cache``.

    Args:
        cache: with the new events.
        new: how many they are.
        config: of the model.
        harmony: which relations there are.
    """
    lags, motions, edge = harmony.relations, harmony.motions_in_force, harmony.reach
    start = cache.segments.shape[1] - edge - new if cache.slot is None else cache.slot

    def keys(x: Array) -> Array:
        return x[:, edge:]

    def queries(x: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(x, edge + start, new, axis=1)

    def lagged(codes: hrpe.Codes, pairs: Lags) -> tuple[list[hrpe.Codes], list[hrpe.Codes]]:
        steps = {n: hrpe.lag(codes, n, cache.segments) for n in {n for pair in pairs for n in pair}}
        here = [jax.tree.map(queries, steps[a]) for a, _ in pairs]
        return here, [jax.tree.map(keys, steps[b]) for _, b in pairs]

    query_codes, key_codes = lagged(cache.codes, lags)
    if motions:
        here, there = lagged(hrpe.motion(cache.codes, PERIOD, cache.segments), motions)
        query_codes, key_codes = query_codes + here, key_codes + there
    query_side = Side(queries(cache.positions), queries(cache.segments))
    key_side = Side(keys(cache.positions), keys(cache.segments))

    def turn(side: Side, part: Callable[[Array], Array]) -> rope.Rotation:
        by_position = rope.rotation(side.positions, config.head_width, config.rope_base)
        if not harmony.turns:
            return by_position
        return rope.cyclic_rotation(by_position, part(cache.codes.cyclic), part(cache.codes.present))

    query_turn = turn(query_side, queries)
    return Context(
        query_side,
        key_side,
        query_turn,
        query_turn if cache.slot is not None else turn(key_side, keys),
        tuple(query_codes),
        tuple(key_codes),
        cache.slot,
    )
