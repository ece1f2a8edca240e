"""The backbone: causality, H-RPE's promises inside a whole model, packing, and the cache."""

from __future__ import annotations

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.models.backbone import Backbone, _stood, init_cache
from hrpe_jax.models.config import BackboneModelConfig, HarmonyConfig
from hrpe_jax.ops import phrases
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

LENGTH = 14
STEPS = ((5, 1, 1, 5, 1, 1), (1,) * LENGTH)
SMALL = {"width": 24, "layers": 1, "heads": 2, "head_width": 12, "mlp_width": 32, "residual_rank": 4}


LAGS = ((0, 0), (1, 3))


def config(attention: str = "xla", **harmony: object) -> BackboneModelConfig:
    if harmony.get("variant", "lagged") in ("lagged", "none"):
        harmony.setdefault("lags", LAGS)  # each lag costs tracing
    return BackboneModelConfig(
        **SMALL,
        attention=attention,
        repeats=20,
        phrases=(1, 2, 4),
        harmony=HarmonyConfig(**harmony),  # type: ignore[arg-type]
    )


def draw_batch(rows: int = 2, length: int = LENGTH, seed: int = 0, key: int = 2) -> dict[str, jax.Array]:
    rng = np.random.default_rng(seed)
    events = np.flatnonzero(tokens.VALID & (tokens.KIND == tokens.KIND_EVENT))
    # Some of it comes again, for the sake of `repeats` and `phrases`.
    again = rng.choice(events, 5)[np.arange(length) % 5]
    ids = np.where(rng.random((rows, length)) < 0.3, rng.choice(events, (rows, length)), again)
    ids[:, :3] = tokens.BOS, tokens.key_id(Key.from_index(key)), tokens.meter_id(Meter(4, 4))
    return with_codes(ids, key)


def with_codes(ids: np.ndarray, key: int) -> dict[str, jax.Array]:
    rows, length = ids.shape
    batch = {
        "input_ids": ids,
        "root_pc": tokens.ROOT[ids],
        "quality_code": tokens.QUALITY_CODE[ids],
        "function_code": tokens.function_table()[key][ids],
        "bar_phase": np.cumsum(tokens.BEATS[ids].astype(int), 1) % 4,
        "key": np.full_like(ids, key),
        "beats_per_bar": np.full_like(ids, 4),
        "positions": np.tile(np.arange(length), (rows, 1)),
        "segment_ids": np.ones_like(ids),
    }
    return {name: jnp.asarray(value, jnp.int32) for name, value in batch.items()}


@functools.cache
def param_shapes(model: Backbone) -> dict:
    batch = draw_batch(1, 4)
    return jax.eval_shape(lambda: nn.unbox(model.init(jax.random.key(0), batch)["params"]))


def noisy_params(model: Backbone, scale: float = 0.3) -> dict:
    rng = np.random.default_rng(1)
    shapes = param_shapes(Backbone(dataclasses.replace(model.config, attention="xla")))
    return jax.tree.map(lambda x: jnp.asarray(scale * rng.normal(size=x.shape), x.dtype), shapes)


def begun_params(model: Backbone) -> dict:
    """Any parameters, but tables as a training begins with them: all else of an init is not compiled."""
    params = noisy_params(model)
    attention = params["stack"]["blocks"]["attention"]

    @jax.jit
    def init() -> dict:
        return nn.unbox(model.init(jax.random.key(0), draw_batch(1, 4))["params"])["stack"]["blocks"][
            "attention"
        ]["tables"]

    attention["tables"] = init()
    return params


@functools.partial(jax.jit, static_argnums=0)
def run(model: Backbone, params: dict, batch: dict[str, jax.Array], *rest: object) -> tuple:
    return model.apply({"params": params}, batch, *rest)


def shown(logits: jax.Array) -> np.ndarray:
    """Logits without the constant of invalid tokens."""
    return np.asarray(logits)[..., tokens.VALID]


def test_zero_tables_are_plain_rope() -> None:
    batch = draw_batch()
    plain, harmonic = Backbone(config(variant="none")), Backbone(config(variant="lagged"))
    params = begun_params(harmonic)
    without = jax.tree.map(lambda x: x, params)
    del without["stack"]["blocks"]["attention"]["tables"]
    np.testing.assert_array_equal(run(plain, without, batch)[0], run(harmonic, params, batch)[0])


def test_implementations_agree() -> None:
    batch = draw_batch()
    models = [Backbone(config(attention=name)) for name in ("reference", "xla")]
    params = noisy_params(models[0])
    outs = [shown(run(model, params, batch)[0]) for model in models]
    np.testing.assert_allclose(*outs, atol=2e-4)


@pytest.mark.parametrize("implementation", ["reference", "xla"])
def test_causal(implementation: str) -> None:
    """Changing an event, or any of its features, changes nothing before it."""
    model, batch = Backbone(config(attention=implementation)), draw_batch()
    params = noisy_params(model)
    base = shown(run(model, params, batch)[0])
    for cut in (1, 5, LENGTH - 1):
        other = draw_batch(seed=9)
        changed = {name: value.at[:, cut:].set(other[name][:, cut:]) for name, value in batch.items()}
        after = shown(run(model, params, changed)[0])
        np.testing.assert_allclose(after[:, :cut], base[:, :cut], atol=1e-5)
        assert np.abs(after[:, cut:] - base[:, cut:]).max() > 1e-3


MOVING = {
    "harmony": HarmonyConfig(lags=((0, 0), (1, 2)), motions=((0, 1), (2, 3))),
    "motion_input": True,
    "transposed_repeats": 20,
    "transposed_phrases": (1, 2),
}


def moving(attention: str = "xla", **options: object) -> BackboneModelConfig:
    """A model with all that knows of motions."""
    return dataclasses.replace(config(attention=attention), **{**MOVING, **options})


def test_motion_tables_of_zero_are_the_model_without() -> None:
    batch, searches = draw_batch(), {"transposed_repeats": 0, "transposed_phrases": (), "motion_input": False}
    with_motions = Backbone(moving(**searches))
    without = Backbone(moving(**searches, harmony=HarmonyConfig(lags=((0, 0), (1, 2)))))
    params = begun_params(with_motions)
    plain = jax.tree.map(lambda x: x, params)
    tables = plain["stack"]["blocks"]["attention"]["tables"]
    moved = [name for name in tables if name.startswith("motion")]
    assert sorted(moved) == [
        f"motion_lag_{pair}_{kind}" for pair in ("0_1", "2_3") for kind in ("category_0", "cyclic")
    ]
    for name in moved:
        del tables[name]
    np.testing.assert_array_equal(run(without, plain, batch)[0], run(with_motions, params, batch)[0])


def test_motions_are_the_same_in_both_implementations_and_in_a_cache() -> None:
    """A piece begins in the middle of any motion: the cache remembers the root before it."""
    batch = draw_batch()
    models = [Backbone(moving(attention=name)) for name in ("reference", "xla")]
    params = noisy_params(models[0])
    full = [shown(run(model, params, batch)[0]) for model in models]
    np.testing.assert_allclose(*full, atol=2e-4)
    cache, outs, at = init_cache(models[1].config, 2, LENGTH + 3), [], 0
    for step in STEPS[0]:
        part = {name: value[:, at : at + step] for name, value in batch.items()}
        logits, cache = run(models[1], params, part, cache)
        outs.append(shown(logits))
        at += step
    np.testing.assert_allclose(np.concatenate(outs, 1), full[1], atol=5e-5)


def test_motions_are_causal_and_stop_at_song_borders() -> None:
    model, batch = Backbone(moving()), draw_batch()
    params = noisy_params(model)
    base = shown(run(model, params, batch)[0])
    other = draw_batch(seed=9)
    changed = {name: value.at[:, 5:].set(other[name][:, 5:]) for name, value in batch.items()}
    after = shown(run(model, params, changed)[0])
    np.testing.assert_allclose(after[:, :5], base[:, :5], atol=1e-5)
    assert np.abs(after[:, 5:] - base[:, 5:]).max() > 1e-3
    half = LENGTH // 2
    packed = {name: jnp.concatenate([value[:, :half]] * 2, 1) for name, value in batch.items()}
    packed["segment_ids"] = packed["segment_ids"].at[:, half:].set(2)
    got = shown(run(model, params, packed)[0])
    np.testing.assert_allclose(got[:, half:], base[:, :half], atol=2e-5)


def test_key_and_meter_are_not_seen_before_their_tokens() -> None:
    model, batch = Backbone(config()), draw_batch()
    params = noisy_params(model)
    base = shown(run(model, params, batch)[0])
    changed = batch | {"key": batch["key"] + 3, "beats_per_bar": batch["beats_per_bar"] - 1}
    after = shown(run(model, params, changed)[0])
    np.testing.assert_array_equal(after[:, 0], base[:, 0])
    assert np.abs(after[:, 1:] - base[:, 1:]).max() > 1e-3


def test_packed_songs_do_not_see_each_other() -> None:
    model = Backbone(config())
    first, second = draw_batch(seed=1), draw_batch(seed=2, key=7)
    packed = {name: jnp.concatenate([first[name][:, :6], second[name][:, :8]], 1) for name in first}
    packed["segment_ids"] = packed["segment_ids"].at[:, 6:].set(2)
    params = noisy_params(model)
    got = shown(run(model, params, packed)[0])
    # What comes after those events in each song changes nothing (`test_causal`).
    for song, part in ((first, slice(0, 6)), (second, slice(6, None))):
        alone = shown(run(model, params, song)[0])[:, : got[:, part].shape[1]]
        np.testing.assert_allclose(got[:, part], alone, atol=2e-5)


@pytest.mark.parametrize(
    ("implementation", "steps", "shift"),
    [("reference", STEPS[0], False), *(("xla", steps, True) for steps in STEPS)],
)
def test_cached_decoding_equals_teacher_forcing(
    implementation: str, steps: tuple[int, ...], shift: bool
) -> None:
    shape = dataclasses.replace(config(attention=implementation), token_shift=shift)
    model, batch = Backbone(shape), draw_batch()
    params = noisy_params(model)
    full = shown(run(model, params, batch)[0])
    cache, outs, at = init_cache(shape, 2, LENGTH + 3), [], 0
    for step in steps:
        part = {name: value[:, at : at + step] for name, value in batch.items()}
        logits, cache = run(model, params, part, cache)
        outs.append(shown(logits))
        at += step
    np.testing.assert_allclose(np.concatenate(outs, 1), full, atol=5e-5)


def test_transposing_relations_alone_changes_nothing_but_the_input_tables() -> None:
    """With the absolute tables zero, a transposed song has transposed probabilities: the rest is relative."""
    model, batch = Backbone(config()), draw_batch()
    params = noisy_params(model)
    for name in ("root", "residual"):
        params["factors"][name] = jnp.zeros_like(params["factors"][name])
    params["factors"]["prefix"] = jnp.zeros_like(params["factors"]["prefix"])
    params["key_in"] = jnp.zeros_like(params["key_in"])
    up = 5
    ids = tokens.transpose_table()[up][np.asarray(batch["input_ids"])]
    moved = with_codes(ids, (2 + up) % 12)
    here, there = (run(model, params, b)[0][:, 1:] for b in (batch, moved))
    image = tokens.transpose_table()[up]
    np.testing.assert_allclose(shown(here), np.asarray(there)[..., image][..., tokens.VALID], atol=1e-4)


def test_without_token_shift_only_attention_sees_the_event_before() -> None:
    """The control for lags: with no way from position to position, an event is all its position knows of."""
    shape = dataclasses.replace(config(variant="none"), token_shift=False, repeats=0, phrases=())
    model, batch = Backbone(shape), draw_batch()
    params = noisy_params(model)
    assert "shift" not in params
    assert "shift" in noisy_params(Backbone(dataclasses.replace(shape, token_shift=True)))
    params["stack"]["blocks"]["attention"]["out"] *= 0.0
    other = batch | {name: batch[name].at[:, 4].set(draw_batch(seed=9)[name][:, 4]) for name in batch}
    base, after = (shown(run(model, params, b)[0]) for b in (batch, other))
    np.testing.assert_array_equal(after[:, 5:], base[:, 5:])
    assert np.abs(after[:, 4] - base[:, 4]).max() > 1e-3


def test_what_stood_so_many_bars_ago() -> None:
    """Cut to what was left of it there; nothing where it is what sounds on."""
    c, f, g = (tokens.chord_id(Chord(root, "maj"), 1) for root in (0, 5, 7))
    prefix = [tokens.BOS, tokens.key_id(Key.from_index(0)), tokens.meter_id(Meter(4, 4))]
    ids = np.asarray([[*prefix, c + 3, f + 7, g + 1, c + 1, f + 3, f + 3]])  # C 4, F 8, G 2, C 2, F 4, F 4
    batch = with_codes(ids, 0)
    bars = jnp.where(batch["positions"] >= 2, 4, 0)
    state, old = _stood(jnp.array([1, 2]), phrases.empty(1, 16, 2), batch, bars)
    one, two = jnp.moveaxis(old.event[0, 3:], -1, 0)
    none = phrases.NOTHING
    assert one.tolist() == [none, f + 3, f + 1, g + 1, none, none]
    assert two.tolist() == [none, f + 7, f + 5, f + 3, g + 1, none]
    assert state.clock.tolist() == [24]


def test_without_repeats_phrases_point_alone() -> None:
    shape = dataclasses.replace(config(), repeats=0)
    model, batch = Backbone(shape), draw_batch()
    params = noisy_params(model)
    assert "copying" not in params
    logits, cache = run(model, params, batch)
    assert cache.repeats is None
    targets = jnp.roll(batch["input_ids"], -1, axis=1)
    scores = jax.jit(model.apply)({"params": params}, batch, targets=targets)[0]
    wanted = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(scores.log_likelihood, wanted, atol=1e-4)


@pytest.mark.parametrize(
    "options", [{"scan_layers": False}, {"remat": "full"}, {"remat": "dots_no_batch"}, {"dtype": "bfloat16"}]
)
def test_options_run(options: dict) -> None:
    shape = BackboneModelConfig(**SMALL, **options)
    model, batch = Backbone(shape), draw_batch(1, 6)
    params = noisy_params(model)
    assert {str(x.dtype) for x in jax.tree.leaves(params)} == {"float32"}
    logits, _ = run(model, params, batch)
    assert logits.shape == (1, 6, tokens.SIZE)
    assert logits.dtype == jnp.float32
    assert np.isfinite(shown(logits)).all()
