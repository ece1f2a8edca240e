from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.metrics import rhythm
from hrpe_jax.metrics.arrays import Undefined
from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def song(onsets: list[int], bar_resets: tuple[int, ...] = (), pitches: list[int] | None = None) -> Score:
    notes = tuple(
        Note(onset, 1, pitch) for onset, pitch in zip(onsets, pitches or [60] * len(onsets), strict=True)
    )
    return Score("t", "", Key(0, "major"), Meter(4, 4), 120.0, notes, (), bar_resets=bar_resets)


QUARTERS, EIGHTHS = list(range(0, 48, 12)), list(range(0, 48, 6))


@pytest.mark.parametrize(
    ("positions", "expected"), [(16, 0.83333), (48, 0.94444), (None, 0.94444), (64, 0.95833)]
)
def test_grooving_similarity_golden(positions: int | None, expected: float) -> None:
    # Two rhythms by turns; a piece that ends on the bar line gains no empty bar.
    onsets = [48 * bar + onset for bar in range(4) for onset in (QUARTERS, EIGHTHS)[bar % 2]]
    assert rhythm.onset_matrix(song(onsets), positions).shape == (4, positions or 48)
    assert rhythm.grooving_similarity(song(onsets), positions) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize("last", [1, 3, 11, 12])
def test_equal_bars_are_equal_wherever_the_last_note_ends(last: int) -> None:
    notes = [Note(48 * bar + onset, 3, 60) for bar in range(4) for onset in QUARTERS]
    notes[-1] = Note(notes[-1].onset, last, 60)
    score = Score("t", "", Key(0, "major"), Meter(4, 4), 120.0, tuple(notes), ())
    assert rhythm.grooving_similarity(score) == rhythm.groove_consistency(score) == 1


@given(st.integers(2, 6), st.sampled_from([4, 16, 48]), st.integers(0, 2**32 - 1))
def test_grooving_similarity_against_the_formula(bars: int, positions: int, seed: int) -> None:
    played = np.random.default_rng(seed).random((bars, 48)) < 0.2
    played[-1, 0] = True
    score = song(np.flatnonzero(played).tolist())
    onsets = rhythm.onset_matrix(score, positions)
    pairs = [1 - np.mean(onsets[a] ^ onsets[b]) for a in range(bars) for b in range(a)]
    assert rhythm.grooving_similarity(score, positions) == pytest.approx(np.mean(pairs))
    adjacent = [1 - np.mean(onsets[a] ^ onsets[a + 1]) for a in range(bars - 1)]
    assert rhythm.groove_consistency(score, positions) == pytest.approx(np.mean(adjacent))


def test_full_bars() -> None:
    assert rhythm.full_bar_share(song([0, 47, 48, 95])) == 1.0
    assert rhythm.full_bar_share(song([0, 12, 60, 100], bar_resets=(12,))) == pytest.approx(2 / 3)


def test_nothing_to_compare() -> None:
    with pytest.raises(Undefined, match="it is empty"):
        rhythm.full_bar_share(song([]))
    for metric in (rhythm.grooving_similarity, rhythm.groove_consistency):
        with pytest.raises(Undefined, match="fewer than two bars"):
            metric(song([0, 12]))


def test_gs_histogram_sees_how_many_onsets_not_where() -> None:
    early = song([0, 3, 6, 93])
    assert rhythm.gs_histogram(early, early) == pytest.approx(1)
    # 32 sixteenths, four onsets: 28 times 0 and four times 1/2, in any order.
    assert rhythm.gs_histogram(early, song([0, 48, 60, 93])) == pytest.approx(1)
    # Against nine onsets: 23 zeros in common, no other value.
    nine = song([*range(0, 48, 6), 93])
    assert rhythm.gs_histogram(early, nine) == pytest.approx(23 / 32)
