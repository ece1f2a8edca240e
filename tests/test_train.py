"""The command train: its errors, and both stages end to end on a few songs."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.build import build_dataset
from hrpe_jax.training.progress import TIMES
from hrpe_jax.utils.cli import run as run_command
from hrpe_jax.utils.files import LOCK, OWNER, lock_folder
from hrpe_jax.workflows.load_config import find_config

ROOT = Path(__file__).parents[1]
command = importlib.import_module("hrpe_jax.train")  # `hrpe_jax.train` is the function
MODEL = {"width": 16, "layers": 1, "heads": 2, "head_width": 8, "mlp_width": 32, "residual_rank": 4}
LAGS = {"harmony": {"lags": ((0, 0), (0, 1))}}
STAGE = {"steps": 6, "log_every": 2, "eval_every": 4, "eval_batches": 1, "checkpoint_every": 3}
CONFIG = {
    "stages": {
        "backbone": {
            **STAGE,
            "model": {**MODEL, **LAGS},
            "batch": {"rows": 2, "length": 64},
            "optimizer": {"warmup_steps": 2},
        },
        "melody": {
            **STAGE,
            "model": {**MODEL, "memory": 32},
            "batch": {"rows": 2, "length": 32, "segments": 2},
            "optimizer": {"warmup_steps": 2},
        },
    }
}


def call(*arguments: str) -> int:
    return run_command(command.main, command.parser(), arguments, overrides=True)


def write_config(folder: Path, **changes: Any) -> Path:
    path = folder / "tiny.py"
    path.write_text(f"def get_config():\n    return {CONFIG | changes!r}\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared data set of a few songs, from the corpus that every machine can have."""
    path = tmp_path_factory.mktemp("songs") / "data"
    build_dataset("chorales", path, limit=30, workers=0)
    return path


def test_data_prepared_before_is_used_and_said(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hrpe_jax.config import DataConfig
    from hrpe_jax.workflows.train import prepare_data

    config = DataConfig(path=str(songs), corpus="chorales", input="elsewhere")
    assert prepare_data(config, tmp_path).path == songs
    assert "data.input and data.splits are not read again" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    code = subprocess.run(
        [sys.executable, "-m", "hrpe_jax.train", "--help"], cwd=ROOT, capture_output=True, check=False
    )
    assert code.returncode == 0
    assert b"--workdir" in code.stdout
    lazy = "import sys, hrpe_jax.train; sys.exit(bool({'jax', 'numpy', 'ml_collections'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", lazy], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--config=absent.py"], "absent.py: no such config file"),
        (["--config.stages.backbone.stepz=3"], "no such key; did you mean 'steps'?"),
        (["--config.data.corpus="], "no data set here; give one with --config.data.path=DIR"),
        (["--config.data.corpus=pop909"], "config.data.input: the folder of pop909 is needed"),
        (["--config.data.path=absent"], "absent"),
        (["--config.sample.bars=20000"], "config.sample.bars: 1 to 10000 expected, got 20000"),
        (
            ["--config.stages.melody.best_metric=pitch_acuracy"],
            "config.stages.melody.best_metric: validation reports no 'pitch_acuracy'; did you mean 'pitch_",
        ),
        ([f"--workdir={__file__}/below"], "give another --workdir"),
        (
            ["--config.sample.num_pieces=1", "--config.stages.melody=none"],
            "pieces need both stages, and melody",
        ),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    workdir = tmp_path / "work"
    first = [] if arguments[0].startswith("--config=") else [f"--config={write_config(tmp_path)}"]
    assert call(*first, f"--workdir={workdir}", *arguments) == 1
    out, err = capsys.readouterr()
    assert expected in err
    assert len(err.splitlines()) == 1
    assert out == ""
    assert not workdir.exists()


def test_the_quickstart_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    own = ROOT / "configs" / "quickstart.py"
    assert command.parser().parse_args([]).config == "quickstart"
    for name in ("quickstart", "quickstart.py", "configs/quickstart.py"):
        assert find_config(name) == own
    for name in ("elsewhere/quickstart.py", "quickstar", "quickstart.txt"):
        with pytest.raises(UserError, match=r"no such config file.* quickstart"):
            find_config(name)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "quickstart.py").write_text("")
    assert find_config("configs/quickstart.py") == Path("configs/quickstart.py")  # files first
    assert find_config("quickstart") == own


def test_the_table_leaves_out_what_nobody_measured() -> None:
    from hrpe_jax.workflows.train import format_table

    rows = [
        ("backbone", "step 4", {"nll": 1.0, "accuracy": 0.5, "chord_nll": 0.25}),
        ("melody", "5-gram", {"nll": 2.0, "accuracy": 0.25}),
        ("melody", "step 9", {}),
    ]
    lines = [line.split("  ") for line in format_table(rows).splitlines()]
    table = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert table == [
        ["stage", "validation", "nll", "perplexity", "accuracy", "chord nll"],
        ["backbone", "step 4", "1", "2.718", "0.5", "0.25"],
        ["melody", "5-gram", "2", "7.389", "0.25", "-"],
        ["melody", "step 9", "-", "-", "-", "-"],
    ]


def read_lines(workdir: Path) -> list[dict[str, Any]]:
    path = workdir / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [{k: v for k, v in line.items() if k not in TIMES} for line in lines]


def test_both_stages_end_to_end(songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hrpe_jax.workflows.evaluate_model import evaluate_model

    config = write_config(tmp_path, sample={"num_pieces": 1, "bars": 2, "every": 5})
    arguments = [f"--config={config}", f"--workdir={tmp_path / 'work'}", f"--config.data.path={songs}"]
    assert call(*arguments) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert out.count("5-gram") == 2
    assert "perplexity" in out
    assert {path.name for path in (tmp_path / "work").iterdir()} >= {
        "config.json",
        "metrics.jsonl",
        "checkpoints",
    }
    assert len(list((tmp_path / "work" / "pieces").glob("*.mid"))) == 1
    for stage in ("backbone", "melody"):  # heard while they trained
        assert len(list((tmp_path / "work" / "pieces" / stage / "step-5").glob("*.mid"))) == 1
    ET.parse(tmp_path / "work" / "curves.svg")
    summary = json.loads((tmp_path / "work" / "summary.json").read_text())["stages"]
    assert [(name, stage["step"], stage["early"]) for name, stage in summary.items()] == [
        ("backbone", 6, False),
        ("melody", 6, False),
    ]
    assert summary["melody"]["baseline"]["nll"] > 0
    resolved = json.loads((tmp_path / "work" / "config.json").read_text())
    assert resolved["config"]["name"] == "tiny"
    assert resolved["config"]["stages"]["melody"]["steps"] == 6

    # Outside of the loop: the loop's own figures.
    figures = evaluate_model(tmp_path / "work" / "model", songs)
    for stage, about in json.loads((tmp_path / "work" / "model" / "config.json").read_text())[
        "stages"
    ].items():
        own = {"stage": stage, "split": "valid", "step": about["step"]}
        assert own | figures[stage] in read_lines(tmp_path / "work")

    before = read_lines(tmp_path / "work")
    assert call(*arguments, "--config.sample=none") == 0  # nothing is trained again
    again = json.loads((tmp_path / "work" / "summary.json").read_text())["stages"]
    assert {**again["melody"], "seconds": 0} == {**summary["melody"], "seconds": 0}
    assert read_lines(tmp_path / "work") == before
    assert call(*arguments, "--config.stages.melody.model.width=32") == 1
    assert "config.stages.melody.model.width: saved 16, now 32" in capsys.readouterr().err


def test_a_dry_run_says_what_it_costs_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hrpe_jax.workflows.dry_run import inspect_stage
    from hrpe_jax.workflows.load_config import load_config

    config = write_config(tmp_path)
    workdir = tmp_path / "work"
    assert call(f"--config={config}", f"--workdir={workdir}", "--config.stages.melody=none", "--dry_run") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.py"}
    out = capsys.readouterr().out
    for said in ("parameters    ", "memory        ", "FLOPs         ", "time          ", "all steps     6: "):
        assert said in out
    stage = load_config(config).stages.backbone
    assert stage is not None
    row = inspect_stage("backbone", stage, pretended=True)  # as on a machine without its devices
    assert row["tokens"] == 2 * 64
    assert 0 < row["decayed"] < row["parameters"]
    assert row["model_flops"] <= row["flops"]
    # Parameters and both moments, float32, stay where they are: donated, so not among the results.
    assert row["memory"]["state, carry and batch"] >= 12 * row["parameters"]
    assert row["memory"]["results"] < row["parameters"]
    assert (row["seconds_per_step"], row["not_timed"]) == (None, "its 1 devices are not here")


def test_a_workdir_takes_one_run_at_a_time(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, workdir = write_config(tmp_path, data={"path": str(songs)}, sample=None), tmp_path / "run"
    with lock_folder(workdir, "train", "wait"):
        assert call(f"--config={config}", f"--workdir={workdir}") == 1
        said = capsys.readouterr().err
        assert f"process {os.getpid()} on " in said
        assert said.endswith("wait until it ends, or give another --workdir\n")
        assert {path.name for path in workdir.iterdir()} == {LOCK, OWNER}
    assert not workdir.exists()


def test_data_that_changed_between_two_lives_is_said(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = {"backbone": {**CONFIG["stages"]["backbone"], "steps": 3, "eval_every": 3}}
    data, workdir = tmp_path / "data", tmp_path / "run"
    config = write_config(tmp_path, stages=stages, data={"path": str(data)}, sample=None)
    asked = [f"--config={config}", f"--workdir={workdir}"]

    def said(*more: str) -> str:
        assert call(*asked, *more) == 1
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        return text

    shutil.copytree(songs, data)
    assert call(*asked) == 0
    capsys.readouterr()
    shard = next((data / "backbone").glob("train-*"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    assert f"{shard}: this shard has {len(whole) - 1} bytes instead of {len(whole)}; copy it again" in said()
    shard.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    assert f"{shard}: this shard's content has changed since it was made" in said()
    shard.unlink()
    assert f"{shard}: this shard is missing" in said()
    other = tmp_path / "other"
    build_dataset("chorales", other, limit=12, workers=0)
    assert "its checkpoints are of another run (data: saved" in said(f"--config.data.path={other}")


@pytest.mark.slow
def test_a_killed_run_ends_as_an_uninterrupted_one(songs: Path, tmp_path: Path) -> None:
    """kill -9 twice, wherever that falls; then to the end."""
    config = write_config(tmp_path)

    def start(workdir: str) -> subprocess.Popen[bytes]:
        arguments = [f"--config={config}", f"--workdir={tmp_path / workdir}", f"--config.data.path={songs}"]
        return subprocess.Popen([sys.executable, "-m", "hrpe_jax.train", *arguments], cwd=ROOT)

    assert start("whole").wait() == 0
    for lines in (2, 7):
        process = start("killed")
        while len(read_lines(tmp_path / "killed")) < lines and process.poll() is None:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() != 0
    assert start("killed").wait() == 0
    assert read_lines(tmp_path / "killed") == read_lines(tmp_path / "whole")


def test_a_melody_without_memory_goes_on_too(songs: Path, tmp_path: Path) -> None:
    """Its carry has arrays without entries, which Orbax does not write."""
    import jax
    import numpy as np

    from hrpe_jax.checkpoints.format import checkpoint_folder, load_stage

    stage = CONFIG["stages"]["melody"]
    stages = {"melody": {**stage, "model": {**stage["model"], "memory": 0}}}
    asked = [f"--config={write_config(tmp_path, stages=stages)}", f"--workdir={tmp_path / 'work'}"]
    asked.append(f"--config.data.path={songs}")
    assert call(*asked) == 0
    whole = load_stage(tmp_path / "work", "melody").params
    shutil.rmtree(checkpoint_folder(tmp_path / "work", "melody") / "6")
    assert call(*asked) == 0
    jax.tree.map(np.testing.assert_array_equal, load_stage(tmp_path / "work", "melody").params, whole)
