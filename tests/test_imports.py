"""The architecture as a test: which package may import which, and how long a module may be."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "hrpe_jax"
MAX_LINES = 400

_MUSIC = ("theory", "score", "analysis", "codec")
# Package -> what it may import besides itself. "errors" and "config" are the plain modules at the top of the
# package.
ALLOWED: dict[str, set[str]] = {
    "theory": set(),
    "score": {"errors", "theory"},
    "analysis": {"errors", "theory", "score"},
    "songs": {"errors", "theory", "score", "analysis"},
    "codec": {"errors", "theory", "score", "analysis"},
    "data": {"errors", "files", "config", *_MUSIC, "songs"},
    "metrics": {"errors", *_MUSIC, "data"},
    "report": {"errors", "files", *_MUSIC, "songs", "data", "metrics"},
    "ops": set(),
    "models": {"errors", "model_config", *_MUSIC, "ops"},
    "tasks": {"errors", "config", "model_config", *_MUSIC, "ops", "models"},
    # Training, sampling and metrics stand beside each other. Sampling may read a checkpoint and report
    # metrics of what it made; neither may look back at it.
    "training": {"errors", "files", "config", "schema", *_MUSIC, "data", "ops", "models", "tasks"},
    "sampling": {
        "errors",
        "files",
        "config",
        "model_config",
        "schema",
        "training",
        "metrics",
        *_MUSIC,
        "data",
        "ops",
        "models",
        "tasks",
    },
    "bundled": set(),
    "errors": set(),
    "files": {"errors"},
    "schema": {"errors"},
    "model_config": {"errors"},
    "config": {"errors", "schema", "model_config"},
}
JAX = {"jax", "jaxlib", "flax", "optax", "orbax", "chex"}
WITHOUT_JAX = (
    "theory",
    "score",
    "analysis",
    "songs",
    "codec",
    "data",
    "metrics",
    "report",
    "errors",
    "files",
    "schema",
    "model_config",
    "config",
)

MODULES = sorted(PACKAGE.rglob("*.py"))


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


def package_of(path: Path) -> str:
    """The package a file belongs to; for a module at the top, its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    own = package_of(path)
    if own not in ALLOWED:  # the entries on top may import everything
        return
    used = {name.split(".")[1] for name in imported_names(path) if name.startswith("hrpe_jax.")}
    assert used - ALLOWED[own] - {own} == set(), f"{own} must not import these"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_outside_libraries_stay_where_they_belong(path: Path) -> None:
    own = package_of(path)
    outside = {name.split(".")[0] for name in imported_names(path)} - {"hrpe_jax"}
    if own in WITHOUT_JAX:
        assert outside & JAX == set(), f"{own} must work without JAX"
    if own == "ops":
        assert outside - set(sys.stdlib_module_names) <= {"jax"}, "ops imports nothing but JAX"
    if own == "theory":
        assert outside - set(sys.stdlib_module_names) <= {"numpy"}, (
            "theory is standard library and numpy only"
        )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_reads_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_every_package_has_a_rule() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages <= set(ALLOWED)
