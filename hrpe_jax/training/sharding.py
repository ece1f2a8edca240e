"""Where arrays live: one mesh over one or several hosts, one table from logical axis names to mesh axes.

Models and tasks name the axes of their arrays by what they mean ("rows", "heads"); this module alone knows
devices. A run on one CPU and a run on a pod differ in the mesh only.

The mesh has two axes: "data" (rows are split over it) and "model" (heads and MLP are split over it; where
scores of the whole vocabulary are computed, events are). With fully sharded data parallelism, parameters and
optimizer state are also split over "data", along their width; the arithmetic is the same, XLA gathers a
layer's weights where it needs them.

`init_state` makes a training state and lays it out on the mesh.

Every host runs the same command. ``jax.distributed`` makes one world of their devices; from then on the mesh,
the step and the checkpoints are the same program as on one host. Each host reads its own rows; the first one
prepares data and writes files, so all of them have to see the same workdir.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from hrpe_jax.checkpoints.format import TrainState
from hrpe_jax.config import MeshConfig
from hrpe_jax.errors import UserError, WrongUse

Rules = Mapping[str, str | None]

RULES: Rules = {
    # batches and carries
    "segments": None,
    "rows": "data",
    "length": None,
    "memory": None,
    # parameters
    "layers": None,
    "embed": None,
    "heads": "model",
    "kv": None,
    "mlp": "model",
    "vocab": None,
    "rank": None,
    "table": None,
    "table2": None,
}
"""Logical axis -> mesh axis, for everything; None is whole on every device."""

FSDP_RULES: Rules = {**RULES, "embed": "data"}
"""The same for parameters and optimizer state under fully sharded data parallelism."""


def make_mesh(config: MeshConfig, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Arranges devices in the grid of a config.

    Args:
      config: its "data" and "model" sizes.
      devices: all devices of all hosts if None. Fewer than all may be used.

    Returns:
      A mesh with axes ("data", "model"), both of type Auto: linen breaks under Explicit axes.

    Raises:
      UserError: there are not as many devices as the config asks for, or a host has none of those taken.
    """
    devices = list(jax.devices() if devices is None else devices)
    data = config.data if config.data > 0 else max(len(devices) // config.model, 1)
    if data * config.model > len(devices):
        raise UserError(
            f"mesh: data={data} x model={config.model} devices asked for, {len(devices)} here; "
            "lower mesh.data or mesh.model"
        )
    taken = devices[: data * config.model]
    idle = {device.process_index for device in devices} - {device.process_index for device in taken}
    if idle:
        raise UserError(
            f"mesh: data={data} x model={config.model} devices leave {len(idle)} hosts without one; "
            "raise mesh.data and batch.rows, or train on fewer hosts"
        )
    # Positional arguments only: keywords were renamed between versions.
    return jax.make_mesh(
        (data, config.model), ("data", "model"), (AxisType.Auto, AxisType.Auto), devices=taken
    )


def leaf_sharding(mesh: Mesh, axes: Any, shape: Sequence[int], rules: Rules = RULES) -> NamedSharding:
    """The sharding of one array.

    Args:
      mesh: where.
      axes: one logical name or None per dimension; None or () for an array that is whole everywhere.
      shape: of the array. A dimension that the mesh does not divide stays whole, as does one whose mesh
        axis an earlier dimension of the same array has taken.
      rules: the table.

    Raises:
      ValueError: a name that is not in the table, or not one name per dimension.
    """
    names = tuple(axes) if axes else (None,) * len(shape)
    if len(names) != len(shape):
        raise ValueError(
            f"axes {names} for an array of shape {tuple(shape)}: one name per dimension expected"
        )
    spec: list[str | None] = []
    for name, size in zip(names, shape, strict=True):
        if name is not None and name not in rules:
            raise ValueError(f"unknown logical axis {name!r}; known: {', '.join(rules)}")
        axis = rules[name] if name is not None else None
        fits = axis is not None and axis not in spec and size % mesh.shape[axis] == 0
        spec.append(axis if fits else None)
    return NamedSharding(mesh, PartitionSpec(*spec))


def tree_shardings(mesh: Mesh, axes: Any, tree: Any, rules: Rules = RULES) -> Any:
    """Shardings of a tree of arrays.

    Args:
      mesh: where.
      axes: a tree like ``tree``, or a prefix of it, whose leaves are tuples (or PartitionSpecs) of logical
        names, or None for "whole everywhere".
      tree: arrays or ``jax.ShapeDtypeStruct``.
      rules: the table.

    Returns:
      A tree like ``tree`` of ``NamedSharding``.
    """

    def below(names: Any, subtree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf_sharding(mesh, names, leaf.shape, rules), subtree)

    return jax.tree.map(below, axes, tree, is_leaf=is_axes)


def is_axes(value: Any) -> bool:
    """Whether a node of a tree of axes is a leaf: None, or a plain tuple or PartitionSpec of names."""
    if value is None or isinstance(value, PartitionSpec):
        return True
    return type(value) is tuple and all(name is None or isinstance(name, str) for name in value)


def replicated(mesh: Mesh) -> NamedSharding:
    """Whole on every device."""
    return NamedSharding(mesh, PartitionSpec())


def host_rows(mesh: Mesh, rows: int) -> list[int]:
    """The rows of a batch that lie on this host's devices, ascending: the ones it has to read.

    Devices of a mesh need not be in the order of their hosts, and where "model" spans hosts, several read
    the same rows.

    Args:
      mesh: where.
      rows: of the whole batch.

    Raises:
      UserError: the rows do not split over the devices, or no device of this host is in the mesh.
    """
    data = mesh.shape["data"]
    if rows % data:
        raise UserError(
            f"batch.rows: {rows} rows do not split over {data} devices; use a multiple, or set mesh.data"
        )
    held, share = _held(mesh), rows // data
    if not held:
        raise UserError(
            f"mesh: {mesh.size} devices leave host {jax.process_index()} without one; use devices of every "
            "host, or fewer hosts"
        )
    return [place * share + row for place in held for row in range(share)]


def put_batch(mesh: Mesh, task: Any, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    """Places one host's rows of a batch on its devices.

    Args:
      mesh: where.
      task: its ``batch_axes(name, ndim)`` names the axes.
      batch: arrays whose "rows" axis holds the rows of ``host_rows``.

    Returns:
      Global arrays: the rows of all hosts.

    Raises:
      UserError: the rows do not split over the devices.
    """
    data, held = mesh.shape["data"], _held(mesh)
    placed = {}
    for name, value in batch.items():
        axes = tuple(task.batch_axes(name, value.ndim))
        shape = list(value.shape)
        at = axes.index("rows") if "rows" in axes else None
        if at is not None:
            shape[at] = shape[at] * data // len(held)
            host_rows(mesh, shape[at])
        sharding = leaf_sharding(mesh, axes, shape)
        if jax.process_count() == 1:
            placed[name] = jax.device_put(value, sharding)
        else:
            piece = _piece_of(value, at, shape, held, data)
            placed[name] = jax.make_array_from_callback(tuple(shape), sharding, piece)
    return placed


def _piece_of(
    value: np.ndarray, at: int | None, shape: Sequence[int], held: Sequence[int], data: int
) -> Callable[[Any], np.ndarray]:
    """From an index into the whole array to that part of ``value``, which holds this host's rows only."""

    def piece(index: tuple[slice, ...]) -> np.ndarray:
        if at is None:
            return value[index]
        share = shape[at] // data
        start, stop, _ = index[at].indices(shape[at])
        offset = held.index(start // share) * share - start
        return value[(*index[:at], slice(start + offset, stop + offset), *index[at + 1 :])]

    return piece


def _held(mesh: Mesh) -> list[int]:
    """Places along "data" that this host's devices have."""
    here = jax.process_index()
    return sorted(
        {place[0] for place, device in np.ndenumerate(mesh.devices) if device.process_index == here}
    )


def init_state(
    task: Any, optimizer: optax.GradientTransformation, key: jax.Array, averaged: bool = False
) -> TrainState:
    """A new state at step 0; parameters are drawn from ``key``. ``averaged``: with an average of them.

    Args:
      task: of the stage.
      optimizer: whose state is made.
      key: from which parameters are drawn.
      averaged: whether an average of the parameters is kept.
    """
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


AUTO = "auto"
DAY = 24 * 60 * 60 * 1000
JOIN_SECONDS = 300


def join_hosts(coordinator: str | None, hosts: int | None = None, host: int | None = None) -> bool:
    """Makes this process one of several hosts. To be called before anything touches a device.

    Args:
      coordinator: "HOST:PORT" of host 0; "auto" where the surroundings say who is who (TPU slices, Slurm,
        Kubernetes, Open MPI); None for one host, or "auto" on a TPU slice that names several workers.
      hosts: how many, with HOST:PORT.
      host: which of them this is, from 0, with HOST:PORT.

    Returns:
      Whether there are several.

    Raises:
      WrongUse: something is missing.
      UserError: the hosts did not find each other.
    """
    if coordinator is None:
        if hosts is not None or host is not None:
            raise WrongUse("--hosts and --host need --coordinator=HOST:PORT, the address of host 0")
        if "," not in os.environ.get("TPU_WORKER_HOSTNAMES", ""):
            return False
        coordinator = AUTO
    if coordinator == AUTO:
        try:
            jax.distributed.initialize()
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"--coordinator=auto: nothing here says which hosts there are ({error}); "
                "use --coordinator=HOST:PORT --hosts=N --host=I"
            ) from None
        return jax.process_count() > 1
    if ":" not in coordinator or hosts is None or host is None or not 0 <= host < hosts:
        raise WrongUse(
            f"--coordinator={coordinator}: HOST:PORT expected, with --hosts=N and --host=I, I from 0 to N - 1"
        )
    try:
        # Without detection: on a machine that Slurm runs, what is said here still counts.
        jax.distributed.initialize(
            coordinator,
            hosts,
            host,
            cluster_detection_method="deactivate",
            initialization_timeout=JOIN_SECONDS,
        )
    except RuntimeError as error:
        detail = str(error).strip().splitlines()[0]
        raise UserError(
            f"--coordinator={coordinator}: the {hosts} hosts did not find each other ({detail})"
        ) from None
    return hosts > 1


def is_first() -> bool:
    """Whether this is the host that prepares data and writes files."""
    return jax.process_index() == 0


def wait_for_hosts(name: str) -> None:
    """Returns when all hosts have called it with this name; each name once. Patient for a day.

    It uses no device, so nothing times out while the first host prepares data.
    """
    if jax.process_count() > 1:
        ocp.multihost.get_barrier_sync_fn()(key=f"hrpe_jax:{name}", timeout_ms=DAY)


def all_hosts_hear(value: bool) -> bool:
    """What the first host says, on every host; to be called by all of them."""
    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.broadcast_one_to_all(np.int32(value)))
