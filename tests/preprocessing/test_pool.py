"""The process pool: order does not matter, crashes cost one item."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from hrpe_jax.preprocessing import pool
from hrpe_jax.preprocessing.pool import map_files


def _failed(item: object, reason: str, detail: str) -> tuple[object, str]:
    assert detail
    return item, reason


@pytest.mark.parametrize("workers", [0, 2])
def test_every_item_is_mapped(workers: int):
    items = list(range(-30, 10))
    results = dict(map_files(abs, items, workers=workers, failed=_failed))
    assert results == {index: abs(item) for index, item in enumerate(items)}


def test_nothing_to_do():
    assert list(map_files(abs, [], workers=2, failed=_failed)) == []


def test_an_item_that_kills_its_process_costs_only_itself():
    """`raise_signal(0)` does nothing, `raise_signal(SIGKILL)` is what a crash in native code looks like."""
    items = [0, 0, int(signal.SIGKILL), 0]
    results = dict(map_files(signal.raise_signal, items, workers=2, failed=_failed))
    assert results == {0: None, 1: None, 2: (int(signal.SIGKILL), "crash"), 3: None}


def test_a_caller_who_stops_early_waits_for_no_more_than_what_has_begun(tmp_path):
    begun = "import pathlib, time; time.sleep(0.02); pathlib.Path({!r}).touch()"
    items = [begun.format(str(tmp_path / str(number))) for number in range(400)]
    results = map_files(exec, items, workers=1, failed=_failed)
    next(results)
    results.close()
    assert 1 <= len(list(tmp_path.iterdir())) < 100


def test_workers_end_with_a_parent_that_is_killed():
    slow = "print('begun', flush=True); import time; time.sleep(300)"
    call = f"list(map_files(exec, [{slow!r}], workers=1, failed=int))"
    code = f"from hrpe_jax.preprocessing.pool import map_files; {call}"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "begun\n"
    parent.kill()
    assert parent.communicate(timeout=60)[0] == ""  # the end of a pipe that the worker holds as well


@pytest.mark.parametrize("workers", [0, 1])
def test_an_item_that_takes_too_long_costs_only_itself(workers: int):
    results = dict(map_files(time.sleep, [0, 9, 0], workers=workers, failed=_failed, seconds=0.2))
    assert results == {0: None, 1: (9, "too_slow"), 2: None}
    busy = "while True: pass"
    results = dict(map_files(exec, ["", busy, ""], workers=workers, failed=_failed, seconds=0.2))
    assert results == {0: None, 1: (busy, "too_slow"), 2: None}


def test_a_clock_that_jumps_does_not_stop_an_item():
    """A virtual machine that was stopped and goes on may ring many times at once."""
    storm = "import signal\nfor _ in range(20): signal.raise_signal(signal.SIGALRM)"
    results = dict(map_files(exec, [storm, ""], workers=0, failed=_failed, seconds=600))
    assert results == {0: None, 1: None}
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_alarm_that_comes_late_harms_nothing():
    late = """
import signal
from hrpe_jax.preprocessing.pool import map_files
list(map_files(abs, [1], workers=0, failed=print, seconds=600))
signal.raise_signal(signal.SIGALRM)
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", late], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_who_listened_to_alarms_before_does_so_again():
    heard = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: heard.append(number))
    try:
        list(map_files(abs, [1], workers=0, failed=_failed, seconds=600))
        signal.raise_signal(signal.SIGALRM)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert heard == [signal.SIGALRM]


def test_one_that_catches_every_error_is_stopped_all_the_same(tmp_path):
    stubborn = """
import time
end = time.monotonic() + 9
while time.monotonic() < end:
    try:
        time.sleep(9)
    except Exception:
        pass
open({!r}, "w").close()
""".format(str(tmp_path / "ended"))
    results = dict(map_files(exec, [stubborn, ""], workers=1, failed=_failed, seconds=0.2))
    assert results == {0: (stubborn, "too_slow"), 1: None}
    assert not (tmp_path / "ended").exists()


def test_time_in_which_a_process_is_stopped_does_not_count():
    stopped = """
import os, subprocess, time
me = os.getpid()
subprocess.Popen(["sh", "-c", f"kill -STOP {me}; sleep 1.5; kill -CONT {me}"])
time.sleep(0.1)
"""
    results = dict(map_files(exec, [stopped, ""], workers=1, failed=_failed, seconds=0.4))
    assert results == {0: None, 1: None}


def test_one_that_hears_no_alarm_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "GRACE_SECONDS", 0.3)
    deaf = "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]); "
    for code in (deaf + "time.sleep(60)", deaf + "\nwhile True: pass"):
        results = dict(map_files(exec, ["", code, ""], workers=1, failed=_failed, seconds=0.2))
        assert results == {0: None, 1: (code, "too_slow"), 2: None}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space is limited on Linux")
def test_one_that_wants_too_much_memory_costs_only_itself():
    items = [1, 2**30, 2**20]
    results = dict(map_files(bytearray, items, workers=1, failed=_failed, megabytes=256))
    assert results[1] == (2**30, "too_much_memory")
    assert (len(results[0]), len(results[2])) == (1, 2**20)


def test_workers_that_cannot_start_are_one_clear_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "_serve", sys.exit)
    with pytest.raises(pool.UserError, match="worker processes end as soon as they start"):
        list(map_files(abs, [1], workers=1, failed=_failed))
