"""A pool of processes over files that may be anything: one that crashes its process costs only itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 16


def map_files(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    crashed: Callable[[Item], Result],
) -> Iterator[tuple[int, Result]]:
    """Applies a function to every item, in no particular order.

    Native code that reads damaged files can take its process down. Then the pool is broken and nobody knows
    whose fault it was, so what was not finished is done again one by one, each with a process to lose.

    Args:
        function: at the top level of a module (processes are spawned, not forked: the caller may run
            threads).
        items: its arguments.
        workers: processes; 0 does everything here.
        crashed: gives the result of an item that crashed its process.

    Yields:
        (index of the item, result).
    """
    if workers == 0:
        yield from ((index, function(item)) for index, item in enumerate(items))
        return
    unfinished = [range(at, min(at + CHUNK, len(items))) for at in range(0, len(items), CHUNK)]
    with _pool(min(workers, max(1, len(unfinished)))) as pool:
        futures = {pool.submit(_apply, function, [items[i] for i in part]): part for part in unfinished}
        try:
            for future in as_completed(futures):
                part = futures[future]
                yield from zip(part, future.result(), strict=True)
                unfinished.remove(part)
        except BrokenProcessPool:
            pass
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else leaving `with` would wait for all of them
            raise
    remaining = [index for part in unfinished for index in part]
    while remaining:
        with _pool(1) as pool:
            try:
                while remaining:
                    (result,) = pool.submit(_apply, function, [items[remaining[0]]]).result()
                    yield remaining.pop(0), result
            except BrokenProcessPool:
                index = remaining.pop(0)
                yield index, crashed(items[index])


def _pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)


def _begin_worker() -> None:
    """Ctrl-C reaches the whole process group, and the parent answers it; a parent that is killed cannot."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _apply(function: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [function(item) for item in items]
