"""Says so when nothing happens: a thread that knows when a step last ended."""

from __future__ import annotations

import json
import linecache
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from hrpe_jax.errors import Stopped
from hrpe_jax.utils.files import replace_file

WATCHED = ("loss", "grad_norm")


def find_failure(metrics: Mapping[str, tuple[Any, Any]]) -> str | None:
    """The first watched metric that is not finite, None where all are."""
    return next((name for name in WATCHED if not math.isfinite(metrics[name][0])), None)


def keep_failure(
    workdir: str | Path,
    stage: str,
    step: int,
    metrics: Mapping[str, tuple[Any, Any]],
    batch: Mapping[str, np.ndarray],
    songs: Sequence[Mapping[str, Any]],
    checkpoint: int | None,
) -> Path:
    """Writes what is needed to look at a failed step; every host writes its own rows.

    Args:
      workdir: of the training.
      stage: its name.
      step: the step that failed.
      metrics: its metrics, (sum, weight).
      batch: this host's rows.
      songs: where its songs lie, from ``BatchIterator.describe``.
      checkpoint: the latest one, None if there is none.

    Returns:
      The folder.
    """
    folder = Path(workdir) / "failures" / f"{stage}-{step}"
    host = f"-{jax.process_index()}" if jax.process_count() > 1 else ""
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Any] = {name: np.asarray(value) for name, value in batch.items()}
    np.savez_compressed(folder / f"batch{host}.npz", **rows)
    means = {name: float(total) / max(float(weight), 1e-9) for name, (total, weight) in metrics.items()}
    about = {
        "stage": stage,
        "step": step,
        "batch": step - 1,
        "not_finite": find_failure(metrics),
        "metrics": {name: mean if math.isfinite(mean) else str(mean) for name, mean in means.items()},
        "checkpoint": checkpoint,
        "replay": f"batches {checkpoint or 0} to {step - 1} from "
        + ("the beginning" if checkpoint is None else f"checkpoint {checkpoint}"),
        "songs": [dict(song) for song in songs],
    }
    replace_file(folder / f"failure{host}.json", (json.dumps(about, indent=1) + "\n").encode())
    return folder


class StopRequest:
    """Whether somebody asked this run to stop."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._reached = False
        self._several = jax.process_count() > 1

    def hear(self, number: int, frame: Any = None) -> None:
        """The signal handler. It may come in the middle of any print, so it writes past them."""
        if self._signal is not None:
            show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar hides it
            os.write(2, f"{show_cursor}stopped at once; the last whole checkpoint stands\n".encode())
            os._exit(128 + number)
        self._signal = number
        if self._several:
            os.kill(os.getpid(), signal.SIGTERM)  # for JAX, which tells the others
        os.write(2, f"{signal.Signals(number).name}: saving, then stopping (again: at once)\n".encode())

    def reached(self, step: int) -> bool:
        """Whether this is the step to save and stop at. On several hosts: to be asked after every step."""
        if self._several and not self._reached:
            self._reached = multihost_utils.reached_preemption_sync_point(step)
        return self._reached if self._several else self._signal is not None

    def stopped(self, what: str) -> Stopped:
        """The exception to raise then."""
        return Stopped(f"{what}; the same command goes on from there", 128 + (self._signal or signal.SIGTERM))


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Listens for signals while what is inside runs, then puts back who listened before.

    Outside of the main thread no signal can be heard, and the request never comes.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    # On several hosts SIGTERM belongs to JAX.
    numbers = [signal.SIGINT] if jax.process_count() > 1 else [signal.SIGINT, signal.SIGTERM]
    # A job that a shell starts in the background ignores SIGINT, and should go on to.
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, request.hear) for number in heard}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


T = TypeVar("T")
PACKAGE = Path(__file__).resolve().parents[1]


class Watchdog:
    """Tells in one line, once a stall, that no step has ended for some time and where the program stands.

    It watches the thread that made it, and only speaks: a step may be long, a disk slow, a host far away.

    Args:
      seconds: without a beat, after which it speaks; 0 for never.
      say: takes the line.
    """

    def __init__(self, seconds: float, say: Callable[[str], None]) -> None:
        self._seconds, self._say = seconds, say
        self._beat, self._told = time.monotonic(), False
        self._watched = threading.get_ident()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        if seconds:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    def beat(self) -> None:
        """Something has ended."""
        self._beat, self._told = time.monotonic(), False

    def watching(self, items: Iterable[T]) -> Iterator[T]:
        """The same items, with a beat for each: for work between two steps that takes its time."""
        for item in items:
            self.beat()
            yield item

    def _watch(self) -> None:
        while not self._over.wait(min(self._seconds / 4, 5.0)):
            silent = time.monotonic() - self._beat
            if silent >= self._seconds and not self._told:
                self._told = True
                where = position(sys._current_frames().get(self._watched))
                self._say(f"no step has ended for {silent:.0f} s; the program stands at {where}")


def position(frame: FrameType | None) -> str:
    """Where a thread stands: the innermost line of this package, and what it calls."""
    inner = frame
    while frame and not Path(frame.f_code.co_filename).is_relative_to(PACKAGE):
        frame = frame.f_back
    if frame is None or inner is None:
        return "an unknown place" if inner is None else f"{inner.f_code.co_filename}:{inner.f_lineno}"
    file = frame.f_code.co_filename
    line = linecache.getline(file, frame.f_lineno).strip()
    here = f"{Path(file).relative_to(PACKAGE.parent)}:{frame.f_lineno} ({line})"
    within = f", in {inner.f_code.co_filename}:{inner.f_lineno}" if inner is not frame else ""
    return here + within
