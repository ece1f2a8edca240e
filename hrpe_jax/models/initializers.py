"""How parameters begin, the names of their axes, and the product that all of them share."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
from jax import Array
from jax.sharding import PartitionSpec


def divide(x: Array, *axes: str | None) -> Array:
    """Says over which mesh axis each leading dimension of an activation is divided.

    Args:
      x: any array of a model.
      axes: "data", "model" or None for its first dimensions; the rest are whole. Without a mesh
        (``jax.set_mesh``), and where a dimension cannot be divided, nothing is said.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return x
    spec = [
        axis if axis in mesh.axis_names and size % mesh.shape[axis] == 0 else None
        for axis, size in zip(axes, x.shape, strict=False)
    ]
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*spec))


def normal(stddev: float, *axes: str | None) -> Any:
    """An initialiser that names the logical axes of its parameter."""
    return nn.with_logical_partitioning(nn.initializers.normal(stddev), axes)


def unnamed(initializer: Any) -> Any:
    """An initialiser that gives a plain array, without the logical axes of ``initializer``."""
    return lambda *args: nn.unbox(initializer(*args))


def zeros(*axes: str | None) -> Any:
    """As ``normal``, all zero."""
    return nn.with_logical_partitioning(nn.initializers.zeros, axes)


def ones(*axes: str) -> Any:
    """As ``normal``, all one."""
    return nn.with_logical_partitioning(nn.initializers.ones, axes)


def lecun(fan_in: int, *axes: str | None) -> Any:
    """As ``normal``, with variance 1 / fan_in."""
    return normal(fan_in**-0.5, *axes)


def matmul(x: Array, kernel: Array) -> Array:
    """``x [..., n]`` times ``kernel [n, m]``, as one product of two matrices.

    Written with leading axes, the gradient with respect to the kernel contracts two axes at once, for which
    the CPU backend copies both operands: that takes 1.7 times as long (``tools/bench/step.py``).
    """
    flat = x.reshape(-1, x.shape[-1]) @ kernel
    return flat.reshape(*x.shape[:-1], kernel.shape[-1])
