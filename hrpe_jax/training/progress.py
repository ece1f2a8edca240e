"""The progress of a training: on a terminal, as plain lines on stderr, and as a file of JSON lines."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from hrpe_jax.errors import UserError
from hrpe_jax.utils.files import replace_file


def check_tensorboard() -> None:
    """Refuses to go on where TensorBoard was asked for and cannot be written.

    Raises:
      UserError: its package is not installed.
    """
    if find_spec("tensorboardX") is None:
        raise UserError(
            "config.tensorboard: needs the package tensorboardX; pip install 'hrpe_jax[tensorboard]', or "
            "set it to false (metrics.jsonl is always written)"
        )


class TensorBoard:
    """One events file a stage, ``WORKDIR/tensorboard/STAGE``.

    Args:
      folder: of the stage.
      step: the step the run resumes from; later events of an earlier process are hidden.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, split: str, step: int, metrics: Mapping[str, float]) -> None:
        """Adds one line's values as SPLIT/NAME.

        Args:
          split: "train" or "valid".
          step: of the training.
          metrics: values by name.
        """
        for name, value in metrics.items():
            self._writer.add_scalar(f"{split}/{name}", value, step)


TIMES = ("steps_per_second", "events_per_second", "busy", "peak_share", "seconds")
"""Fields of a line that no run repeats: how fast, not what."""


class Meter:
    """Merges (sum, weight) metrics on the host. Its state is plain numbers, which a checkpoint can hold."""

    def __init__(self, sums: Mapping[str, Any] | None = None) -> None:
        self.sums: dict[str, list[float]] = {name: list(pair) for name, pair in (sums or {}).items()}

    def add(self, metrics: Mapping[str, tuple[Any, Any]]) -> None:
        """Adds one batch of host values."""
        for name, (value, weight) in metrics.items():
            pair = self.sums.setdefault(name, [0.0, 0.0])
            pair[0] += float(value)
            pair[1] += float(weight)

    def means(self) -> dict[str, float]:
        """Sum over weight of each metric that has weight, and the perplexity of "nll" or "loss"."""
        means = {name: value / weight for name, (value, weight) in self.sums.items() if weight > 0}
        if "loss" in means:
            means["perplexity"] = math.exp(min(means.get("nll", means["loss"]), 700.0))
        return means

    def weight(self, name: str) -> float:
        """Total weight of one metric, 0 where it is unknown."""
        return self.sums.get(name, [0.0, 0.0])[1]


class MetricsFile:
    """One JSON object a line: stage, split, step, then the metrics.

    A run that was killed has written lines after its last checkpoint. It will compute those steps again, so
    they are dropped here: no step of a stage stands in the file twice.

    Args:
      path: the file; made if absent.
      stage: of the lines this object appends. Lines of other stages are left alone.
      step: the step the run resumes from; later lines of ``stage`` are dropped, as is a half-written last
        line.
    """

    def __init__(self, path: str | Path, stage: str, step: int) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        kept = "".join(line + "\n" for line in old.splitlines() if _is_before(line, stage, step))
        if kept != old:
            replace_file(path, kept.encode())
        self._stage = stage
        self._file = path.open("ab", buffering=0)  # nothing waits in a buffer for a disk to have room

    def __enter__(self) -> MetricsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, split: str, step: int, metrics: Mapping[str, float]) -> None:
        """Appends one line and hands it to the operating system.

        Args:
          split: "train" or "valid".
          step: of the training.
          metrics: values by name.

        Raises:
          UserError: it cannot be written; the disk may be full.
        """
        record = {"stage": self._stage, "split": split, "step": step, **metrics}
        line = (json.dumps(record) + "\n").encode()
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise UserError(
                f"{self._file.name}: cannot be written ({error.strerror or error}); mend that, then the same "
                "command goes on from the last checkpoint"
            ) from None


def _is_before(line: str, stage: str, step: int) -> bool:
    try:
        record = json.loads(line)
        return record["stage"] != stage or record["step"] <= step
    except (ValueError, KeyError, TypeError):
        return False


class Clock:
    """Time spent over all restarts, and speed since the last lap.

    Args:
      seconds: spent before.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._least: float | None = None
        self._total = self._lap = self._looked = time.monotonic()
        self._steps, self._before, self._idle = 0, 0.0, 0.0

    def begin(self, events: float, least: float | None) -> None:
        """Laps begin here: the first step has ended, and with it the compilation.

        Args:
          events: weight in the means so far, which the first lap does not count.
          least: seconds of a step on devices at their peak; None where no peak is known.
        """
        self._least = least
        self._count()
        self._lap = self._looked = self._total
        self._steps, self._before, self._idle = 0, events, 0.0

    def hands_over(self, newest: Any) -> None:
        """To be called before a step is dispatched.

        Args:
          newest: an output of the newest step in flight; None where none is.
        """
        if newest is None or newest.is_ready():
            self._idle += time.monotonic() - self._looked

    def ran(self) -> None:
        """To be called once a step was dispatched, and the metrics of earlier ones were read."""
        self._looked = time.monotonic()
        self._steps += 1

    def lap(self, events: float) -> dict[str, float]:
        """Speed since the last lap, and the time spent in all.

        Args:
          events: weight of the means written now.

        Returns:
          "seconds" in all, and of this lap, unless no step was timed: "steps_per_second",
          "events_per_second", "busy" (share of the time in which the device had work, at least), and
          "peak_share" where a peak is known.
        """
        self._count()
        seconds, self._lap = max(self._total - self._lap, 1e-9), self._total
        steps, self._steps = self._steps, 0
        events, self._before = events - self._before, 0.0
        idle, self._idle = self._idle, 0.0
        total = {"seconds": self.seconds}
        if not steps:
            return total
        speed = {
            "steps_per_second": steps / seconds,
            "events_per_second": events / seconds,
            "busy": max(1 - idle / seconds, 0.0),
        }
        share = {} if self._least is None else {"peak_share": self._least * steps / seconds}
        return {**speed, **share, **total}

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside counts as time spent, not as training speed."""
        self._count()
        began = self._total
        yield
        self._count()
        self._lap += self._total - began
        self._looked += self._total - began

    def _count(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._total
        self._total = now


class Progress:
    """A bar on a terminal, a plain line every few seconds elsewhere.

    Args:
      stage: its name, shown.
      steps: of the whole training.
      step: where it begins.
      every: seconds between two plain lines of training metrics.
      quiet: show nothing (hosts other than the first).
    """

    def __init__(self, stage: str, steps: int, step: int, every: float = 5.0, quiet: bool = False) -> None:
        self._stage, self._steps, self._every, self._quiet = stage, steps, every, quiet
        self._last = -math.inf
        self._began: tuple[int, float] | None = None
        self._bar: Any = None
        if sys.stderr.isatty() and not quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            console = Console(stderr=True)
            bar = 16 if console.width >= 100 else 8
            self._room = console.width - len(stage) - bar - 2 * len(str(steps)) - 4
            self._bar = Bar(
                TextColumn(stage),
                BarColumn(bar_width=bar),
                MofNCompleteColumn(),
                TextColumn("{task.fields[numbers]}", markup=False),
                console=console,
            )
            self._task = self._bar.add_task(stage, total=steps, completed=step, numbers="compiling")

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, step: int) -> None:
        """Moves the bar, and from the first call on measures the time that is left."""
        self._began = self._began or (step, time.monotonic())
        if self._bar:
            self._bar.update(self._task, completed=step)

    def train(self, step: int, metrics: Mapping[str, float]) -> None:
        """Shows training metrics and the time left; a plain line only now and then."""
        parts = [_spell(metrics), *_speed(metrics), self._left(step)]
        text = "  ".join(filter(None, parts))
        if self._bar:
            self._bar.update(self._task, completed=step, numbers=fit(parts, self._room))
        elif time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            self.note(f"step {step}/{self._steps}  {text}")

    def valid(self, step: int, metrics: Mapping[str, float], best: bool, metric: str = "") -> None:
        """Shows a validation, always, with the metric that decides which is the best.

        Args:
          step: of the training.
          metrics: values by name.
          best: whether it is the best so far.
          metric: the name of the one that decides.
        """
        numbers = _spell(metrics, "perplexity", *([metric] if metric else []))
        self.note(f"step {step}/{self._steps}  validation  {numbers}{'  (best)' if best else ''}")

    def note(self, text: str) -> None:
        """One line."""
        if self._quiet:
            return
        if self._bar:
            self._bar.console.print(f"{self._stage}: {text}", highlight=False, markup=False, soft_wrap=True)
        else:
            print(f"{self._stage}: {text}", file=sys.stderr, flush=True)

    def _left(self, step: int) -> str:
        """The time left at the pace of this process so far, validation and saving included."""
        if self._began is None or step <= self._began[0] or step >= self._steps:
            return ""
        pace = (time.monotonic() - self._began[1]) / (step - self._began[0])
        return f"{duration(pace * (self._steps - step))} left"


def duration(seconds: float) -> str:
    """Seconds as people write them: 0:07, 12:34, 3:04:05."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def fit(parts: Sequence[str], room: int) -> str:
    """The parts of a line, "" left out, and of those in the middle only as many as there is room for."""
    found = [part for part in parts if part]
    while len("  ".join(found)) > room and len(found) > 2:
        del found[-2]
    return "  ".join(found)


def _spell(metrics: Mapping[str, float], *more: str) -> str:
    shown = {"nll" if "nll" in metrics else "loss": ".4g", **dict.fromkeys(more, ".4g"), "accuracy": ".3f"}
    return "  ".join(f"{name} {metrics[name]:{form}}" for name, form in shown.items() if name in metrics)


def _speed(metrics: Mapping[str, float]) -> list[str]:
    """The most important first."""
    parts = []
    if "events_per_second" in metrics:
        parts.append(f"{metrics['events_per_second']:,.0f} tokens/s")
    if "busy" in metrics:
        parts.append(f"device {metrics['busy']:.0%} busy")
    if "peak_share" in metrics:
        parts.append(f"{metrics['peak_share']:.0%} of peak")
    return parts
