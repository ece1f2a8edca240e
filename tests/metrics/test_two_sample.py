"""The classifier two-sample test, and the two classifiers it is made of."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from hrpe_jax.metrics.arrays import piece_of
from hrpe_jax.metrics.degraded import markov_melodies
from hrpe_jax.metrics.excerpt_features import FAMILIES, features_of
from hrpe_jax.metrics.two_sample import BoostedTrees, Logistic, two_sample
from hrpe_jax.report.checks import two_sample_section, two_sample_text

from .music import tune


@pytest.fixture(scope="module")
def tunes() -> list:
    return [tune(seed, bars=16) for seed in range(48)]


def test_rhythms_with_other_lengths_are_told_apart(tunes: list) -> None:
    made = [replace(own, melody=own.melody[::3], id=f"m{own.id}") for own in tunes[:24]]
    found = two_sample(made, tunes[24:], draws=200, meter="4/4")
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["all families"]["value"] > 0.95
    assert rows["rhythm"]["value"] > rows["harmony"]["value"]
    assert list(rows) == ["all families", *FAMILIES, "control: real, real", "control: Markov melodies"]
    for row in rows.values():
        assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1
    notes = next(item for item in found["telling"] if item["name"] == "notes a bar")
    assert notes["auc"] < 0.05
    assert notes["generated"] < notes["reference"]
    json.dumps(found, allow_nan=False)
    assert "rhythm: notes a bar" in two_sample_text([found])
    assert "Can a classifier tell?" in two_sample_section([found])


def test_pieces_of_one_kind_are_not_told_apart(tunes: list) -> None:
    found = two_sample(tunes[:24], tunes[24:], draws=200)
    row = found["rows"][0]
    assert row["low"] < 0.5 < row["high"]
    assert two_sample(tunes[:24], tunes[24:], draws=200) == found, "equal seeds, equal figures"


def test_too_few_pieces_are_said(tunes: list) -> None:
    found = two_sample(tunes[:3], tunes)
    assert "fewer than 20 pieces of 16 bars" in found["reason"]
    assert "fewer than 20" in two_sample_text([found])
    assert two_sample([], [])["rows"] == []
    assert "32 bars" in two_sample(tunes, tunes, bars=32)["reason"]


def test_features_do_not_depend_on_the_key() -> None:
    for seed in range(4):
        own = tune(seed, bars=8)
        x, names = features_of([piece_of(own), piece_of(own.transpose(5))])
        moves = np.array([name == "median pitch" for _, name in names])
        np.testing.assert_allclose(x[0, ~moves], x[1, ~moves], atol=1e-9)
        assert {family for family, _ in names} == set(FAMILIES)
        assert len(set(names)) == len(names) > 150


def test_a_melody_alone_has_no_features_of_chords() -> None:
    x, names = features_of([piece_of(tune(0, bars=8, chords=False)), piece_of(tune(1, bars=8))])
    harmonic = np.array([family in ("harmony", "melody over chords") for family, _ in names])
    assert np.isnan(x[0, harmonic]).all()
    assert np.isfinite(x[1, harmonic]).mean() > 0.9


def test_logistic_regression_minimises_its_loss() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)) * [1, 5, 0.1] + [0, 3, 0]
    y = (x[:, 0] + 0.2 * rng.normal(size=200) > 0).astype(float)
    weight = rng.uniform(0.5, 2, 200)
    fitted = Logistic.fit(x, y, weight, penalty=0.1)

    def loss(weights: np.ndarray, bias: float) -> float:
        odds = Logistic(fitted.centre, fitted.scale, weights, bias).predict(x)
        share = weight / weight.sum()
        return share @ (np.logaddexp(0, odds) - y * odds) + 0.05 * (weights**2).sum()

    best = loss(fitted.weights, fitted.bias)
    for _ in range(50):
        assert loss(fitted.weights + 0.05 * rng.normal(size=3), fitted.bias + 0.05 * rng.normal()) > best


def test_trees_learn_what_no_line_parts() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, size=(600, 4))
    y = (x[:, 0] * x[:, 2] > 0).astype(float)
    trees, line = (kind.fit(x[:400], y[:400], np.ones(400)) for kind in (BoostedTrees, Logistic))
    right = [((own.predict(x[400:]) > 0) == y[400:]).mean() for own in (trees, line)]
    assert right[0] > 0.9
    assert right[1] < 0.65


def test_a_constant_feature_harms_neither() -> None:
    x = np.column_stack([np.ones(40), np.arange(40)])
    y = (np.arange(40) >= 20).astype(float)
    for kind in (Logistic, BoostedTrees):
        odds = kind.fit(x, y, np.ones(40)).predict(x)
        assert np.isfinite(odds).all()
        assert odds[:10].max() < odds[30:].min()


def test_markov_melodies_keep_bars_and_chords(tunes: list) -> None:
    pieces = [piece_of(own) for own in tunes[:5]]
    made = markov_melodies(pieces, np.random.default_rng(0))
    known = {tuple(row) for p in pieces for row in zip((p.pitch - p.tonic) % 12, p.duration, strict=True)}
    for piece, new in zip(pieces, made, strict=True):
        assert (new.chord == piece.chord).all()
        assert (np.diff(new.onset) >= new.duration[:-1]).all()
        assert new.onset[-1] < new.starts[-1] + new.lengths[-1]
        assert {d for _, d in known} >= set(new.duration.tolist())
    assert markov_melodies([], np.random.default_rng(0)) == []
