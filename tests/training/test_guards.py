"""A stall is told once, with the place; steps that end are not one."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from hrpe_jax.training.guards import Watchdog, position


def wait_for(lines: list[str], count: int) -> None:
    end = time.monotonic() + 20
    while len(lines) < count and time.monotonic() < end:
        time.sleep(0.005)


def test_a_stall_is_told_once_and_again_after_a_beat() -> None:
    lines: list[str] = []
    with Watchdog(0.05, lines.append) as watchdog:
        wait_for(lines, 1)
        time.sleep(0.2)
        assert len(lines) == 1
        assert "no step has ended for 0 s; the program stands at " in lines[0]
        watchdog.beat()
        wait_for(lines, 2)
        assert len(lines) == 2
        assert list(watchdog.watching([1, 2])) == [1, 2]
    assert threading.active_count() >= 1
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}


def test_it_can_be_turned_off() -> None:
    lines: list[str] = []
    with Watchdog(0, lines.append) as watchdog:
        time.sleep(0.05)
        watchdog.beat()
    assert lines == []


def test_the_place_is_the_innermost_line_of_the_package() -> None:
    from hrpe_jax.utils.schema import suggestion

    places: list[str] = []

    def words():  # consumed inside of hrpe_jax.utils.schema.suggestion
        import sys

        places.append(position(sys._getframe()))
        yield "word"

    suggestion("wrod", words())
    assert places[0].startswith("hrpe_jax/utils/schema.py:")
    assert "(known = list(known)), in " in places[0]
    assert Path(__file__).name in places[0]
    assert position(None) == "an unknown place"
