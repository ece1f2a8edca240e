"""Where numbers go: means of mergeable metrics, and a file of JSON lines."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Mapping
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
        """Adds one line's values as SPLIT/NAME."""
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
