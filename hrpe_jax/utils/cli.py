"""The wrapper around every command: arguments, one-line errors, exit codes, progress.

A command is a module with a parser and a main, and imports at its top nothing but the standard library and
this file (`--help` must answer at once); the rest is imported inside `main`:

    def main(args: argparse.Namespace) -> None:
        from hrpe_jax.preprocessing.build import build_dataset
        ...
        cli.print_result(counts)

    def parser() -> argparse.ArgumentParser:
        parser = cli.make_parser("preprocess", __doc__)
        parser.add_argument("--output", required=True, metavar="DIR", help="...")
        return parser

    if __name__ == "__main__":
        sys.exit(cli.run(main, parser()))

Exit codes: 0 done; 1 failed (a file, folder, model, data set or config that is not as it must be, or anything
else that went wrong); 2 wrong use (an option that is not there, a value that it cannot have, options that
contradict each other: `WrongUse`); 130 stopped by Ctrl-C, 143 by SIGTERM where a command saves first. Results
go to stdout, everything else to stderr. `--debug` lets errors through with their traceback.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, Protocol, TextIO

from hrpe_jax.errors import Stopped, UserError, WrongUse, cut

MOST_CHARACTERS = 2000
"""Of an error: what a user typed or a file holds may be endless."""
_PLAIN_SECONDS = 5.0  # between two lines of progress where there is no terminal


class Progress(Protocol):
    """Told how far work has come."""

    def __call__(self, done: int, total: int, rejected: int = 0, /) -> None:
        """So many of all are done, and so many of them rejected."""
        ...


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of the usage: where an argument is wrong, a screen of others does not help."""
        self.exit(2, f"error: {cut(message, MOST_CHARACTERS)}; see {self.prog} --help\n")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written, and defaults where they say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, "", argparse.SUPPRESS) or "default" in (action.help or ""):
            return action.help
        return f"{action.help} (default: %(default)s)"


def make_parser(command: str, description: str | None) -> argparse.ArgumentParser:
    """A parser for `python -m hrpe_jax.COMMAND` that knows --debug; options must be spelled in full."""
    parser = _Parser(
        prog=f"python -m hrpe_jax.{command}",
        description=description,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def path(text: str) -> str:
    """The `type` of an option that takes a file or folder: not the empty text, which would be this folder."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; expected a path, such as . for this folder")
    return text


def at_least(low: int) -> Callable[[str], int]:
    """The `type` of an option that takes a whole number from `low` up."""

    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(f"{text}: expected a whole number, {low} or more")
        return value

    return whole_number


def run(
    main: Callable[[argparse.Namespace], int | None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
    *,
    overrides: bool = False,
) -> int:
    """Parses the arguments and runs a command.

    Args:
        main: the command. Its return value is the exit code, None is 0.
        parser: from `make_parser`.
        argv: the arguments; those of the process by default.
        overrides: whether `--config.a.b=value` is allowed; `main` finds them in `args.overrides` as a list of
            "a.b=value" in the order given.

    Returns:
        The exit code.
    """
    _open_streams()
    stdout = sys.stdout
    sys.stdout = _Stdout(stdout)
    try:
        return _run(main, parser, argv, overrides)
    finally:
        sys.stdout = stdout


def _run(
    main: Callable[[argparse.Namespace], int | None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    overrides: bool,
) -> int:
    """`run`, with streams that can be written to."""
    args, rest = parser.parse_known_args(argv)
    args.overrides, rest = split_overrides(rest) if overrides else ([], rest)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        code = main(args) or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        if args.debug:
            raise
        return _fail("stopped", 130)
    except Stopped as stop:
        if args.debug:
            raise
        return _fail(f"stopped: {stop}", stop.code)
    except BrokenPipeError:  # the reader of our output has gone (`| head`): there is nobody to report to
        _drop_stdout()
        return 1
    except _StdoutError as error:
        _drop_stdout()
        return _fail(f"error: stdout cannot be written ({error}); files that were made are there")
    except UserError as error:
        if args.debug:
            raise
        return _fail(f"error: {error}", 2 if isinstance(error, WrongUse) else 1)
    except Exception as error:
        if args.debug:
            raise
        what = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        return _fail(f"error: {what} (not expected here; --debug shows where it happened)")


def _open_streams() -> None:
    """Gives a process that was started with closed streams (`>&-`) such as lead nowhere.

    Python then has None for them, and worse, the next file that is opened takes their place.
    """
    while True:
        number = os.open(os.devnull, os.O_RDWR)
        if number > 2:
            os.close(number)
            break
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


class _StdoutError(Exception):
    """Stdout cannot be written, such as a full disk behind `> FILE`."""


class _Stdout:
    """A stream whose errors can be told from those of other files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with _told_apart():
            return self._stream.write(text)

    def flush(self) -> None:
        with _told_apart():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _StdoutError(error.strerror or str(error)) from None


def _drop_stdout() -> None:
    """What is still to be written goes nowhere, so that the interpreter's end does not fail on it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int = 1) -> int:
    with suppress(OSError):  # a full stderr: the exit code still says it
        print(cut(" ".join(message.split()), MOST_CHARACTERS), file=sys.stderr, flush=True)
    return code


def split_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Arguments as ("a.b=value" of each `--config.a.b=value` or `--config.a.b value`, all others)."""
    found: list[str] = []
    others: list[str] = []
    waiting = False  # whether the last override still lacks its value
    for argument in arguments:
        if waiting and not argument.startswith("--"):
            found[-1] += f"={argument}"
            waiting = False
        elif argument.startswith("--config."):
            found.append(argument.removeprefix("--config."))
            waiting = "=" not in argument
        else:
            others.append(argument)
    return found, others


def print_result(result: dict[str, Any]) -> None:
    """Prints the result of a command as one JSON line on stdout."""
    print(json.dumps(result, ensure_ascii=False), flush=True)


def say(message: str) -> None:
    """Prints a line for people on stderr."""
    print(message, file=sys.stderr, flush=True)


def _clock(seconds: int) -> str:
    """Such as 0:07, 12:30 or 25:10:23, hours only where there are some."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


@contextmanager
def progress(what: str, unit: str = "songs") -> Iterator[Progress]:
    """Shows how far long work has come: a bar on a terminal, a plain line every few seconds elsewhere.

    Both tell the rate and the time left, by what was done since the first call.

    Yields:
        A function to call with (done, total) and, where some are, how many were rejected.
    """
    first: tuple[int, float] | None = None

    def state(done: int, total: int, rejected: int) -> str:
        nonlocal first
        now = time.monotonic()
        first = first or (done - 1, now)
        seconds, new = now - first[1], done - first[0]
        rate = f", {new / seconds:.3g} a second" if seconds > 0.5 else ""
        left = round(seconds / new * (total - done)) if new > 0 and rate else 0
        return (
            rate
            + (f", {rejected} rejected" if rejected else "")
            + (f", {_clock(left)} left" if left and done < total else "")
        )

    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit + "{task.fields[state]}"),
        )
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None, state="")
            yield lambda done, total, rejected=0: bar.update(
                task, completed=done, total=total, state=state(done, total, rejected)
            )
        return
    last = time.monotonic()

    def line(done: int, total: int, rejected: int = 0) -> None:
        nonlocal last
        text = state(done, total, rejected)
        if time.monotonic() - last >= _PLAIN_SECONDS or done == total:
            last = time.monotonic()
            say(f"{what}: {done} of {total} {unit}{text}")

    yield line
