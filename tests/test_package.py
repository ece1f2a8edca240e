"""What `import hrpe_jax` gives, names of before, and the commands under one name."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import hrpe_jax
from hrpe_jax import __main__ as commands
from hrpe_jax.config import BackboneStageConfig, Config, StagesConfig
from hrpe_jax.errors import UserError
from hrpe_jax.formats.midi.write import write_midi
from tests.report.music import piece


def test_names_are_there_and_nothing_heavy_is_loaded():
    assert set(hrpe_jax.__all__) <= set(dir(hrpe_jax))
    for name in hrpe_jax.__all__:
        if name != "__version__":
            assert inspect.getdoc(getattr(hrpe_jax, name)), name
    code = "import sys, hrpe_jax; hrpe_jax.train; print([m for m in ('jax', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'Painter'"):
        hrpe_jax.Painter  # noqa: B018


def test_functions_stay_functions_where_the_commands_were_imported():
    for name in ("train", "evaluate"):
        module = importlib.import_module(f"hrpe_jax.{name}")
        assert callable(module.main)
        assert inspect.isfunction(getattr(hrpe_jax, name))


def test_songs_are_read(tmp_path: Path):
    for seed in range(2):
        write_midi(piece(seed), tmp_path / f"{seed}.mid")
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    assert len(hrpe_jax.read_songs(tmp_path)) == 2
    with pytest.raises(UserError, match=r"broken\.mid"):
        hrpe_jax.read_songs(tmp_path / "broken.mid")


def test_pieces_are_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name, seeds in (("made", range(3)), ("real", range(10, 14))):
        (tmp_path / name).mkdir()
        for seed in seeds:
            write_midi(piece(seed), tmp_path / name / f"{seed}.mid")
    options = {"draws": 100, "workers": 0, "tables": ["comparison"]}
    assert hrpe_jax.evaluate(tmp_path / "made", tmp_path / "real", **options)["used"]["generated"] == 3
    for wrong in ({}, {"pieces": "x"}, {"model": "x"}, {"pieces": "x", "reference": "x", "model": "x"}):
        with pytest.raises(UserError, match="give pieces and reference, or model and data"):
            hrpe_jax.evaluate(**wrong)


def test_overrides_need_a_file(tmp_path: Path):
    with pytest.raises(UserError, match="overrides: only for a config that is read"):
        hrpe_jax.train(
            Config(name="x", stages=StagesConfig(backbone=BackboneStageConfig())), tmp_path, ["seed=1"]
        )


@pytest.mark.parametrize(
    ("statement", "new"),
    [
        ("import hrpe_jax.bundled", "hrpe_jax.pretrained"),
        ("import hrpe_jax.cli", "hrpe_jax.utils.cli"),
        ("from hrpe_jax import bundled", "hrpe_jax.pretrained"),
        ("import hrpe_jax.songs.read", "hrpe_jax.readers"),
        ("from hrpe_jax.score.midi import read_midi", "hrpe_jax.formats.midi.read"),
        ("from hrpe_jax.sampling import pipeline", "hrpe_jax.sampling.compose"),
    ],
)
def test_old_names_say_the_new_one(statement: str, new: str):
    with pytest.raises(ImportError, match=rf"is now {new}"):
        exec(statement)


def test_new_names_of_old_ones_exist():
    moved = json.loads(files("hrpe_jax.utils").joinpath("moved.json").read_text(encoding="utf-8"))
    for old, new in moved.items():
        assert importlib.util.find_spec(new), f"{old} -> {new}"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("hrpe_jax.never_there")


def test_commands_under_one_name(capsys: pytest.CaptureFixture[str]):
    for name in commands.COMMANDS:
        assert importlib.util.find_spec(f"hrpe_jax.{name}")
    done = subprocess.run(
        [sys.executable, "-m", "hrpe_jax", "sample", "--help"], capture_output=True, text=True, check=True
    )
    assert "--chords" in done.stdout
    done = subprocess.run([sys.executable, "-m", "hrpe_jax", "paint"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
