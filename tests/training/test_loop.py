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

from hrpe_jax.checkpoints.format import checkpoint_folder, load_stage, whole_steps
from hrpe_jax.config import MeshConfig
from hrpe_jax.errors import UserError
from hrpe_jax.models.config import MelodyModelConfig
from hrpe_jax.training.progress import TIMES, check_tensorboard
from hrpe_jax.training.train_step import evaluate_params
from tests.training import dummy


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


def average_of(workdir: Path, step: int) -> Any:
    """The parameters of a step's checkpoint as they were trained, and their average."""
    import orbax.checkpoint as ocp

    folder = checkpoint_folder(workdir, "melody") / str(step)
    with ocp.StandardCheckpointer() as reader:
        return reader.restore(folder / "params"), reader.restore(folder / "ema")


def test_averaged_parameters_are_validated_exported_and_resumed(tmp_path: Path) -> None:
    config = dummy.stage_config(optimizer=replace(dummy.stage_config().optimizer, ema_decay=0.8))
    dummy.train(tmp_path / "whole", config)
    params, ema = average_of(tmp_path / "whole", 12)
    assert not np.allclose(params["events"], ema["events"])
    exported = load_stage(tmp_path / "whole", "melody", "latest").params
    jax.tree.map(np.testing.assert_array_equal, exported, ema)
    valid = [dummy.batch(1000 + i) for i in range(3)]
    figures = evaluate_params(dummy.DummyTask(), config, exported, valid)
    assert figures.items() <= read_lines(tmp_path / "whole")[-1].items()

    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    shutil.rmtree(checkpoint_folder(tmp_path / "part", "melody") / "12")
    assert dummy.train(tmp_path / "part", config).resumed == 9
    assert read_lines(tmp_path / "part") == read_lines(tmp_path / "whole")
    jax.tree.map(np.testing.assert_array_equal, average_of(tmp_path / "part", 12), (params, ema))
    with pytest.raises(UserError, match=r"optimizer.ema_decay: saved on, now off"):
        dummy.train(tmp_path / "part")


def test_training_stops_early_and_stays_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a rate that destroys what was learned no validation is better than the first."""
    wild = replace(dummy.stage_config().optimizer, learning_rate=3.0, schedule="constant")
    config = dummy.stage_config(steps=40, eval_every=4, patience=2, best_metric="accuracy", optimizer=wild)
    result = dummy.train(tmp_path, config)
    valid = [line for line in read_lines(tmp_path) if line["split"] == "valid"]
    best = max(valid, key=lambda line: line["accuracy"])
    assert result.early
    assert (result.best_step, result.step) == (best["step"], best["step"] + 8)
    assert "no better validation in 2 (patience)" in capsys.readouterr().err
    again = dummy.train(tmp_path, config, batches=dummy.Batches(kill_at=0))
    assert (again.step, again.resumed, again.early) == (result.step, result.step, True)
    longer = dummy.train(tmp_path, replace(config, steps=result.step + 3, patience=0))
    assert (longer.step, longer.early) == (result.step + 3, False)


def test_a_listener_hears_now_and_then(whole: Path, tmp_path: Path) -> None:
    heard = []

    def listen(step: int, params: Any, say: Any) -> None:
        heard.append((step, float(jax.device_get(params["events"]).sum())))
        say(f"heard {step}")

    listen.every = 5  # type: ignore[attr-defined]
    dummy.train(tmp_path, callback=listen)
    assert [step for step, _ in heard] == [5, 10]
    assert heard[0][1] != heard[1][1]
    assert read_lines(tmp_path) == read_lines(whole)


def test_the_same_seed_gives_the_same_run_and_another_another(whole: Path, tmp_path: Path) -> None:
    dummy.train(tmp_path / "same")
    assert read_lines(tmp_path / "same") == read_lines(whole)
    dummy.train(tmp_path / "other", seed=1)
    assert read_lines(tmp_path / "other")[0]["loss"] != read_lines(whole)[0]["loss"]


def test_tensorboard_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hrpe_jax.training.progress.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'hrpe_jax\[tensorboard\]'"):
        check_tensorboard()
    monkeypatch.undo()
    pytest.importorskip("tensorboardX")
    check_tensorboard()
    dummy.train(tmp_path, dummy.stage_config(steps=4), tensorboard=True)
    events = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard" / "melody").iterdir())
    assert b"valid/accuracy" in events
    assert b"train/loss" in events


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
    with pytest.raises(UserError, match=r"loss is nan at step 8; the checkpoint of step 6 stands.*lower"):
        dummy.train(tmp_path, batches=dummy.Batches(poison_at=7))
    assert whole_steps(checkpoint_folder(tmp_path, "melody"))[-1] == 6
    folder = tmp_path / "failures" / "melody-8"
    kept = dict(np.load(folder / "batch.npz"))
    assert np.isnan(kept.pop("weights")).all()
    for name, value in kept.items():
        np.testing.assert_array_equal(value, dummy.batch(7)[name])
    about = json.loads((folder / "failure.json").read_text())
    assert (about["step"], about["batch"], about["checkpoint"]) == (8, 7, 6)
    assert (about["not_finite"], about["metrics"]["loss"]) == ("loss", "nan")
    assert about["songs"][3] == {"id": "song 7", "row": 3}
    assert about["replay"] == "batches 6 to 7 from checkpoint 6"


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


def test_a_training_may_start_from_given_parameters(tmp_path: Path) -> None:
    given = jax.tree.map(np.asarray, dummy.DummyTask().init_params(jax.random.key(9)))
    still = replace(dummy.stage_config().optimizer, learning_rate=1e-12, weight_decay=0.0, ema_decay=0.5)
    config = dummy.stage_config(optimizer=still, steps=3)
    dummy.train(tmp_path, config, initial=given)
    for found in average_of(tmp_path, 3):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, given)
    first = read_lines(tmp_path)[0]["loss"]
    dummy.train(tmp_path / "drawn", config)
    assert read_lines(tmp_path / "drawn")[0]["loss"] != first
