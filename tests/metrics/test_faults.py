"""The table of faults."""

from __future__ import annotations

import json

import pytest

from hrpe_jax.metrics.faults import FAULTS, OPENING, fault_table, lengths
from hrpe_jax.report.checks import apart, fault_lines, fault_section, fault_text

from .music import tune


@pytest.fixture(scope="module")
def table() -> dict:
    made = [tune(seed, bars=16, name=f"made{seed}") for seed in range(12)]
    real = [tune(seed, bars=64, name=f"real{seed}") for seed in range(100, 112)]
    return fault_table(made, real, draws=200, meter="4/4").to_dict()


def test_it_is_strict_json_and_has_every_measure(table: dict) -> None:
    json.dumps(table, allow_nan=False)
    assert len(table["rows"]) == sum(len(fault.bars) for fault in FAULTS)
    titles = [(row["title"], row["bars"]) for row in table["rows"]]
    assert len(set(titles)) == len(titles)
    assert table["sets"]["generated"]["16"] == {"songs": 12, "excerpts": 12}
    assert str(OPENING) not in table["sets"]["generated"]
    assert lengths() == (-1, 0, 16, 32)


def test_every_measure_says_what_it_is(table: dict) -> None:
    for row in table["rows"]:
        assert row["definition"].partition("Formula: ")[2], row["title"]


def test_values_lie_in_their_intervals(table: dict) -> None:
    for row in table["rows"]:
        for name in ("generated", "reference"):
            found = row[name]
            if found["value"] is not None and found["low"] is not None:
                assert found["low"] <= found["value"] <= found["high"], row["title"]


def test_what_is_not_defined_has_a_reason(table: dict) -> None:
    rows = {(row["title"], row["bars"]): row["generated"] for row in table["rows"]}
    assert rows["best return of 8 bars", 32]["value"] is None
    assert "no piece is long enough" in rows["best return of 8 bars", 32]["reasons"]
    assert rows["a new section is new", 0]["reasons"] == {"its form is not known": 12}


def test_the_tables_show_it(table: dict) -> None:
    text = fault_text(table)
    assert "last note is held two beats" in text
    assert "not measured, since" in text
    assert "best return of 8 bars" not in [line[0] for line in fault_lines(table)]
    assert "<h2>Faults</h2>" in fault_section(table)


def test_apart_means_that_intervals_do_not_touch() -> None:
    low, high, none = {"low": 0.1, "high": 0.2}, {"low": 0.3, "high": 0.4}, {"low": None, "high": None}
    assert (apart(low, high), apart(high, low), apart(low, low), apart(none, low)) == ("low", "high", "", "")


def test_a_set_against_itself_is_not_apart() -> None:
    songs = [tune(seed, bars=64) for seed in range(20)]
    rows = fault_table(songs, songs, draws=200).to_dict()["rows"]
    assert not any(apart(row["generated"], row["reference"]) for row in rows)


def test_no_pieces_are_no_error() -> None:
    rows = fault_table([], []).to_dict()["rows"]
    assert all(row["generated"]["value"] is None for row in rows)
