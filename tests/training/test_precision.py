"""Both stages in bfloat16 with what they recompute, beside float32 with everything kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from hrpe_jax.config import (
    BackboneStageConfig,
    BatchConfig,
    MelodyStageConfig,
    MeshConfig,
    OptimizerConfig,
    StageConfig,
)
from hrpe_jax.data.loader import eval_batches
from hrpe_jax.models.config import BackboneModelConfig, HarmonyConfig, MelodyModelConfig
from hrpe_jax.tasks import build_task
from hrpe_jax.training.sharding import make_mesh
from hrpe_jax.training.train_step import Programs, make_programs

SHAPE: dict[str, Any] = {"width": 16, "layers": 2, "heads": 2, "head_width": 8, "mlp_width": 24}
SAME: dict[str, Any] = {
    "batch": BatchConfig(rows=2, length=32),
    "optimizer": OptimizerConfig(learning_rate=0.01, warmup_steps=2, ema_decay=0.5),
    "steps": 10,
}
HARMONY = HarmonyConfig(lags=((0, 0),))
STAGES: dict[str, StageConfig] = {
    "backbone": BackboneStageConfig(
        model=BackboneModelConfig(**SHAPE, residual_rank=2, dropout=0.0, harmony=HARMONY), **SAME
    ),
    "melody": MelodyStageConfig(model=MelodyModelConfig(**SHAPE, memory=8, dropout=0.0), **SAME),
}


def programs_of(stage: str, config: StageConfig) -> Programs:
    """Of a stage on one device."""
    return make_programs(build_task(stage, config.model), config, make_mesh(MeshConfig(), jax.devices()[:1]))


def losses_of(programs: Programs, state: Any, batches: Any) -> tuple[list[float], Any]:
    """The losses of ten steps on one batch, and the state after them."""
    carry, losses = programs.init_carry(), []
    for _ in range(10):
        state, carry, metrics = programs.train(state, carry, batches[0], jax.random.key(1))
        losses.append(float(metrics["loss"][0] / metrics["loss"][1]))
    return losses, state


@pytest.mark.parametrize("stage", STAGES)
def test_bfloat16_gives_about_the_loss_of_float32(fake_dataset, stage: str) -> None:
    wide = STAGES[stage]
    batches = eval_batches(fake_dataset, stage, wide.batch, split="valid")  # type: ignore[arg-type]
    segment = {name: leaf[0] for name, leaf in batches[0].items()}
    params, found = None, []
    for dtype in ("float32", "bfloat16"):
        task = build_task(stage, replace(wide.model, dtype=dtype, remat="dots"))
        params = params or jax.jit(task.init_params)(jax.random.key(0))

        def loss(task: Any = task, params: Any = params) -> Any:
            return task.segment_loss(params, task.init_carry(2), segment, jax.random.key(1), True)[0]

        found.append(jax.jit(loss)())
    np.testing.assert_allclose(found[0], found[1], rtol=0.01)
    assert found[0][0] != found[1][0]


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_bfloat16_learns_as_float32_does(fake_dataset, stage: str) -> None:
    wide = STAGES[stage]
    narrow = replace(wide, model=replace(wide.model, dtype="bfloat16", remat="dots"))
    batches = eval_batches(fake_dataset, stage, wide.batch, split="valid")  # type: ignore[arg-type]
    programs = programs_of(stage, wide)
    begin = jax.device_get(programs.init(jax.random.key(0)))
    exact, _ = losses_of(programs, begin, batches)
    close, state = losses_of(programs_of(stage, narrow), begin, batches)
    assert exact[-1] < 0.9 * exact[0]
    np.testing.assert_allclose(close, exact, rtol=0.02)
    for kept in (state.params, state.ema):
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(kept)} == {"float32"}
