"""The process pool: order does not matter, crashes cost one item."""

from __future__ import annotations

import signal

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
