from __future__ import annotations

from types import SimpleNamespace

import jax
import pytest

from hrpe_jax.config import MeshConfig
from hrpe_jax.ops.pointwise import target
from hrpe_jax.training.sharding import make_mesh


def test_what_is_traced_runs_on_the_default_device() -> None:
    assert target() == jax.default_backend()
    with jax.set_mesh(make_mesh(MeshConfig(data=1, model=1), jax.devices()[:1])):
        assert target() == jax.default_backend()


def test_a_mesh_of_tpus_is_compiled_for_tpus(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = SimpleNamespace(abstract_device=SimpleNamespace(device_kind="TPU v5 lite"))
    monkeypatch.setattr(jax.sharding, "get_abstract_mesh", lambda: mesh)
    assert target() == "tpu"
