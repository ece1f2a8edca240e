"""The stack: a scan over layers, and the same layers one by one from the same parameters."""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.models import transformer
from hrpe_jax.models.backbone import Backbone
from hrpe_jax.models.melody import Melody, init_memory
from tests.models import test_backbone, test_melody

LAYERS = 2
# Pointers stand outside of the stack.
PLAIN = {"repeats": 0, "layers": LAYERS}


def backbone(**options: Any) -> tuple[nn.Module, tuple[Any, ...]]:
    config = test_backbone.config(lags=((0, 0), (0, 1)))
    shape = dataclasses.replace(config, phrases=(), **PLAIN, **options)
    return Backbone(shape), (test_backbone.draw_batch(),)


def melody(**options: Any) -> tuple[nn.Module, tuple[Any, ...]]:
    """After a segment, so that there is a memory."""
    shape = dataclasses.replace(test_melody.config(memory=8), **PLAIN, **options)
    batch = test_melody.draw_batch()
    params = test_melody.noisy_params(shape)
    _, memory = test_melody.apply(shape, params, test_melody.cut(batch, 0, 8), init_memory(shape, 2))
    return Melody(shape), (test_melody.cut(batch, 8, 16), memory)


def noisy(model: nn.Module, arguments: tuple[Any, ...]) -> Any:
    shapes = jax.eval_shape(lambda: nn.unbox(model.init(jax.random.key(0), *arguments)["params"]))
    rng = np.random.default_rng(2)
    return jax.tree.map(lambda x: jnp.asarray(0.2 * rng.normal(size=x.shape), x.dtype), shapes)


def scans(model: nn.Module, params: Any, arguments: tuple[Any, ...]) -> bool:
    program = jax.make_jaxpr(lambda params: model.apply({"params": params}, *arguments)[0])(params)
    return any(eqn.primitive.name == "scan" and eqn.params["length"] == LAYERS for eqn in program.jaxpr.eqns)


@pytest.mark.parametrize("build", [backbone, melody])
def test_one_by_one_is_what_the_scan_computes(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, arguments = build()
    params = noisy(model, arguments)

    def everything() -> Any:
        def loss(params: Any) -> Any:
            logits, cache = model.apply({"params": params}, *arguments)
            return jnp.mean(jnp.where(logits > -1e8, logits, 0.0) ** 2), (logits, cache)

        return jax.jit(jax.value_and_grad(loss, has_aux=True))(params)

    assert not scans(model, params, arguments)
    one_by_one = everything()
    monkeypatch.setattr(transformer, "UNROLLED", LAYERS - 1)
    assert scans(model, params, arguments)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), one_by_one, everything()
    )


def test_on_an_accelerator_and_with_remat_layers_are_scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    model, arguments = backbone(remat="full")
    assert scans(model, noisy(model, arguments), arguments)
    model, arguments = backbone(attention="reference")
    params = noisy(model, arguments)
    assert not scans(model, params, arguments)
    monkeypatch.setattr(transformer, "target", lambda: "tpu")
    assert scans(model, params, arguments)


def test_every_layer_has_a_dropout_of_its_own() -> None:
    model, arguments = backbone(dropout=0.5)
    params = noisy(model, arguments)

    def apply(key: jax.Array) -> jax.Array:
        return model.apply({"params": params}, *arguments, train=True, rngs={"dropout": key})[0]  # type: ignore[no-any-return]

    drawn: list[jax.Array] = []
    original = jax.random.bernoulli

    def spy(key: jax.Array, *args: Any, **kwargs: Any) -> jax.Array:
        drawn.append(jax.random.key_data(key))
        return original(key, *args, **kwargs)

    def spied(key: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        drawn.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jax.random, "bernoulli", spy)
            return apply(key), tuple(drawn)

    run = jax.jit(spied)
    first, again, other = (run(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs(first[0] - other[0]).max() > 1e-3
    assert len(first[1]) == 1 + 2 * LAYERS
    assert len({tuple(np.asarray(key).tolist()) for key in first[1]}) == 1 + 2 * LAYERS
