"""Modules that have another name now: importing an old one is an error that says the new one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.resources import files
from types import ModuleType

PACKAGE = "hrpe_jax."


class MovedModules(MetaPathFinder):
    """Asked by Python where no other finder knows a module; `moved.json` lists old and new names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Finds nothing.

        Args:
            fullname: of the module.
            path: of its package.
            target: what is reloaded.

        Raises:
            ImportError: the module is now another.
        """
        if fullname.startswith(PACKAGE):
            text = files(__package__).joinpath("moved.json").read_text(encoding="utf-8")
            new = json.loads(text).get(fullname.removeprefix(PACKAGE))
            if new is not None:
                # Not ModuleNotFoundError: `from hrpe_jax import NAME` would hide it.
                raise ImportError(f"{fullname} is now {new}", name=fullname)
        return None

    @classmethod
    def install(cls) -> None:
        """Puts one behind all other finders."""
        if not any(isinstance(finder, cls) for finder in sys.meta_path):
            sys.meta_path.append(cls())
