"""The table of axes, on abstract devices: what is split and what stays whole."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from hrpe_jax.config import MeshConfig
from hrpe_jax.errors import UserError
from hrpe_jax.training.sharding import (
    FSDP_RULES,
    host_rows,
    is_axes,
    leaf_sharding,
    make_mesh,
    put_batch,
    tree_shardings,
)
from tests.training import dummy

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


class Device:
    """What a mesh knows of a device, for this purpose."""

    def __init__(self, host: int) -> None:
        self.process_index = host


def test_no_host_is_left_without_a_device() -> None:
    devices: Any = [Device(number // 2) for number in range(4)]
    with pytest.raises(UserError, match=r"mesh: data=1 x model=2 devices leave 1 hosts without one"):
        make_mesh(MeshConfig(data=1, model=2), devices)


class Grid:
    """A mesh of the devices of two hosts."""

    def __init__(self, hosts: list[list[int]]) -> None:
        self.devices = np.array([[Device(host) for host in row] for row in hosts])
        self.shape = {"data": len(hosts), "model": len(hosts[0])}
        self.size = self.devices.size


@pytest.mark.parametrize(
    ("hosts", "rows"),
    [
        ([[0], [0], [1], [1]], [0, 1, 2, 3]),
        ([[0], [1], [1], [0]], [0, 1, 6, 7]),  # as a torus orders them
        ([[0, 1], [0, 1]], list(range(8))),  # heads over both hosts: each needs all rows
    ],
)
def test_a_host_reads_the_rows_that_its_devices_hold(hosts: list[list[int]], rows: list[int]) -> None:
    assert host_rows(Grid(hosts), 8) == rows  # type: ignore[arg-type]


def test_hosts_without_devices_and_rows_that_do_not_split() -> None:
    with pytest.raises(UserError, match="leave host 0 without one"):
        host_rows(Grid([[1], [1]]), 8)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"batch.rows: 9 rows do not split over 2 devices"):
        host_rows(Grid([[0], [1]]), 9)  # type: ignore[arg-type]


def test_pieces_of_a_batch_are_cut_from_the_rows_that_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """This host holds the rows 0, 1, 6, 7 of eight, over four places."""
    whole = np.arange(2 * 8 * 3).reshape(2, 8, 3)
    found = {}

    def make(shape: tuple[int, ...], sharding: object, piece: Any) -> None:
        assert shape == whole.shape
        for start in (0, 6):
            index = (slice(None), slice(start, start + 2), slice(None))
            found[start] = piece(index), whole[index]

    grid = Grid([[0], [1], [1], [0]])
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "make_array_from_callback", make)
    monkeypatch.setattr("hrpe_jax.training.sharding.NamedSharding", lambda *_: None)
    put_batch(grid, dummy.DummyTask(), {"ids": whole[:, [0, 1, 6, 7]]})  # type: ignore[arg-type]
    assert set(found) == {0, 6}
    for got, wanted in found.values():
        np.testing.assert_array_equal(got, wanted)
