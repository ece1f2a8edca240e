"""Figures of a trained model on a prepared data set: the same numbers that its training reported."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from hrpe_jax.data.pipeline import Stage, eval_batches
from hrpe_jax.data.shards import SPLITS, open_dataset
from hrpe_jax.errors import UserError
from hrpe_jax.sampling.model import Model, load_model
from hrpe_jax.schema import suggestion
from hrpe_jax.tasks import build_task
from hrpe_jax.training.evaluation import evaluate_params

_STAGES: tuple[Stage, ...] = get_args(Stage)


def evaluate_model(
    model: str | os.PathLike[str] | Model,
    data: str | os.PathLike[str],
    split: str = "valid",
    stages: Sequence[Stage] = (),
    limit: int | None = None,
) -> dict[str, dict[str, float]]:
    """Measures a model on a split, every song of it once, as written.

    On the devices it was trained on, the figures on "valid" equal to the last bit what training wrote of this
    checkpoint into ``metrics.jsonl``; on others they agree within rounding.

    Args:
      model: workdir of a training (its best checkpoints), a released model, or one that is loaded.
      data: folder of a prepared data set.
      split: "train", "valid" or "test".
      stages: which; those that the model has if none is named. One without a song in the split is left out.
      limit: batches to look at; 0 for all, None for as many as its training looked at: ``eval_batches`` of
        its config, all of them unless that says otherwise.

    Returns:
      By stage: loss (nats per event, the backbone's key and meter included), perplexity, and the metrics of
      its task.

    Raises:
      UserError: there is no such model, data set, split or stage, or their vocabularies differ.
    """
    if split not in SPLITS:
        raise UserError(f"split {split!r}: no such split; {suggestion(split, SPLITS)}")
    for name in stages:
        if name not in _STAGES:
            raise UserError(f"stage {name!r}: no such stage; {suggestion(name, _STAGES)}")
    dataset = open_dataset(Path(data))
    model = model if isinstance(model, Model) else load_model(model)
    figures: dict[str, dict[str, float]] = {}
    wanted: Sequence[Stage] = stages or [name for name in _STAGES if getattr(model, name)]
    for name in wanted:
        trained = model.stage(name)
        batches = eval_batches(dataset, name, trained.config.batch, split=split)
        if len(batches):
            task = build_task(name, trained.config.model)
            figures[name] = evaluate_params(task, trained.config, trained.params, batches, limit)
    return figures
