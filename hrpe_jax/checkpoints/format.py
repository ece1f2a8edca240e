"""Checkpoints: one Orbax step holds everything a run needs to go on as if it had never stopped.

A step folder has up to six items: ``params``, ``ema`` (their average, where the config asks for one) and
``train`` (step and optimizer state), ``carry`` (the melody's memory), ``progress`` (JSON: data state, best
validation, unfinished means) and ``record`` (JSON: the resolved config and the vocabulary's hashes).
``params`` and ``ema`` stand alone so that sampling reads no more than it needs.

This module defines what is on disk and reads it; `manager` writes, and finds what a training resumes from. A
folder without its commit marker is not whole. Orbax checks the contents of arrays, but neither JSON nor
every file that tells how arrays are read: some flipped bits came back as other values, silently. So a
checkpoint carries the SHA-256 of each of its files, written before the folder gets its final name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from flax import struct

from hrpe_jax.config import Config, StageConfig, to_json
from hrpe_jax.errors import UserError
from hrpe_jax.utils.files import checksum, replace_file
from hrpe_jax.utils.schema import build


@struct.dataclass
class TrainState:
    """Parameters and optimizer.

    Attributes:
      step: int32 scalar, optimizer steps taken.
      params: the model's parameters, float32.
      opt_state: the optimizer's.
      ema: an exponential moving average of the parameters, None where the config asks for none.
    """

    step: jax.Array
    params: Any
    opt_state: Any
    ema: Any = None

    @property
    def best_params(self) -> Any:
        """What is validated and exported: the average where there is one."""
        return self.params if self.ema is None else self.ema


DIGESTS = "digests.json"
LATER = ("commit_success.txt", "_CHECKPOINT_METADATA")
"""Orbax writes these, beside the items, when all else is done; nothing is read from them."""
THREADS = 4


def write_digests(folder: Path) -> None:
    """Writes ``digests.json``: the digest of every file below a folder."""
    names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [name for name in names if name not in (*LATER, DIGESTS)]
    with ThreadPoolExecutor(THREADS) as pool:
        sums = dict(zip(names, pool.map(lambda name: checksum(folder / name), names), strict=True))
    replace_file(folder / DIGESTS, (json.dumps(sums, indent=1) + "\n").encode())


def has_digests(folder: Path) -> bool:
    """Whether a checkpoint says what its files were."""
    return (folder / DIGESTS).is_file()


def damage(folder: Path, items: Sequence[str] = ()) -> str | None:
    """Looks for a file that is not what it was.

    Args:
      folder: of one checkpoint.
      items: look at these folders in it only; () for all.

    Returns:
      "FILE: what is wrong" of the first one found, or None.
    """
    try:
        sums = dict(json.loads((folder / DIGESTS).read_bytes()))
        chosen = {name: sum for name, sum in sums.items() if not items or name.split("/")[0] in items}
    except (OSError, ValueError, TypeError, RecursionError):
        return f"{DIGESTS}: missing or not readable"

    def look(name: str) -> str | None:
        try:
            return None if checksum(folder / name) == chosen[name] else f"{name}: content has changed"
        except OSError as error:
            return f"{name}: {error.strerror or 'not readable'}"

    with ThreadPoolExecutor(THREADS) as pool:
        return next((found for found in pool.map(look, chosen) if found), None)


COMMIT_MARKER = "commit_success.txt"
WITH_DIGESTS = 2
"""From this format on every checkpoint has digests."""
JSON_ITEMS = {"progress": ("data", "best", "meter", "seconds"), "record": ("vocabulary", "data", "config")}
"""Item -> keys without which it is damaged."""

Record = dict[str, Any]
"""{"format", "version", "vocabulary": {stage: hash}, "data": hash, "config"}; a workdir's config.json too."""


def whole_steps(folder: str | Path) -> list[int]:
    """Steps of the complete checkpoints in a folder, ascending; [] if there is no such folder."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit() and is_whole(path))


def checkpoint_folder(workdir: str | Path, stage: str) -> Path:
    """Where a workdir keeps the checkpoints of a stage."""
    return Path(workdir).absolute() / "checkpoints" / stage


def read_json(folder: Path, step: int, item: str) -> dict[str, Any]:
    """Reads a JSON item of one checkpoint without starting JAX arrays.

    Args:
      folder: of all checkpoints of a stage.
      step: of the checkpoint.
      item: its name in the checkpoint.

    Raises:
      UserError: it is missing or damaged.
    """
    path = folder / str(step) / item / "metadata"
    try:
        values = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise damaged(folder, step, first_line(error)) from None
    missing = [name for name in JSON_ITEMS[item] if name not in values]
    if missing:
        raise damaged(folder, step, f"{item} lacks {', '.join(missing)}")
    return values


def differences(saved: Any, wanted: Any, path: str = "") -> list[str]:
    """Lines "a.b: saved X, now Y" for every place where two nested JSON values differ.

    Args:
      saved: the value on disk.
      wanted: the value that is expected.
      path: of both within the whole, for the message.
    """
    if isinstance(saved, Mapping) and isinstance(wanted, Mapping):
        lines = []
        for name in [*saved, *(key for key in wanted if key not in saved)]:
            where = f"{path}.{name}" if path else str(name)
            lines += differences(saved.get(name, "nothing"), wanted.get(name, "nothing"), where)
        return lines
    if isinstance(saved, (list, tuple)) and isinstance(wanted, (list, tuple)) and list(saved) == list(wanted):
        return []
    return [] if saved == wanted else [f"{path}: saved {saved}, now {wanted}"]


def check_record(folder: Path, stage: str, saved: Record, wanted: Record) -> None:
    """Refuses to go on with the checkpoints of another run.

    Steps, optimizer, mesh and the intervals may change between restarts; what shapes the arrays and the
    stream of data may not.

    Args:
      folder: of the checkpoints, for the message.
      stage: whose they are.
      saved: the record in the checkpoint.
      wanted: the record of this run.

    Raises:
      UserError: vocabulary, data, model, batch shape or seed differ; one line.
    """
    found = differences(_identity(saved, stage), _identity(wanted, stage))
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise UserError(
            f"{folder}: its checkpoints are of another run ({'; '.join(found[:3])}{more}); "
            "use the same values, or another --workdir"
        )


def check_workdir(workdir: str | Path, stage: str, wanted: Record) -> None:
    """As ``check_record`` with the latest checkpoint of a stage, if there is one. Starts no device.

    Args:
      workdir: of the run.
      stage: "backbone" or "melody".
      wanted: what a checkpoint has to agree with.
    """
    folder = checkpoint_folder(workdir, stage)
    for step in reversed(whole_steps(folder)):
        try:
            saved = read_json(folder, step, "record")
        except UserError:  # damaged: for training to say, or to pass over
            continue
        check_record(folder, stage, saved, wanted)
        return


@dataclass(frozen=True)
class TrainedStage:
    """A trained stage, as sampling and evaluation want it.

    Attributes:
      stage: its name.
      step: of the checkpoint.
      params: nested dicts of arrays on one device.
      config: how it was trained; ``config.model`` builds its task.
      vocabulary: hash of the vocabulary its ids are of.
    """

    stage: str
    step: int
    params: Any
    config: StageConfig
    vocabulary: str


def load_stage(workdir: str | Path, stage: str, which: str = "best") -> TrainedStage:
    """Reads the parameters of a trained stage onto the default device.

    Args:
      workdir: of the training.
      stage: "backbone" or "melody".
      which: "best" by validation loss, or "latest".

    Raises:
      UserError: there is no checkpoint, or it is damaged.
    """
    folder = checkpoint_folder(workdir, stage)
    steps = whole_steps(folder)
    if not steps:
        raise UserError(f"{folder}: no checkpoint of stage {stage!r}; train it first, or give another folder")
    step = steps[-1]
    _check_undamaged(folder, step, "progress")
    if which == "best":
        best = read_json(folder, step, "progress").get("best")
        step = best["step"] if best and best["step"] in steps else step
    item = "ema" if (folder / str(step) / "ema").is_dir() else "params"
    _check_undamaged(folder, step, "record", item)
    record = read_json(folder, step, "record")
    config = getattr(build(Config, record["config"]).stages, stage)
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    # The item's own handler: a manager would say on stderr that it only reads.
    handler, path = ocp.StandardCheckpointHandler(), folder / str(step) / item
    try:
        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            handler.metadata(path).tree,
        )
        params = handler.restore(path, args=ocp.args.StandardRestore(target))
    except Exception as error:
        raise damaged(folder, step, first_line(error)) from error
    finally:
        handler.close()
    return TrainedStage(stage, step, params, config, record["vocabulary"][stage])


def _identity(record: Record, stage: str) -> dict[str, Any]:
    """What must agree, with the paths a user knows."""
    # Through the schema: a record of an earlier version lacks what has come since, at its default.
    config = json.loads(to_json(build(Config, record["config"])))
    trained = config["stages"][stage]
    batch = {name: value for name, value in trained["batch"].items() if name != "accumulate"}
    averages = "on" if trained["optimizer"]["ema_decay"] else "off"
    return {
        "vocabulary": record["vocabulary"][stage],
        "data": record["data"],
        "config.seed": config["seed"],
        "config.init_from": "pretrained" if config["init_from"] == "bundled" else config["init_from"],
        f"config.stages.{stage}": {"model": trained["model"], "batch": batch},
        f"config.stages.{stage}.optimizer.ema_decay": averages,
    }


def is_whole(path: Path) -> bool:
    """Whether a folder is a checkpoint that was written to its end."""
    return path.name.isdigit() and (path / COMMIT_MARKER).is_file()


def find_damage(folder: Path, step: int, *items: str) -> str | None:
    """What is wrong with a checkpoint, None for nothing. Format 1 had no digests."""
    path = folder / str(step)
    if not has_digests(path):
        try:
            if read_json(folder, step, "record").get("format", 0) < WITH_DIGESTS:
                return None
        except UserError:
            return "record/metadata: not readable"
    return damage(path, items)


def _check_undamaged(folder: Path, step: int, *items: str) -> None:
    found = find_damage(folder, step, *items)
    if found:
        raise damaged(folder, step, found)


def damaged(folder: Path, step: int, detail: str) -> UserError:
    """The error that says what is wrong with a checkpoint, and what to do.

    Args:
      folder: of all checkpoints of a stage.
      step: of the checkpoint.
      detail: what is wrong.
    """
    others = [other for other in whole_steps(folder) if other < step]
    then = f"to go back to step {others[-1]}" if others else "to start from the beginning"
    return UserError(f"{folder / str(step)}: damaged checkpoint ({detail}); delete this folder {then}")


def first_line(error: Exception) -> str:
    """What an error of a library says first, or its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
