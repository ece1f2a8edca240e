"""The seam between a stage and the trainer."""

from __future__ import annotations

from hrpe_jax.models.config import BackboneModelConfig, MelodyModelConfig, ModelConfig
from hrpe_jax.tasks.backbone import BackboneTask
from hrpe_jax.tasks.base import Task
from hrpe_jax.tasks.melody import MelodyTask

__all__ = ["BackboneTask", "MelodyTask", "Task", "build_task"]


def build_task(stage: str, config: ModelConfig, label_smoothing: float = 0.0) -> Task:
    """The task of a stage; the only place that asks which one it is.

    Args:
      stage: "backbone" or "melody".
      config: of its model.
      label_smoothing: of the training loss (``losses.smoothed``).

    Raises:
      ValueError: no such stage, or a config of another stage.
    """
    if stage == "backbone" and isinstance(config, BackboneModelConfig):
        return BackboneTask(config, label_smoothing)
    if stage == "melody" and isinstance(config, MelodyModelConfig):
        return MelodyTask(config, label_smoothing)
    raise ValueError(f"no stage {stage!r} with a {type(config).__name__}; stages are backbone and melody")
