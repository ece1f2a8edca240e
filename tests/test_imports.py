"""The architecture as a test: which package may import which, and how long a module may be."""

from __future__ import annotations

import ast
import functools
import sys
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "hrpe_jax"
MAX_LINES = 400

_MUSIC = {"theory", "score", "analysis", "codec"}
# Folder -> the folders, and modules at the top of the package, that it may import besides itself.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "utils": {"errors"},
    "theory": set(),
    "score": {"errors", "theory"},
    "arranging": {"errors", "theory", "score"},
    "formats": {"errors", "theory", "score", "arranging"},
    "analysis": {"errors", "theory", "score", "formats"},
    "readers": {"errors", "theory", "score", "formats", "analysis"},
    "codec": {"errors", "theory", "score", "analysis"},
    "data": {"errors", "utils", "config", *_MUSIC, "metrics"},
    "preprocessing": {"errors", "utils", *_MUSIC, "readers", "data"},
    "metrics": {"errors", *_MUSIC},
    "baselines": {"errors", *_MUSIC, "data"},
    "report": {"errors", "utils", *_MUSIC, "readers", "data", "preprocessing", "metrics", "baselines"},
    "ops": set(),
    "models": {"errors", *_MUSIC, "ops"},
    "config": {"errors", "utils", "models"},
    "tasks": {"errors", "config", *_MUSIC, "ops", "models"},
    "checkpoints": {"errors", "utils", "config", *_MUSIC, "data", "models", "tasks"},
    # Training and sampling stand beside each other: both read checkpoints, neither knows the other.
    "training": {"errors", "utils", "config", *_MUSIC, "data", "ops", "models", "tasks", "checkpoints"},
    "sampling": {
        "errors",
        "utils",
        "config",
        *_MUSIC,
        "metrics",
        "arranging",
        "formats",
        "data",
        "ops",
        "models",
        "tasks",
        "checkpoints",
    },
    "pretrained": set(),
}
JAX = {"jax", "jaxlib", "flax", "optax", "orbax", "chex"}
WITHOUT_JAX = (
    "errors",
    "config",
    "theory",
    "score",
    "arranging",
    "formats",
    "analysis",
    "readers",
    "codec",
    "data",
    "preprocessing",
    "metrics",
    "baselines",
    "report",
)
ON_TOP = {"workflows", "server"}  # may import everything, as the commands and `composer` may

# Why a module that only one other imports is a file of its own; patterns of names within the package.
IMPORTED_ONCE = {
    "analysis.*": "a step of an analysis, tested and fitted alone; its caller has 200 lines or more",
    "arranging.*": "a part of the band",
    "baselines.ngram": "the n-gram is what experiments and tests ask for",
    "checkpoints.manager": "writing checkpoints; the loop is long enough",
    "data.*": "how batches or drawn plans are made, a question of its own",
    "formats.*": "a format, or one part of its grammar",
    "metrics.*": "a group of metrics, or one step of a comparison",
    "models.*": "a layer with parameters of its own",
    "ops.attention.*": "a kernel, chosen by one dispatcher",
    "preprocessing.*": "a step from files to shards",
    "readers.*": "a kind of file, loaded when it is met",
    "report.*": "a part of a page; one more would make its caller too long",
    "server.*": "a part of the studio: a kind of edit, of answer, or of what a page needs",
    "sampling.*": "a step of sampling; its caller has 200 lines or more",
    "tasks.*": "a stage",
    "training.*": "a part of training; the loop is long enough",
    "utils.moved": "names of before, apart from the package's own",
    "workflows.*": "what one command does, or an optional part of it",
}
MODULES = sorted(PACKAGE.rglob("*.py"))


@functools.cache
def imported_names(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it, by its dotted name."""
    names: set[str] = set()
    inside = path.relative_to(PACKAGE.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(inside[: len(inside) - node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            if module == "hrpe_jax":  # from hrpe_jax import codec
                names.update(f"hrpe_jax.{alias.name}" for alias in node.names)
            else:
                names.add(module)
    return names


def name_of(path: Path) -> str:
    """The path of a file inside the package."""
    return path.relative_to(PACKAGE).as_posix()


def package_of(path: Path) -> str:
    """The package a file belongs to; for a module at the top, its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_imports_go_one_way() -> None:
    wrong = {}
    for path in MODULES:
        own = package_of(path)
        if own in ALLOWED:  # all but those on top
            used = {name.split(".")[1] for name in imported_names(path) if name.startswith("hrpe_jax.")}
            wrong[name_of(path)] = used - ALLOWED[own] - {own}
    assert {path: used for path, used in wrong.items() if used} == {}, "these must not be imported there"


def test_outside_libraries_stay_where_they_belong() -> None:
    allowed = set(sys.stdlib_module_names) | {"hrpe_jax"}
    wrong = {}
    for path in MODULES:
        own = package_of(path)
        outside = {name.split(".")[0] for name in imported_names(path)}
        if own in WITHOUT_JAX:
            wrong[f"{name_of(path)} must work without JAX"] = outside & JAX
        if own == "ops":
            wrong[f"{name_of(path)} imports nothing but JAX"] = outside - allowed - {"jax"}
        if own == "theory":
            wrong[f"{name_of(path)} imports nothing but numpy"] = outside - allowed - {"numpy"}
    assert {law: used for law, used in wrong.items() if used} == {}


def test_a_module_reads_in_one_sitting() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_every_package_has_a_rule() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages <= set(ALLOWED) | ON_TOP


def test_no_module_imports_itself_through_others() -> None:
    """Imports inside functions count too: a circle that is only broken at run time is still one."""
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in MODULES}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    uses = {name: _modules_used(path) & set(names) - {name} for name, path in names.items()}
    sorter = TopologicalSorter(uses)
    sorter.prepare()  # raises CycleError, which shows the circle


def _modules_used(path: Path) -> set[str]:
    """Modules of this package that a file imports: `from package import module` names the module."""
    used = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            used |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {
                name
                for name in inside
                if (PACKAGE.parent / name.replace(".", "/")).with_suffix(".py").is_file()
            }
            used |= modules or {node.module}
    return used


def test_a_module_for_one_other_has_a_reason() -> None:
    names = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in MODULES}
    users = dict.fromkeys(names, 0)
    for path in MODULES:
        own = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        inside = {name for name in _modules_used(path) if name.startswith("hrpe_jax.")}
        for used in {name.removeprefix("hrpe_jax.") for name in inside} & set(users) - {own}:
            users[used] += 1
    once = {name for name, count in users.items() if count == 1 and not name.endswith("__init__")}
    unexplained = {name for name in once if not any(fnmatch(name, known) for known in IMPORTED_ONCE)}
    assert unexplained == set(), "merge them with what imports them, or say in IMPORTED_ONCE why not"


def test_no_argument_is_hidden() -> None:
    """`**wishes: Any` would keep keywords from help and completion."""
    package_face = {"__init__.py"}  # evaluate passes options on to two functions, which spell them
    for path in MODULES:
        if path.relative_to(PACKAGE).as_posix() in package_face:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.args.kwarg and not node.name.startswith("_"):
                kind = ast.unparse(node.args.kwarg.annotation) if node.args.kwarg.annotation else "Any"
                assert kind != "Any", f"{path.name}: {node.name} takes **{node.args.kwarg.arg}: Any"
