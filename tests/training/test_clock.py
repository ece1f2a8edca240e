"""Speed, time spent, and how busy the device was, on a clock that the test turns."""

from __future__ import annotations

import pytest

from hrpe_jax.training.progress import Clock


class Output:
    """Of a step that has ended, or has not."""

    def __init__(self, ready: bool) -> None:
        self.is_ready = lambda: ready


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [50.0]
    monkeypatch.setattr("hrpe_jax.training.progress.time.monotonic", lambda: time[0])
    return time


def test_laps_leave_out_compilation_and_pauses(now: list[float]) -> None:
    clock = Clock(100.0)
    now[0] += 30  # compilation and the first step
    clock.ran()
    clock.begin(5.0, least=0.5)
    for newest, between in ((Output(ready=True), 0.75), (None, 0.25), (Output(ready=False), 2.0)):
        now[0] += between
        clock.hands_over(newest)
        now[0] += 7 / 3
        clock.ran()
    with clock.paused():
        now[0] += 40
    lap = clock.lap(25.0)
    assert lap == {
        "steps_per_second": pytest.approx(3 / 10),
        "events_per_second": pytest.approx(20 / 10),
        "busy": pytest.approx(1 - 1.0 / 10),
        "peak_share": pytest.approx(0.5 * 3 / 10),
        "seconds": pytest.approx(100 + 30 + 10 + 40),
    }
    now[0] += 2
    clock.hands_over(Output(True))  # the pause is over since 2 s, not since 42
    clock.ran()
    assert clock.lap(8.0)["busy"] == 0.0
    assert clock.seconds == pytest.approx(182)


def test_a_lap_without_a_timed_step_has_no_speed(now: list[float]) -> None:
    clock = Clock(0.0)
    now[0] += 7
    clock.ran()
    clock.begin(1.0, least=None)
    assert clock.lap(1.0) == {"seconds": 7.0}
