"""Rhythms from behind a gap: which bars take them up, that rows keep to them, and what that costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hrpe_jax.sampling.posterior.echoes import GIVEN_WEIGHT, LAGS, given_weight, proposal_of_rows, proposals
from hrpe_jax.sampling.posterior.fill import FillRequest, fill
from hrpe_jax.sampling.posterior.fill_loop import ANY_PITCH
from hrpe_jax.sampling.posterior.spans import read_bars
from hrpe_jax.score.score import Note, Score
from tests.sampling.posterior.test_suggest import BAR, tune
from tests.sampling.tiny import planned_model


def dotted(bars: int, *which: int) -> Score:
    """The tune, with a long and a short note in some bars (from 0)."""
    score = tune(bars)
    notes = [note for note in score.melody if note.onset // BAR not in which]
    for bar in which:
        notes += [Note(BAR * bar, 36, 60 + bar), Note(BAR * bar + 36, 12, 62 + bar)]
    return replace(score, melody=tuple(sorted(notes)))


def test_each_lag_takes_up_the_bars_that_it_reaches():
    score = dotted(16, 8, 9)
    # The last note of bar 10 lasts into the next one; where it is taken up, a free bar follows.
    melody = [replace(n, duration=20) if n.onset == 10 * BAR - 12 else n for n in score.melody]
    score = replace(score, melody=tuple(n for n in melody if n.onset != 10 * BAR))
    span = read_bars(score, (5, 8))[0]
    found = proposals(score, span, ())
    assert found[0].notes == found[0].bars == ()
    assert [own.bars for own in found[1:]] == [(0, 1), (2, 3), (3,)]  # eight bars before there is nothing
    assert found[1].notes == tuple(
        (BAR * bar + at, BAR * bar + end, ANY_PITCH) for bar in (4, 5) for at, end in ((0, 36), (36, 48))
    )
    late = read_bars(score, (11, 14))[0]
    assert [own.bars for own in proposals(score, late, ())[1:]] == [(0, 1), (2, 3), (2, 3), (3,)]


def test_bars_with_kept_notes_and_endings_are_left_alone():
    score = dotted(8, 4, 5)
    span = read_bars(score, (3, 4))[0]
    assert [own.bars for own in proposals(score, span, ())[1:]] == [(0, 1), (1,)]
    assert [own.bars for own in proposals(score, span, [Note(100, 12, 60)])[1:]] == [(1,)]
    assert len(proposals(score, read_bars(score, (7, 8))[0], ())) == 1


def test_half_of_the_rows_are_free():
    numbers = proposal_of_rows(1 + len(LAGS), 32)
    assert np.bincount(numbers).tolist() == [16, 4, 4, 4, 4]
    assert proposal_of_rows(1, 8).tolist() == [0] * 8


def test_what_is_given_costs_its_share_and_what_stays_costs_all():
    lost = np.array([-2.0, -12.0, -2.0, -4.0])
    weights = given_weight(np.array([0, 1, 0, 2]), lost)
    np.testing.assert_allclose(weights, [-2, -2 - 10 * GIVEN_WEIGHT, -2, -2 - 2 * GIVEN_WEIGHT])


def test_candidates_keep_to_their_rhythm():
    score = dotted(8, 4, 5)
    span = read_bars(score, (3, 4))[0]
    found = fill(planned_model(), FillRequest(score=score, span=span, candidates=16, seed=2))
    given = proposals(score, span, ())
    numbers = proposal_of_rows(len(given), 16)
    assert any(each.echoes for each in found)
    for each in found:
        assert each.echoes == bool(numbers[each.number])
        own = given[numbers[each.number]]
        sung = [(n.onset, n.end) for n in each.notes if n.onset // BAR - 2 in own.bars]
        assert not own.bars or sung == [(onset, end) for onset, end, _ in own.notes]
