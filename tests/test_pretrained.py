"""The model of the package: it gets into a wheel, is read where no other is named, and may be missing."""

from __future__ import annotations

import fnmatch
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import setuptools

from hrpe_jax import sample
from hrpe_jax.checkpoints import release as models
from hrpe_jax.checkpoints.verify import flatten
from hrpe_jax.composer import Composer
from hrpe_jax.utils import cli
from hrpe_jax.workflows.sample import output_folder
from tests.sampling.tiny import tiny_model

ROOT = Path(__file__).parents[1]
MOST_BYTES = 10 * 2**20


def test_the_package_takes_all_files_of_a_model_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said: dict[str, Any] = {}
    with monkeypatch.context() as patched:
        patched.setattr(setuptools, "setup", said.update)
        patched.chdir(ROOT)
        runpy.run_path("setup.py")
    assert "hrpe_jax.pretrained" in said["packages"]
    patterns = said["package_data"]["hrpe_jax.pretrained"]
    written = [path.name for path in models.write_released(tiny_model(), tmp_path).iterdir()]
    for name in (*written, "README.md"):
        assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns), name


def test_half_the_bytes_hold_the_same_model_but_for_rounding(tmp_path: Path):
    whole = models.write_released(tiny_model(), tmp_path / "whole")
    half = models.write_released(tiny_model(), tmp_path / "half", "bfloat16")
    sizes = [(folder / "melody.safetensors").stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.62 * sizes[0]  # names and shapes take some of these small files
    for (name, stage), (_, read) in zip(tiny_model().stages(), models.load_model(half).stages(), strict=True):
        assert stage.config == read.config
        for (path, value), (other, found) in zip(flatten(stage.params), flatten(read.params), strict=True):
            assert (path, found.dtype) == (other, np.float32), name
            np.testing.assert_allclose(found, value, rtol=2**-8)
            assert not np.any(found.view(np.uint32) & 0xFFFF)


def test_no_model_named_is_the_pretrained_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(models, "PRETRAINED_FOLDER", models.write_released(tiny_model(), tmp_path / "model"))
    monkeypatch.chdir(tmp_path)
    arguments = ["--chords=C | Am F", "--num_pieces=1", "--formats=json,html"]
    for folder in ("pieces", "pieces-2"):  # nothing is written over
        assert cli.run(sample.main, sample.parser(), arguments) == 0
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert sorted(told["files"]) == [f"{folder}/index.html", f"{folder}/piece-01.json"]
    with output_folder(None) as third, output_folder(None) as fourth:  # also where several look at once
        assert (third, fourth) == (Path("pieces-3"), Path("pieces-4"))
    assert not Path("pieces-3").exists()
    assert Composer.load().model.path == str(tmp_path / "model")


def test_a_copy_without_weights_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(models, "PRETRAINED_FOLDER", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.run(sample.main, sample.parser(), []) == 1
    said = capsys.readouterr().err
    assert "this copy of hrpe_jax comes without weights" in said
    assert "give its workdir, runs/quickstart" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_weights_that_are_here_are_small_and_have_a_card():
    if not (models.PRETRAINED_FOLDER / models.CONFIG_FILE).is_file():
        pytest.skip("no weights in this checkout (tools/release/release_model.py puts them there)")
    assert {name for name, _ in models.load_model().stages()} == {"backbone", "melody"}
    assert (
        sum(path.stat().st_size for path in models.PRETRAINED_FOLDER.iterdir() if path.is_file()) < MOST_BYTES
    )
    assert "| what |" in (models.PRETRAINED_FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow  # builds a wheel and installs it with all it needs: minutes, and a package index
def test_the_wheel_composes_outside_the_repository(tmp_path: Path):
    room = tmp_path / "source"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, files.decode().split("\0")):
        (room / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, room / name)
    if not (room / "hrpe_jax/pretrained/config.json").is_file():
        models.write_released(tiny_model(), room / "hrpe_jax/pretrained", "bfloat16")

    def run(*command: str | Path, **environment: str) -> None:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run(command, cwd=tmp_path, env=env | environment, check=True)

    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", tmp_path / "wheels", room)
    shutil.rmtree(room)
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    run(python, "-m", "pip", "install", "-q", next((tmp_path / "wheels").glob("*.whl")))
    run(python, "-m", "hrpe_jax.sample", "--bars=4", XDG_CACHE_HOME=str(tmp_path / "cache"))
    written = {path.name for path in (tmp_path / "pieces").iterdir()}
    assert {"index.html", "piece-01.mid", "piece-01.musicxml", "piece-04.json"} <= written
