"""Both tasks: axes fit their arrays, metrics add up, a song learned by heart, no memory across songs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hrpe_jax.codec import backbone_tokens
from hrpe_jax.config import BatchConfig
from hrpe_jax.data.batches import BatchShape, backbone_batch, melody_batch
from hrpe_jax.data.loader import eval_batches
from hrpe_jax.models import harmonic_attention
from hrpe_jax.models.config import (
    BackboneModelConfig,
    HarmonyConfig,
    MelodyHarmonyConfig,
    MelodyModelConfig,
    ModelConfig,
)
from hrpe_jax.ops.attention.attention import choose
from hrpe_jax.ops.attention.cudnn import MAX_WIDTH
from hrpe_jax.ops.attention.types import song_bits
from hrpe_jax.tasks import build_task
from hrpe_jax.tasks.backbone import root_quality, root_quality_of
from hrpe_jax.workflows.load_config import load_config

SMALL = {"width": 32, "layers": 1, "heads": 2, "head_width": 16, "mlp_width": 48, "residual_rank": 4}
CONFIGS: dict[str, ModelConfig] = {
    "backbone": BackboneModelConfig(**SMALL, dropout=0.0, harmony=HarmonyConfig(lags=((0, 0), (0, 1)))),
    "melody": MelodyModelConfig(
        **SMALL, dropout=0.0, memory=16, harmony=MelodyHarmonyConfig(codes="melody", variant="query")
    ),
}
STAGES = tuple(CONFIGS)


def is_spec(x: object) -> bool:
    return isinstance(x, jax.sharding.PartitionSpec)


def batch_of(fake_dataset, stage: str) -> dict[str, jax.Array]:
    batches = eval_batches(fake_dataset, stage, BatchConfig(rows=3, length=32), split="valid")
    return {name: jnp.asarray(value) for name, value in batches[0].items()}


def first_segment(batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
    return {name: value[0] for name, value in batch.items()}


@functools.cache
def begun(stage: str) -> tuple[Any, Any, Any]:
    """A task, its first parameters, and the loss of a segment after a carry, compiled."""
    task = build_task(stage, CONFIGS[stage])
    params = jax.jit(task.init_params)(jax.random.key(0))
    return task, params, jax.jit(lambda c, s: task.segment_loss(params, c, s, jax.random.key(1), False))


@pytest.mark.parametrize("stage", STAGES)
def test_axes_name_every_dimension(stage: str) -> None:
    task = build_task(stage, CONFIGS[stage])
    params = jax.eval_shape(task.init_params, jax.random.key(0))
    axes = task.param_axes()
    assert jax.tree.structure(params) == jax.tree.structure(axes, is_leaf=is_spec)
    for leaf, names in zip(jax.tree.leaves(params), jax.tree.leaves(axes, is_leaf=is_spec), strict=True):
        assert len(names) == leaf.ndim
    assert task.batch_axes("weights", 3) == ("segments", "rows", "length")
    assert task.batch_axes("reset", 2) == ("segments", "rows")


@pytest.mark.parametrize("stage", STAGES)
def test_learns_a_batch_by_heart(fake_dataset, stage: str) -> None:
    task, params, _ = begun(stage)
    segment = first_segment(batch_of(fake_dataset, stage))
    carry = task.init_carry(3)
    optimizer = optax.adam(1e-2)

    def mean(params: object) -> jax.Array:
        (loss, weight), _, _ = task.segment_loss(params, carry, segment, jax.random.key(1), True)
        return loss / weight

    @jax.jit
    def step(params: object, state: object) -> tuple:
        loss, grads = jax.value_and_grad(mean)(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, loss

    state, losses = optimizer.init(params), []
    for _ in range(40):
        params, state, loss = step(params, state)
        losses.append(float(loss))
    assert losses[-1] < 0.35 * losses[0]


@pytest.mark.parametrize("stage", STAGES)
def test_rows_add_up(fake_dataset, stage: str) -> None:
    """Loss and metrics of a batch are the sums over its rows."""
    task, _, call = begun(stage)
    segment = first_segment(batch_of(fake_dataset, stage))
    whole = call(task.init_carry(3), segment)
    rows = [call(task.init_carry(1), {n: x[i : i + 1] for n, x in segment.items()}) for i in range(3)]
    for got, parts in ((whole[0], [r[0] for r in rows]), (whole[2], [r[2] for r in rows])):
        total = jax.tree.map(lambda *x: sum(x), *parts)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), got, total)
    assert float(whole[2]["nll"][1]) > 0


def test_backbone_reports_events_only(fake_dataset) -> None:
    """The prefix is trained on but not reported."""
    task, _, call = begun("backbone")
    segment = first_segment(batch_of(fake_dataset, "backbone"))
    (_, weight), _, metrics = call(task.init_carry(3), segment)
    starts = (segment["positions"] == 0) & (segment["weights"] > 0)
    assert float(weight - metrics["nll"][1]) == 2 * int(starts.sum())
    assert 0 < float(metrics["chord_nll"][1]) <= float(metrics["nll"][1])


def test_reset_rows_start_afresh(fake_dataset) -> None:
    task, _, call = begun("melody")
    batch = first_segment(batch_of(fake_dataset, "melody"))
    fresh, carry, _ = call(task.init_carry(3), batch | {"reset": jnp.ones(3, bool)})
    again, _, _ = call(carry, batch | {"reset": jnp.ones(3, bool)})
    going_on, _, _ = call(carry, batch | {"reset": jnp.zeros(3, bool)})
    np.testing.assert_allclose(again[0], fresh[0], rtol=1e-5)
    assert abs(float(going_on[0] - fresh[0])) > 1e-4


def test_root_quality_sums_over_inversions_and_durations() -> None:
    logits = jnp.asarray(np.random.default_rng(0).normal(size=backbone_tokens.SIZE))
    got = np.exp(jax.jit(root_quality)(logits))
    tokens = np.arange(backbone_tokens.SIZE)
    # 0 is anything but an event, 1 no chord; written anew here from the meaning tables.
    chords = 2 + backbone_tokens.ROOT.astype(int) * 32 + backbone_tokens.QUALITY
    index = np.where(tokens >= backbone_tokens.CHORD0, chords, tokens >= backbone_tokens.NO_CHORD0)
    np.testing.assert_array_equal(root_quality_of(jnp.asarray(tokens)), index)
    expected = np.zeros(2 + 12 * 32)
    np.add.at(expected, index, np.exp(logits))
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_other_stages_are_refused() -> None:
    with pytest.raises(ValueError, match="stages are"):
        build_task("drums", CONFIGS["melody"])
    with pytest.raises(ValueError, match="backbone"):
        build_task("backbone", CONFIGS["melody"])


@pytest.mark.parametrize("stage", ["backbone", "melody"])
def test_heads_of_large_configs_fit_the_fused_gpu_kernel(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[2] / "configs" / f"{stage}_large.py"
    config = getattr(load_config(str(path)).stages, stage)
    chosen = []

    def attend(q: Any, k: Any, v: Any, *_: Any, features: Any, **__: Any) -> Any:
        wide = q.shape[-1] + features.query.shape[-1] + song_bits(k.shape[2])
        chosen.append((wide, choose("auto", q, k, features, platform="gpu")))
        return jnp.zeros((*q.shape[:3], v.shape[-1]), v.dtype)

    monkeypatch.setattr(harmonic_attention, "attention", attend)
    task = build_task(stage, config.model)
    layout = {"backbone": backbone_batch, "melody": melody_batch}[stage]
    batch = layout([], None, BatchShape(1, config.batch.length), range(1))
    segment = {name: value[0] for name, value in batch.items()}
    params = jax.eval_shape(task.init_params, jax.random.key(0))
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert 340e6 < size < 360e6
    chosen.clear()
    jax.eval_shape(
        lambda p: task.segment_loss(p, task.init_carry(1), segment, jax.random.key(0), True), params
    )
    assert chosen
    assert all(wide <= MAX_WIDTH and name == "cudnn" for wide, name in chosen), chosen
