from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.metrics import recurrence
from hrpe_jax.metrics.arrays import Undefined
from hrpe_jax.metrics.registry import BY_NAME, Scapes, measure
from tests.metrics.music import tune


def families(ssm: np.ndarray, start: int, length: int) -> float:
    """Fitness of one segment, by trying every family of paths."""
    bars = len(ssm)
    paths = []  # first row, last row, score, cells

    def extend(row: int, column: int, score: float, cells: int, first: int) -> None:
        score, cells = score + ssm[row, start + column], cells + 1
        if column == length - 1:
            paths.append((first, row, score, cells))
        for down, right in ((1, 1), (2, 1), (1, 2)):
            if row + down < bars and column + right < length:
                extend(row + down, column + right, score, cells, first)

    for first in range(bars):
        extend(first, 0, 0.0, 0, first)
    best = (0.0, 0, 0)

    def choose(row: int, score: float, cells: int, covered: int) -> None:
        nonlocal best
        best = max(best, (round(score, 9), cells, covered))
        for first, last, gain, size in paths:
            if first >= row:
                choose(last + 1, score + gain, cells + size, covered + last - first + 1)

    choose(0, 0.0, 0, 0)
    score, cells, covered = best
    normal, coverage = max(0, (score - length) / max(cells, 1)), max(0, covered - length) / bars
    return 2 * normal * coverage / (normal + coverage) if normal + coverage else 0.0


@settings(max_examples=25)
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_scape_against_all_path_families(bars: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Sixteenths, so that rounding to 2^-16 is exact.
    ssm = np.where(rng.random((bars, bars)) < 0.5, rng.integers(1, 17, (bars, bars)) / 16, -1.0)
    ssm = np.triu(ssm) + np.triu(ssm, 1).T
    np.fill_diagonal(ssm, 1)
    scape = recurrence.fitness_scape(np.stack([ssm, np.eye(bars)]))[0]
    for length in range(1, bars + 1):
        for start in range(bars - length + 1):
            assert scape[length - 1, start] == pytest.approx(families(ssm, start, length)), (length, start)


def test_a_phrase_that_comes_four_times() -> None:
    # Four different bars, four times: the best segment of 4 bars explains the 12 others with score 1.
    phrase = np.eye(4) * 2 - 1
    scape = recurrence.fitness_scape(np.tile(phrase, (4, 4))[None])[0]
    normal = coverage = 12 / 16
    assert scape[3, 0] == pytest.approx(2 * normal * coverage / (normal + coverage))
    assert scape.max() == pytest.approx(scape[3, 0])


def test_batches_and_single_pieces_agree() -> None:
    pieces = [tune(seed) for seed in range(5)]
    for name in ("structureness_short", "structureness_mid", "structureness_long"):
        metric = BY_NAME[name]
        many = Scapes().measure(metric, [recurrence.piece_of(piece) for piece in pieces])
        one = measure(metric, [recurrence.piece_of(piece) for piece in pieces])
        np.testing.assert_allclose(many.number, one.number)
        assert many.defined.all()
    with pytest.raises(Undefined, match="fewer than 9 bars"):
        recurrence.structureness(pieces[0], 9)


def test_chroma_of_bars() -> None:
    ssm = recurrence.chroma_ssm(tune(3))
    assert ssm.shape == (8, 8)
    assert set(np.diag(ssm)) == {1}
    assert ((ssm == -1) | ((ssm > 0) & (ssm <= 1))).all()
