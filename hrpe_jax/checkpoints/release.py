"""A trained model on disk and in memory: parameters and config of each stage, vocabularies checked.

A released model is a folder `config.json, backbone.safetensors, melody.safetensors`; nothing in it is ever
unpickled, and it is read only if it is what was written (`verify`). Training leaves one in `WORKDIR/model`,
because reading it takes a tenth of the time that restoring checkpoints does; it is used as long as the
checkpoints have not gone on without it. The package carries one in `hrpe_jax/pretrained`, which is read where
no model is named.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hrpe_jax.checkpoints import verify
from hrpe_jax.checkpoints.verify import Precision, flatten, nested, read_shapes, read_weights, write_weights
from hrpe_jax.codec import vocabulary
from hrpe_jax.config import BackboneStageConfig, MelodyStageConfig, StageConfig
from hrpe_jax.data.plan_tables import NO_TABLES, PLAN_FILES, PlanTables, read_plan_tables
from hrpe_jax.errors import UserError
from hrpe_jax.utils.files import replace_file, unwritable
from hrpe_jax.utils.schema import build
from hrpe_jax.utils.version import __version__

FORMAT = 1
CONFIG_FILE = "config.json"
EXPORT_FOLDER = "model"  # in a workdir
PRETRAINED = "pretrained"
"""Stands for the model of the package wherever a model is named; so does its older name, `bundled`."""
NAMES = (PRETRAINED, "bundled")
PRETRAINED_FOLDER = Path(__file__).parents[1] / "pretrained"
_CONFIGS: dict[str, type[StageConfig]] = {"backbone": BackboneStageConfig, "melody": MelodyStageConfig}


@dataclass(frozen=True)
class StageModel:
    """One trained stage.

    Attributes:
        config: how it was trained; `config.model` builds it.
        params: nested dicts of float32 numpy arrays.
        step: of the checkpoint they are from.
        latest: the newest step there was when they were taken; `step` is the best one.
    """

    config: StageConfig
    params: Any
    step: int
    latest: int


@dataclass(frozen=True)
class Model:
    """What sampling needs; a stage that was not trained is None.

    Attributes:
        path: where it came from, for messages.
        backbone: the chord stage.
        melody: the melody stage.
        seen: songs of the training data by key and by meter, `{"keys": {"C major": 58}, "meters": {...}}`;
            None where the model does not say.
        tables: what it plans pieces by.
    """

    path: str
    backbone: StageModel | None = None
    melody: StageModel | None = None
    seen: Mapping[str, Mapping[str, int]] | None = None
    tables: PlanTables = NO_TABLES

    def stage(self, name: str) -> StageModel:
        """A stage that must be there.

        Raises:
            UserError: it is not.
        """
        found: StageModel | None = getattr(self, name)
        if found is None:
            raise UserError(f"{self.path}: has no {name} stage; train it into the same workdir first")
        return found

    def stages(self) -> Iterator[tuple[str, StageModel]]:
        """Yields the names and stages that are there."""
        for name in vocabulary.STAGES:
            found = getattr(self, name)
            if found is not None:
                yield name, found


def load_model(path: str | os.PathLike[str] = PRETRAINED) -> Model:
    """Reads a released model, or the best checkpoints of a training workdir.

    Args:
        path: either folder, or "pretrained" for the model of the package.

    Raises:
        UserError: there is no such folder, no checkpoint in it, one that is damaged or not finite, or one
            whose token ids mean something else than this program's.
    """
    if path in NAMES:
        if not (PRETRAINED_FOLDER / CONFIG_FILE).is_file():
            raise UserError(
                "pretrained model: this copy of hrpe_jax comes without weights; install a release, or train "
                "(python -m hrpe_jax.train) and give its workdir, runs/quickstart"
            )
        return read_released(PRETRAINED_FOLDER)
    folder = Path(path)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected the workdir of a training, or a released model")
    if (folder / CONFIG_FILE).is_file() and any(_weights(folder, name).is_file() for name in _CONFIGS):
        return read_released(folder)
    if not (folder / "checkpoints").is_dir():
        raise UserError(
            f"{folder}: no checkpoints and no released model here; "
            "train one with python -m hrpe_jax.train --workdir=DIR, or give another folder"
        )
    exported = _fresh_export(folder)
    return read_checkpoints(folder) if exported is None else exported


def read_checkpoints(workdir: str | os.PathLike[str]) -> Model:
    """The best checkpoint of every stage trained in a workdir. Raises as `load_model`."""
    from hrpe_jax.checkpoints import format as checkpoint

    workdir = Path(workdir)
    stages: dict[str, Any] = {}
    for name in vocabulary.STAGES:
        steps = checkpoint.whole_steps(checkpoint.checkpoint_folder(workdir, name))
        if steps:
            trained = checkpoint.load_stage(workdir, name)
            _check_vocabulary(workdir, name, trained.vocabulary)
            # Arrays of numpy, as from a released model: one compiled program serves both.
            params = nested(dict(flatten(trained.params)))
            verify.check_values(checkpoint.checkpoint_folder(workdir, name) / str(trained.step), params)
            stages[name] = StageModel(trained.config, params, trained.step, steps[-1])
    if not stages:
        raise UserError(f"{workdir}: no complete checkpoint of any stage; train the model first")
    return Model(str(workdir), **stages)


def read_released(folder: Path) -> Model:
    """A released model. Raises as `load_model`."""
    about = _read_config(folder)
    for name in about["stages"]:
        _check_vocabulary(folder, name, about["vocabulary"][name])
    verify.check_config(folder / CONFIG_FILE, about)
    stages: dict[str, Any] = {}
    for name, entry in about["stages"].items():
        path = _weights(folder, name)
        config = build(_CONFIGS[name], entry["config"], f"{folder / CONFIG_FILE}: {name}")
        verify.check_sizes(folder / CONFIG_FILE, name, config, path, read_shapes(path))
        params, header, found = read_weights(path)
        verify.check_file(path, about, found)
        verify.check_values(path, params)
        if verify.DIGESTS not in about:  # nothing else says that config and weights belong together
            verify.check_shapes(path, name, config, params)
        _check_vocabulary(folder, name, header.get("vocabulary", "none"))
        if header.get("step") != str(entry["step"]):
            raise UserError(
                f"{path}: holds step {header.get('step')}, {CONFIG_FILE} says {entry['step']}; "
                "export the model again"
            )
        stages[name] = StageModel(config, params, entry["step"], entry["latest"])
    seen = about.get("seen")
    for name in about.get(verify.DIGESTS, {}):
        if name in PLAN_FILES and not (folder / name).is_file():
            raise UserError(f"{folder / name}: is missing; copy or export the model again")
    for name in PLAN_FILES:
        if (folder / name).is_file():
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            verify.check_file(folder / name, about, digest)
    tables = read_plan_tables(folder)
    return replace(Model(str(folder), **stages), seen=seen if isinstance(seen, dict) else None, tables=tables)


def write_released(model: Model, folder: str | os.PathLike[str], precision: Precision = "float32") -> Path:
    """Writes a model as a released one; each file whole or not at all, the config last.

    Args:
        model: what is written.
        folder: made if it is not there.
        precision: of the weights on disk; they are float32 again when they are read.

    Raises:
        UserError: the folder cannot be written.
    """
    folder = Path(folder)
    about: dict[str, Any] = {
        "format": FORMAT,
        "version": __version__,
        "vocabulary_version": vocabulary.VERSION,
        "vocabulary": {},
        "stages": {},
        verify.DIGESTS: {},
        **({} if model.seen is None else {"seen": model.seen}),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, stage in model.stages():
            digest = vocabulary.vocabulary_hash(name)
            header = {"stage": name, "vocabulary": digest, "step": str(stage.step)}
            path = _weights(folder, name)
            about[verify.DIGESTS][path.name] = write_weights(path, stage.params, header, precision)
            about["vocabulary"][name] = digest
            about["stages"][name] = {
                "step": stage.step,
                "latest": stage.latest,
                "config": asdict(stage.config),
            }
        for name, text in model.tables.files():
            about[verify.DIGESTS][name] = hashlib.sha256(text.encode()).hexdigest()
            replace_file(folder / name, text.encode())
        # As it is read: tuples are lists there.
        about[verify.DIGESTS]["config"] = verify.config_digest(json.loads(json.dumps(about)))
        replace_file(folder / CONFIG_FILE, json.dumps(about, indent=2).encode())
    except OSError as error:
        raise unwritable(folder, error) from None
    return folder


def export_model(
    workdir: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    seen: Mapping[str, Mapping[str, int]] | None = None,
    tables: PlanTables = NO_TABLES,
) -> tuple[Model, Path]:
    """Writes the best checkpoints of a workdir as a released model, by default into `WORKDIR/model`.

    Args:
        workdir: of a training.
        folder: of the model.
        seen: as `Model.seen`.
        tables: as `Model.tables`.

    Returns:
        The model and its folder.

    Raises:
        UserError: as `load_model` and `write_released`.
    """
    model = replace(read_checkpoints(workdir), seen=seen, tables=tables)
    return model, write_released(model, Path(workdir) / EXPORT_FOLDER if folder is None else folder)


def _weights(folder: Path, stage: str) -> Path:
    return folder / f"{stage}.safetensors"


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    try:
        about = verify.read_strict(path)
        known = about["format"] == FORMAT
        stages = about["stages"]
        whole = bool(stages) and all(
            name in _CONFIGS
            and {"step", "latest", "config"} <= set(entry)
            and isinstance(about["vocabulary"][name], str)
            and isinstance(entry["config"], dict)
            and type(entry["step"]) is type(entry["latest"]) is int
            for name, entry in stages.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        known = whole = False
    if not (known and whole):
        raise UserError(f"{path}: not the config of a released model of format {FORMAT}; export it again")
    return dict(about)


def _fresh_export(workdir: Path) -> Model | None:
    """The model exported from a workdir, unless its checkpoints have changed since."""
    from hrpe_jax.checkpoints import format as checkpoint

    folder = workdir / EXPORT_FOLDER
    try:
        latest = {name: entry["latest"] for name, entry in _read_config(folder)["stages"].items()}
        steps = {
            name: checkpoint.whole_steps(checkpoint.checkpoint_folder(workdir, name))
            for name in vocabulary.STAGES
        }
        if latest == {name: found[-1] for name, found in steps.items() if found}:
            return read_released(folder)
    except UserError:  # not there, cut short while it was written, or of other tokens: the checkpoints decide
        pass
    return None


def _check_vocabulary(folder: Path, stage: str, found: str) -> None:
    wanted = vocabulary.vocabulary_hash(stage)
    if found != wanted:
        raise UserError(
            f"{folder}: its {stage} was trained with vocabulary {found}, this program has {wanted} "
            f"(version {vocabulary.VERSION}); train again, or use the program it was trained with"
        )
