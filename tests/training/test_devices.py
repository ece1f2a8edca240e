"""One, two, four and eight devices compute the same, and a training may move between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hrpe_jax.checkpoints.format import load_stage
from tests.training.test_loop import read_lines

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def moved(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, dict[str, Any]], str]:
    """The workdir of the training that moved, the figures of every mesh, and what was said."""
    workdir = tmp_path_factory.mktemp("moved")
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.devices", str(workdir), request.param],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return workdir, json.loads(done.stdout), done.stderr


@pytest.mark.slow  # compiles a step of a whole model for each mesh; .ci/run runs some
@pytest.mark.parametrize("moved", ["some", "all"], indirect=True)
def test_every_mesh_computes_the_same(moved: Any) -> None:
    for stage, figures in moved[1].items():
        one = np.asarray(figures.pop("1"))
        assert one[2, 0] < one[0, 0]  # something is learned
        assert figures
        for name, found in figures.items():
            np.testing.assert_allclose(found, one, rtol=2e-4, err_msg=f"{stage} on {name}")


@pytest.mark.parametrize("moved", ["none"], indirect=True)
def test_a_training_moves_between_devices(moved: Any, whole: Path) -> None:
    workdir, _, said = moved
    for step in (4, 7, 9):
        assert f"melody: resuming from step {step};" in said
    here, there = read_lines(whole), read_lines(workdir)
    assert [(line["split"], line["step"]) for line in here] == [
        (line["split"], line["step"]) for line in there
    ]
    for a, b in zip(here, there, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
        assert a["accuracy"] == pytest.approx(b["accuracy"], abs=0.02)
    left, right = load_stage(whole, "melody"), load_stage(workdir, "melody")
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), left.params, right.params)
