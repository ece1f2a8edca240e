"""Says so when nothing happens: a thread that knows when a step last ended."""

from __future__ import annotations

import linecache
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import TypeVar

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
