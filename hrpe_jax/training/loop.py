"""Training of one stage, top to bottom.

The loop dispatches steps and reads their metrics a few steps later, so that the host prepares while the
device computes; it never lets more than ``MAX_IN_FLIGHT`` steps run ahead. Everything that decides what
comes next is in the checkpoint (arrays, data state, best validation, unfinished means), so a run that was
killed goes on bit for bit. What only looks on (clock, watchdog, progress, TensorBoard) has a module each.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
from jax.sharding import Mesh

from hrpe_jax.checkpoints.format import (
    Record,
    TrainState,
    check_record,
    checkpoint_folder,
    read_json,
    whole_steps,
)
from hrpe_jax.checkpoints.manager import Checkpoints
from hrpe_jax.config import StageConfig
from hrpe_jax.errors import UserError
from hrpe_jax.training.early_stopping import EarlyStopping
from hrpe_jax.training.flops import peak_seconds
from hrpe_jax.training.guards import Watchdog, find_failure, keep_failure, stop_request
from hrpe_jax.training.progress import Clock, Meter, MetricsFile, Progress, TensorBoard
from hrpe_jax.training.sharding import make_mesh, put_batch, with_params
from hrpe_jax.training.train_step import MAX_IN_FLIGHT, Batch, Programs, evaluate, make_programs


class BatchIterator(Protocol):
    """Batches whose only state is the number of the next one."""

    def __next__(self) -> Batch:
        """This host's rows of the next batch, leaves ``[segments, rows, ...]``."""

    def get_state(self) -> int:
        """The step whose batch comes next."""

    def set_state(self, state: int) -> None:
        """Makes the batch of step ``state`` the next one."""

    def describe(self, step: int, /) -> list[dict[str, Any]]:
        """Which songs this host's rows of a batch hold; JSON values."""


class StepCallback(Protocol):
    """Somebody who wants to hear, now and then, what the model can do."""

    every: int

    def __call__(self, step: int, params: Any, say: Callable[[str], None], /) -> None:
        """Gets the parameters that a validation would get, and a way to tell the user a line."""


@dataclass(frozen=True)
class StageResult:
    """What a training leaves behind, beside its files.

    Attributes:
      stage: its name.
      step: steps taken in all.
      best_step: of the best validation; ``step`` where there is no validation data.
      best: metrics of that validation: loss (nats per event), perplexity, accuracy, ...; {} without data.
      early: whether training stopped before its last step, as no validation was better for too long.
      seconds: spent training and validating, over all restarts.
      resumed: the step this process began at.
    """

    stage: str
    step: int
    best_step: int
    best: dict[str, float]
    early: bool
    seconds: float
    resumed: int


@dataclass
class _Run:
    """What the loop changes."""

    state: TrainState
    carry: Any
    best: EarlyStopping
    step: int = 0
    meter: Meter = field(default_factory=Meter)
    seconds: float = 0.0

    def progress(self, batches: BatchIterator, seconds: float) -> dict[str, Any]:
        """The part of a checkpoint that is JSON; a copy, as it is written while the loop goes on."""
        return {
            "step": self.step,
            "data": batches.get_state(),
            "meter": {name: list(pair) for name, pair in self.meter.sums.items()},
            "seconds": seconds,
            **self.best.state(),
        }


class _Pending(NamedTuple):
    """A step that was dispatched and whose metrics were not read yet."""

    step: int
    metrics: Any
    batch: Batch


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
    tensorboard: bool = False,
    callback: StepCallback | None = None,
    initial: Any = None,
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
      tensorboard: whether to write TensorBoard events too.
      callback: called every so many steps; what it does counts as no training time.
      initial: parameters to start from, nested dicts of float32 arrays; None to draw them.

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
        run = _start_or_resume(stage, config, checkpoints, programs, batches, init_key, record, initial)
        resumed = run.step
        if run.step >= config.steps or run.best.exhausted:
            return _result(stage, config, run, resumed)
        speaks = jax.process_index() == 0  # one host of many writes
        with (
            _writing(workdir if speaks else None, stage, run.step, tensorboard) as write,
            Progress(stage, config.steps, run.step, quiet=not speaks) as shown,
            Watchdog(config.stall_seconds, shown.note) as watchdog,
        ):
            shown.note(_begins(config, mesh, programs, resumed))
            waiting: deque[_Pending] = deque()
            clock = Clock(run.seconds)
            while run.step < config.steps and not run.best.exhausted:
                checkpoints.check()
                drawn = next(batches)
                batch = put_batch(mesh, task, drawn)
                clock.hands_over(waiting[-1].metrics["loss"][0] if waiting else None)
                run.state, run.carry, metrics = programs.train(run.state, run.carry, batch, train_key)
                run.step += 1
                waiting.append(_Pending(run.step, metrics, drawn))
                last = run.step == config.steps
                first = run.step == resumed + 1
                stops = stop.reached(run.step)
                logs = last or run.step % config.log_every == 0
                validates = last or run.step % config.eval_every == 0
                saves = last or stops or run.step % config.checkpoint_every == 0
                hears = callback is not None and run.step % callback.every == 0
                drains = first or logs or validates or saves or hears
                for done, values in _read(waiting, leave=0 if drains else MAX_IN_FLIGHT - 1):
                    watchdog.beat()
                    run.meter.add(values)
                    if find_failure(values):
                        raise _failed(workdir, stage, done, values, batches, checkpoints)
                clock.ran()
                if first:
                    clock.begin(run.meter.weight("loss"), peak_seconds(stage, config, mesh, batch))
                shown.advance(run.step)
                if logs:
                    means = {**run.meter.means(), **clock.lap(run.meter.weight("loss"))}
                    write("train", run.step, means)
                    shown.train(run.step, means)
                    run.meter = Meter()
                if validates:
                    with clock.paused():
                        looked = watchdog.watching(valid)
                        params = run.state.best_params
                        scores = evaluate(programs, task, mesh, params, looked, config.eval_batches)
                    if scores:
                        improved = run.best.update(run.step, scores)
                        saves = saves or improved or run.best.exhausted
                        write("valid", run.step, scores)
                        shown.valid(run.step, scores, improved, config.best_metric)
                if saves:  # before the next batch is drawn
                    with clock.paused():
                        saved = programs.snapshot((run.state, run.carry))
                        progress = run.progress(batches, clock.seconds)
                        checkpoints.save(run.step, *saved, progress, record, run.best.step)
                if stops or ((last or run.best.exhausted) and stop.reached(run.step + 1)):
                    checkpoints.wait()
                    raise stop.stopped(f"{stage} at step {run.step} of {config.steps}, saved in {folder}")
                if hears and callback:
                    with clock.paused():
                        callback(run.step, run.state.best_params, shown.note)
                watchdog.beat()
            run.seconds = clock.seconds
            result = _result(stage, config, run, resumed)
            if result.early:
                shown.note(
                    f"stopped at step {run.step}: no better validation in {config.patience} (patience), the "
                    f"best was at step {result.best_step}"
                )
        return result


def _start_or_resume(
    stage: str,
    config: StageConfig,
    checkpoints: Checkpoints,
    programs: Programs,
    batches: BatchIterator,
    key: jax.Array,
    record: Record,
    initial: Any,
) -> _Run:
    step = checkpoints.latest()
    if step is None:
        state, carry = programs.init(key), programs.init_carry()
        if initial is not None:
            state, carry = programs.copy((with_params(state, initial), carry))
        return _Run(state, carry, EarlyStopping(config.best_metric, config.patience))
    check_record(checkpoints.folder, stage, read_json(checkpoints.folder, step, "record"), record)
    state, carry, progress = checkpoints.restore(step, programs.abstract)
    state, carry = programs.copy((state, carry))
    batches.set_state(progress["data"])
    best = EarlyStopping(config.best_metric, config.patience, progress)
    return _Run(state, carry, best, step, Meter(progress["meter"]), progress["seconds"])


def _begins(config: StageConfig, mesh: Mesh, programs: Programs, resumed: int) -> str:
    """What is about to be trained, in a line: the next one may be a compilation away."""
    count = sum(leaf.size for leaf in jax.tree.leaves(programs.abstract[0].params))
    shape = config.batch
    size = f"{shape.segments} x " if shape.segments > 1 else ""
    device = mesh.devices.flat[0].device_kind
    begins = f"resuming from step {resumed}" if resumed else f"{config.steps} steps"
    return (
        f"{begins}; {count:,} parameters, {size}{shape.rows} x {shape.length} tokens a step, "
        f"{mesh.size} x {device}, {config.model.dtype}"
    )


def _read(waiting: deque[_Pending], leave: int) -> Iterator[tuple[_Pending, Any]]:
    """Waits for metrics until only ``leave`` steps are in flight; yields each step with its host values."""
    while len(waiting) > leave:
        done = waiting.popleft()
        yield done, jax.device_get(done.metrics)


def _failed(
    workdir: str | Path,
    stage: str,
    done: _Pending,
    values: Any,
    batches: BatchIterator,
    checkpoints: Checkpoints,
) -> UserError:
    """Keeps what is needed to look at a step that is not finite; returns the error that says so."""
    name = find_failure(values) or ""
    with suppress(UserError):  # one that cannot be written is not what went wrong first
        checkpoints.wait()
    saved = max(whole_steps(checkpoints.folder), default=None)
    songs = batches.describe(done.step - 1)
    kept = keep_failure(workdir, stage, done.step, values, done.batch, songs, saved)
    stands = "no checkpoint was saved before" if saved is None else f"the checkpoint of step {saved} stands"
    return UserError(
        f"{stage}: {name} is {values[name][0]} at step {done.step}; {stands}, the batch and its songs are "
        f"kept in {kept}; lower optimizer.learning_rate or optimizer.clip_norm, or use dtype float32"
    )


@contextmanager
def _writing(
    workdir: str | Path | None, stage: str, step: int, tensorboard: bool
) -> Iterator[Callable[[str, int, Mapping[str, float]], None]]:
    """Yields what writes one line of metrics everywhere it should go; nowhere without a workdir."""
    with ExitStack() as stack:
        path = Path(os.devnull) if workdir is None else Path(workdir) / "metrics.jsonl"
        writers: list[Any] = [stack.enter_context(MetricsFile(path, stage, step))]
        if tensorboard and workdir is not None:
            writers.append(stack.enter_context(TensorBoard(Path(workdir) / "tensorboard" / stage, step)))

        def write(split: str, step: int, metrics: Mapping[str, float]) -> None:
            for writer in writers:
                writer.write(split, step, metrics)

        yield write


def _result(stage: str, config: StageConfig, run: _Run, resumed: int) -> StageResult:
    best = run.best.found or {"step": run.step, "metrics": {}}
    early = run.step < config.steps and run.best.exhausted
    return StageResult(stage, run.step, best["step"], dict(best["metrics"]), early, run.seconds, resumed)
