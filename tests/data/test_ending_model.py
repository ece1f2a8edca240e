"""Endings: what a record says, draws as often as counted, files that come back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.codec import melody
from hrpe_jax.data.outline_model import (
    OTHER,
    TONIC,
    TRIAD,
    Ending,
    ending,
    fit_endings,
    read_ending_model,
    record_ending,
)
from hrpe_jax.errors import UserError
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def song(pitch: int, ticks: int, root: int = 0, mode: str = "major") -> dict[str, object]:
    notes = (Note(0, 12, 67), Note(48, ticks, pitch))
    chords = (ChordSpan(0, 48, Chord(7, "maj", 7)), ChordSpan(48, 48, Chord(root, "maj", root)))
    score = Score("", "", Key(0, "minor" if mode == "minor" else "major"), Meter(4, 4), 90.0, notes, chords)
    return {**melody.encode(score), "style": "pop"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (song(60, 24), Ending(1, TONIC, 1)),
        (song(64, 12), Ending(1, TRIAD, 0)),
        (song(64, 48, mode="minor"), Ending(1, OTHER, 1)),
        (song(63, 48, 7, "minor"), Ending(0, TRIAD, 1)),
    ],
)
def test_what_a_record_says(record: dict[str, object], expected: Ending) -> None:
    assert record_ending(record) == expected


def test_a_note_longer_than_a_token_is_held() -> None:
    assert ending(0, 72, 60, 0, False) == Ending(1, TONIC, 1)


def test_draws_are_as_often_as_counted(tmp_path: Path) -> None:
    model = fit_endings([song(60, 24)] * 3 + [song(62, 12)])
    path = tmp_path / "endings.json"
    path.write_text(model.to_json(), encoding="utf-8")
    rng = np.random.default_rng(0)
    drawn = Counter(read_ending_model(path).draw("pop", rng) for _ in range(2000))
    assert drawn[Ending(1, TONIC, 1)] / 2000 == pytest.approx(0.75, abs=0.04)
    assert set(drawn) == {Ending(1, TONIC, 1), Ending(1, OTHER, 0)}
    assert model.draw("folk", rng) is None


@pytest.mark.parametrize("text", ["", "[]", '{"format": 7}', '{"format": 1, "counts": {"pop": [[1]]}}'])
def test_a_damaged_file_is_said_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "endings.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"endings\.json: no counts of endings") as error:
        read_ending_model(path)
    assert "\n" not in str(error.value)
