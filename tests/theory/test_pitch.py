from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.theory.pitch import (
    fifths_name,
    fifths_position,
    midi_name,
    parse_midi_name,
    parse_pitch_class,
    pitch_class_name,
)


@given(st.integers(0, 11), st.integers(-7, 7), st.integers(0, 11))
def test_names_read_back(pitch_class: int, fifths: int, reach: int) -> None:
    name = pitch_class_name(pitch_class, fifths, reach)
    assert parse_pitch_class(name) == pitch_class
    assert len(name) <= 2


@given(st.integers(0, 127), st.integers(-7, 7))
def test_midi_names_read_back(pitch: int, fifths: int) -> None:
    assert parse_midi_name(midi_name(pitch, fifths)) == pitch


@given(st.integers(-15, 19))
def test_line_of_fifths(position: int) -> None:
    assert fifths_position(fifths_name(position)) == position
    assert parse_pitch_class(fifths_name(position)) == position * 7 % 12


def test_spelling_follows_the_key() -> None:
    assert [pitch_class_name(pc) for pc in range(12)] == [
        "C",
        "Db",
        "D",
        "Eb",
        "E",
        "F",
        "F#",
        "G",
        "Ab",
        "A",
        "Bb",
        "B",
    ]
    assert pitch_class_name(6, -4) == "Gb"
    assert pitch_class_name(11, -6) == "Cb"
    assert midi_name(60) == "C4"
    assert midi_name(59, -6) == "Cb4"
    assert midi_name(60, 7) == "B#3"


def test_spelled_names() -> None:
    assert [parse_pitch_class(n) for n in ("C", "F#", "Bb", "E♭", "Fx", "cb", "B#")] == [
        0,
        6,
        10,
        3,
        7,
        11,
        0,
    ]


@pytest.mark.parametrize("text", ["", "H", "C-", "C#b", "4", "Cmaj"])
def test_bad_names(text: str) -> None:
    with pytest.raises(ValueError, match="note"):
        parse_pitch_class(text)


@pytest.mark.parametrize("text", ["C", "G#9", "Cb-1", "C10"])
def test_bad_midi_names(text: str) -> None:
    with pytest.raises(ValueError, match="note"):
        parse_midi_name(text)
