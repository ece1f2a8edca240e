"""A pool of processes over files that may be anything: one that hangs, swallows memory or crashes its process
costs only itself.

Every worker says when a file is done, so it is always known which file it is at. A file that takes too long
is interrupted by an alarm in the worker. Time is processor time, so that a busy machine rejects nothing that
a quiet one accepts; what does nothing but wait may do so `PATIENCE` times as long. Where native code does not
listen to alarms, the system ends the worker, or its parent does. A file that wants too much memory meets the
limit of the worker's address space. `workers=0` works in this process: there alarms ring, but nothing more.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, Generic, TypeVar

from hrpe_jax.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")
Failed = Callable[[Item, str, str], Result]
"""Gives the result of an item that failed: the item, a reason code and a detail."""

AHEAD = 4
"""Items that a worker has waiting, so that it need not wait for its parent."""
GRACE_SECONDS = 3.0
"""How much longer than the limit a worker may take before it is ended."""
PATIENCE = 3
"""Wall time that an item may take, in limits of processor time. Time for which the program is stopped
(Ctrl-Z, a computer that sleeps) hardly counts: the worker counts alarms, which do not pile up, its parent
short looks."""
_RINGS = 8
"""Alarms within the limit."""
_LOOK_SECONDS = 2.0
"""Longest time between two looks of the parent that counts."""
_READY, _DONE, _LAST, _TOO_SLOW, _TOO_LARGE = "ready", "done", "last", "too_slow", "too_much_memory"


class _TimeUp(BaseException):
    """Raised by the alarm; no reader of files takes it for an error of its own."""


def map_files(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    failed: Callable[[Item, str, str], Result],
    seconds: float | None = None,
    megabytes: int | None = None,
) -> Iterator[tuple[int, Result]]:
    """Applies a function to every item, in no particular order.

    Args:
        function: at the top level of a module (processes are spawned, not forked: the caller may run
            threads).
        items: its arguments.
        workers: processes; 0 does everything here.
        failed: gives the result of an item that failed, from the item, a reason ("too_slow",
            "too_much_memory" or "crash") and a detail.
        seconds: of processor time that one item may take; None for any. Without alarms (Windows) its process
            is ended after `PATIENCE` times as long, and with `workers=0` nothing is.
        megabytes: of address space that one item may take beyond what a worker has when it is ready; None
            for any.

    Yields:
        (index of the item, result).

    Raises:
        UserError: processes cannot be started.
    """
    if workers == 0:
        for index, item in enumerate(items):
            kind, value = _guarded(function, item, seconds)
            yield index, value if kind == _DONE else failed(item, kind, detail_of(kind, seconds, megabytes))
        return
    waiting = deque(range(len(items)))
    crew = [Worker(function, seconds, megabytes) for _ in range(min(workers, len(items)))]
    try:
        while waiting or any(worker.pending for worker in crew):
            for worker in crew:
                while waiting and len(worker.pending) < AHEAD:
                    index = waiting.popleft()
                    worker.give(index, items[index])
            wait([worker.connection for worker in crew if worker.pending], timeout=0.5)
            for worker in crew:
                for index, kind, value in worker.take():
                    if kind == _DONE:
                        yield index, value
                    else:
                        yield index, failed(items[index], kind, detail_of(kind, seconds, megabytes))
    finally:
        for worker in crew:
            worker.end()


class Worker(Generic[Item, Result]):
    """A process that is given items and gives results, and is replaced where it ends before its time.

    Args:
        function: see `map_files`.
        seconds: see `map_files`.
        megabytes: see `map_files`.
    """

    def __init__(
        self, function: Callable[[Item], Result], seconds: float | None, megabytes: int | None
    ) -> None:
        self._setup = pickle.dumps((function, seconds, megabytes))
        self._seconds = seconds
        self.pending: deque[tuple[int, Item]] = deque()
        self._failures = 0  # times it ended before it was ready
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, self._setup), daemon=True)
        self._process.start()
        other.close()
        self._ready = False
        self._watch()
        with contextlib.suppress(OSError):  # one that ended at once is found out by `take`
            for index, item in self.pending:
                self.connection.send((index, item))

    def _watch(self) -> None:
        """Begins to count the time that an item takes."""
        self._waited, self._looked = 0.0, time.monotonic()

    def give(self, index: int, item: Item) -> None:
        """Hands over an item, to be done after those that it has."""
        if not self.pending:
            self._watch()
        self.pending.append((index, item))
        with contextlib.suppress(OSError):
            self.connection.send((index, item))

    def wait(self, seconds: float) -> None:
        """Waits until something has been done, or so long."""
        self.connection.poll(seconds)

    def take(self) -> list[tuple[int, str, Any]]:
        """What has been done since last time: (index, "done", result) or (index, reason, None)."""
        done: list[tuple[int, str, Any]] = []
        try:
            while self.connection.poll():
                kind, index, value = self.connection.recv()
                self._watch()
                if kind == _READY:
                    self._ready = True
                    continue
                if kind == _LAST:  # it gives up its memory with its life
                    self._restart()
                    return done
                self.pending.popleft()
                done.append((index, kind, value))
        except (EOFError, OSError):
            self._ended(done)
            return done
        now = time.monotonic()
        self._waited += min(now - self._looked, _LOOK_SECONDS)
        self._looked = now
        limit = None if self._seconds is None or not self._ready else PATIENCE * self._seconds + GRACE_SECONDS
        if self.pending and limit is not None and self._waited > limit:
            index, _ = self.pending.popleft()
            done.append((index, _TOO_SLOW, None))
            self._restart()
        return done

    def _ended(self, done: list[tuple[int, str, Any]]) -> None:
        if self._ready:
            self._failures = 0
            if self.pending:
                index, _ = self.pending.popleft()
                self._process.join()
                ended_by_system = self._process.exitcode == -getattr(signal, "SIGXCPU", 0)
                done.append((index, _TOO_SLOW if ended_by_system else "crash", None))
        else:
            self._failures += 1
            if self._failures >= 3:
                code = self._process.exitcode
                raise UserError(
                    f"worker processes end as soon as they start (exit code {code}); set workers to 0"
                )
        self._restart()

    def _restart(self) -> None:
        self.end()
        self._start()

    def end(self) -> None:
        """Ends the process at once."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def detail_of(kind: str, seconds: float | None, megabytes: int | None) -> str:
    """What to say of an item that failed.

    Args:
        kind: of the failure.
        seconds: limit of time, or None.
        megabytes: limit of memory, or None.
    """
    return {
        _TOO_SLOW: f"took more than the {seconds:g} seconds of preprocess --file_seconds" if seconds else "",
        _TOO_LARGE: f"needed more than the {megabytes} MB of preprocess --file_megabytes"
        if megabytes
        else "no memory",
    }.get(kind, "reading this file crashed its process")


def _serve(connection: Connection, setup: bytes) -> None:
    """What a worker does: items in, results out, until the connection or the parent ends."""
    # Ctrl-C reaches the whole process group, and the parent answers it; a parent that is killed cannot.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # the workers are the threads
    function, seconds, megabytes = pickle.loads(setup)
    if megabytes is not None:
        _limit_memory(megabytes)
    connection.send((_READY, -1, None))
    while True:
        try:
            index, item = connection.recv()
        except EOFError:
            return
        if seconds is not None:
            _limit_processor(seconds + GRACE_SECONDS)
        kind, value = _guarded(function, item, seconds)
        connection.send((kind, index, value))
        if kind == _TOO_LARGE:
            connection.send((_LAST, index, None))
            return


def _guarded(function: Callable[[Item], Result], item: Item, seconds: float | None) -> tuple[str, Any]:
    """What became of an item: ("done", result), or ("too_slow" or "too_much_memory", None)."""
    alarms = hasattr(signal, "SIGALRM")  # Windows has none: there the parent ends what takes too long
    if seconds is None or not alarms or threading.current_thread() is not threading.main_thread():
        return _outcome(function, item)
    alarm = _Alarm(seconds)
    before = signal.signal(signal.SIGALRM, alarm)
    try:
        try:
            alarm.set()
            return _outcome(function, item)
        finally:
            alarm.stop()
    except _TimeUp:
        return _TOO_SLOW, None
    finally:
        alarm.stop()
        # By default an alarm ends the process, and one may be on its way still: a stopped alarm, which does
        # nothing, stays in the place of the default.
        if before not in (signal.SIG_DFL, None):
            signal.signal(signal.SIGALRM, before)


def _outcome(function: Callable[[Item], Result], item: Item) -> tuple[str, Any]:
    try:
        return _DONE, function(item)
    except MemoryError:
        return _TOO_LARGE, None


class _Alarm:
    """Raises `_TimeUp` in the main thread when that has had its time, and a second later again.

    It rings by the clock on the wall and looks how much processor time the thread has had. A timer of
    processor time would ring by itself, but where a virtual machine is stopped and goes on it may ring again
    and again, also when it has been switched off. Each ring is set when the one before was heard, and counts
    for no more than the time between two: a clock that jumps costs an item one ring.

    Args:
        seconds: of processor time until time is up; waiting may take `PATIENCE` times as long.
    """

    def __init__(self, seconds: float) -> None:
        self._between = seconds / _RINGS
        self._left, self._waiting = seconds, PATIENCE * _RINGS  # processor time, rings
        self._stopped = False

    def set(self) -> None:
        """Begins."""
        self._looked = time.thread_time()
        signal.setitimer(signal.ITIMER_REAL, self._between)

    def stop(self) -> None:
        """Never rings again."""
        self._stopped = True
        signal.setitimer(signal.ITIMER_REAL, 0)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Hears a ring."""
        if self._stopped:
            return
        now = time.thread_time()
        self._left -= min(now - self._looked, self._between)
        self._waiting -= 1
        self._looked = now
        up = self._left < self._between / 2 or self._waiting <= 0
        signal.setitimer(signal.ITIMER_REAL, 1.0 if up else self._between)
        if up:  # again and again: code that swallows the first does not get away with it
            raise _TimeUp


def _limit_memory(megabytes: int) -> None:
    """Limits the address space to what it is now and so much more, where the system can."""
    try:
        import resource

        with open("/proc/self/statm") as stream:
            pages = int(stream.read().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + megabytes * 2**20
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (ImportError, OSError, ValueError):
        pass


def _limit_processor(seconds: float) -> None:
    """Lets the system end this process when it has taken so many more seconds of processor time."""
    try:
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = math.ceil(used.ru_utime + used.ru_stime + seconds)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))
    except (ImportError, OSError, ValueError):
        pass


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
