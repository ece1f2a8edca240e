"""The joint table of attributes: what is drawn agrees with what is asked, and says so where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.codec.plan import Attributes
from hrpe_jax.data.attribute_table import (
    ENOUGH,
    AttributeTable,
    Row,
    read_table,
    table_from_json,
    table_of_records,
)
from hrpe_jax.errors import UserError
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

FOUR, THREE = Meter(4, 4), Meter(3, 4)
C, G, A_MINOR = Key(0, "major"), Key(7, "major"), Key(9, "minor")


def _row(style: str, bars: int = 32, *, meter: Meter = FOUR, key: Key = C, **values: float | None) -> Row:
    usual = {"tempo": 72.0, "lowest": 60, "highest": 74, "density": 5.0, "entry": 0.0}
    return Row(meter, key, bars, Attributes(style, **(usual | values)))  # type: ignore[arg-type]


def _table() -> AttributeTable:
    """Pop is slow, and short pieces of it are dense; folk has no tempo, and waltzes; hymns are few."""
    rows = [_row("pop", 64, tempo=60.0 + at, density=4.0) for at in range(30)]
    rows += [_row("pop", 8, tempo=80.0, density=9.0, entry=-1.0) for _ in range(15)]
    rows += [_row("folk", 32, tempo=None, lowest=62, highest=81, key=G) for _ in range(20)]
    rows += [_row("folk", 32, tempo=None, meter=THREE, density=3.0) for _ in range(20)]
    rows += [_row("hymns", 16, key=A_MINOR)]
    return AttributeTable(rows, {"pop": 72.0, "folk": 116.0, "hymns": 100.0})


def test_what_is_not_asked_is_drawn_from_the_style():
    table, rng = _table(), np.random.default_rng(0)
    draws = [table.draw(Attributes("pop"), rng) for _ in range(200)]
    tempos = {draw.tempo for draw in draws}
    assert tempos <= {*range(60, 90)}
    assert len(tempos) > 20
    assert not any(draw.notes for draw in draws)
    assert {draw.attributes.style for draw in draws} == {"pop"}
    # Together, as in one piece: all short pieces are dense and begin with a pickup, no long one does.
    assert {(d.row.bars, d.attributes.density, d.attributes.entry) for d in draws} == {(64, 4, 0), (8, 9, -1)}


def test_the_same_seed_draws_the_same():
    one, other = ([_table().draw(Attributes(), np.random.default_rng(s)) for s in range(20)] for _ in "ab")
    assert one == other
    assert {draw.attributes.style for draw in one} == {"pop", "folk", "hymns"}


def test_short_pieces_have_their_own_density():
    table, rng = _table(), np.random.default_rng(0)
    assert {table.draw(Attributes("pop"), rng, bars=8).attributes.density for _ in range(50)} == {9.0}
    assert {table.draw(Attributes("pop"), rng, bars=60).attributes.density for _ in range(50)} == {4.0}
    # And a density asks for the rest that goes with it.
    assert {table.draw(Attributes("pop", density=9.5), rng).attributes.entry for _ in range(50)} == {-1.0}


def test_what_is_asked_stays_as_it_is():
    table, rng = _table(), np.random.default_rng(0)
    asked = Attributes("pop", 66.5, 59, 73, 4.2, 0.25)
    assert table.draw(asked, rng, bars=64).attributes == asked
    drawn = table.draw(Attributes("pop", tempo=300.0), rng)
    assert drawn.attributes.tempo == drawn.tempo == 300.0
    (note,) = drawn.notes
    assert note.startswith("300 quarters a minute is far from the training pieces of style pop (60 to 89); ")


def test_an_unknown_tempo_stays_unknown_and_has_one_to_play_at():
    drawn = _table().draw(Attributes("folk"), np.random.default_rng(0))
    assert (drawn.attributes.tempo, drawn.tempo) == (None, 116.0)
    # Pieces that know no tempo say nothing against one.
    asked = _table().draw(Attributes("folk", tempo=90.0), np.random.default_rng(0))
    assert (asked.tempo, asked.notes) == (90.0, ())


def test_the_range_moves_with_the_key():
    table, rng = _table(), np.random.default_rng(0)
    for key in (C, Key(2, "major"), Key(10, "major")):
        drawn = table.draw(Attributes("folk"), rng, meter=FOUR, key=key).attributes
        assert drawn.highest - drawn.lowest == 19
        assert (drawn.lowest - 62 - (key.tonic - G.tonic)) % 12 == 0
        assert abs(drawn.lowest - 62) <= 6


def test_one_end_of_a_range_keeps_the_width():
    table, rng = _table(), np.random.default_rng(0)
    high = table.draw(Attributes("pop", lowest=80), rng).attributes
    assert (high.lowest, high.highest) == (80, 94)
    low = table.draw(Attributes("pop", highest=50), rng).attributes
    assert (low.lowest, low.highest) == (36, 50)
    near = table.draw(Attributes("pop", lowest=61), rng).attributes
    assert (near.lowest, near.highest) == (61, 74)


def test_a_meter_that_the_style_hardly_has_is_said():
    table, rng = _table(), np.random.default_rng(0)
    assert table.meters("folk") == {"4/4": 20, "3/4": 20}
    assert table.draw(Attributes("folk"), rng, meter=THREE).attributes.density == 3.0
    drawn = table.draw(Attributes("pop"), rng, meter=THREE, bars=64)
    assert drawn.notes == (
        "style pop has no training pieces in 3/4; attributes are those of its other meters",
    )
    assert drawn.attributes.density == 3.0  # four notes in 4/4


def test_the_nearest_are_used_where_none_agrees_in_all():
    table, rng = _table(), np.random.default_rng(0)
    drawn = [table.draw(Attributes("pop", density=9.0), rng, bars=64) for _ in range(50)]
    assert all("few training pieces of style pop have all" in draw.notes[0] for draw in drawn)
    assert len({draw.row for draw in drawn}) <= ENOUGH


def test_an_unknown_style_is_refused():
    with pytest.raises(UserError, match="style 'rock': this model has folk, hymns, pop"):
        _table().draw(Attributes("rock"), np.random.default_rng(0))
    assert _table().tempo_range("pop") == (60.0, 89.0)
    assert _table().tempo_range("folk") is None


def test_a_table_goes_through_a_file(tmp_path: Path):
    table = _table()
    (tmp_path / "attributes.json").write_text(table.to_json())
    for path in (tmp_path, tmp_path / "attributes.json"):
        again = read_table(path)
        assert again.rows == table.rows
        assert again.default_tempo == table.default_tempo


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "no table of attributes"),
        ('{"format": 9}', "format 9: this program reads 1"),
        ("?", "no table"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, text: str, said: str):
    with pytest.raises(UserError, match=said):
        table_from_json(text)
    with pytest.raises(UserError, match=r"gone/attributes\.json: cannot read"):
        read_table(tmp_path / "gone" / "attributes.json")


def _record(style: str, bars: int, tempo: float) -> dict[str, object]:
    return {
        "metadata": {
            "key_signature_root": 9,
            "key_signature_mode": "minor",
            "time_signature_num": 3,
            "time_signature_den": 4,
            "tempo_bpm": tempo,
        },
        "event_ids": [129, *[131, 60, 152] * bars, 130],
        "attributes": Attributes(style, None, 60, 60, 1.0, 0.0).values(),
    }


def test_a_table_of_records_keeps_all_lengths_of_each_style():
    records = [_record("folk", bars, 100.0 + bars) for bars in range(1, 101)] + [_record("pop", 7, 90.0)]
    table = table_of_records(records, per_style=10)
    assert [row.bars for row in table.rows if row.attributes.style == "folk"] == list(range(1, 101, 10))
    (pop,) = (row for row in table.rows if row.attributes.style == "pop")
    assert pop == Row(THREE, A_MINOR, 7, Attributes("pop", None, 60, 60, 1.0, 0.0))
    assert table.default_tempo == {"folk": 150.5, "pop": 90.0}
    assert table_from_json(table.to_json()).rows == table.rows
    assert json.loads(table.to_json())["columns"][:4] == ["style", "meter", "key", "bars"]


def test_old_records_have_no_table():
    with pytest.raises(UserError, match="prepare it again"):
        table_of_records([{"metadata": {}, "event_ids": []}])
    with pytest.raises(UserError, match="no training piece with a melody"):
        table_of_records([])
