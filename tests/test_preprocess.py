"""The preprocess command as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hrpe_jax.data.shards import open_dataset
from tests.preprocessing.songs import write_songs


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hrpe_jax.preprocess", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_good_and_bad_songs(tmp_path: Path):
    root = write_songs(tmp_path / "songs", 4)
    (root / "002" / "002.mid").write_bytes(b"")
    arguments = (f"--input={root}", f"--output={tmp_path}/set")
    done = _run(*arguments)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert (counts["found"], counts["songs"], counts["rejects"]) == (4, 3, 1)
    assert "1 songs were left out: see" in done.stderr
    assert open_dataset(tmp_path / "set", verify=True).manifest["counts"]["songs"]["train"] == 1

    again = _run(*arguments)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.count("\n") == 1
    assert "--overwrite" in again.stderr
    assert _run(*arguments, "--overwrite", "--workers=0").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--input=nowhere", "--output=set"], 1, "error: nowhere: no such file or folder"),
        (["--output=set"], 2, "error: --input is needed: a folder or file of songs, or the word chorales"),
        (["--input=empty", "--output=thesis/chapter1.txt/set"], 1, "error: "),
        (["--input=empty", "--output=set"], 1, "error: empty: no songs found"),
        (["--input=empty", "--output=thesis"], 1, "error: thesis: exists and is not a prepared data set"),
        (["--input=empty", "--output=set", "--workers=-1"], 2, "error: argument --workers: -1: expected"),
        (["--input=empty", "--output=set", "--format=doc"], 2, "error: argument --format: invalid choice"),
        (["--input=empty"], 2, "error: the following arguments are required: --output"),
    ],
)
def test_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    done = _run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "set").exists()


def test_help_names_the_options():
    done = _run("--help")
    assert done.returncode == 0
    assert "--input" in done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys, hrpe_jax.preprocess as p; p.parser(); print({'numpy', 'jax', 'absl'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# The command with a disk that takes its time, so that a run is stopped before it is done also where this
# process is kept waiting; and with ears for SIGINT, to which a shell's background jobs are deaf, and so would
# be what tests start that run in one.
SLOWLY = """
import signal, sys, time
from hrpe_jax import preprocess
from hrpe_jax.utils import cli
from hrpe_jax.preprocessing.journal import Journal

add = Journal.add

def slowly(*arguments):
    add(*arguments)
    time.sleep(0.02)

Journal.add = slowly
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(cli.run(preprocess.main, preprocess.parser()))
"""


def _start(root: Path, output: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOWLY, f"--input={root}", f"--output={output}", "--workers=1"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _stopped(root: Path, output: Path, how: int) -> str:
    """Starts a run, stops it when something has been prepared, and returns what it said."""
    journal = output.parent / f".{output.name}.journal"

    def kept() -> int:
        return sum(path.stat().st_size for path in journal.glob("*.frames"))

    before, process = kept(), _start(root, output)
    while process.poll() is None and kept() == before:
        time.sleep(0.005)
    process.send_signal(how)
    said = process.communicate(timeout=60)[1]
    assert process.returncode != 0, "it was done before it could be stopped"
    assert not output.exists()
    return said


def test_a_killed_run_is_taken_up_where_it_was(tmp_path: Path):
    root, output = write_songs(tmp_path / "songs", 300), tmp_path / "set"
    whole = _run(f"--input={root}", f"--output={tmp_path}/whole")
    assert whole.returncode == 0, whole.stderr
    _stopped(root, output, signal.SIGKILL)
    said = _stopped(root, output, signal.SIGINT)
    assert "what was prepared is kept" in said
    done = _run(f"--input={root}", f"--output={output}")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert 0 < counts["kept"] < 300
    assert f"{counts['kept']} of 300 files were prepared by a run that was stopped" in done.stderr
    for file in ("manifest.json", "rejects.jsonl"):
        assert (output / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert not list(tmp_path.glob(".*"))
