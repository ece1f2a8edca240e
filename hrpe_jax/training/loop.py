"""Training of one stage, top to bottom.

The loop dispatches steps and reads their metrics a few steps later, so that the host prepares while the
device computes; it never lets more than ``MAX_IN_FLIGHT`` steps run ahead. Everything that decides what
comes next is in the checkpoint (arrays, data state, best validation, unfinished means), so a run that was
killed goes on bit for bit.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import jax

from hrpe_jax.config import StageConfig
from hrpe_jax.errors import UserError
from hrpe_jax.training.checkpoint import Record, check_record, checkpoint_folder, read_json
from hrpe_jax.training.evaluation import MAX_IN_FLIGHT, Batch, evaluate
from hrpe_jax.training.interrupt import stop_request
from hrpe_jax.training.partition import make_mesh, put_batch
from hrpe_jax.training.saving import Checkpoints
from hrpe_jax.training.state import TrainState
from hrpe_jax.training.step import Programs, make_programs
from hrpe_jax.training.writers import Meter, MetricsFile, Progress


class BatchIterator(Protocol):
    """Batches whose only state is the number of the next one."""

    def __next__(self) -> Batch:
        """This host's rows of the next batch, leaves ``[segments, rows, ...]``."""

    def get_state(self) -> int:
        """The step whose batch comes next."""

    def set_state(self, state: int) -> None:
        """Makes the batch of step ``state`` the next one."""


@dataclass(frozen=True)
class StageResult:
    """What a training leaves behind, beside its files.

    Attributes:
      stage: its name.
      step: steps taken in all.
      best_step: of the best validation; ``step`` where there is no validation data.
      best: metrics of that validation: loss (nats per event), perplexity, accuracy, ...; {} without data.
      seconds: spent training and validating, over all restarts.
      resumed: the step this process began at.
    """

    stage: str
    step: int
    best_step: int
    best: dict[str, float]
    seconds: float
    resumed: int


@dataclass
class _Run:
    """What the loop changes."""

    state: TrainState
    carry: Any
    step: int = 0
    best: dict[str, Any] | None = None
    meter: Meter = field(default_factory=Meter)
    seconds: float = 0.0

    def progress(self, batches: BatchIterator) -> dict[str, Any]:
        """The part of a checkpoint that is JSON."""
        return {
            "step": self.step,
            "data": batches.get_state(),
            "best": self.best,
            "meter": self.meter.sums,
            "seconds": self.seconds,
        }


def train_stage(
    stage: str,
    task: Any,
    config: StageConfig,
    batches: BatchIterator,
    valid: Iterable[Batch],
    *,
    seed: int,
    workdir: str | Path,
    record: Record,
) -> StageResult:
    """Trains one stage to its last step, going on from its last checkpoint if there is one.

    Args:
      stage: its name: of its checkpoints and of its lines in ``metrics.jsonl``.
      task: a Task.
      config: how to train.
      batches: training batches.
      valid: validation batches, finite, iterated anew for every validation; empty for none.
      seed: of parameters and dropout.
      workdir: where checkpoints and ``metrics.jsonl`` go.
      record: the resolved run, stored in every checkpoint and compared with that of an earlier run here.

    Returns:
      Where it ended.

    Raises:
      UserError: the workdir holds another run or damaged checkpoints only, the mesh does not fit, or the
        loss is no longer finite.
      Stopped: a signal asked for it; the step is saved.
    """
    folder = checkpoint_folder(workdir, stage)
    mesh = make_mesh(config.mesh)
    init_key, train_key = jax.random.split(jax.random.key(seed))
    with jax.set_mesh(mesh), stop_request() as stop, Checkpoints(folder, config.keep) as checkpoints:
        programs = make_programs(task, config, mesh)
        run = _start_or_resume(stage, checkpoints, programs, batches, init_key, record)
        resumed = run.step
        if run.step >= config.steps:
            return _result(stage, run, resumed)
        speaks = jax.process_index() == 0  # one host of many writes
        with (
            MetricsFile(Path(workdir) / "metrics.jsonl" if speaks else os.devnull, stage, run.step) as lines,
            Progress(stage, config.steps, run.step, quiet=not speaks) as shown,
        ):
            if resumed:
                shown.note(f"resuming from step {resumed}")
            waiting: deque[tuple[int, Any]] = deque()
            clock = _Clock(run)
            while run.step < config.steps:
                checkpoints.check()
                batch = put_batch(mesh, task, next(batches))
                run.state, run.carry, metrics = programs.train(run.state, run.carry, batch, train_key)
                run.step += 1
                waiting.append((run.step, metrics))
                last = run.step == config.steps
                stops = stop.reached(run.step)
                logs = last or run.step % config.log_every == 0
                validates = last or run.step % config.eval_every == 0
                saves = last or stops or run.step % config.checkpoint_every == 0
                _read(waiting, run.meter, stage, leave=0 if logs or validates or saves else MAX_IN_FLIGHT - 1)
                shown.advance(run.step)
                if logs:
                    means = {**run.meter.means(), **clock.lap(run.meter.weight("loss"))}
                    lines.write("train", run.step, means)
                    shown.train(run.step, means)
                    run.meter = Meter()
                if validates:
                    with clock.paused():
                        scores = evaluate(programs, task, mesh, run.state.params, valid, config.eval_batches)
                    if scores:
                        improved = run.best is None or _merit(scores) < _merit(run.best["metrics"])
                        if improved:
                            run.best, saves = {"step": run.step, "metrics": scores}, True
                        lines.write("valid", run.step, scores)
                        shown.valid(run.step, scores, improved)
                if saves:  # before the next batch is drawn
                    best = run.best["step"] if run.best else None
                    with clock.paused():
                        saved = programs.snapshot((run.state, run.carry))
                        checkpoints.save(run.step, *saved, run.progress(batches), record, best)
                if stops or (last and stop.reached(run.step + 1)):
                    checkpoints.wait()
                    raise stop.stopped(f"{stage} at step {run.step} of {config.steps}, saved in {folder}")
        return _result(stage, run, resumed)


def _merit(scores: Mapping[str, float]) -> float:
    """The lowest of these is the best validation: "nll" (of events) where a task reports it, or the loss."""
    return scores.get("nll", scores["loss"])


def _start_or_resume(
    stage: str,
    checkpoints: Checkpoints,
    programs: Programs,
    batches: BatchIterator,
    key: jax.Array,
    record: Record,
) -> _Run:
    step = checkpoints.latest()
    if step is None:
        return _Run(programs.init(key), programs.init_carry())
    check_record(checkpoints.folder, stage, read_json(checkpoints.folder, step, "record"), record)
    state, carry, progress = checkpoints.restore(step, programs.abstract)
    state, carry = programs.copy((state, carry))
    batches.set_state(progress["data"])
    return _Run(state, carry, step, progress["best"], Meter(progress["meter"]), progress["seconds"])


def _read(waiting: deque[tuple[int, Any]], meter: Meter, stage: str, leave: int) -> None:
    """Waits for metrics until only ``leave`` steps are in flight, and looks at what they say."""
    while len(waiting) > leave:
        step, metrics = waiting.popleft()
        values = jax.device_get(metrics)
        meter.add(values)
        for name in ("loss", "grad_norm"):
            if not math.isfinite(values[name][0]):
                raise UserError(
                    f"{stage}: {name} is {values[name][0]} at step {step}; nothing was saved since the last "
                    "checkpoint; lower optimizer.learning_rate or optimizer.clip_norm, or use dtype float32"
                )


class _Clock:
    """Time spent over all restarts, and speed since the last lap."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._total = self._lap = time.monotonic()
        self._step, self._before = run.step, run.meter.weight("loss")

    def lap(self, events: float) -> dict[str, float]:
        """Speed since the last lap, given the weight of the means written now."""
        self._count()
        seconds, self._lap = max(self._total - self._lap, 1e-9), self._total
        steps, self._step = self._run.step - self._step, self._run.step
        events, self._before = events - self._before, 0.0
        speed = {"steps_per_second": steps / seconds, "events_per_second": events / seconds}
        return {**speed, "seconds": self._run.seconds}

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside counts as time spent, not as training speed."""
        self._count()
        began = self._total
        yield
        self._count()
        self._lap += self._total - began

    def _count(self) -> None:
        now = time.monotonic()
        self._run.seconds += now - self._total
        self._total = now


def _result(stage: str, run: _Run, resumed: int) -> StageResult:
    best = run.best or {"step": run.step, "metrics": {}}
    return StageResult(stage, run.step, best["step"], dict(best["metrics"]), run.seconds, resumed)
