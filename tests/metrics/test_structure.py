from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.metrics import distances, structure
from hrpe_jax.metrics.distances import Draws, mean_interval, summary
from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.metrics.music import tune, tunes


def song(notes: list[tuple[int, int, int]]) -> Score:
    return Score("t", "", Key(0, "major"), Meter(4, 4), 120.0, tuple(Note(*note) for note in notes), ())


def test_bars_are_sets_of_notes() -> None:
    # Bar 0: C, E. Bar 1: C, a longer E. Bar 2: empty. Bar 3: the same as bar 0.
    score = song([(0, 12, 60), (12, 12, 64), (48, 12, 60), (60, 24, 64), (144, 12, 60), (156, 12, 64)])
    third = 1 / 3
    expected = [[1, third, 0, 1], [third, 1, 0, third], [0, 0, 1, 0], [1, third, 0, 1]]
    np.testing.assert_allclose(structure.bar_ssm(score), expected, rtol=1e-6)
    with_silence = structure.bar_ssm(score, silence=True)
    np.testing.assert_allclose(with_silence[:-1, :-1], expected, rtol=1e-6)
    np.testing.assert_array_equal(with_silence[-1], [0, 0, 1, 0, 1])
    np.testing.assert_allclose(structure.lag_curve(np.array(expected)), [third / 3, third / 2, 1])
    np.testing.assert_allclose(structure.lag_curve(with_silence, silence=True)[-1], 1 / 4)


@settings(max_examples=20)
@given(tunes)
def test_bar_ssm_against_sets(score: Score) -> None:
    starts = score.bar_starts()
    bars = [
        {(n.onset - s, n.duration, n.pitch) for n in score.melody if s <= n.onset < s + 48} for s in starts
    ]
    expected = [[len(a & b) / len(a | b) if a | b else 1 for b in bars] for a in bars]
    np.testing.assert_allclose(structure.bar_ssm(score), expected, rtol=1e-6)


def test_distances_of_sets_by_hand() -> None:
    ones, half = np.ones((1, 2, 2)), np.array([[[1, 0.5], [0.5, 1]]])
    assert structure.statistical_ssmd(ones, half) == pytest.approx(25)
    assert structure.similarity_error(ones, half) == pytest.approx(0.5)
    assert structure.energy_distance(ones, half) == pytest.approx(50)
    # Their mean is the same as that of two halves, their spread is not.
    both = np.concatenate([ones, 2 * half - ones])
    assert structure.statistical_ssmd(both, half) == pytest.approx(0)
    assert structure.energy_distance(both, half) == pytest.approx(2 * 25 - 25)


@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 99))
def test_mean_distances(count: int, features: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.random((count, features)), rng.random((3, features))
    expected = np.abs(x[:, None] - y).mean(axis=2)
    # In single precision, of numbers up to 1: small distances are differences of large numbers.
    np.testing.assert_allclose(structure.mean_distances(x, y, block=2), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("silence", [False, True])
def test_draws_give_what_the_plain_functions_give(silence: bool) -> None:
    names = {"real": range(9), "generated": range(20, 25), "shuffled": range(40, 49)}
    ssms = {
        name: np.stack([structure.bar_ssm(tune(seed), silence=True) for seed in seeds])
        for name, seeds in names.items()
    }
    draws = Draws.make(9, 5, 4, 0)
    assert draws.n == 4
    tool = distances.SsmDistances(draws, ssms, silence)
    energy, away = tool.energy(distances.PairSums(ssms))
    found = (tool.ssmd(), tool.similarity_error(), energy)
    plain = (
        structure.statistical_ssmd,
        lambda a, b: structure.similarity_error(a, b, silence),
        structure.energy_distance,
    )
    used = {name: ssm if silence else ssm[:, :-1, :-1] for name, ssm in ssms.items()}
    for row in range(4):
        yardstick = used["real"][draws.yardstick[row]]
        assert not set(draws.yardstick[row]) & set(draws.held_out[row])
        for measured, function in zip(found, plain, strict=True):
            for name, indices in (
                ("real", draws.held_out),
                ("shuffled", draws.held_out),
                ("generated", draws.subset),
            ):
                expected = function(used[name][indices[row]], yardstick)
                assert measured[name].values[row] == pytest.approx(expected, rel=1e-3, abs=1e-4)
            assert measured["generated"].resampled is not None
    expected_away = [np.abs(used["real"] - ssm).mean() * 100 for ssm in used["generated"]]
    np.testing.assert_allclose(away["generated"], expected_away, rtol=1e-4)


def test_wasserstein_distance_of_values() -> None:
    draws = Draws.make(6, 3, 5, 0)
    real, made = np.arange(6.0), np.array([10.0, 11.0, 12.0])
    found = distances.value_distances(draws, real, made, generated=True).values
    expected = [11 - real[row].mean() for row in draws.yardstick]  # all are farther right
    np.testing.assert_allclose(found, expected)
    same = distances.value_distances(draws, real, real + 1, generated=False).values
    apart = [
        np.abs(np.sort(real[b] + 1) - np.sort(real[a])).mean()
        for a, b in zip(draws.yardstick, draws.held_out, strict=True)
    ]
    np.testing.assert_allclose(same, apart)


def test_interval_of_a_mean_covers_it() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = mean_interval(rng.normal(3, 2, 40), 300, seed)
        covered += low <= 3 <= high
    assert 0.88 <= covered / 200 <= 0.99
    low, high = mean_interval(rng.normal(3, 2, 400), 1000, 0)
    assert high - low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15)


def test_resampled_distances_lend_their_spread_only() -> None:
    found = summary(np.array([1.0, 1.0]), np.array([2.0, 4.0]))
    assert found["value"] == 1
    assert (found["low"], found["high"]) == (pytest.approx(0.05), pytest.approx(1.95))


def test_paired_ssmd_by_hand() -> None:
    # Two half beats each: C C, and C D. The SSMs differ in two of four entries by 1.
    same, other = song([(0, 6, 60), (6, 6, 72)]), song([(0, 6, 60), (6, 6, 62)])
    found = structure.paired_ssmd(same, other)
    frames = 8  # of a bar; the other six are silent in both
    assert found == pytest.approx(100 * 2 / frames**2)
    assert structure.paired_ssmd(same, other, "l2") == pytest.approx(100 * 2 / frames**2)
    assert structure.chroma(same, 6)[:2, 0].tolist() == [6, 6]
