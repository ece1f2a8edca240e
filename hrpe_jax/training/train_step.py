"""One optimizer step, one evaluation batch, and the figures of a split, as compiled functions on a mesh.

One function gives the figures of a model on a split, inside a training and elsewhere. The carry (the melody's
memory) begins empty and is handed from batch to batch, apart from that of training.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from hrpe_jax.checkpoints.format import TrainState
from hrpe_jax.config import MeshConfig, StageConfig
from hrpe_jax.training.optimizer import average, learning_rate, make_optimizer
from hrpe_jax.training.progress import Meter
from hrpe_jax.training.sharding import (
    init_state,
    is_axes,
    make_mesh,
    put_batch,
    replicated,
    state_shardings,
    tree_shardings,
    with_shardings,
)

Metrics = dict[str, tuple[jax.Array, jax.Array]]
"""name -> (sum, weight), float32 scalars: metrics that merge, so that partial batches average right."""


def scan_segments(
    task: Any, params: Any, carry: Any, batch: dict[str, jax.Array], key: jax.Array, train: bool
) -> tuple[jax.Array, jax.Array, Any, Metrics]:
    """Sums the loss over the segments of a batch.

    Args:
      task: a Task.
      params: its parameters.
      carry: what the previous batch handed on, or None.
      batch: leaves ``[segments, rows, ...]``.
      key: of this step; each segment folds its index in.
      train: whether dropout is on.

    Returns:
      (sum of the loss, weight, carry, metrics), all summed over segments.
    """
    chex.assert_equal_shape_prefix(list(batch.values()), 2)
    segments = next(iter(batch.values())).shape[0]

    def one(carry: Any, inputs: tuple[Any, jax.Array]) -> tuple[Any, Any]:
        segment, index = inputs
        folded = jax.random.fold_in(key, index)
        (loss, weight), carry, metrics = task.segment_loss(params, carry, segment, folded, train)
        return carry, (loss, weight, {"loss": (loss, weight), **metrics})

    carry, summed = jax.lax.scan(one, carry, (batch, jnp.arange(segments)))
    loss, weight, metrics = jax.tree.map(lambda x: jnp.sum(x.astype(jnp.float32), axis=0), summed)
    return loss, weight, carry, metrics


def gradient(
    task: Any, params: Any, carry: Any, batch: dict[str, jax.Array], key: jax.Array, parts: int = 1
) -> tuple[Any, Any, Metrics]:
    """The gradient of the mean loss over all segments and rows.

    Args:
      task: a Task.
      params: its parameters.
      carry: before the batch.
      batch: leaves ``[segments, rows, ...]``.
      key: of this step.
      parts: how many parts of the rows are computed one after the other; divides them.

    Returns:
      (gradient, carry after the batch, metrics).
    """
    if parts == 1:

        def mean_loss(params: Any) -> tuple[jax.Array, Any]:
            loss, weight, new_carry, metrics = scan_segments(task, params, carry, batch, key, train=True)
            return loss / jnp.maximum(weight, 1.0), (new_carry, metrics)

        grads, (new_carry, metrics) = jax.grad(mean_loss, has_aux=True)(params)
        return grads, new_carry, metrics

    def part_loss(params: Any, carry: Any, batch: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        loss, weight, carry, metrics = scan_segments(task, params, carry, batch, key, train=True)
        return loss, (weight, carry, metrics)

    def one(grads: Any, inputs: tuple[Any, Any, jax.Array]) -> tuple[Any, Any]:
        carry, batch, index = inputs
        more, rest = jax.grad(part_loss, has_aux=True)(params, carry, batch, jax.random.fold_in(key, index))
        return jax.tree.map(jnp.add, grads, more), rest

    batch_axes = {name: tuple(task.batch_axes(name, leaf.ndim)) for name, leaf in batch.items()}
    inputs = (
        split_rows(task.carry_axes(), carry, parts),
        split_rows(batch_axes, batch, parts),
        jnp.arange(parts),
    )
    grads, (weights, carries, sums) = jax.lax.scan(one, jax.tree.map(jnp.zeros_like, params), inputs)
    metrics = jax.tree.map(lambda x: jnp.sum(x, axis=0), sums)
    scale = 1.0 / jnp.maximum(jnp.sum(weights), 1.0)
    grads = jax.tree.map(lambda leaf: (leaf * scale).astype(leaf.dtype), grads)
    return grads, join_rows(task.carry_axes(), carries), metrics


def split_rows(axes: Any, tree: Any, parts: int) -> Any:
    """Leaves ``[..., rows, ...]`` as ``[parts, ..., rows / parts, ...]``.

    Part p gets the rows p, p + parts, p + 2 parts, ...: rows that lie on different devices, so that every
    device has its share of each part and no row moves.

    Args:
      axes: names of the axes, a tree like ``tree`` or a prefix of it.
      tree: arrays.
      parts: how many.
    """

    def split(leaf: jax.Array, at: int) -> jax.Array:
        shape = (*leaf.shape[:at], leaf.shape[at] // parts, parts, *leaf.shape[at + 1 :])
        return jnp.moveaxis(leaf.reshape(shape), at + 1, 0)

    return _over_rows(axes, tree, split)


def join_rows(axes: Any, tree: Any) -> Any:
    """Undoes ``split_rows``."""

    def join(leaf: jax.Array, at: int) -> jax.Array:
        leaf = jnp.moveaxis(leaf, 0, at + 1)
        return leaf.reshape(*leaf.shape[:at], leaf.shape[at] * leaf.shape[at + 1], *leaf.shape[at + 2 :])

    return _over_rows(axes, tree, join)


def _over_rows(axes: Any, tree: Any, change: Any) -> Any:
    def below(names: Any, subtree: Any) -> Any:
        return jax.tree.map(lambda leaf: change(leaf, tuple(names).index("rows")), subtree)

    return jax.tree.map(below, axes, tree, is_leaf=is_axes)


def train_step(
    task: Any,
    optimizer: optax.GradientTransformation,
    rate: Callable[[Any], jax.Array],
    state: TrainState,
    carry: Any,
    batch: dict[str, jax.Array],
    key: jax.Array,
    parts: int = 1,
    ema_decay: float = 0.0,
) -> tuple[TrainState, Any, Metrics]:
    """One step of the optimizer on the mean loss over all segments.

    Args:
      task: a Task.
      optimizer: what made ``state.opt_state``.
      rate: its learning rate by step, for the metrics.
      state: before the step.
      carry: before the batch.
      batch: leaves ``[segments, rows, ...]``.
      key: of the run; the step is folded in, so that a resumed run draws the same numbers.
      parts: of the rows, computed one after the other.
      ema_decay: of ``state.ema``, where there is one.

    Returns:
      (state, carry, metrics) after the step.
    """
    step_key = jax.random.fold_in(key, state.step)

    grads, new_carry, metrics = gradient(task, state.params, carry, batch, step_key, parts)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    one = jnp.ones((), jnp.float32)
    metrics["grad_norm"] = (jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(grads))), one)
    metrics["learning_rate"] = (rate(state.step), one)
    params = optax.apply_updates(state.params, updates)
    ema = None if state.ema is None else average(state.ema, params, state.step, ema_decay)
    return TrainState(state.step + 1, params, opt_state, ema), new_carry, metrics


class OnMesh:
    """A jitted function that is traced, and called, with its mesh set.

    Kernels that the compiler cannot divide over devices by itself look there for how to do it
    (``ops.attention_splash``), and models for how activations are divided (``models.sharding``).
    """

    def __init__(self, mesh: Mesh, program: Any) -> None:
        self._mesh, self._program = mesh, program

    def __call__(self, *args: Any) -> Any:
        """Calls the function."""
        with jax.set_mesh(self._mesh):
            return self._program(*args)

    def _cache_size(self) -> int:
        """How often it was compiled."""
        size: int = self._program._cache_size()
        return size

    def trace(self, *args: Any) -> Any:
        """As ``jax.jit(...).trace``."""
        with jax.set_mesh(self._mesh):
            return self._program.trace(*args)

    def lower(self, *args: Any) -> Any:
        """As ``jax.jit(...).lower``."""
        with jax.set_mesh(self._mesh):
            return self._program.lower(*args)


@dataclass(frozen=True)
class Programs:
    """The compiled functions of one stage on one mesh.

    Attributes:
      init: key -> TrainState.
      init_carry: () -> carry of no past.
      train: (state, carry, batch, key) -> (state, carry, metrics); donates state and carry.
      evaluate: (params, carry, batch) -> (carry, metrics); donates the carry.
      copy: identity that does not donate. What a restore returns must pass through it once: its buffers are
        not ones that a step can reuse.
      snapshot: (state, carry) for saving in the background while steps go on. On CPU a copy: there Orbax
        reads the very buffers that the next step overwrites; elsewhere it takes its own before it returns.
      abstract: (state, carry) as shapes with shardings, the targets of a restore.
    """

    init: Callable[[jax.Array], TrainState]
    init_carry: Callable[[], Any]
    train: Callable[..., tuple[TrainState, Any, Metrics]]
    evaluate: Callable[..., tuple[Any, Metrics]]
    copy: Callable[[tuple[TrainState, Any]], tuple[TrainState, Any]]
    snapshot: Callable[[tuple[TrainState, Any]], tuple[TrainState, Any]]
    abstract: tuple[TrainState, Any]


@functools.cache
def _fast_products() -> dict[str, Any] | None:
    """Compiler options with which CPUs multiply matrices fastest; None where this XLA does not know them.

    Left alone, XLA 0.10 hands products to YNNPACK, which reaches 150 GFLOP/s on a core where its own
    reach 180 (``tools/bench/step.py``).
    """
    options: dict[str, Any] = {"xla_cpu_experimental_ynn_fusion_type": ""}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return options


def make_programs(task: Any, config: StageConfig, mesh: Mesh) -> Programs:
    """Builds the jitted functions of a stage. Nothing is compiled before its first call.

    Args:
      task: a Task.
      config: its batch, steps, optimizer and mesh.
      mesh: from ``make_mesh``.
    """
    optimizer = make_optimizer(config.optimizer, config.steps)
    rate = learning_rate(config.optimizer, config.steps)
    rows = config.batch.rows

    def init(key: jax.Array) -> TrainState:
        return init_state(task, optimizer, key, averaged=config.optimizer.ema_decay > 0)

    def init_carry() -> Any:
        # Without this a weakly typed constant would make the first step compile twice.
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, leaf.dtype), task.init_carry(rows))

    def train(state: TrainState, carry: Any, batch: Any, key: jax.Array) -> Any:
        parts, decay = config.batch.accumulate, config.optimizer.ema_decay
        return train_step(task, optimizer, rate, state, carry, batch, key, parts, decay)

    def evaluate(params: Any, carry: Any, batch: Any) -> tuple[Any, Metrics]:
        _, _, carry, metrics = scan_segments(task, params, carry, batch, jax.random.key(0), train=False)
        return carry, metrics

    state = jax.eval_shape(init, jax.random.key(0))
    carry = jax.eval_shape(init_carry)
    state_at = state_shardings(mesh, task, optimizer, state, config.mesh.fsdp)
    carry_at = tree_shardings(mesh, task.carry_axes(), carry)
    everywhere = replicated(mesh)
    # Drawing parameters runs once: on CPU, optimizing it takes longer than anything it saves.
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    quick = {"xla_backend_optimization_level": 0} if on_cpu else None
    copy = jax.jit(lambda tree: tree, out_shardings=(state_at, carry_at))
    return Programs(
        init=jax.jit(init, out_shardings=state_at, compiler_options=quick),
        init_carry=jax.jit(init_carry, out_shardings=carry_at),
        train=OnMesh(
            mesh,
            jax.jit(
                train,
                donate_argnums=(0, 1),
                out_shardings=(state_at, carry_at, everywhere),
                compiler_options=_fast_products() if on_cpu else None,
            ),
        ),
        evaluate=OnMesh(mesh, jax.jit(evaluate, donate_argnums=(1,), out_shardings=(carry_at, everywhere))),
        copy=copy,
        snapshot=copy if on_cpu else lambda tree: tree,
        abstract=(with_shardings(state, state_at), with_shardings(carry, carry_at)),
    )


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
      task: as there.
      config: as there.
      params: as there.
      sets: by set its batches, all made with ``config.batch``.
      limit: as there.
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
