"""The loss of a batch and its gradient. The only place that differentiates.

``lax.scan`` of ``task.segment_loss`` over the leading segments axis of a batch, the carry handed on. The
backbone's carry is None, the melody's is its memory; nothing here asks which.

Where a batch does not fit into memory its rows are split into parts that are computed one after the other
(gradient accumulation). Sums of losses and weights add up, so the gradient is that of the whole batch,
whatever its parts weigh; the carry of a row goes with the row. Dropout draws other numbers.
"""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp

from hrpe_jax.training.partition import is_axes

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
