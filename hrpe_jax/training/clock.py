"""How long a training has taken, how fast it goes, and whether the device has work.

Nothing here waits for the device. Whether it was busy is seen by asking, just before a step is handed over,
if the one before has ended: then the device may have been idle since the loop last looked, and all of that
time counts as idle. The figure is therefore a lower bound of the busy time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
