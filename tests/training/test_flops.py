"""FLOPs against counting by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from hrpe_jax.config import BackboneStageConfig, BatchConfig, MelodyStageConfig
from hrpe_jax.data.batches import BatchShape, blank_batch
from hrpe_jax.models.config import BackboneModelConfig, HarmonyConfig, MelodyModelConfig
from hrpe_jax.training.flops import PEAK, count_flops, model_flops, peak_flops, peak_seconds
from hrpe_jax.training.sharding import make_mesh


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


@pytest.mark.parametrize(
    ("kind", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA A100-SXM4-40GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", None),
        ("TPU v5 lite", 197e12),
        ("TPU v5", 459e12),
        ("TPU v6 lite", 918e12),
        ("cpu", None),
    ],
)
def test_peaks_are_known_by_the_name_of_the_device(kind: str, peak: float | None) -> None:
    device: Any = SimpleNamespace(device_kind=kind)
    assert peak_flops(device) == peak


def test_the_least_time_of_a_step_is_at_the_peak_of_all_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the loop asks for it: with the mesh set."""
    shape = {"width": 16, "layers": 1, "heads": 2, "head_width": 8, "mlp_width": 24, "residual_rank": 0}
    config = MelodyStageConfig(
        model=MelodyModelConfig(**shape, memory=8), batch=BatchConfig(rows=2, length=16)
    )
    batch = blank_batch("melody", BatchShape(2, 16))
    mesh = make_mesh(config.mesh, jax.devices()[:1])
    monkeypatch.setitem(PEAK, "cpu", 1e9)
    with jax.set_mesh(mesh):
        least = peak_seconds("melody", config, mesh, batch)
    assert least == pytest.approx(model_flops("melody", config, batch) / 1e9)
    monkeypatch.delitem(PEAK, "cpu")
    assert peak_seconds("melody", config, mesh, batch) is None
