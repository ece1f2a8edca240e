"""Saving a training in the background, and finding what to go on from.

A checkpoint appears under its name only when it is whole, with the digests of its files. What a killed run
left half written is removed; what is damaged is set aside, and the one before it used. A full disk ends the
run with one line, and leaves what was there before.
"""

from __future__ import annotations

import errno
import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from hrpe_jax.checkpoints.format import (
    JSON_ITEMS,
    Record,
    TrainState,
    damaged,
    find_damage,
    first_line,
    is_whole,
    read_json,
    whole_steps,
    write_digests,
)
from hrpe_jax.errors import UserError

ARRAY_ITEMS = ("params", "ema", "train", "carry")
MAX_DIFFERENCES = 8
DELETING, SET_ASIDE = ".deleting", ".damaged"
NONE, DAMAGED = -1, -2
"""Instead of a step."""


class Checkpoints:
    """The checkpoints of one stage: finding the one to go on from, and writing more.

    Saves happen in the background. What goes wrong there is raised by the next call, or when the ``with``
    block ends.

    Args:
      folder: from ``checkpoint_folder``.
      keep: how many of the latest to keep, beside the best.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self._keep = folder, keep
        self._first = jax.process_index() == 0
        self._saving: int | None = None
        self._best: int | None = None
        if self._first and folder.is_dir():
            self._clean()
        self._quiet = quiet_orbax()
        options = ocp.AsyncOptions(post_finalization_callback=self._sign)
        handler = ocp.CompositeCheckpointHandler(**_handlers())
        self._checkpointer = ocp.AsyncCheckpointer(handler, async_options=options)

    def __enter__(self) -> Checkpoints:
        self._quiet.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.wait()
        except UserError:
            if error is None:  # what is under way says more
                raise
        finally:
            self._checkpointer.close()
            self._quiet.__exit__(None, None, None)

    def latest(self) -> int | None:
        """The last checkpoint that is whole and undamaged, None if there is none at all.

        Later ones that are damaged are set aside under another name, and a line on stderr says so. On several
        hosts the first one looks, and all hear the same.

        Raises:
          UserError: there are some, all of them damaged.
        """
        found: UserError | None = None
        step = NONE
        if self._first:
            try:
                step = self._undamaged()
            except UserError as error:
                found, step = error, DAMAGED
        if jax.process_count() > 1:
            step = int(multihost_utils.broadcast_one_to_all(np.int64(step)))
        if step == DAMAGED:
            raise found or UserError(f"{self.folder}: every checkpoint is damaged; see the first host")
        return None if step == NONE else step

    def save(
        self,
        step: int,
        state: TrainState,
        carry: Any,
        progress: dict[str, Any],
        record: Record,
        best: int | None,
    ) -> None:
        """Begins to write one checkpoint, and deletes all but the latest and the best of those before.

        Args:
          step: optimizer steps taken.
          state: train state, in buffers that nobody reuses (``Programs.snapshot``).
          carry: what the last batch handed on, or None; likewise.
          progress: JSON values.
          record: of the run.
          best: step of the best checkpoint, never deleted.

        Raises:
          UserError: this one, or the one before, cannot be written; one line.
        """
        self.wait()
        args = {name: ocp.args.StandardSave(tree) for name, tree in _items(state, carry).items()}
        texts = {"progress": ocp.args.JsonSave(progress), "record": ocp.args.JsonSave(record)}
        self._saving, self._best = step, best
        try:
            path = self.folder / str(step)
            self._checkpointer.save(path, args=ocp.args.Composite(**args, **texts), force=True)
        except Exception as error:
            raise self._unsaved(error) from error

    def check(self) -> None:
        """Raises as ``save`` if what is being written has failed by now; costs next to nothing."""
        try:
            self._checkpointer.check_for_errors()
        except Exception as error:
            raise self._unsaved(error) from error

    def wait(self) -> None:
        """Waits until what was begun is written. Raises as ``save``."""
        if self._saving is None:
            return
        try:
            self._checkpointer.wait_until_finished()
        except Exception as error:
            raise self._unsaved(error) from error
        self._saving = None
        if self._first:
            for old in whole_steps(self.folder)[: -self._keep]:
                if old != self._best:
                    self._remove(self.folder / str(old))

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
        path = self.folder / str(step)
        progress = read_json(self.folder, step, "progress")
        try:
            metadata = self._checkpointer.metadata(path).item_metadata
            found = {name: metadata[name].tree for name in targets}
        except Exception as error:
            raise damaged(self.folder, step, first_line(error)) from error
        _check_arrays(path, found, targets)
        try:
            args = {name: ocp.args.StandardRestore(tree) for name, tree in targets.items()}
            restored = self._checkpointer.restore(path, args=ocp.args.Composite(**args))
        except Exception as error:
            raise damaged(self.folder, step, first_line(error)) from error
        params, train = restored["params"], restored["train"]
        ema = restored["ema"] if "ema" in targets else None
        state = TrainState(train["step"], params, train["opt_state"], ema)
        carry = _with_empty(abstract[1], restored["carry"]["carry"]) if "carry" in targets else abstract[1]
        return state, carry, progress

    def _undamaged(self) -> int:
        """See ``latest``. Renames nothing where nothing is left to go on from."""
        damaged: dict[int, str] = {}
        for step in reversed(whole_steps(self.folder)):
            found = find_damage(self.folder, step)
            if found is None:
                break
            damaged[step] = found
        else:
            if damaged:
                listed = "; ".join(f"{step}/{found}" for step, found in damaged.items())
                raise UserError(
                    f"{self.folder}: every checkpoint is damaged ({listed}); put back a copy of one, or "
                    "delete this folder to start from the beginning"
                )
            return NONE
        for other, found in damaged.items():
            aside = self.folder / f"{other}.damaged"
            shutil.rmtree(aside, ignore_errors=True)
            (self.folder / str(other)).rename(aside)
            self._say(f"checkpoint {other} is damaged ({found}): set aside as {aside.name}, back to {step}")
        return step

    def _clean(self) -> None:
        """Deletes what a run that was killed left half written or half deleted."""
        for path in sorted(self.folder.iterdir()):
            if path.name.endswith(DELETING):
                shutil.rmtree(path, ignore_errors=True)
            elif path.name[:1].isdigit() and not path.name.endswith(".damaged") and not is_whole(path):
                self._say(f"checkpoint {path.name.split('.')[0]} was cut short while it was written: removed")
                shutil.rmtree(path, ignore_errors=True)

    def _sign(self) -> None:
        """In the background, before the folder of the checkpoint gets its final name: adds digests."""
        for path in self.folder.glob(f"{self._saving}.orbax-checkpoint-tmp*"):
            write_digests(path)

    def _remove(self, path: Path) -> None:
        """Deletes a checkpoint; being killed meanwhile leaves nothing that looks like one."""
        aside = path.with_name(path.name + DELETING)
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def _unsaved(self, error: Exception) -> UserError:
        """What to tell when a save failed; what it wrote is removed, since the disk may be full."""
        step, self._saving = self._saving, None
        if self._first:
            for path in self.folder.glob(f"{step}.*"):
                shutil.rmtree(path, ignore_errors=True)
        steps = whole_steps(self.folder)
        stands = f"the one of step {steps[-1]} stands" if steps else "there is no earlier one"
        reason = "no space left on the disk" if _is_full(error) else first_line(error)
        return UserError(
            f"{self.folder / str(step)}: this checkpoint could not be written ({reason}); {stands}; mend "
            "that, then the same command goes on from there"
        )

    def _say(self, text: str) -> None:
        print(f"{self.folder.name}: {text}", file=sys.stderr, flush=True)


def _items(state: TrainState, carry: Any) -> dict[str, Any]:
    """The array items of a checkpoint; a task that carries nothing has no "carry"."""
    items = {"params": state.params, "train": {"step": state.step, "opt_state": state.opt_state}}
    items |= {} if state.ema is None else {"ema": state.ema}
    kept = _without_empty(carry)
    return {**items, "carry": {"carry": kept}} if jax.tree.leaves(kept) else items


def _without_empty(carry: Any) -> Any:
    """What is carried less its arrays without entries (those of a memory of 0), which Orbax refuses."""
    return jax.tree.map(lambda leaf: leaf if leaf.size else None, carry)


def _with_empty(abstract: Any, kept: Any) -> Any:
    """The reverse of ``_without_empty``."""
    left = iter(jax.tree.leaves(kept))

    def whole(leaf: Any) -> Any:
        if leaf.size:
            return next(left)
        return jax.jit(lambda: jnp.zeros(leaf.shape, leaf.dtype), out_shardings=leaf.sharding)()

    return jax.tree.map(whole, abstract)


def _handlers() -> dict[str, Any]:
    arrays = {name: ocp.StandardCheckpointHandler() for name in ARRAY_ITEMS}
    return {**arrays, **{name: ocp.JsonCheckpointHandler() for name in JSON_ITEMS}}


@contextmanager
def quiet_orbax() -> Iterator[None]:
    """Keeps the tracebacks of a failed save off the screen: what a user needs to know is in our error.

    Orbax logs them, and TensorStore's threads report to an event loop that is no longer there.
    """
    logger, hook = logging.getLogger("absl"), sys.unraisablehook

    def silence(entry: logging.LogRecord) -> bool:
        return entry.levelno < logging.ERROR

    def pass_on(found: Any) -> None:
        if "Event loop is closed" not in str(found.exc_value):
            hook(found)

    logger.addFilter(silence)
    sys.unraisablehook = pass_on
    try:
        yield
    finally:
        logger.removeFilter(silence)
        sys.unraisablehook = hook


def _is_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, is a full disk; libraries wrap it in types of their own."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


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
    """Path -> "float32[3, 4]"; paths spell attributes, keys and indices alike, as Orbax stores them."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): f"{leaf.dtype}{list(leaf.shape)}"
        for path, leaf in leaves
    }
