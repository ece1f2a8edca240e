"""What messages name: options that the command has which prints them."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from hrpe_jax.__main__ import COMMANDS

PACKAGE = Path(__file__).parents[1] / "hrpe_jax"
# Who runs the code of a module, where an option stands in a message without its command; the first that fits.
OWNERS = {
    "preprocessing": {"preprocess"}, "readers/find.py": {"preprocess"},
    "readers/pop909_form.py": {"preprocess"},
    "workflows/train.py": {"train"}, "workflows/load_config.py": {"train"}, "training": {"train"},
    "checkpoints/manager.py": {"train"}, "checkpoints/format.py": {"train"},
    "workflows/evaluate": {"evaluate"}, "report/collect.py": {"evaluate"},
    "report/dataset_text.py": {"inspect"}, "report/describe.py": {"inspect"},
    "workflows/sample.py": {"sample"}, "sampling": {"sample"}, "composer.py": {"sample"},
    "arranging": {"sample"}, "formats/audio.py": {"sample"},
    "server/store.py": {"studio", "mcp"}, "server/serve.py": {"studio"},
    "server/edit_music.py": {"sample"}, "utils/cli.py": {"train"},
    "utils/files.py": {"sample", "preprocess"},
}  # fmt: skip
_OPTION = re.compile(r"(?<![\w-])(?<!var\()--([a-z][a-z_]*)(?!:\S|[\w-])")  # and no variable of a style sheet
_COMMAND = re.compile(rf"\b(?:hrpe_jax\.)?({'|'.join(COMMANDS)}) (?:--\S+ )*$")


@cache
def options(command: str) -> set[str]:
    """The options of a command; `--config.a.b=value` of a training counts as one."""
    parser = importlib.import_module(f"hrpe_jax.{command}").parser()
    names = {name.removeprefix("--") for action in parser._actions for name in action.option_strings}
    return names | ({"config"} if command == "train" else set())


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of the strings of a module that are no docstrings; a value in a text is "{}"."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            inside.update(id(value) for value in node.values)
            parts = (v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
            yield node.lineno, "".join(map(str, parts))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def foreign(where: str, text: str) -> list[str]:
    """The options in a text that their command has not, or whose command nobody can tell."""
    owners = next((names for start, names in OWNERS.items() if where.startswith(start)), set[str]())
    wrong = []
    for match in _OPTION.finditer(text):
        named = _COMMAND.search(text, 0, match.start())
        commands = {named[1]} if named else owners
        if not commands or any(match[1] not in options(command) for command in commands):
            wrong.append(f"--{match[1]}")
    return wrong


def test_messages_name_options_of_the_command_that_prints_them() -> None:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        where = path.relative_to(PACKAGE).as_posix()
        if where.removesuffix(".py") in COMMANDS or where == "__main__.py":
            continue  # parsers, whose descriptions are checked by the tests of the documents
        for line, text in texts(path):
            if wrong := [name for name in foreign(where, text) if not name.startswith("--xla")]:
                found[f"{where}:{line}"] = wrong
    assert found == {}


@pytest.mark.parametrize(
    ("where", "text", "wrong"),
    [
        ("data/shards.py", "prepare it again with --overwrite", ["--overwrite"]),
        ("data/shards.py", "prepare it again (preprocess --overwrite)", []),
        ("data/shards.py", "python -m hrpe_jax.preprocess --input=... --output=", []),
        ("data/shards.py", "evaluate --overwrite", ["--overwrite"]),
        ("sampling/controls.py", "--key: {} is no key; leave --workdir out", ["--workdir"]),
        ("training/loop.py", "give another --workdir, or --config.seed=1", []),
        ("report/page.py", "a{color:var(--line);--line:#fff}", []),
    ],
)
def test_foreign_options_are_found(where: str, text: str, wrong: list[str]) -> None:
    assert foreign(where, text) == wrong
