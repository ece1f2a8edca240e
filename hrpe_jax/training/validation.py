"""Figures of a model on a split: one function for the validation inside a training and for everything else.

The carry (the melody's memory) begins empty and is handed from batch to batch, apart from that of training.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from hrpe_jax.config import MeshConfig, StageConfig
from hrpe_jax.training.metric_writers import Meter
from hrpe_jax.training.sharding import make_mesh, put_batch
from hrpe_jax.training.train_step import Programs, make_programs

MAX_IN_FLIGHT = 8
"""Batches dispatched ahead of the one whose metrics are read. More than 32 undrained collective programs
abort a process that runs on host-platform devices."""

Batch = Mapping[str, np.ndarray]


def evaluate(
    programs: Programs, task: Any, mesh: Mesh, params: Any, batches: Iterable[Batch], limit: int = 0
) -> dict[str, float]:
    """Means of the metrics over a finite list of batches, in order, the carry handed from batch to batch.

    Args:
      programs: of the stage.
      task: its task.
      mesh: where the parameters are.
      params: parameters.
      batches: leaves ``[segments, rows, ...]``; padding has weight 0.
      limit: look at that many batches only; 0 for all.

    Returns:
      loss (nats per event), perplexity, and the task's metrics; {} where nothing has weight.
    """
    carry, meter = programs.init_carry(), Meter()
    waiting: deque[Any] = deque()
    for index, batch in enumerate(batches):
        if limit and index >= limit:
            break
        carry, metrics = programs.evaluate(params, carry, put_batch(mesh, task, batch))
        waiting.append(metrics)
        if len(waiting) >= MAX_IN_FLIGHT:
            meter.add(jax.device_get(waiting.popleft()))
    for metrics in waiting:
        meter.add(jax.device_get(metrics))
    return meter.means()


def evaluate_params(
    task: Any, config: StageConfig, params: Any, batches: Iterable[Batch], limit: int | None = None
) -> dict[str, float]:
    """The figures that a training with this config would report for these parameters.

    Args:
      task: of the stage.
      config: of its training: the shape of batches, and the mesh where there are devices enough for it;
        elsewhere rows are split over as many devices as they can be.
      params: its parameters, on the host or on devices.
      batches: from `data.loader.eval_batches` with ``config.batch``.
      limit: look at that many batches only; 0 for all, None for as many as the training looks at.

    Returns:
      As ``evaluate``.
    """
    return evaluate_sets(task, config, params, [batches], limit)[0]


def evaluate_sets(
    task: Any, config: StageConfig, params: Any, sets: Iterable[Iterable[Batch]], limit: int | None = None
) -> list[dict[str, float]]:
    """`evaluate_params` of several sets of songs, each from an empty carry, by one compiled program.

    Args:
      task, config, params, limit: as there.
      sets: by set its batches, all made with ``config.batch``.
    """
    wanted, here = config.mesh, jax.device_count()
    if max(wanted.data, 1) * wanted.model > here or (wanted.data == -1 and config.batch.rows % here):
        rows = replace(config.batch, accumulate=1)
        config = replace(config, batch=rows, mesh=MeshConfig(data=math.gcd(rows.rows, here)))
    mesh = make_mesh(config.mesh)
    programs = make_programs(task, config, mesh)
    target = jax.tree.map(lambda leaf: leaf.sharding, programs.abstract[0].params)
    limit = config.eval_batches if limit is None else limit
    placed = jax.device_put(params, target)
    return [evaluate(programs, task, mesh, placed, batches, limit) for batches in sets]
