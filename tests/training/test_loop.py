"""Resume, kill, metrics, best checkpoint, and the errors of a training."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hrpe_jax.config import MeshConfig
from hrpe_jax.errors import UserError
from hrpe_jax.model_config import MelodyModelConfig
from hrpe_jax.training.checkpoint import checkpoint_folder, load_stage, whole_steps
from tests.training import dummy

TIMES = ("steps_per_second", "events_per_second", "seconds")


def read_lines(workdir: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


def run_dummy(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Trains in a process of its own, with the compiled programs of this one."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir}
    script = [sys.executable, "-m", "tests.training.dummy", *map(str, arguments)]
    root = Path(__file__).parents[2]
    return subprocess.run(script, cwd=root, env=environment, capture_output=True, check=False)


def same_params(a: Path, b: Path, step: int) -> None:
    left, right = (load_stage(workdir, "melody", "latest") for workdir in (a, b))
    assert left.step == right.step == step
    jax.tree.map(np.testing.assert_array_equal, left.params, right.params)


@pytest.mark.parametrize(("kill_at", "resumed"), [(2, {0}), (7, {4, 6})])
def test_a_killed_run_goes_on_bit_for_bit(
    whole: Path, tmp_path: Path, kill_at: int, resumed: set[int]
) -> None:
    """Killed in another process, before the first checkpoint, and while one is perhaps still written."""
    killed = run_dummy(tmp_path, kill_at)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    result = dummy.train(tmp_path)
    assert result.resumed in resumed
    assert read_lines(tmp_path) == read_lines(whole)
    same_params(tmp_path, whole, 12)


def test_a_run_goes_on_with_other_devices_and_sharded_parameters(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    shutil.rmtree(checkpoint_folder(tmp_path / "copy", "melody") / "12")
    done = run_dummy(tmp_path / "copy", "mesh")
    assert done.returncode == 0, done.stderr.decode()
    assert "resuming from step 9" in done.stderr.decode()
    for here, there in zip(read_lines(whole), read_lines(tmp_path / "copy"), strict=True):
        assert here.pop("split") == there.pop("split")
        assert here.pop("stage") == there.pop("stage")
        assert here == pytest.approx(there, rel=1e-4)
    left, right = load_stage(whole, "melody"), load_stage(tmp_path / "copy", "melody")
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), left.params, right.params)


def test_metrics_are_written_once_and_learning_shows(whole: Path) -> None:
    lines = read_lines(whole)
    train = [line for line in lines if line["split"] == "train"]
    valid = [line for line in lines if line["split"] == "valid"]
    assert [line["step"] for line in train] == [2, 4, 6, 8, 10, 12]
    assert [line["step"] for line in valid] == [4, 8, 12]
    assert valid[-1]["loss"] < valid[0]["loss"]
    assert valid[0]["perplexity"] == pytest.approx(np.exp(valid[0]["loss"]))
    assert {"loss", "perplexity", "accuracy", "grad_norm", "learning_rate"} <= set(train[0])


def test_a_finished_run_trains_no_more(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    result = dummy.train(tmp_path / "copy", batches=dummy.Batches(kill_at=0))
    assert result.resumed == result.step == 12
    assert result.best == {
        k: v for k, v in read_lines(whole)[-1].items() if k not in ("stage", "split", "step")
    }


def test_the_latest_and_the_best_are_kept(tmp_path: Path) -> None:
    # With a rate that destroys what was learned the best validation is the first.
    config = dummy.stage_config(
        optimizer=replace(dummy.stage_config().optimizer, learning_rate=3.0, schedule="constant")
    )
    result = dummy.train(tmp_path, config)
    steps = whole_steps(checkpoint_folder(tmp_path, "melody"))
    assert steps == sorted({result.best_step, 9, 12})
    assert load_stage(tmp_path, "melody").step == result.best_step
    best = min(
        (line for line in read_lines(tmp_path) if line["split"] == "valid"), key=lambda line: line["loss"]
    )
    assert result.best_step == best["step"] < 12


@pytest.mark.parametrize(
    ("changes", "options", "expected"),
    [
        ({}, {"vocabulary": "xyz"}, "vocabulary: saved abc, now xyz"),
        ({}, {"seed": 5}, "config.seed: saved 0, now 5"),
        (
            {"model": MelodyModelConfig(width=16, heads=2)},
            {},
            "config.stages.melody.model.width: saved 8, now 16",
        ),
    ],
)
def test_a_workdir_of_another_run_is_refused(
    whole: Path, changes: dict[str, Any], options: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UserError, match="are of another run") as error:
        dummy.train(whole, dummy.stage_config(**changes), **options)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_other_arrays_are_listed_briefly(whole: Path) -> None:
    class Wider(dummy.DummyTask):
        def init_params(self, key: jax.Array) -> Any:
            params = super().init_params(key)
            return {
                **params,
                "events": params["events"][:, :4],
                "extra": {str(i): params["out"]["bias"] for i in range(9)},
            }

        def param_axes(self) -> Any:
            return {**super().param_axes(), "extra": None}

    with pytest.raises(UserError) as error:
        dummy.train(whole, task=Wider())
    assert "events: saved float32[12, 8], expected float32[12, 4]" in str(error.value)
    assert len(str(error.value).splitlines()) <= 10


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"loss is nan at step 8.*lower optimizer.learning_rate"):
        dummy.train(tmp_path, batches=dummy.Batches(poison_at=7))
    assert whole_steps(checkpoint_folder(tmp_path, "melody"))[-1] == 6


def test_no_carry_and_no_validation_data(tmp_path: Path) -> None:
    result = dummy.train(tmp_path, dummy.stage_config(steps=4), task=dummy.StatelessTask(), valid=[])
    assert (result.best_step, result.best) == (4, {})
    assert load_stage(tmp_path, "melody").step == 4
    again = dummy.train(tmp_path, dummy.stage_config(steps=6), task=dummy.StatelessTask(), valid=[])
    assert (again.resumed, again.step) == (4, 6)


def test_missing_checkpoints_and_devices_are_clear(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint of stage 'melody'; train it first"):
        load_stage(tmp_path, "melody")
    with pytest.raises(UserError, match="devices asked for"):
        dummy.train(tmp_path, dummy.stage_config(mesh=MeshConfig(model=2)))
