from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from hrpe_jax.config import MeshConfig
from hrpe_jax.models.initializers import divide
from hrpe_jax.training.sharding import make_mesh


def test_without_a_mesh_nothing_is_said() -> None:
    x = jnp.ones((4, 3))
    assert divide(x, "data", "model") is x


def test_dimensions_go_to_their_axes() -> None:
    mesh = make_mesh(MeshConfig(data=2, model=2), jax.devices()[:4]) if len(jax.devices()) >= 4 else None
    x = jnp.arange(24.0).reshape(4, 3, 2)
    with jax.set_mesh(mesh or make_mesh(MeshConfig(data=1, model=1), jax.devices()[:1])):
        said = jax.jit(lambda x: divide(x, "data", "model", None))(x)
    assert (said == x).all()
    if mesh is not None:  # 3 does not divide by 2: that dimension stays whole
        assert said.sharding.spec == PartitionSpec("data")
