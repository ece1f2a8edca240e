"""The process pool: order does not matter, crashes cost one item."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from hrpe_jax.data.pool import map_files


@pytest.mark.parametrize("workers", [0, 2])
def test_every_item_is_mapped(workers: int):
    items = list(range(-30, 10))
    results = dict(map_files(abs, items, workers=workers, crashed=int))
    assert results == {index: abs(item) for index, item in enumerate(items)}


def test_nothing_to_do():
    assert list(map_files(abs, [], workers=2, crashed=int)) == []


def test_an_item_that_kills_its_process_costs_only_itself():
    """`raise_signal(0)` does nothing, `raise_signal(SIGKILL)` is what a crash in native code looks like."""
    items = [0, 0, int(signal.SIGKILL), 0]
    results = dict(map_files(signal.raise_signal, items, workers=2, crashed=lambda item: f"crash {item}"))
    assert results == {0: None, 1: None, 2: f"crash {int(signal.SIGKILL)}", 3: None}


def test_a_caller_who_stops_early_waits_for_no_more_than_what_has_begun():
    results = map_files(time.sleep, [0.02] * 800, workers=1, crashed=int)
    next(results)
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 6  # 16 s where all of them are waited for


def test_workers_end_with_a_parent_that_is_killed():
    slow = "print('begun', flush=True); import time; time.sleep(300)"
    code = (
        f"from hrpe_jax.data.pool import map_files; list(map_files(exec, [{slow!r}], workers=1, crashed=int))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "begun\n"
    parent.kill()
    assert parent.communicate(timeout=60)[0] == ""  # the end of a pipe that the worker holds as well
