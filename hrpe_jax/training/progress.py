"""A training on a terminal, or as plain lines; always on stderr."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any


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
        """Shows a validation, always, with the metric that decides which is the best."""
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
