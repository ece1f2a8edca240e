"""What must not change a metric: the key, the tempo, the order of the pieces, each of them being there
twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.metrics.arrays import Undefined, piece_of
from hrpe_jax.metrics.compare import compare
from hrpe_jax.metrics.degraded import transpose
from hrpe_jax.metrics.registry import METRICS, Metric
from hrpe_jax.metrics.structure import bar_ssm, energy_distance, similarity_error, statistical_ssmd
from hrpe_jax.score.score import Score
from tests.metrics.music import tune, tunes

SINGLE = [metric for metric in METRICS if metric.kind == "piece"]
PAIRED = [metric for metric in METRICS if metric.kind == "pair"]
SETS = (statistical_ssmd, energy_distance, similarity_error)


def value(metric: Metric, *scores: Score) -> float | str:
    try:
        return metric.function(*scores, **metric.options)
    except Undefined as reason:
        return str(reason)


@settings(max_examples=15)
@given(tunes, st.integers(-11, 11), st.floats(20, 400))
def test_key_and_tempo(score: Score, by: int, tempo: float) -> None:
    other = replace(score.transpose(by), tempo_bpm=tempo)
    for metric in SINGLE:
        assert value(metric, other) == pytest.approx(value(metric, score)), metric.name
        assert value(metric, transpose(piece_of(score), by)) == pytest.approx(value(metric, score)), (
            metric.name
        )
    for metric in PAIRED:
        target = tune(1)
        assert value(metric, other, target) == pytest.approx(value(metric, score, target), abs=1e-4), (
            metric.name
        )


@settings(max_examples=15)
@given(tunes, tunes)
def test_paired_metrics_are_distances(first: Score, second: Score) -> None:
    for metric in PAIRED:
        same = 1 if metric.name == "gs_histogram" else 0
        assert value(metric, first, first) == pytest.approx(same, abs=1e-5)
        assert value(metric, first, second) == pytest.approx(value(metric, second, first), abs=1e-5)


def ssms(seeds: list[int]) -> np.ndarray:
    return np.stack([bar_ssm(tune(seed)) for seed in seeds])


@settings(max_examples=15)
@given(st.permutations(range(6)), st.lists(st.integers(0, 20), min_size=1, max_size=5))
def test_sets_have_no_order_and_count_shares(order: list[int], seeds: list[int]) -> None:
    real, made = ssms(list(range(6))), ssms(seeds)
    for distance in SETS:
        expected = distance(made, real)
        assert distance(made, real[list(order)]) == pytest.approx(expected, abs=1e-4)
        assert distance(np.concatenate([made, made]), real) == pytest.approx(expected, abs=1e-4)
        assert distance(real, made) == pytest.approx(expected, abs=1e-4)
        assert distance(real, real) == pytest.approx(0, abs=1e-4)


def test_values_of_a_comparison_do_not_depend_on_the_order_of_pieces() -> None:
    real, made = [tune(seed) for seed in range(12)], [tune(seed) for seed in range(20, 28)]
    found = compare(made, real, draws=10)
    turned = compare(made[::-1], real[::-1], draws=10)
    for metric in SINGLE:
        for of in ("generated", "real"):
            a, b = (result.row(metric.name, of)["value"] for result in (found, turned))
            assert a == pytest.approx(b), (metric.name, of)


def test_every_metric_says_what_it_is() -> None:
    for metric in METRICS:
        described = metric.describe()
        assert described["definition"].partition(" Formula: ")[0].endswith("."), (
            metric.name
        )  # a whole sentence
        for part in ("definition", "range", "direction", "source"):
            assert len(described[part]) > 10, (metric.name, part)
        assert metric.recommended or metric.remark, metric.name
    assert len({metric.name for metric in METRICS}) == len(METRICS)
