from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.metrics import rhythm
from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def song(onsets: list[int], bar_resets: tuple[int, ...] = (), pitches: list[int] | None = None) -> Score:
    notes = tuple(
        Note(onset, 1, pitch) for onset, pitch in zip(onsets, pitches or [60] * len(onsets), strict=True)
    )
    return Score("t", "", Key(0, "major"), Meter(4, 4), 120.0, notes, (), bar_resets=bar_resets)


QUARTERS, EIGHTHS = list(range(0, 48, 12)), list(range(0, 48, 6))


@pytest.mark.parametrize(("positions", "expected"), [(16, 0.83333), (48, 0.94444), (None, 0.94444)])
def test_grooving_similarity_golden(positions: int | None, expected: float) -> None:
    # METRICS of two alternating rhythms; a piece that ends on the bar line gains no empty bar.
    onsets = [48 * bar + onset for bar in range(4) for onset in (QUARTERS, EIGHTHS)[bar % 2]]
    matrix = rhythm.onset_matrix(song(onsets), positions)
    assert matrix.shape == (4, positions or 48)
    assert rhythm.grooving_similarity(matrix) == pytest.approx(expected, abs=5e-6)


@given(st.integers(2, 6), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_grooving_similarity_against_the_formula(bars: int, positions: int, seed: int) -> None:
    onsets = np.random.default_rng(seed).random((bars, positions)) < 0.4
    pairs = [1 - np.mean(onsets[a] ^ onsets[b]) for a in range(bars) for b in range(a)]
    assert rhythm.grooving_similarity(onsets) == pytest.approx(np.mean(pairs))


def test_full_bars() -> None:
    assert rhythm.full_bar_share(song([0, 47, 48, 95])) == 1.0
    assert rhythm.full_bar_share(song([0, 12, 60, 100], bar_resets=(12,))) == pytest.approx(2 / 3)
    assert math.isnan(rhythm.full_bar_share(song([])))


def test_pitch_class_entropy() -> None:
    score = song([0, 12, 48, 144], pitches=[60, 67, 60, 72])
    assert rhythm.pitch_class_entropy(score) == pytest.approx((1 + 0 + 0) / 3)  # the third bar is empty
    third = -(1 / 3 * math.log2(1 / 3) + 2 / 3 * math.log2(2 / 3))
    assert rhythm.pitch_class_entropy(score, 3) == pytest.approx((third + 0) / 2)
    assert math.isnan(rhythm.pitch_class_entropy(song([])))
