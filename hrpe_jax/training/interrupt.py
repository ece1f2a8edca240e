"""Being asked to stop: by Ctrl-C, by a scheduler that ends a job, by a machine that will be taken away.

The first signal is noted; the loop looks at it after every step, saves, and raises ``Stopped``, which the
command turns into exit code 128 + signal: 130 after Ctrl-C, 143 after SIGTERM. The second signal ends the
process where it stands. Nothing is lost by that either: a checkpoint that is being written is not one until
it is whole.

Of several hosts only one may hear the signal, and all have to save at the same step. There JAX listens for
SIGTERM, tells the other hosts, and finds the first step that none of them has passed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
from jax.experimental import multihost_utils

from hrpe_jax.errors import Stopped


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
