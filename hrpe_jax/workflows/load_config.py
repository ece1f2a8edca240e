"""Reading a config file: Python with ``get_config()``, plus overrides from the command line."""

from __future__ import annotations

import importlib.util
import os
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hrpe_jax.config import Config
from hrpe_jax.errors import UserError
from hrpe_jax.utils.schema import Text, build, merge


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Reads a config file and applies overrides.

    Args:
      path: Python file with `get_config()`, or the name of a config of the package, such as "quickstart".
      overrides: "a.b=value" each, as in ``--config.a.b=value``. Values are read by the type of their field.

    Returns:
      The checked config.

    Raises:
      UserError: the file is missing or fails, a key is unknown, a value has the wrong type or does not fit.
    """
    path = find_config(path)
    values = _plain(_get_config(path))
    if not isinstance(values, dict):
        raise UserError(f"{path}: get_config() must return a ConfigDict or dict, not {type(values).__name__}")
    values.setdefault("name", path.stem)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise UserError(f"--config.{override}: expected --config.KEY=VALUE")
        merge(values, key, Text(text))
    if values.get("init_from"):
        from hrpe_jax.workflows.init_from import take_shapes

        take_shapes(values)
    return build(Config, values)


def find_config(path: str | os.PathLike[str]) -> Path:
    """The file of a config: a path, or the name of one of the package.

    Raises:
      UserError: there is no such file or name.
    """
    file = Path(path)
    if file.is_file():
        return file
    packaged = packaged_configs()
    # A path as it is in the repository names the same config where only the package is installed.
    if file.parent in (Path(), Path("configs")) and file.stem in packaged and file.suffix in ("", ".py"):
        return packaged[file.stem]
    raise UserError(
        f"{path}: no such config file; expected a Python file with get_config(), or one of the names "
        f"{', '.join(sorted(packaged))}"
    )


def packaged_configs() -> dict[str, Path]:
    """By name the configs of the package: in an installation inside of it, in the repository beside it."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "quickstart.py").is_file():
            return {file.stem: file for file in folder.glob("*.py") if file.stem != "__init__"}
    return {}


def _get_config(path: Path) -> Any:
    """Runs the file and returns what its ``get_config()`` returns."""
    spec = importlib.util.spec_from_file_location(f"_hrpe_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: not a Python file; expected one with get_config()")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        get_config = getattr(module, "get_config", None)
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        raise UserError(f"{path}{line}: {error.msg}; expected a Python file with get_config()") from None
    except (Exception, SystemExit) as error:
        raise _failed(path, error) from error
    if not callable(get_config):
        raise UserError(f"{path}: has no get_config(); it must return the config")
    try:
        return get_config()
    except (Exception, SystemExit) as error:
        raise _failed(path, error) from error


def _failed(path: Path, error: BaseException) -> UserError:
    """What to tell of an error inside the file: the last line of it that ran."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path.absolute()]
    where = f"{path}:{lines[-1]}" if lines else str(path)
    return UserError(f"{where}: fails with {type(error).__name__}: {error}; correct the config file")


def _plain(value: Any) -> Any:
    """A ConfigDict, or a dict holding some, as plain nested dicts."""
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value
