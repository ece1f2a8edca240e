"""Parses command lines by the commands' own parsers, without running the commands.

    python tests/parse_commands.py < commands.json

Reads a JSON list of argument lists, such as `[["-m", "hrpe_jax.sample", "--bars=8"], ["tools/x.py"]]`, and
prints a JSON list with the error of each, or "" where it is understood. It is a program of its own because
tools set up their process when they are imported.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import runpy
import sys
import warnings
from typing import Any

_parse = argparse.ArgumentParser.parse_known_args
_depth = 0


class Parsed(BaseException):
    """The arguments were understood; the command is not to go on."""


def parse_and_stop(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> Any:
    """In place of `parse_known_args`, which parsers of subcommands call too."""
    global _depth
    _depth += 1
    try:
        values, rest = _parse(self, *args, **kwargs)
    finally:
        _depth -= 1
    if _depth:
        return values, rest
    overrides = [a.removeprefix("--config.") for a in rest if a.startswith("--config.") and "=" in a]
    unknown = [a for a in rest if not a.startswith("--config.")]
    if unknown or (overrides and not self.prog.endswith(".train")):
        self.error(f"unrecognized arguments: {' '.join(rest)}")
    if self.prog.endswith(".train"):
        from hrpe_jax.workflows.load_config import load_config

        here = [
            setting for setting in overrides if not setting.startswith("init_from=")
        ]  # a run of the reader's
        load_config(values.config, here)
    raise Parsed


def problem(arguments: list[str]) -> str:
    """What is wrong with a command; "" for nothing."""
    global _depth
    _depth = 0
    module = arguments[0] == "-m"
    name, rest = (arguments[1], arguments[2:]) if module else (arguments[0], arguments[1:])
    sys.argv = [name, *rest]
    path, environment = list(sys.path), dict(os.environ)
    if not module:
        sys.path.insert(0, os.path.dirname(os.path.abspath(name)))
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(errors):
            if module:
                runpy.run_module(name, run_name="__main__", alter_sys=True)
            else:
                runpy.run_path(name, run_name="__main__")
    except Parsed:
        return ""
    except SystemExit as end:
        if end.code in (0, None) and {"-h", "--help"} & set(rest):
            return ""
        return errors.getvalue().strip()[-300:] or "it left without a word"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environment)
    return "it parses no arguments"


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # a module that is imported already, and run once more
    argparse.ArgumentParser.parse_known_args = parse_and_stop  # type: ignore[method-assign, assignment]
    print(json.dumps([problem(arguments) for arguments in json.load(sys.stdin)]))
