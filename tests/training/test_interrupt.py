"""A signal saves and stops; a second one stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.checkpoints.format import checkpoint_folder, whole_steps
from hrpe_jax.errors import Stopped
from hrpe_jax.training.guards import stop_request
from tests.training import dummy
from tests.training.test_loop import read_lines, same_params


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    """Shells start background jobs with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Signalled(dummy.Batches):
    """Sends a signal to its own process when a batch is drawn."""

    def __init__(self, step: int, number: int) -> None:
        super().__init__()
        self._at, self._number = step, number

    def __next__(self) -> dict[str, np.ndarray]:
        if self.step == self._at:
            signal.raise_signal(self._number)
        return super().__next__()


@pytest.mark.parametrize(("number", "code", "step"), [(signal.SIGTERM, 143, 4), (signal.SIGINT, 130, 11)])
def test_a_signal_saves_where_the_run_is(
    whole: Path, tmp_path: Path, number: int, code: int, step: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with pytest.raises(
        Stopped, match=f"melody at step {step + 1} of 12, saved in .*goes on from there"
    ) as stop:
        dummy.train(tmp_path, batches=Signalled(step, number))
    assert stop.value.code == code
    assert (
        f"{signal.Signals(number).name}: saving, then stopping (again: at once)\n" in capfd.readouterr().err
    )
    assert signal.getsignal(number) is before
    assert whole_steps(checkpoint_folder(tmp_path, "melody"))[-1] == step + 1
    assert dummy.train(tmp_path).resumed == step + 1
    assert read_lines(tmp_path) == read_lines(whole)
    same_params(tmp_path, whole, 12)


def test_a_second_signal_stops_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    with stop_request() as stop:
        assert not stop.reached(1)
        signal.raise_signal(signal.SIGTERM)
        assert stop.reached(2)
        signal.raise_signal(signal.SIGINT)
    assert codes == [130]
    assert "stopped at once; the last whole checkpoint stands\n" in capfd.readouterr().err


def test_a_job_in_the_background_keeps_ignoring_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_request() as stop:
        signal.raise_signal(signal.SIGINT)
        assert not stop.reached(1)
