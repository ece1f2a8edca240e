"""Checkpoints: one Orbax step holds everything a run needs to go on as if it had never stopped.

A step folder has five items: ``params`` and ``train`` (step and optimizer state), ``carry`` (the melody's
memory), ``progress`` (JSON: data state, best validation, unfinished means) and ``record`` (JSON: the
resolved config and the vocabulary's hashes). ``params`` stands alone so that sampling reads no more than it
needs.

Orbax counts a folder as a step by its name alone. A run that was killed while saving leaves one without its
commit marker; here such a folder is never taken for whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import orbax.checkpoint as ocp

from hrpe_jax.config import Config, StageConfig
from hrpe_jax.errors import UserError
from hrpe_jax.schema import build
from hrpe_jax.training.interrupt import unbroken
from hrpe_jax.training.state import TrainState

COMMIT_MARKER = "commit_success.txt"
MAX_DIFFERENCES = 8
ARRAY_ITEMS = ("params", "train", "carry")
JSON_ITEMS = {"progress": ("data", "best", "meter", "seconds"), "record": ("vocabulary", "data", "config")}
"""Item -> keys without which it is damaged."""

Record = dict[str, Any]
"""{"format", "version", "vocabulary": {stage: hash}, "data": hash, "config"}; a workdir's config.json too."""


def whole_steps(folder: str | Path) -> list[int]:
    """Steps of the complete checkpoints in a folder, ascending; [] if there is no such folder."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit() and (p / COMMIT_MARKER).is_file())


def checkpoint_folder(workdir: str | Path, stage: str) -> Path:
    """Where a workdir keeps the checkpoints of a stage."""
    return Path(workdir).absolute() / "checkpoints" / stage


def read_json(folder: Path, step: int, item: str) -> dict[str, Any]:
    """Reads a JSON item of one checkpoint without starting JAX arrays.

    Raises:
      UserError: it is missing or damaged.
    """
    path = folder / str(step) / item / "metadata"
    try:
        values = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(folder, step, error) from None
    missing = [name for name in JSON_ITEMS[item] if name not in values]
    if missing:
        raise _damaged(folder, step, ValueError(f"{item} lacks {', '.join(missing)}"))
    return values


def differences(saved: Any, wanted: Any, path: str = "") -> list[str]:
    """Lines "a.b: saved X, now Y" for every place where two nested JSON values differ."""
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
    """As ``check_record`` with the latest checkpoint of a stage, if there is one. Starts no device."""
    folder = checkpoint_folder(workdir, stage)
    for step in whole_steps(folder)[-1:]:
        check_record(folder, stage, read_json(folder, step, "record"), wanted)


class Checkpoints:
    """The checkpoints of one stage, for writing.

    Args:
      folder: from ``checkpoint_folder``.
      keep: how many of the latest to keep, beside the best.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self._keep = folder, keep
        if folder.is_dir() and jax.process_index() == 0:
            for path in folder.iterdir():
                if path.name[:1].isdigit() and not (path / COMMIT_MARKER).is_file():
                    shutil.rmtree(path, ignore_errors=True)  # a save that was cut short
        # Synchronous: on CPU a save may read the very buffers that the next step is given to overwrite.
        options = ocp.CheckpointManagerOptions(create=True, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(folder, options=options, item_handlers=_handlers())

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._manager.close()

    def latest(self) -> int | None:
        """The last complete step, None if there is none."""
        steps = whole_steps(self.folder)
        return steps[-1] if steps else None

    def save(
        self,
        step: int,
        state: TrainState,
        carry: Any,
        progress: dict[str, Any],
        record: Record,
        best: int | None,
    ) -> None:
        """Writes one checkpoint, then deletes all but the latest and the best.

        Args:
          step: optimizer steps taken.
          state: train state.
          carry: what the last batch handed on, or None.
          progress: JSON values.
          record: of the run.
          best: step of the best checkpoint, never deleted.
        """
        args = {name: ocp.args.StandardSave(tree) for name, tree in _items(state, carry).items()}
        texts = {"progress": ocp.args.JsonSave(progress), "record": ocp.args.JsonSave(record)}
        with unbroken():
            self._manager.save(step, args=ocp.args.Composite(**args, **texts), force=True)
            self._manager.wait_until_finished()
            steps = sorted(self._manager.all_steps())
            for old in steps[: -self._keep]:
                if old != best:
                    self._manager.delete(old)

    def restore(self, step: int, abstract: tuple[TrainState, Any]) -> tuple[TrainState, Any, dict[str, Any]]:
        """Reads one checkpoint onto the devices named by ``abstract``.

        Args:
          step: from ``latest``.
          abstract: (state, carry) as ``jax.ShapeDtypeStruct`` with shardings.

        Returns:
          (state, carry, progress).

        Raises:
          UserError: its arrays are others than expected (up to eight are named), or it is damaged.
        """
        targets = _items(*abstract)
        progress = read_json(self.folder, step, "progress")
        try:
            metadata = self._manager.item_metadata(step)
            found = {name: metadata[name].tree for name in targets}
        except Exception as error:
            raise _damaged(self.folder, step, error) from error
        _check_arrays(self.folder / str(step), found, targets)
        try:
            args = {name: ocp.args.StandardRestore(tree) for name, tree in targets.items()}
            restored = self._manager.restore(step, args=ocp.args.Composite(**args))
        except Exception as error:
            raise _damaged(self.folder, step, error) from error
        params, train = restored["params"], restored["train"]
        state = TrainState(step=train["step"], params=params, opt_state=train["opt_state"])
        return state, restored["carry"]["carry"] if "carry" in targets else abstract[1], progress


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
    if which == "best":
        best = read_json(folder, step, "progress").get("best")
        step = best["step"] if best and best["step"] in steps else step
    record = read_json(folder, step, "record")
    config = getattr(build(Config, record["config"]).stages, stage)
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    # The item's own handler: a manager would say on stderr that it only reads.
    handler, path = ocp.StandardCheckpointHandler(), folder / str(step) / "params"
    try:
        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            handler.metadata(path).tree,
        )
        params = handler.restore(path, args=ocp.args.StandardRestore(target))
    except Exception as error:
        raise _damaged(folder, step, error) from error
    finally:
        handler.close()
    return TrainedStage(stage, step, params, config, record["vocabulary"][stage])


def _identity(record: Record, stage: str) -> dict[str, Any]:
    """What must agree, with the paths a user knows."""
    record = json.loads(json.dumps(record))  # tuples as the lists that JSON makes of them
    config = record["config"]
    trained = config["stages"][stage]
    return {
        "vocabulary": record["vocabulary"][stage],
        "data": record["data"],
        "config.seed": config["seed"],
        f"config.stages.{stage}": {"model": trained["model"], "batch": trained["batch"]},
    }


def _items(state: TrainState, carry: Any) -> dict[str, Any]:
    """The array items of a checkpoint; a task that carries nothing has no "carry"."""
    items = {"params": state.params, "train": {"step": state.step, "opt_state": state.opt_state}}
    return {**items, "carry": {"carry": carry}} if jax.tree.leaves(carry) else items


def _handlers() -> dict[str, Any]:
    arrays = {name: ocp.StandardCheckpointHandler() for name in ARRAY_ITEMS}
    return {**arrays, **{name: ocp.JsonCheckpointHandler() for name in JSON_ITEMS}}


def _damaged(folder: Path, step: int, error: Exception) -> UserError:
    others = [other for other in whole_steps(folder) if other < step]
    then = f"to resume from step {others[-1]}" if others else "to start from the beginning"
    detail = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    return UserError(f"{folder / str(step)}: damaged checkpoint ({detail}); delete this folder {then}")


def _check_arrays(folder: Path, found: Any, wanted: Any) -> None:
    """Compares names, shapes and types before Orbax does, whose message nobody can read."""
    have, want = _table(found), _table(wanted)
    names = [name for name in {**want, **have} if have.get(name) != want.get(name)]
    lines = [f"  {n}: saved {have.get(n, 'nothing')}, expected {want.get(n, 'nothing')}" for n in names]
    if lines:
        more = [f"  and {len(lines) - MAX_DIFFERENCES} more"] if len(lines) > MAX_DIFFERENCES else []
        head = (
            f"{folder}: {len(lines)} arrays differ from this run's; use the same config or another --workdir"
        )
        raise UserError("\n".join([head, *lines[:MAX_DIFFERENCES], *more]))


def _table(tree: Any) -> dict[str, str]:
    """path -> "float32[3, 4]"; paths spell attributes, keys and indices alike, as Orbax stores them."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): f"{leaf.dtype}{list(leaf.shape)}"
        for path, leaf in leaves
    }
