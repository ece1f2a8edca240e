"""Melodies under other chords: which chords they are, and that own chords give the model's own figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hrpe_jax.codec import melody
from hrpe_jax.data.shards import open_dataset
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import parse_harte
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.workflows.evaluate_model import evaluate_model
from hrpe_jax.workflows.foreign_chords import (
    CHORD_FIELDS,
    ROWS,
    _lenders,
    borrowed,
    foreign_chords,
    late,
    under,
)


def song(names: str, key: str = "C major", meter: Meter = Meter(4, 4)) -> Score:  # noqa: B008
    bar = meter.bar_ticks
    chords = tuple(ChordSpan(n * bar, bar, parse_harte(name)) for n, name in enumerate(names.split()))
    notes = tuple(Note(at, 12, 60 + at // 12 % 5) for at in range(0, len(chords) * bar, 12))
    return Score(names, "", Key.parse(key), meter, 100.0, notes, chords)


def roots(chords: list[ChordSpan]) -> list[int]:
    return [span.chord.root for span in chords]


def test_late_chords_go_round() -> None:
    score = song("C F G A")
    assert roots(late(score, 2)) == [7, 9, 0, 5]
    assert [span.onset for span in late(score, 1)] == [0, 48, 96, 144]
    assert roots(late(score, 4)) == [0, 5, 7, 9]


def test_borrowed_chords_are_in_the_key_and_repeat() -> None:
    found = borrowed(song("C F G A C"), song("D G", "D major"))
    assert roots(found) == [0, 5] * 3
    assert [span.onset for span in found] == [48 * n for n in range(6)]


def test_a_record_under_other_chords_has_the_same_events() -> None:
    score, other = song("C F G A"), song("F C:min")
    record = melody.encode(score)
    assert under(record, score, list(score.chords)) == record
    found = under(record, score, borrowed(score, other))
    assert found["event_ids"] == record["event_ids"]
    assert any(found[name] != record[name] for name in CHORD_FIELDS)
    short = under(record, score, borrowed(score, other)[:1])
    assert short["event_ids"] == record["event_ids"]


def test_a_song_borrows_from_another_of_its_mode_and_meter() -> None:
    songs = [song("C F"), song("D G", "A minor"), song("G C", "G major"), song("E A"), song("C F", "D minor")]
    songs.append(song("C F", meter=Meter(3, 4)))
    songs.append(replace(song("C F"), chords=()))
    found = _lenders(songs, [""] * len(songs), 0)
    assert set(found) == {0, 1, 2, 3, 4}
    assert {found[1], found[4]} == {1, 4}
    assert sorted(found.values()) == sorted(found)
    assert all(own != other for own, other in found.items())
    assert _lenders(songs, ["pop", "", "folk", "", "", "", ""], 0) == {1: 4, 4: 1}


def test_own_chords_have_the_figures_of_the_model(tmp_path: Path) -> None:
    from hrpe_jax.preprocessing.build import build_dataset
    from tests.preprocessing.songs import write_songs
    from tests.sampling.tiny import tiny_model

    (tmp_path / "splits.json").write_text('{"train": [], "valid": [], "test": ["001", "002", "003"]}')
    build_dataset(
        write_songs(tmp_path / "songs", 3), tmp_path / "data", splits=tmp_path / "splits.json", workers=0
    )
    model, data = tiny_model(), open_dataset(tmp_path / "data")
    found = foreign_chords(model, data, "test")
    assert found["songs"] == 3
    assert tuple(found["rows"]) == ROWS
    own = evaluate_model(model, data.path, "test", ["melody"], 0)["melody"]
    assert found["rows"][ROWS[0]]["nll"] == pytest.approx(own["nll"], rel=1e-6)
    assert found["rows"][ROWS[2]]["nll"] != found["rows"][ROWS[0]]["nll"]
    assert foreign_chords(replace(model, melody=None), data, "test")["rows"] == {}
