"""Models of a few thousand parameters, drawn at random: untrained, but no table is zero."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from hrpe_jax.checkpoints.release import Model, StageModel
from hrpe_jax.composer import Composer
from hrpe_jax.config import BackboneStageConfig, BatchConfig, MelodyStageConfig, StageConfig
from hrpe_jax.models.config import BackboneModelConfig, MelodyHarmonyConfig, MelodyModelConfig
from hrpe_jax.sampling.compose import Piece
from hrpe_jax.sampling.controls import Controls, read_controls
from hrpe_jax.sampling.options import ComposeOptions
from hrpe_jax.tasks import build_task

SHAPE: dict[str, Any] = {"width": 16, "layers": 2, "heads": 2, "head_width": 8, "mlp_width": 24}
SEGMENT, MEMORY = 12, 8  # so short that a few bars fill several segments

BACKBONE = BackboneStageConfig(model=BackboneModelConfig(**SHAPE, residual_rank=2), batch=BatchConfig(rows=2))
MELODY = MelodyStageConfig(
    model=MelodyModelConfig(
        **SHAPE, memory=MEMORY, harmony=MelodyHarmonyConfig(codes="melody", variant="lagged")
    ),
    batch=BatchConfig(rows=2, length=SEGMENT),
)
PLANNED_BACKBONE = replace(
    BACKBONE, model=replace(BACKBONE.model, plan=True, phrases=(2,), repeats=64, residual_rank=0)
)
PLANNED_MELODY = replace(
    MELODY, model=replace(MELODY.model, plan=True, bar_lags=(1, 2), chord_tones=True, repeats=64)
)


def noisy_params(stage: str, config: StageConfig) -> Any:
    """Parameters with noise on all of them."""
    shapes = jax.eval_shape(build_task(stage, config.model).init_params, jax.random.key(0))
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: generator.normal(0, 0.3, leaf.shape).astype(np.float32), shapes)


@functools.cache
def tiny_model() -> Model:
    """Both stages."""
    return Model(
        "tiny",
        StageModel(BACKBONE, noisy_params("backbone", BACKBONE), 7, 9),
        StageModel(MELODY, noisy_params("melody", MELODY), 5, 5),
    )


@functools.cache
def planned_model() -> Model:
    """Both stages, with all that they can know of a plan."""
    return Model(
        "planned",
        StageModel(PLANNED_BACKBONE, noisy_params("backbone", PLANNED_BACKBONE), 7, 9),
        StageModel(PLANNED_MELODY, noisy_params("melody", PLANNED_MELODY), 5, 5),
    )


def controls_of(**options: Any) -> Controls:
    """Options, read and checked."""
    return read_controls(ComposeOptions(**options))


def pieces_of(model: Model, **options: Any) -> list[Piece]:
    """What a model composes."""
    return list(Composer(model).pieces(ComposeOptions(**options)))
