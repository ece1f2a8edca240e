"""Making a training state, and laying it out on a mesh."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from hrpe_jax.checkpoints.format import TrainState
from hrpe_jax.training.sharding import FSDP_RULES, RULES, replicated, tree_shardings


def init_state(
    task: Any, optimizer: optax.GradientTransformation, key: jax.Array, averaged: bool = False
) -> TrainState:
    """A new state at step 0; parameters are drawn from ``key``. ``averaged``: with an average of them."""
    params = task.init_params(key)
    ema = jax.tree.map(jnp.copy, params) if averaged else None
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params), ema)


def with_params(state: TrainState, params: Any) -> TrainState:
    """A state at step 0 that starts from these parameters: host arrays of the shapes of its own."""

    def lay(own: jax.Array, value: np.ndarray) -> jax.Array:
        return jax.make_array_from_callback(own.shape, own.sharding, lambda index: value[index])

    placed = jax.tree.map(lay, state.params, params)
    return state.replace(params=placed, ema=None if state.ema is None else placed)  # type: ignore[attr-defined]


def state_shardings(mesh: Mesh, task: Any, optimizer: Any, abstract: TrainState, fsdp: bool) -> TrainState:
    """Shardings of a state: the optimizer's copies of a parameter lie where the parameter lies.

    Args:
      mesh: where.
      task: its ``param_axes()`` names the axes of its parameters.
      optimizer: what made ``abstract.opt_state``.
      abstract: the state's shapes.
      fsdp: whether parameters are also split over "data".
    """
    rules = FSDP_RULES if fsdp else RULES
    params = tree_shardings(mesh, task.param_axes(), abstract.params, rules)
    opt_state = optax.tree_utils.tree_map_params(
        optimizer,
        lambda _, sharding: sharding,
        abstract.opt_state,
        params,
        transform_non_params=lambda _: replicated(mesh),
    )
    whole: Any = replicated(mesh)
    ema = None if abstract.ema is None else params
    return TrainState(step=whole, params=params, opt_state=opt_state, ema=ema)


def with_shardings(abstract: Any, shardings: Any) -> Any:
    """Shapes and types that say where the arrays lie: the targets of a restore."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        abstract,
        shardings,
    )
