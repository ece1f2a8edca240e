"""The table of axes, on abstract devices: what is split and what stays whole."""

from __future__ import annotations

import jax
import pytest
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from hrpe_jax.config import MeshConfig
from hrpe_jax.errors import UserError
from hrpe_jax.training.partition import FSDP_RULES, is_axes, leaf_sharding, make_mesh, tree_shardings

P = PartitionSpec


@pytest.fixture
def mesh() -> AbstractMesh:
    return AbstractMesh((2, 4), ("data", "model"), (AxisType.Auto, AxisType.Auto))


def test_names_become_mesh_axes(mesh: AbstractMesh) -> None:
    def spec(*args: object) -> PartitionSpec:
        return leaf_sharding(mesh, *args).spec  # type: ignore[arg-type]

    assert spec(("segments", "rows", "length"), (3, 8, 5)) == P(None, "data", None)
    assert spec(("embed", "heads", "kv"), (6, 4, 3)) == P(None, "model", None)
    assert spec(("embed", "heads", "kv"), (6, 3, 3)) == P(None, None, None)  # 3 heads over 4 devices: whole
    assert spec(("embed", "mlp"), (6, 8), FSDP_RULES) == P("data", "model")
    assert spec(("embed", "embed"), (6, 6), FSDP_RULES) == P("data", None)  # a mesh axis is used once
    assert spec(("mlp", None), (8, 6)) == P("model", None)
    assert spec(None, (8, 6)) == P(None, None)
    with pytest.raises(ValueError, match="unknown logical axis 'widht'; known: "):
        spec(("widht",), (3,))
    with pytest.raises(ValueError, match="one name per dimension"):
        spec(("embed",), (3, 3))


def test_a_prefix_of_axes_covers_a_tree(mesh: AbstractMesh) -> None:
    shape = jax.ShapeDtypeStruct((4, 8), "float32")
    tree = {"a": [shape, shape], "b": {"c": shape}, "none": None, "empty": ()}
    axes = {"a": [("rows", "mlp"), None], "b": None, "none": None, "empty": ()}
    found = jax.tree.map(lambda s: s.spec, tree_shardings(mesh, axes, tree))  # type: ignore[arg-type]
    assert found == {
        "a": [P("data", "model"), P(None, None)],
        "b": {"c": P(None, None)},
        "none": None,
        "empty": (),
    }
    assert is_axes(P("rows"))
    assert not is_axes(("rows", 3))


def test_the_mesh_takes_what_is_there() -> None:
    mesh = make_mesh(MeshConfig())
    assert dict(mesh.shape) == {"data": jax.device_count(), "model": 1}
    with pytest.raises(UserError, match="devices asked for"):
        make_mesh(MeshConfig(data=4096))
