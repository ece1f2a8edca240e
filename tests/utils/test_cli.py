"""The command wrapper: exit codes and one-line messages."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hrpe_jax.errors import Stopped, UserError, WrongUse
from hrpe_jax.utils import cli


def _run(main, *argv: str, overrides: bool = False) -> int:
    parser = cli.make_parser("thing", "Does a thing.")
    parser.add_argument("--size", type=cli.at_least(1), default=3, help="how large")
    parser.add_argument("--config", default="")
    return cli.run(main, parser, argv, overrides=overrides)


def test_results_and_exit_codes(capsys: pytest.CaptureFixture[str]):
    assert _run(lambda args: cli.print_result({"size": args.size})) == 0
    assert capsys.readouterr().out == '{"size": 3}\n'
    assert _run(lambda args: 7) == 7


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("no such folder; give another"), 1, "error: no such folder; give another\n"),
        (UserError("two\n  lines"), 1, "error: two lines\n"),
        (KeyError("x"), 1, "error: KeyError: 'x' (not expected here; --debug shows where it happened)\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_failures_are_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
):
    def main(args: argparse.Namespace) -> None:
        raise error

    assert _run(main) == code
    assert capsys.readouterr() == ("", said)
    with pytest.raises(type(error)):
        _run(main, "--debug")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--sise=3"], "unrecognized arguments: --sise=3"),
        (["--siz=3"], "unrecognized arguments: --siz=3"),
        (["--size=0"], "argument --size: 0: expected a whole number, 1 or more"),
        (["--size=many"], "argument --size: many: expected a whole number, 1 or more"),
        (["--config.a=1"], "unrecognized arguments: --config.a=1"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], argv: list[str], said: str
):
    with pytest.raises(SystemExit) as stopped:
        _run(lambda args: None, *argv)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {said}; see python -m hrpe_jax.thing --help\n"


def test_help_exits_0(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        _run(lambda args: None, "--help")
    assert stopped.value.code == 0
    assert "how large (default: 3)" in capsys.readouterr().out


def test_config_overrides_reach_main():
    seen: list[argparse.Namespace] = []
    _run(seen.append, "--config=a.py", "--config.x.y=1", "--size=2", "--config.z", "-3", overrides=True)
    assert (seen[0].config, seen[0].size, seen[0].overrides) == ("a.py", 2, ["x.y=1", "z=-3"])


def test_progress_is_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    with cli.progress("reading") as tell:
        for done in range(1, 4):
            tell(done, 3)
    assert capsys.readouterr().err == "reading: 3 of 3 songs\n"


def test_progress_tells_rate_rejects_and_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(cli.time, "monotonic", lambda: next(clock))
    with cli.progress("preparing", "files") as tell:
        for done in (501, 600, 1000):  # the first 500 were done by another run
            tell(done, 1000, 3)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "preparing: 501 of 1000 files, 3 rejected"
    assert lines[1].startswith("preparing: 600 of 1000 files, ")
    assert lines[1].endswith(" left")
    assert " a second, 3 rejected, " in lines[1]
    assert "left" not in lines[2]


def test_being_stopped_in_an_orderly_way_has_its_own_code(capsys: pytest.CaptureFixture[str]):
    def main(args: argparse.Namespace) -> None:
        raise Stopped("at step 7, saved; the same command goes on from there", 143)

    assert _run(main) == 143
    assert capsys.readouterr() == ("", "stopped: at step 7, saved; the same command goes on from there\n")


_PRINTING = """
import sys
from hrpe_jax.utils import cli
def main(args):
    open("made", "w").close()
    print("a line")
    cli.print_result({"done": 1})
sys.exit(cli.run(main, cli.make_parser("thing", "Does a thing."), []))
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(
    ("streams", "code", "said"),
    [
        (">&-", 0, ""),  # closed: nobody wants to hear it
        ("2>&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        (">/dev/full", 1, "error: stdout cannot be written (No space left on device); files that were made"),
        ("2>/dev/full", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(streams: str, code: int, said: str, tmp_path: Path):
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(_PRINTING)} {streams}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == bool(said)
    assert (tmp_path / "made").read_bytes() == b""  # no other file took the place of a closed stream


def test_a_full_stderr_does_not_change_the_exit_code(monkeypatch: pytest.MonkeyPatch):
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())

    def main(args: argparse.Namespace) -> None:
        raise WrongUse("--size: too large")

    assert _run(main) == 2


def test_endless_text_is_cut(capsys: pytest.CaptureFixture[str]):
    def main(args: argparse.Namespace) -> None:
        raise UserError("x" * 100_000)

    assert _run(main) == 1
    assert len(capsys.readouterr().err) < 2100
    with pytest.raises(SystemExit):
        _run(main, "--size=" + "9x" * 50_000)
    assert len(capsys.readouterr().err) < 2200


def test_an_empty_path_is_not_this_folder(capsys: pytest.CaptureFixture[str]):
    parser = cli.make_parser("thing", "Does a thing.")
    parser.add_argument("--output", type=cli.path)
    with pytest.raises(SystemExit) as stopped:
        cli.run(lambda args: None, parser, ["--output="])
    assert stopped.value.code == 2
    assert "--output: is empty; expected a path" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "said"), [(7, "0:07"), (750, "12:30"), (3600, "1:00:00"), (90623, "25:10:23")]
)
def test_long_times_have_hours(seconds: int, said: str):
    assert cli._clock(seconds) == said
