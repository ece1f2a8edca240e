"""Reading a config file: Python with ``get_config()``, plus overrides from the command line.

Where a config says `init_from`, the shape of that trained model is taken over, and training starts from it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hrpe_jax.config import Config
from hrpe_jax.errors import UserError
from hrpe_jax.utils.schema import Text, build, merge


def released_folder(init_from: str) -> str:
    """The released model that `init_from` means: the folder, that of a finished workdir, or the package's.

    Raises:
        UserError: there is none.
    """
    from hrpe_jax.checkpoints.release import CONFIG_FILE, EXPORT_FOLDER, NAMES, PRETRAINED

    if init_from in NAMES:
        return init_from
    for folder in (Path(init_from) / EXPORT_FOLDER, Path(init_from)):
        if (folder / CONFIG_FILE).is_file() and list(folder.glob("*.safetensors")):
            return str(folder)
    raise UserError(
        f"config.init_from: no trained model in {init_from}; expected a released model, the workdir of a "
        f"training that ended, or {PRETRAINED}"
    )


def take_shapes(values: dict[str, Any]) -> None:
    """Fills in what a config leaves unsaid of its models by what the model is that it starts from, in place.

    Args:
        values: of a config file, with overrides; only where they have `init_from`.

    Raises:
        UserError: there is no such model.
    """
    from hrpe_jax.checkpoints.release import load_model

    init_from, stages = values.get("init_from"), values.get("stages")
    if not init_from or not isinstance(init_from, str) or not isinstance(stages, dict):
        return
    found = load_model(released_folder(str(init_from)))
    for name, stage in found.stages():
        if isinstance(stages.get(name), dict):
            said = stages[name].get("model", {})
            known = json.loads(json.dumps(asdict(stage.config.model)))
            stages[name]["model"] = _over(known, said) if isinstance(said, dict) else said


def initial_params(init_from: str, stage: str, abstract: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters that a stage starts from.

    Args:
        init_from: "pretrained", a released model, or the workdir of a training that ended.
        stage: its name.
        abstract: nested dicts of what its own parameters would be: anything with a `shape`.

    Returns:
        Nested dicts of float32 arrays of these shapes.

    Raises:
        UserError: there is no such model or stage, its token ids mean something else, or a shape differs.
    """
    from hrpe_jax.checkpoints.release import load_model
    from hrpe_jax.checkpoints.verify import flatten

    model = load_model(released_folder(init_from))
    params = model.stage(stage).params
    found = {name: value.shape for name, value in flatten(params)}
    wanted = {name: tuple(leaf.shape) for name, leaf in _leaves(abstract)}
    for name in sorted({*found, *wanted}):
        if found.get(name) != wanted.get(name):
            there, here = (_spell(shapes.get(name)) for shapes in (found, wanted))
            raise UserError(
                f"config.init_from={init_from}: {stage}: {name} is {there} there and {here} in this config; "
                f"leave config.stages.{stage}.model out, and the model is that of {init_from}"
            )
    return params


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _spell(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else f"[{', '.join(map(str, shape))}]"


def _over(known: dict[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values, those of the second first."""
    merged = dict(known)
    for name, value in said.items():
        before = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(before, dict)
        merged[name] = _over(before, value) if both and isinstance(before, dict) else value
    return merged


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
