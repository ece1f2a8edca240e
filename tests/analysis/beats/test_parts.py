"""Parts of beat finding: the best bars against all bars, grids against notes put on them, meters as laid."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hrpe_jax.analysis.beats.find_bars import (
    HALF,
    RESET,
    best_bars,
    find_bars,
    given_score,
    lay_beats,
    meter_spans,
)
from hrpe_jax.analysis.beats.given_beats import file_grids
from hrpe_jax.analysis.beats.track import NoteTable
from hrpe_jax.theory.meter import Meter

_ROLES = {3: (0, 2, 2), 4: (0, 2, 1, 2)}


def _notes(onset: np.ndarray, length: np.ndarray) -> NoteTable:
    order = np.argsort(onset, kind="stable")
    onset, length = onset[order], length[order]
    count = len(onset)
    return NoteTable(
        onset, onset + length, np.full(count, 60), np.full(count, 64), np.zeros(count, dtype=bool)
    )


def _all_bars(scores: np.ndarray, size: int) -> float:
    """The best total of any way to lay bars: a first part of a bar, then bars of `size` or shorter."""
    count = len(scores)
    best = -np.inf
    for lines in itertools.product([False, True], repeat=count):
        starts = np.flatnonzero(lines).tolist()
        if not starts or starts[0] >= size or any(np.diff([*starts, count]) > size):
            continue
        total, phase, cost = 0.0, starts[0] - size, 0.0
        for beat in range(count):
            if lines[beat]:
                length = beat - phase
                cost += 0.0 if length == size else HALF if 2 * length == size else RESET
                phase = beat
            total += scores[beat, _ROLES[size][beat - phase]]
        best = max(best, total - cost)
    return best


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_no_bars_are_better_than_the_best(size, seed):
    scores = np.random.default_rng(seed).normal(0, 6, (10, 3))
    nats, starts = best_bars(scores, size)
    assert nats * len(scores) == pytest.approx(_all_bars(scores, size))
    assert starts[0] < size
    assert max(np.diff(starts), default=size) <= size


def test_given_bars_score_as_found_ones_do():
    scores = np.random.default_rng(0).normal(0, 1, (40, 3))
    scores[::4, 0] += 6
    nats, size, starts = find_bars(scores)
    assert (size, starts) == (4, list(range(0, 40, 4)))
    assert given_score(scores, starts) == pytest.approx(nats)
    assert given_score(scores, range(1, 40, 4)) < nats


@pytest.mark.parametrize("step", [1 / 4, 1 / 3, 1 / 2])
@pytest.mark.parametrize("offset", [0.0, 0.2, 0.45])
def test_notes_on_a_grid_show_it(step, offset):
    places = np.arange(0, 80, step) + 3 + offset
    length = np.where(np.isclose(np.round(places - offset), places - offset), 0.9, 0.2)
    grids = file_grids(_notes(places * 480, length * 480), 480)
    loudest = max(grids, key=lambda grid: grid.sound)
    assert abs((loudest.offset / 480 - offset + 0.5) % 1.0 - 0.5) < 1e-6
    assert loudest.own == (offset == 0.0)


def test_notes_on_no_grid_show_none():
    random = np.random.default_rng(5)
    places = np.sort(random.uniform(0, 100, 500))
    assert file_grids(_notes(places * 480, np.full(500, 100.0)), 480) == []


def test_another_tempo_is_not_surely_the_files():
    places = np.arange(0, 120, 0.75) + 0.1  # eighths at 80 a minute in a file that says 120
    grids = file_grids(_notes(places * 480, np.full(len(places), 300.0)), 480)
    assert grids
    assert not any(grid.sure for grid in grids)


def test_meters_that_cannot_be_are_left_out_or_spoil_the_rest():
    assert meter_spans(((0, 1, 4),), 480, 64.0) is None
    assert meter_spans(((0, 5, 32),), 480, 64.0) is None
    assert meter_spans((), 480, 64.0) is None
    spans = meter_spans(((0, 1, 4), (480, 4, 4)), 480, 64.0)
    assert [(span.start, span.end, str(span.meter)) for span in spans] == [(0, 1, "1/4"), (1, 64, "4/4")]


def test_a_meter_that_begins_late_has_its_bar_line_there():
    spans = meter_spans(((2 * 480, 3, 4),), 480, 32.0)
    laid = lay_beats(spans, 0.0, 32.0, 0.5)
    assert laid.places[laid.bars][:4].tolist() == [0, 2, 5, 8]
    assert laid.meter == Meter(3, 4)


def test_bars_cut_short_by_a_change_keep_their_beats():
    spans = meter_spans(((0, 7, 8), (6 * 480, 4, 4)), 480, 32.0)
    laid = lay_beats(spans, 0.0, 32.0, 0.5)
    assert laid.places[laid.bars][:4].tolist() == [0, 3.5, 6, 10]
    assert laid.beat_ticks == 6
    assert laid.places[-1] == 32
