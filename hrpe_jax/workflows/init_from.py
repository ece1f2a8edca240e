"""What a training starts from where its config says `init_from`: a trained model, and the shape of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hrpe_jax.checkpoints.release import CONFIG_FILE, EXPORT_FOLDER, NAMES, PRETRAINED, load_model
from hrpe_jax.checkpoints.safetensors import flatten
from hrpe_jax.errors import UserError


def released_folder(init_from: str) -> str:
    """The released model that `init_from` means: the folder, that of a finished workdir, or the package's.

    Raises:
        UserError: there is none.
    """
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
