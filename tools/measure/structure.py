"""How the package is built, in figures: modules, their importers, names, files of an option, docstrings.

    python tools/measure/structure.py [--list]

Modules are counted without `__init__.py`. An option passes a file that names it, as a parameter, keyword,
attribute, field or flag. `--list` names modules that only one other imports, and functions without Args.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import Counter, defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "hrpe_jax"
SAME_IN_EACH = {"read", "write", "limits", "backbone", "melody", "config", "sample", "train", "pop909"}
"""File names that mean the same in each folder: verbs of formats, the two stages, a command and its work."""


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def modules() -> dict[str, Path]:
    """All modules by their names."""
    return {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of the package that a file imports, also inside functions."""
    used = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            used |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            used |= inside & set(known) or {node.module}
    return used & set(known) - {name_of(path)}


def importers() -> dict[str, list[str]]:
    """By module the modules that import it; those that are only an `__init__` of one line are left out."""
    known = modules()
    by: dict[str, list[str]] = defaultdict(list)
    for name, path in known.items():
        for used in imports(path, known):
            by[used].append(name)
    return {name: sorted(by[name]) for name, path in known.items() if path.name != "__init__.py"}


def circles() -> list[str]:
    """A circle of imports, if there is one."""
    known = modules()
    try:
        TopologicalSorter({name: imports(path, known) for name, path in known.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def repeated_names() -> dict[str, list[str]]:
    """File names that stand for different things."""
    by: dict[str, list[str]] = defaultdict(list)
    for name, path in modules().items():
        if path.name != "__init__.py" and path.stem not in SAME_IN_EACH:
            by[path.stem].append(name)
    return {stem: names for stem, names in by.items() if len(names) > 1}


def passed(word: str) -> list[str]:
    """Modules that name an option or a field as a word of their code."""
    found = []
    for name, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        words = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg | ast.keyword)}
        words |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        words |= {
            node.target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        if word in words or f"--{word}" in texts:
            found.append(name)
    return found


def without_args() -> tuple[list[str], int]:
    """Public functions of three parameters or more whose docstring has no Args, and how many there are."""
    lacking, number = [], 0
    for name, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
        for node in [*tree.body, *(one for made in classes for one in made.body)]:  # nested ones are private
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if len([one for one in given if one.arg not in ("self", "cls")]) < 3:
                continue
            number += 1
            if not re.search(r"^\s*Args:", ast.get_docstring(node) or "", re.M):
                lacking.append(f"{name}.{node.name}")
    return lacking, number


def readme() -> tuple[int, float]:
    """Characters of the README, and words a sentence of its prose."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```|^[|#<!\[].*?$", "", text, flags=re.S | re.M)
    sentences = [one.split() for one in re.split(r"(?<=[.!?])\s+", prose)]
    sentences = [words for words in sentences if len(words) > 2]
    return len(text), sum(map(len, sentences)) / max(len(sentences), 1)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="name them")
    listed = parser.parse_args().list
    by = importers()
    single = {name: users[0] for name, users in by.items() if len(users) == 1}
    top = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))
    lacking, public = without_args()
    lengths = Counter(
        len(path.read_text(encoding="utf-8").splitlines()) // 100 for path in modules().values()
    )
    characters, words = readme()
    key = passed("silent_bars")
    rows = [
        ("modules; imported by one other", f"{len(by)}; {len(single)}"),
        ("modules at the top", f"{len(top)}: {', '.join(top)}"),
        ("file names for different things", f"{len(repeated_names())}: {', '.join(repeated_names())}"),
        ("import circles", " -> ".join(circles()) or "0"),
        ("files that name the sample option silent_bars", str(len(key))),
        ("lines of a module, by hundreds", str(dict(sorted(lengths.items())))),
        ("README characters; words a sentence", f"{characters}; {words:.1f}"),
        ("public functions of 3 parameters or more without Args", f"{len(lacking)} of {public}"),
    ]
    for what, figure in rows:
        print(f"{what:54} {figure}")
    if listed:
        for name, user in sorted(single.items()):
            print(f"imported once: {name} <- {user}")
        for name in lacking:
            print(f"without Args: {name}")
        for name in key:
            print(f"silent_bars: {name}")


if __name__ == "__main__":
    main()
