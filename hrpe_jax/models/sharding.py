"""Which way activations are divided among devices.

Under fully sharded data parallelism a layer's weights are divided along their width over the devices that
hold different rows. Left to itself the compiler then divides the residual stream along its width too and sums
every product over all devices, which moves whole activations; told that rows stay where they are, it gathers
the weights instead, a layer ahead of their use.
"""

from __future__ import annotations

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
