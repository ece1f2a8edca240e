"""`hrpe-jax COMMAND ...` and `python -m hrpe_jax COMMAND ...`: the commands under one name."""

from __future__ import annotations

import os
import runpy
import sys

COMMANDS = {
    "sample": "compose pieces",
    "preprocess": "make a data set of music files",
    "train": "train models",
    "evaluate": "compare pieces with real music, or measure a model",
    "inspect": "look at a data set",
    "studio": "compose in the browser",
    "mcp": "lead sheets for assistants, over MCP",
}


def main() -> None:
    """Runs the command that is named first, with what follows."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in COMMANDS:
        sys.argv[:2] = [f"hrpe-jax {name}"]
        runpy.run_module(f"hrpe_jax.{name}", run_name="__main__", alter_sys=True)
        return
    usage = "usage: hrpe-jax COMMAND ...; hrpe-jax COMMAND --help tells more"
    table = "\n".join(f"  {command:11} {what}" for command, what in COMMANDS.items())
    if name in ("-h", "--help"):
        try:
            print(f"{usage}\n\n{table}", flush=True)
        except BrokenPipeError:  # the reader has gone (`| head`)
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return
    sys.exit(_wrong(f"{name}: no such command; expected one of {', '.join(COMMANDS)}"))


def _wrong(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
