"""The command: it writes pieces, answers --help at once, and says in one line what is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hrpe_jax import sample
from hrpe_jax.checkpoints.release import write_released
from hrpe_jax.utils import cli
from hrpe_jax.utils.files import lock_folder
from hrpe_jax.workflows.sample import output_folder
from tests.sampling.tiny import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_released(tiny_model(), tmp_path_factory.mktemp("released"))


def run(*arguments: object) -> int:
    return cli.run(sample.main, sample.parser(), [str(argument) for argument in arguments])


def test_pieces_are_written_and_told(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "pieces"
    assert run(f"--model={model}", f"--output={out}", "--num_pieces=2", "--chords=C | Am F") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("piece-01: C major, 4/4, 2 bars: | C | Am F |  ")
    summary = json.loads(lines[-1])
    assert (summary["pieces"], summary["bars"], summary["seed"]) == (2, 4, 0)
    assert sorted(map(str, out.iterdir())) == sorted(summary["files"])
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--key=H"], "--key: 'H' is no key"),
        (["--chords="], "--chords: none given"),
        (["--bars=0"], "--bars: 1 to 10000 expected, got 0"),
        (["--chords=C | Fmaj7x"], "--chords: bar 2: chord label 'Fmaj7x'"),
        (["--form=A4B4", "--bars=9"], "--form: A4B4 has 8 bars, --bars=9 asks for more"),
        (["--form=A999999999"], "--form: 'A999999999': at most 10000 bars expected, got 999999999"),
        (["--band=polkka"], "--band: 'polkka': "),
        (["--prime=nowhere.mid"], "error: --prime: nowhere.mid: no such file; expected MIDI"),
        (["--prime=tests"], "error: --prime: tests: is a folder; expected one file: MIDI"),
        (["--prime=setup.py"], "--prime: setup.py"),
        (["--band=nowhere.txt"], "nowhere.txt"),
        (["--soundfont=nowhere.sf2"], "--soundfont: "),
        (["--model=nowhere"], "nowhere: no such folder"),
        (["--output=setup.py/x"], "setup.py: is no folder"),
    ],
)
def test_mistakes(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
):
    """An option that cannot be is wrong use (2); a file, model or folder that cannot serve fails (1)."""
    named = re.search(r"nowhere|=tests|setup\.py", arguments[0])
    assert run(f"--model={model}", f"--output={tmp_path / 'out'}", *arguments) == (1 if named else 2)
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--model"], ["--colour=x"], ["--bars=two"], ["--output="]])
def test_wrong_use_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_starts_nothing():
    code = (
        "import sys, hrpe_jax.sample as s\n"
        "try: s.parser().parse_args(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'jax', 'numpy', 'flax'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--chords" in done.stdout


def test_twenty_at_once_have_a_folder_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    together = threading.Barrier(20)

    def write(number: int) -> str:
        together.wait(60)
        with output_folder(None) as folder:
            (folder / "piece-01.json").write_text(str(number))
            return str(folder)

    with ThreadPoolExecutor(20) as threads:
        names = list(threads.map(write, range(20)))
    assert sorted(names) == sorted(["pieces", *(f"pieces-{number}" for number in range(2, 21))])
    assert [(tmp_path / name / "piece-01.json").read_text() for name in names] == [str(n) for n in range(20)]
    assert [path.name for path in tmp_path.rglob(".*")] == []  # no lock is left


def test_two_at_once_do_not_write_into_one_folder(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out, arguments = (
        tmp_path / "pieces",
        [f"--model={model}", "--num_pieces=1", "--chords=C", "--formats=json"],
    )
    with lock_folder(out, "sample", "wait"):
        assert run(f"--output={out}", *arguments) == 1
        assert f"process {os.getpid()} on " in capsys.readouterr().err
    assert run(f"--output={out}", *arguments) == 0
    assert [path.name for path in out.iterdir()] == ["piece-01.json"]
