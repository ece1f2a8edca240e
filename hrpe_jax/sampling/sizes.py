"""Caches of keys and values that grow with a piece up to what the model sees, and then move on.

A step costs what its cache holds, so a piece begins with room for few events; the room doubles, from one
compiled size to the next, until it is what training saw. From there on the oldest events are dropped and
time and memory stay what they are, however long the piece. What is remembered to be repeated
(`ops.repeats`) reaches further back: it has as much room as the cache until something is dropped, then all.

The layers are unrolled, each with an array of its own: scanned, every step would copy the whole cache, while
an array that a loop carries is written where it lies.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, TypeVar, cast

import jax
import numpy as np

from hrpe_jax.checkpoints.release import Model, StageModel
from hrpe_jax.models import cache as caches
from hrpe_jax.models.cache import Cache
from hrpe_jax.models.config import BackboneModelConfig, MelodyModelConfig, ModelConfig
from hrpe_jax.sampling.programs import stored_jit

SMALLEST = 128
_KEPT: dict[str, tuple[StageModel, ModelConfig, Any]] = {}
"""By name the stage that was used last, with its config and its parameters on the device."""
_Config = TypeVar("_Config", bound=ModelConfig)


def unroll(config: _Config, params: Any) -> tuple[_Config, Any]:
    """A stage's config and parameters with one module for each layer instead of a scan over them."""
    if not config.scan_layers:
        return replace(config, remat="none"), params
    stack = {name: value for name, value in params["stack"].items() if name != "blocks"}
    for layer in range(config.layers):
        stack[f"block_{layer}"] = jax.tree.map(
            lambda leaf, layer=layer: leaf[layer], params["stack"]["blocks"]
        )
    return replace(config, scan_layers=False, remat="none"), {**params, "stack": stack}


def backbone_stage(model: Model) -> tuple[BackboneModelConfig, Any]:
    """Config and parameters of the chord stage, unrolled and on the device."""
    return cast(tuple[BackboneModelConfig, Any], _on_device("backbone", model))


def melody_stage(model: Model) -> tuple[MelodyModelConfig, Any]:
    """Config and parameters of the melody stage, unrolled and on the device."""
    return cast(tuple[MelodyModelConfig, Any], _on_device("melody", model))


def _on_device(name: Literal["backbone", "melody"], model: Model) -> tuple[ModelConfig, Any]:
    stage = model.stage(name)
    kept = _KEPT.get(name)
    if kept is None or kept[0] is not stage:
        config, params = unroll(stage.config.model, stage.params)
        kept = _KEPT[name] = (stage, config, jax.device_put(params))
    return kept[1], kept[2]


def room(events: int, most: int, smallest: int = SMALLEST) -> int:
    """The compiled size that holds so many events: smallest, twice that, ... up to `most`.

    Args:
        events: that have to fit.
        most: the largest size.
        smallest: the smallest size.
    """
    size = smallest
    while size < events:
        size *= 2
    return min(size, most)


def round_up(size: int, smallest: int) -> int:
    """The next of smallest * (1, 1.5, 2, 3, 4, 6, 8, ...), or of its powers of 2 where it is odd."""
    step = smallest
    while step < size:
        if smallest % 2 == 0 and step * 3 // 2 >= size:
            return step * 3 // 2
        step *= 2
    return step


def remembered(config: ModelConfig, slots: int, most: int) -> int:
    """Room for `repeats` beside a cache of so many slots, of which there will be `most`.

    Args:
        config: of the model.
        slots: of the cache now.
        most: slots that it will have.
    """
    return config.repeats if slots >= most else min(config.repeats, slots)


@stored_jit(static=(1, 2))
def grow(cache: Cache, slots: int, remembered: int | None = None) -> Cache:
    """`cache.grow`, compiled.

    Args:
        cache: with fewer slots.
        slots: how many it has afterwards.
        remembered: events of `repeats`; None for as many as before.
    """
    return caches.grow(cache, slots, remembered)


def remember_all(config: ModelConfig, cache: Cache) -> Cache:
    """The cache with all the room for `repeats`; to be called before anything is dropped."""
    if cache.repeats is None or cache.repeats.events.shape[1] == config.repeats:
        return cache
    grown: Cache = grow(cache, caches.capacity(cache), config.repeats)
    return grown


@stored_jit(donated=(0,))
def drop(cache: Cache, count: Any) -> Cache:
    """`cache.drop`, compiled, in place."""
    return caches.drop(cache, count)


def left_padded(rows: list[Any], length: int, fill: int) -> np.ndarray:
    """Sequences of different lengths, ending together: int32 `[rows, length]`.

    Args:
        rows: sequences of integers.
        length: of the longest, or more.
        fill: what stands before shorter ones.
    """
    table = np.full((len(rows), length), fill, np.int32)
    for row, values in zip(table, rows, strict=True):
        if len(values):
            row[length - len(values) :] = values
    return table
