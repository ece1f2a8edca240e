"""The benchmark of the step runs at all: what it measures is looked at by people."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.models.config import ModelConfig

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--width=16", "--layers=1", "--heads=2", "--mlp_width=16", "--rounds=1"]


@pytest.mark.slow
def test_harmony_over_rope_at_every_length(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    command = [sys.executable, str(ROOT / "tools/bench/step.py"), "harmony", "--lengths=8,16", "--events=16"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, f"--json={out}", *TINY], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(out.read_text())["figures"]
    assert [(figure["length"], figure["rows"]) for figure in figures] == [(8, 2), (16, 1)]
    assert all(ratio > 0 for figure in figures for ratio in figure["over_rope"].values())


def test_the_step_compared_with_torch_is_a_training_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "bench"))
    bench = importlib.import_module("step")
    task = bench.PlainTask(ModelConfig(width=16, layers=2, heads=2, head_width=8, mlp_width=24, dropout=0.0))
    params = jax.jit(task.init_params)(jax.random.key(0))
    ids = jnp.asarray(np.random.default_rng(0).integers(0, bench.VOCABULARY, (2, 9)))

    def loss(params: Any) -> jax.Array:
        (total, count), _, _ = task.segment_loss(params, None, {"ids": ids}, jax.random.key(0), True)
        return total / count

    value, slopes = jax.jit(jax.value_and_grad(loss))(params)
    assert float(value) == pytest.approx(np.log(bench.VOCABULARY), rel=0.02)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(slopes))
