from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.metrics import structure
from hrpe_jax.metrics.arrays import piece_of, window
from hrpe_jax.metrics.compare import ROWS, Comparison, compare
from hrpe_jax.metrics.registry import METRICS
from hrpe_jax.score.score import Score
from hrpe_jax.theory.meter import Meter
from tests.metrics.music import tune

REAL = [tune(seed) for seed in range(30)]
MADE = [tune(seed, name=f"made{seed}") for seed in range(100, 112)]


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compare(MADE, REAL, draws=50)


def test_every_metric_has_every_row(found: Comparison) -> None:
    assert [metric["name"] for metric in found.metrics] == [metric.name for metric in METRICS]
    for metric in found.metrics:
        assert tuple(row["set"] for row in metric["rows"]) == ROWS
        for row in metric["rows"]:
            assert (row["value"] is None) == ("reason" in row)
            if row["value"] is not None and row["low"] is not None:
                assert row["low"] <= row["value"] <= row["high"]


def test_it_is_strict_json_and_depends_on_the_seed_only(found: Comparison) -> None:
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert text == json.dumps(compare(MADE, REAL, draws=50).to_dict())
    assert text != json.dumps(compare(MADE, REAL, draws=50, seed=1).to_dict())


def test_distances_are_at_the_same_number_of_pieces(found: Comparison) -> None:
    assert found.settings["bars"] == 8
    assert {row["n"] for row in found.metric("ssmd")["rows"]} == {12}
    assert {row["n"] for row in found.metric("gs16")["rows"]} == {12}
    assert {row["n"] for row in compare(REAL, REAL, draws=10).metric("ssmd")["rows"]} == {15}


def test_made_of_the_same_kind_is_as_near_as_real(found: Comparison) -> None:
    for name in ("ssmd_silence", "energy_silence", "se_silence"):
        made, real = found.row(name, "generated"), found.row(name, "real")
        assert made["value"] < found.row(name, "shuffled")["value"]
        assert real["low"] <= made["value"] <= 2 * real["high"]
        assert all(pair["holds"] for pair in found.metric(name)["order"])


def test_a_loop_and_silence_are_one_to_plain_ssmd(found: Comparison) -> None:
    assert found.row("ssmd", "loop")["value"] == pytest.approx(found.row("ssmd", "silence")["value"])
    assert found.row("ssmd_silence", "loop")["value"] < 0.99 * found.row("ssmd_silence", "silence")["value"]


def test_paired_ssmd_rewards_silence(found: Comparison) -> None:
    order = {
        (pair["nearer"], pair["farther"]): pair["holds"] for pair in found.metric("ssmd_paired_l1")["order"]
    }
    assert not order["loop", "silence"]
    assert not next(metric for metric in METRICS if metric.name == "ssmd_paired_l1").recommended


def test_transposed_pieces_are_the_same_music(found: Comparison) -> None:
    for metric in found.metrics:
        real, moved = found.row(metric["name"], "real"), found.row(metric["name"], "transposed")
        if metric["kind"] != "pair":
            assert moved["value"] == pytest.approx(real["value"], abs=1e-6)


@pytest.mark.parametrize(
    ("made", "real", "reason"),
    [
        ([], REAL, "no generated piece is left to measure"),
        (MADE, [], "real music has 0 pieces to measure, and the floor, real against real, needs 2"),
        (MADE, REAL[:1], "real music has 1 pieces to measure, and the floor, real against real, needs 2"),
        ([], [], "real music has 0 pieces to measure, and the floor, real against real, needs 2"),
        ([tune(0, 2)], [tune(1, 2)], "real music has 0 pieces to measure"),
    ],
)
def test_no_structure_metric_without_its_controls(made: list[Score], real: list[Score], reason: str) -> None:
    result = compare(made, real, draws=10)
    json.dumps(result.to_dict(), allow_nan=False)
    for metric in result.metrics:
        if metric["group"] == "structure":
            row = metric["rows"][0]
            assert row["value"] is None
            if metric["kind"] == "set":
                assert reason in row["reason"]


def test_one_single_piece_has_values_without_intervals() -> None:
    result = compare(MADE[:1], REAL[:4], draws=10)
    row = result.row("ctr", "generated")
    assert row["value"] is not None
    assert row["low"] is row["high"] is None
    assert result.row("ssmd", "generated")["low"] is None
    assert any("one single piece" in note for note in result.notes)


def test_what_is_left_out_is_counted() -> None:
    short, waltz = tune(1, 4, name="short"), tune(2, 8, Meter(3, 4), name="waltz")
    empty = replace(tune(3), melody=(), chords=(), id="empty")
    made = [*MADE, short, waltz, empty]
    account = compare(made, REAL, bars=8, draws=10).to_dict()["sets"]["generated"]
    assert (account["given"], account["used"]) == (15, 12)
    assert account["left_out"] == [
        {"id": "short", "reason": "it is shorter than 8 bars"},
        {"id": "waltz", "reason": "it is in 3/4, not in 4/4"},
        {"id": "empty", "reason": "it is empty"},
    ]
    every = compare(made, REAL, bars=8, meter="all", draws=10)
    assert every.sets["generated"]["used"] == 13


def test_pieces_without_chords_or_melody() -> None:
    bare = [replace(score, chords=()) for score in MADE]
    chords_only = [replace(score, melody=()) for score in MADE]
    result = compare(bare, REAL, draws=10)
    assert result.row("ctd", "generated")["reason"] == "it has no chords"
    assert result.row("h1", "generated")["value"] is not None
    assert "generated: 12 pieces have no chords; chords and harmony leave them out" in result.notes
    result = compare(chords_only, REAL, draws=10)
    assert result.row("ssmd_silence", "generated")["reason"] == "no generated piece has a melody"
    assert result.row("ctd", "generated")["value"] is not None
    assert result.row("gs16", "generated")["reason"] == "it has no melody"
    assert result.row("ssmd", "generated")["left_out"] == {"it has no melody": 12}


def test_distances_take_a_limited_number_of_pieces() -> None:
    result = compare(MADE, REAL, draws=10, limit=8)
    assert {row["n"] for row in result.metric("ssmd")["rows"]} == {4}
    assert result.row("gs16", "real")["used"] == 30
    pairs = result.row("ssmd_paired_l1", "real")
    assert (pairs["used"], pairs["left_out"]) == (8, {"8 others are enough for a distance": 22})
    assert [len(values) for values in result.metric("ssmd_paired_l1")["per_piece"].values()] == [
        12,
        *[30] * 7,
    ]


def test_generated_pieces_are_paired_with_their_own_targets() -> None:
    result = compare(REAL[:5], REAL, draws=10)
    assert result.settings["pairing"] == "each generated piece with the real piece of its id"
    assert result.row("ssmd_paired_l1", "generated")["value"] == pytest.approx(0, abs=1e-5)
    assert "random" in compare(MADE, REAL, draws=10).settings["pairing"]


def test_settings_are_checked() -> None:
    with pytest.raises(UserError, match="bars 1: expected 2 or more"):
        compare(MADE, REAL, bars=1)
    with pytest.raises(UserError, match="draws 1, limit 1000: expected 2 or more"):
        compare(MADE, REAL, draws=1)


def test_pictures(found: Comparison) -> None:
    for name in ROWS:
        ssm = np.array(found.mean_ssms[name])
        assert ssm.shape == (8, 8)
        np.testing.assert_allclose(ssm, ssm.T)
        curve = found.lag_curves[name]
        lags = [np.diagonal(ssm, lag).mean() for lag in range(1, 8)]
        np.testing.assert_allclose(curve["mean"], lags, atol=2e-4)
        assert np.all(np.array(curve["low"]) <= np.array(curve["mean"]) + 1e-6)
    away = found.typicality
    assert [len(away["generated"]), len(away["reference"])] == [12, 30]
    assert piece_of(MADE[0]).id == found.ids["generated"][0]


def test_typicality_is_the_mean_distance_from_other_real_pieces() -> None:
    found = compare(MADE[:3], REAL[:4], bars=8, draws=10)
    made, real = ([structure.bar_ssm(window(score, 8)) for score in part] for part in (MADE[:3], REAL[:4]))

    def away(ssm: np.ndarray, others: list[np.ndarray]) -> float:
        return 100 * float(np.mean([np.abs(ssm - other).mean() for other in others]))

    assert found.typicality["generated"] == pytest.approx([away(ssm, real) for ssm in made], rel=1e-4)
    expected = [away(ssm, real[:n] + real[n + 1 :]) for n, ssm in enumerate(real)]
    assert found.typicality["reference"] == pytest.approx(expected, rel=1e-4)
    assert compare(MADE[:3], REAL[:1], bars=8, draws=10).typicality["reference"] == [None]
