"""The layer for other models: what the backbone's own attention computes, in linen and in nnx."""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.models.backbone import CATEGORIES, Backbone
from hrpe_jax.models.harmonic_attention import AttentionLayer, HarmonicAttention, to_nnx
from hrpe_jax.ops.hrpe import Codes
from tests.models import test_backbone
from tests.models.test_transformer import noisy

LAYER = HarmonicAttention(width=16, heads=2, codes=(4, 3), lags=((0, 0), (0, 1)))


def draw(rows: int = 2, length: int = 9, seed: int = 0) -> tuple[jax.Array, Codes]:
    rng = np.random.default_rng(seed)
    shape = rows, length
    codes = Codes(
        jnp.asarray(rng.integers(0, 12, shape)),
        (jnp.asarray(rng.integers(0, 4, shape)), jnp.asarray(rng.integers(0, 3, shape))),
        jnp.asarray(rng.random(shape) < 0.8),
    )
    return jnp.asarray(rng.normal(size=(*shape, 16)), jnp.float32), codes


def variables(layer: HarmonicAttention = LAYER) -> Any:
    """With tables that have left zero."""
    shapes = jax.eval_shape(lambda: layer.init(jax.random.key(0), *draw()))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: jnp.asarray(0.3 * rng.normal(size=x.shape), x.dtype), shapes)


apply = jax.jit(LAYER.apply)


def test_it_is_the_attention_of_the_backbone() -> None:
    """The same parameters, input and codes as inside a backbone of songs packed in rows."""
    shape = dataclasses.replace(test_backbone.config(), layers=1)
    model, batch = Backbone(shape), test_backbone.draw_batch()
    seen: list[Any] = []

    def watch(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        result = call(*args, **kwargs)
        if isinstance(context.module, AttentionLayer) and context.method_name == "__call__":
            seen.append((args[0], context.module.variables["params"], result[0]))
        return result

    params = noisy(model, (batch,))

    @jax.jit
    def inside(params: Any) -> Any:
        with nn.intercept_methods(watch):
            model.apply({"params": params}, batch)
        return seen.pop()

    x, attention, expected = inside(params)
    layer = HarmonicAttention(shape.width, shape.heads, CATEGORIES, shape.harmony.lags)
    assert shape.head_width == shape.width // shape.heads
    codes = Codes(
        batch["root_pc"],
        (batch["quality_code"], batch["function_code"]),
        (batch["quality_code"] != tokens.NO_QUALITY_CODE) & (batch["segment_ids"] > 0),
    )
    attend = jax.jit(layer.apply)
    found = attend({"params": attention}, x, codes, batch["positions"], batch["segment_ids"])
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    plain = attend({"params": attention}, x, codes._replace(present=codes.present & False))
    assert float(jnp.abs(plain - found).max()) > 1e-3  # codes and borders of songs do count


def test_an_nnx_module_computes_the_same() -> None:
    x, codes = draw()
    params = variables()["params"]
    module = to_nnx(LAYER, nnx.Rngs(0), x, codes)
    assert not np.any(module.tables["lag_0_1_cyclic"][...])
    for name, value in params.items():
        if name == "tables":
            for table, entries in value.items():
                module.tables[table][...] = entries
        else:
            getattr(module, name)[...] = value

    def loss_of_module(module: Any) -> Any:
        out = module(x, codes)
        return jnp.sum(out**2), out

    def loss(params: Any) -> Any:
        out = LAYER.apply({"params": params}, x, codes)
        return jnp.sum(out**2), out

    by_nnx, out_of_nnx = nnx.jit(nnx.grad(loss_of_module, has_aux=True))(module)
    by_linen, out = jax.jit(jax.grad(loss, has_aux=True))(params)
    np.testing.assert_allclose(out_of_nnx, out, rtol=1e-6)
    for name in ("query", "out"):
        np.testing.assert_allclose(by_nnx[name][...], by_linen[name], rtol=1e-5)
    found = by_nnx["tables"]["lag_0_1_cyclic"][...]
    np.testing.assert_allclose(found, by_linen["tables"]["lag_0_1_cyclic"], rtol=1e-5)


def test_it_looks_at_differences_of_the_cyclic_code_and_never_ahead() -> None:
    x, codes = draw()
    params = variables()
    found = apply(params, x, codes)
    higher = codes._replace(cyclic=(codes.cyclic + 5) % 12)
    np.testing.assert_allclose(apply(params, x, higher), found, rtol=1e-4, atol=1e-5)
    one_higher = codes._replace(cyclic=codes.cyclic.at[:, 4].add(5) % 12, present=codes.present | True)
    everywhere = apply(params, x, codes._replace(present=codes.present | True))
    changed = apply(params, x.at[:, 6:].add(1.0), one_higher)
    np.testing.assert_allclose(changed[:, :4], everywhere[:, :4], rtol=1e-6)
    assert float(jnp.abs(changed[:, 4:6] - everywhere[:, 4:6]).max()) > 1e-3


def test_songs_in_one_row_do_not_see_each_other() -> None:
    x, codes = draw(rows=1)
    params = variables()
    segments, positions = jnp.array([[1] * 5 + [2] * 4]), jnp.array([[*range(5), *range(4)]])
    packed = apply(params, x, codes, positions, segments)
    second = jax.tree.map(lambda array: array[:, 5:], (x, codes))
    np.testing.assert_allclose(packed[:, 5:], apply(params, *second), rtol=1e-4, atol=1e-6)


def test_it_fits_into_a_model_and_its_parameters_are_plain() -> None:
    class Model(nn.Module):
        @nn.compact
        def __call__(self, tokens: jax.Array, codes: Codes) -> Any:
            x = nn.Embed(7, 16)(tokens)
            x = x + HarmonicAttention(16, 2, (4, 3), ((0, 0),), name="attention")(nn.LayerNorm()(x), codes)
            return nn.Dense(7)(x)

    _, codes = draw()
    numbers = jnp.zeros((2, 9), int)
    params = jax.jit(Model().init)(jax.random.key(0), numbers, codes)["params"]
    kept = jax.tree.leaves(params["attention"], is_leaf=lambda leaf: isinstance(leaf, nn.meta.AxisMetadata))
    assert len(kept) == 4 + 4
    assert all(isinstance(leaf, jax.Array) for leaf in kept)
    assert jax.jit(Model().apply)({"params": params}, numbers, codes).shape == (2, 9, 7)


def test_what_does_not_fit_is_said() -> None:
    x, codes = draw()
    with pytest.raises(ValueError, match="a divisor of width 16 expected, got 3"):
        HarmonicAttention(16, 3, (4, 3)).init(jax.random.key(0), x, codes)
    with pytest.raises(ValueError, match=r"categories\[1\] is . at .*: 0 to 1 expected"):
        HarmonicAttention(16, 2, (4, 2), ((0, 0),)).init(jax.random.key(0), x, codes)


def test_over_motions_a_transposition_behind_a_silence_changes_nothing() -> None:
    """The chorus a step higher is heard as the first one was; over roots it is not."""
    x, codes = draw()
    codes = codes._replace(present=jnp.ones_like(codes.present).at[:, 4].set(False))
    moved = codes._replace(cyclic=codes.cyclic.at[:, 5:].add(2) % 12)
    for lags, motions, same in (((), ((0, 0), (0, 1)), True), (((0, 0), (0, 1)), (), False)):
        layer = HarmonicAttention(width=16, heads=2, codes=(4, 3), lags=lags, motions=motions)
        attend, params = jax.jit(layer.apply), variables(layer)
        here, there = (attend(params, x, which) for which in (codes, moved))
        assert bool(jnp.array_equal(here, there)) == same
