"""FLOPs against counting by hand."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from hrpe_jax.config import BackboneStageConfig, BatchConfig
from hrpe_jax.data.batches import blank_batch
from hrpe_jax.data.plan import BatchShape
from hrpe_jax.model_config import BackboneModelConfig, HarmonyConfig
from hrpe_jax.training.cost import count_flops, model_flops, peak_flops


def flops_of(function: Any, *args: Any) -> float:
    return count_flops(jax.make_jaxpr(function)(*args).jaxpr)


def test_products_are_counted_as_often_as_they_run() -> None:
    a, b = jnp.ones((3, 5)), jnp.ones((5, 7))
    one = 2 * 3 * 5 * 7
    assert flops_of(lambda: a @ b) == one
    assert flops_of(jax.jit(lambda: a @ b)) == one
    assert flops_of(lambda: jnp.einsum("bij,bjk->bik", jnp.ones((4, 3, 5)), jnp.ones((4, 5, 7)))) == 4 * one
    square = jnp.ones((3, 3))
    assert flops_of(lambda: jax.lax.scan(lambda c, _: (c @ square, None), square, None, 6)) == 6 * 2 * 27
    assert flops_of(lambda x: jax.lax.cond(x > 0, lambda: a @ b, lambda: jnp.ones((3, 7))), 1.0) == one
    # Two gradients of the same size, and with rematerialisation the product again.
    loss = lambda x, y: jnp.sum(jnp.sin(jnp.sin(x @ y) @ square))  # noqa: E731
    three = jnp.ones((3, 3))
    assert flops_of(jax.grad(loss, (0, 1)), three, three) == pytest.approx(2 * 27 * 5)  # square has none
    again = jax.grad(jax.checkpoint(loss), (0, 1))
    assert flops_of(again, three, three) >= 2 * 27 * 6


def test_model_flops_are_those_of_its_matrices() -> None:
    """The large products of a step on a model whose other products are few: 6 a parameter and token."""
    shape = {"width": 32, "layers": 3, "heads": 2, "head_width": 16, "mlp_width": 64, "residual_rank": 0}
    config = BackboneStageConfig(
        model=BackboneModelConfig(**shape, harmony=HarmonyConfig(variant="none")),
        batch=BatchConfig(rows=2, length=64, segments=3),
    )
    batch = blank_batch("backbone", BatchShape(2, 64, 3))
    counted = model_flops("backbone", config, batch)
    blocks = 3 * (4 * 32 * 32 + 3 * 32 * 64) + 32 * 32  # and the token shift
    tokens = 3 * 2 * 64
    assert 6 * blocks * tokens < counted
    deeper = BackboneStageConfig(
        model=BackboneModelConfig(**{**shape, "layers": 5}, harmony=HarmonyConfig(variant="none")),
        batch=config.batch,
    )
    added = model_flops("backbone", deeper, batch) - counted
    attention = 6 * 2 * 64 * 32  # two products with 64 keys, of whom half may be skipped
    assert 6 * 2 * (4 * 32 * 32 + 3 * 32 * 64) * tokens <= added
    assert added <= 2 * tokens * (6 * (4 * 32 * 32 + 3 * 32 * 64) + attention)


def test_a_cpu_has_no_known_peak() -> None:
    assert peak_flops(jax.devices("cpu")[0]) is None
