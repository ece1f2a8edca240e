"""The melody: memory, cache and long context agree; nothing leaks across songs or from the future."""

from __future__ import annotations

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.models import melody as models
from hrpe_jax.models.cache import drop
from hrpe_jax.models.config import MelodyHarmonyConfig, MelodyModelConfig
from hrpe_jax.models.melody import Melody, forget, init_cache, init_memory, last_pitches

LENGTH = 24
LAGS = ((0, 0), (0, 1), (2, 3))


def config(memory: int, codes: str = "melody", layers: int = 2, attention: str = "xla") -> MelodyModelConfig:
    return MelodyModelConfig(
        width=16, layers=layers, heads=2, head_width=8, mlp_width=24, memory=memory,
        harmony=MelodyHarmonyConfig(codes=codes, variant="lagged", lags=LAGS),
        attention=attention, repeats=40,
    )  # fmt: skip


def draw_batch(rows: int = 2, length: int = LENGTH, seed: int = 0) -> dict[str, jax.Array]:
    rng = np.random.default_rng(seed)
    real = np.setdiff1d(np.arange(melody_tokens.SIZE), [melody_tokens.PAD])
    chords = backbone_tokens.chord_id(None) + np.zeros((rows, length), int)
    chords[:, 3:] = backbone_tokens.CHORD0 + 8 * rng.integers(0, 1536, (rows, length - 3))
    batch = {
        # Some of it comes again, for the sake of `repeats`.
        "event_ids": np.where(
            rng.random((rows, length)) < 0.2,
            rng.choice(real, (rows, length)),
            rng.choice(real, 9)[np.arange(length) % 9],
        ),
        "chord_id": chords,
        "root_pc": backbone_tokens.ROOT[chords],
        "quality_code": backbone_tokens.QUALITY_CODE[chords],
        "function_code": backbone_tokens.function_table()[3][chords],
        "next_chord_id": np.roll(chords, -1, axis=1),
        "ticks_to_next": rng.integers(0, 96, (rows, length)),
        "bar_phase": rng.integers(0, 48, (rows, length)),
        "positions": np.tile(np.arange(length), (rows, 1)),
    }
    rowwise = {"key": 3, "meter_num": 4, "meter_den": 4, "tempo_bin": 7}
    batch |= {name: np.full(rows, value) for name, value in rowwise.items()}
    return {name: jnp.asarray(value, jnp.int32) for name, value in batch.items()}


def cut(batch: dict[str, jax.Array], start: int, stop: int) -> dict[str, jax.Array]:
    return {name: x[:, start:stop] if x.ndim > 1 else x for name, x in batch.items()}


@functools.cache
def param_shapes(shape: MelodyModelConfig) -> dict:
    batch, model = draw_batch(1, 4), Melody(shape)
    return jax.eval_shape(
        lambda: nn.unbox(model.init(jax.random.key(0), batch, init_memory(shape, 1))["params"])
    )


def noisy_params(shape: MelodyModelConfig) -> dict:
    rng = np.random.default_rng(1)
    shapes = param_shapes(dataclasses.replace(shape, memory=0, attention="xla"))  # neither has parameters
    return jax.tree.map(lambda x: jnp.asarray(0.3 * rng.normal(size=x.shape), x.dtype), shapes)


@functools.partial(jax.jit, static_argnums=0)
def apply(shape: MelodyModelConfig, params: dict, batch: dict, cache: models.MelodyCache) -> tuple:
    return Melody(shape).apply({"params": params}, batch, cache)


def by_segments(shape: MelodyModelConfig, params: dict, batch: dict, segment: int) -> np.ndarray:
    cache, outs = init_memory(shape, batch["event_ids"].shape[0]), []
    for start in range(0, batch["event_ids"].shape[1], segment):
        logits, cache = apply(shape, params, cut(batch, start, start + segment), cache)
        outs.append(logits)
    return np.concatenate(outs, axis=1)


@pytest.mark.parametrize(("codes", "segment"), [("none", 8), ("melody", 8), ("chord", 8), ("chord", 1)])
def test_memory_and_segments_equal_one_long_context(codes: str, segment: int) -> None:
    shape = config(LENGTH, codes)
    params, batch = noisy_params(shape), draw_batch()
    np.testing.assert_allclose(
        by_segments(shape, params, batch, segment), by_segments(shape, params, batch, LENGTH), atol=5e-5
    )


def test_a_new_cache_has_the_types_of_a_used_one() -> None:
    """With a weak type a loop would be compiled twice: for the first call and for later ones."""
    cache = init_cache(config(LENGTH), 2, LENGTH)
    assert not [leaf for leaf in jax.tree.leaves(cache) if leaf.weak_type]


@pytest.mark.parametrize("memory", [0, 3, LENGTH])
def test_cached_decoding_equals_segments(memory: int) -> None:
    """Also where the cache is full and moves on: no memory, one shorter and one longer than a segment."""
    shape, segment = config(memory), 8
    params, batch = noisy_params(shape), draw_batch()
    expected = by_segments(shape, params, batch, segment)
    cache, move = init_cache(shape, 2, memory + segment), jax.jit(drop)
    for at in range(LENGTH):
        if at % segment == 0 and int(cache.events.slot) > memory:
            cache = cache._replace(events=move(cache.events, cache.events.slot - memory))
        logits, cache = apply(shape, params, cut(batch, at, at + 1), cache)
        np.testing.assert_allclose(logits[:, 0], expected[:, at], atol=5e-5)


def test_reference_and_folded_agree() -> None:
    shapes = [config(LENGTH, attention=name) for name in ("reference", "xla")]
    params, batch = noisy_params(shapes[0]), draw_batch()
    np.testing.assert_allclose(*(by_segments(s, params, batch, 8) for s in shapes), atol=1e-4)


def test_causal() -> None:
    shape = config(LENGTH)
    params, batch, other = noisy_params(shape), draw_batch(), draw_batch(seed=5)
    base = by_segments(shape, params, batch, 8)
    for at in (1, 7, 8, 20):
        changed = {n: x.at[:, at:].set(other[n][:, at:]) if x.ndim > 1 else x for n, x in batch.items()}
        after = by_segments(shape, params, changed, 8)
        np.testing.assert_allclose(after[:, :at], base[:, :at], atol=1e-5)
        assert np.abs(after[:, at:] - base[:, at:]).max() > 1e-3


def test_a_forgotten_row_is_a_new_song() -> None:
    shape = config(LENGTH)
    params, batch = noisy_params(shape), draw_batch()
    _, cache = apply(shape, params, draw_batch(seed=3), init_memory(shape, 2))
    fresh, _ = apply(shape, params, batch, init_memory(shape, 2))
    mixed, _ = apply(shape, params, batch, forget(cache, jnp.asarray([True, False])))
    np.testing.assert_allclose(mixed[0], fresh[0], atol=1e-5)
    assert np.abs(mixed[1] - fresh[1]).max() > 1e-3


def test_without_conditioning_the_chords_are_not_seen() -> None:
    batch, other = draw_batch(), draw_batch(seed=5)
    chords = {"chord_id", "next_chord_id", "root_pc", "quality_code", "function_code", "ticks_to_next"}
    changed = batch | {name: other[name] for name in chords}
    to_come = batch | {name: other[name] for name in ("next_chord_id", "ticks_to_next")}
    for conditioning, sees in (
        ("chords", (True, True)),
        ("present", (True, False)),
        ("none", (False, False)),
    ):
        shape = dataclasses.replace(config(LENGTH), conditioning=conditioning)
        params = noisy_params(shape)
        first, *others = (by_segments(shape, params, b, LENGTH) for b in (batch, changed, to_come))
        assert tuple(np.abs(first - second).max() > 1e-6 for second in others) == sees


def test_no_gradient_through_the_memory() -> None:
    shape = config(8)
    params, batch = noisy_params(shape), draw_batch()

    def loss(scale: jax.Array) -> jax.Array:
        scaled = jax.tree.map(lambda x: x * scale, params)
        _, cache = Melody(shape).apply({"params": scaled}, cut(batch, 0, 8), init_memory(shape, 2))
        logits, _ = Melody(shape).apply({"params": params}, cut(batch, 8, 16), cache)
        return logits.sum()

    assert float(jax.jit(jax.grad(loss))(jnp.asarray(1.0))) == 0.0


def test_memory_holds_the_last_events() -> None:
    shape = config(3)
    params, batch = noisy_params(shape), draw_batch()
    cache = init_memory(shape, 2)
    for start in (0, 8):
        _, cache = apply(shape, params, cut(batch, start, start + 8), cache)
        np.testing.assert_array_equal(cache.events.positions[0, -3:], np.arange(start + 5, start + 8))
    assert cache.events.past.hidden.shape == (2, 2, 3, 16)


def test_padding_is_not_remembered() -> None:
    shape = config(LENGTH)
    params, batch = noisy_params(shape), draw_batch()
    for real in (8, 5):
        part = cut(batch, 0, 8)
        part["event_ids"] = part["event_ids"].at[:, real:].set(melody_tokens.PAD)
        _, cache = apply(shape, params, part, init_memory(shape, 2))
        assert int((cache.events.segments > 0).sum()) == 2 * real


def test_last_pitches() -> None:
    ids = jnp.asarray([[60, melody_tokens.BAR, melody_tokens.REST, 64, 141], [131, 131, 62, 131, 131]])
    got = last_pitches(ids, jnp.asarray([-1, 50]))
    np.testing.assert_array_equal(got, [[60, 60, 60, 64, 64], [50, 50, 62, 62, 62]])


def test_event_kinds_cover_the_table() -> None:
    assert models.EVENT_KINDS.min() == 0
    assert models.EVENT_KINDS.max() < models.CATEGORIES["melody"][0]
