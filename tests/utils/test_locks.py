"""Locks: one process at a time, who holds it is said, and what a killed process left is not in the way."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.utils import files
from hrpe_jax.utils.files import lock_folder

ROOT = Path(__file__).parents[2]
_HOLD = """
import sys, time
from hrpe_jax.utils.files import lock_folder
with lock_folder(sys.argv[1], "train", "give another --workdir"):
    print("held", flush=True)
    time.sleep(60)
"""
# Each tells when it has the folder to itself: no two of them may be in at once.
_ONCE = """
import os, sys
from hrpe_jax.errors import UserError
from hrpe_jax.utils.files import lock_folder
for _ in range(40):
    try:
        with lock_folder(sys.argv[1], "sample", "wait"):
            file = os.open(sys.argv[1] + "/inside", os.O_CREAT | os.O_EXCL)
            os.close(file)
            os.unlink(sys.argv[1] + "/inside")
    except UserError:
        pass
"""


def _process(code: str, folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_second_process_hears_who_is_at_work_and_a_killed_one_is_not_in_the_way(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with _process(_HOLD, folder) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        said = (
            rf"run: process {other.pid} on {re.escape(platform.node())} works here \(train, since .*\); wait "
            r"until it ends, or give another --workdir"
        )
        with pytest.raises(UserError, match=said), lock_folder(folder, "train", "give another --workdir"):
            pass
        other.send_signal(signal.SIGKILL)
    assert {path.name for path in folder.iterdir()} == {files.LOCK, files.OWNER}  # it could not clean up
    with lock_folder(folder, "train", "give another --workdir"):
        assert json.loads((folder / files.OWNER).read_bytes())["process"] == os.getpid()
    assert not list(folder.iterdir())


def test_a_folder_that_nothing_came_into_is_gone_again(tmp_path: Path) -> None:
    with lock_folder(tmp_path / "new", "sample", "wait"):
        assert (tmp_path / "new").is_dir()
    assert not (tmp_path / "new").exists()
    with lock_folder(tmp_path / "used", "sample", "wait"):
        (tmp_path / "used" / "piece").touch()
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["piece"]
    with lock_folder(tmp_path, "sample", "wait"), pytest.raises(UserError, match="works here"):
        files.lock_folder(tmp_path, "sample", "wait").__enter__()


def test_no_two_processes_are_ever_in_at_once(tmp_path: Path) -> None:
    """The lock's file comes and goes with its folder; who waits on a file that is gone must not get in."""
    crew = [_process(_ONCE, tmp_path / "folder") for _ in range(3)]
    for process in crew:
        _, said = process.communicate()
        assert (process.returncode, said) == (0, "")


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ('{"process": 7, "host": "x", "work": "train", "since": 4102444800}', "process 7 on x works here"),
        ('{"process": 7, "host": "x", "work": "train", "since": -4102444800}', "process 7 on x works here"),
        ('{"process": 7, "host": "x", "work": "train", "since": Infinity}', "another process works here"),
        ('{"process": 7, "host": "x", "work": "train", "since": NaN}', "another process works here"),
        ('{"process": 7, "host": "x", "work": "train", "since": 1e300}', "another process works here"),
        ("[" * 100_000, "another process works here"),
        ("", "another process works here"),
    ],
)
def test_what_a_clock_or_a_torn_file_says_of_the_owner(tmp_path: Path, about: str, said: str) -> None:
    with lock_folder(tmp_path / "run", "train", "wait"):
        (tmp_path / "run" / files.OWNER).write_text(about)
        with pytest.raises(UserError, match=said) as caught, lock_folder(tmp_path / "run", "train", "wait"):
            pass
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("when", [0, 1, 32_503_680_000])
def test_a_lock_has_no_age(tmp_path: Path, when: int) -> None:
    """A lock file of any date is free where nobody holds it, and taken where somebody does."""
    (tmp_path / "run").mkdir()
    for name in (files.LOCK, files.OWNER):
        (tmp_path / "run" / name).write_text("{}")
        os.utime(tmp_path / "run" / name, (when, when))
    with lock_folder(tmp_path / "run", "train", "wait"):
        os.utime(tmp_path / "run" / files.LOCK, (when, when))
        with pytest.raises(UserError, match="works here"), lock_folder(tmp_path / "run", "train", "wait"):
            pass


def test_durations_are_of_the_clock_that_nobody_sets() -> None:
    """`time.time` jumps where the clock is set; it only stamps what people read and draws seeds."""
    stamps = {"utils/files.py", "server/requests.py", "server/app.py"}
    package = ROOT / "hrpe_jax"
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\btime\.time\(|\bdatetime\b", path.read_text(encoding="utf-8"))
    }
    assert found == stamps


def test_a_file_system_without_locks_is_said_and_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import filelock

    def refuse(self: filelock.FileLock) -> None:
        raise OSError(files.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with lock_folder(tmp_path / "x", "train", "wait"):
        (tmp_path / "x" / "file").touch()
    assert "no locks on this file system" in capsys.readouterr().err


def test_what_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=r"x: cannot be written \(Permission denied\)"):
        lock_folder(tmp_path / "x", "train", "wait").__enter__()
