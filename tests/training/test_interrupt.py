"""Ctrl-C waits for what must not be broken off."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from hrpe_jax.training.interrupt import unbroken


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    """Shells start background jobs with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_comes_after_the_work() -> None:
    done = []

    def work() -> None:
        with unbroken():
            signal.raise_signal(signal.SIGINT)
            done.append("work")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["work"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_inside_comes_through() -> None:
    with pytest.raises(ValueError, match="own"), unbroken():
        raise ValueError("own")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
