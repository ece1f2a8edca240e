"""Without what Windows lacks: the commands work where array_record, fcntl, resource and alarms are absent."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import setuptools

from hrpe_jax.checkpoints.release import write_released
from tests.sampling.tiny import tiny_model

ROOT = Path(__file__).parents[1]
# Python runs this at the start of every process, also of the workers of preprocess.
_SITE = """
import os, signal, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("array_record", "fcntl", "resource", "grp", "pwd"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in ("fcntl", "resource", "grp", "pwd"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
for name in ("SIGALRM", "SIGXCPU", "setitimer", "ITIMER_REAL"):
    delattr(signal, name)
for name in ("pread", "sched_getaffinity"):
    delattr(os, name)
"""
_TUNE = 'X:{n}\nT:Tune {n}\nM:4/4\nL:1/4\nK:C\n"C"C D E {a}|"F"F G A {b}|"G7"G F E D|"C"C4|\n'


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(_SITE)
    return {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}


def run(environment: dict[str, str], folder: Path, command: str, *arguments: str) -> dict[str, Any]:
    """The last line of a command, which is JSON."""
    done = subprocess.run(
        [sys.executable, "-m", f"hrpe_jax.{command}", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.slow  # three commands in processes of their own; .ci/run runs it
def test_preprocess_sample_and_evaluate_work(environment: dict[str, str], tmp_path: Path) -> None:
    folder, model = tmp_path / "songs", tmp_path / "model"
    folder.mkdir()
    write_released(tiny_model(), model)
    for n in range(12):
        tune = _TUNE.format(n=n, a="CDEFGAB"[n % 7], b="cdefgab"[n % 5])
        (folder / f"tune{n}.abc").write_text(tune)
    counts = run(environment, tmp_path, "preprocess", "--input=songs", "--output=data", "--workers=1")
    assert counts["songs"] == 12
    assert {path.suffix for path in (tmp_path / "data" / "melody").iterdir()} == {".jsonl"}
    assert not (tmp_path / ".data.journal").exists()
    asked = (
        "--model=model",
        "--output=pieces",
        "--chords=C | F",
        "--prime=songs/tune0.abc",
        "--num_pieces=2",
    )
    told = run(environment, tmp_path, "sample", *asked)
    assert len(list((tmp_path / "pieces").iterdir())) == len(told["files"])
    seen = run(
        environment, tmp_path, "evaluate", "--generated=pieces", "--reference=data:train", "--workers=1",
        "--draws=100", "--bars=2",
    )  # fmt: skip
    assert seen


def test_arrays_without_their_reader_are_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    code = (
        "from hrpe_jax.data.shards import Records; from hrpe_jax.errors import UserError\n"
        "try: Records(['x.arrayrecord'], 1)[0]\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("x.arrayrecord: reading this needs the package array-record")


def test_what_has_no_wheel_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {}
    with monkeypatch.context() as patched:
        patched.setattr(setuptools, "setup", said.update)
        patched.chdir(ROOT)
        runpy.run_path("setup.py")
    (line,) = [line for line in said["install_requires"] if line.startswith("array-record")]
    assert line.endswith("; sys_platform != 'win32'")
