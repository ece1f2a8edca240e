"""Keys, meters, lengths, tempos and part orders."""

from __future__ import annotations

from fractions import Fraction

import pytest

from hrpe_jax.formats.abc.fields import (
    MAX_PARTS,
    AbcShift,
    AbcVoiceField,
    default_unit,
    parse_key,
    parse_meter,
    parse_midi_transpose,
    parse_part_order,
    parse_shift,
    parse_tempo,
    parse_unit,
    parse_voice,
)
from hrpe_jax.theory.key import Key


@pytest.mark.parametrize(
    ("text", "name", "fifths", "modal"),
    [
        ("G", "G major", 1, False),
        ("C#m", "C# minor", 4, False),
        ("Bb minor", "Bb minor", -5, False),
        ("Amin clef=bass", "A minor", 0, False),
        ("D clef=treble-8", "D major", 2, False),
        ("EMaj", "E major", 4, False),
        ("Ador", "A minor", 1, True),
        ("G Mixolydian", "G major", 0, True),
        ("F lydian", "F major", 0, True),
        ("E phr", "E minor", 0, True),
        ("Bloc", "B minor", 0, True),
        ("F#aeo", "F# minor", 3, False),
        ("Cionian", "C major", 0, False),
        ("HP", "A major", 2, True),
        ("Hp", "A major", 2, True),
    ],
)
def test_keys(text: str, name: str, fifths: int, modal: bool) -> None:
    key = parse_key(text)
    assert key is not None
    assert (str(key.key), key.fifths, key.modal) == (name, fifths, modal)
    assert sum(alter for _, alter in key.alters) == fifths


def test_keys_with_accidentals_of_their_own() -> None:
    assert dict(parse_key("D Phr ^f").alters) == {"B": -1, "E": -1, "F": 1}  # type: ignore[union-attr]
    assert dict(parse_key("D exp _b _e ^f").alters) == {"B": -1, "E": -1, "F": 1}  # type: ignore[union-attr]
    assert dict(parse_key("A =c").alters)["C"] == 0  # type: ignore[union-attr]
    explicit = parse_key("^f _b")
    assert explicit is not None
    assert explicit.key is None
    assert dict(explicit.alters) == {"B": -1, "F": 1}


def test_fields_that_name_no_key() -> None:
    for text in ("", "none", " None clef=bass"):
        key = parse_key(text)
        assert key is not None
        assert (key.key, key.alters) == (None, ())
    for text in ("clef=bass", "bass", "alto", "?"):
        assert parse_key(text) is None


@pytest.mark.parametrize(
    ("text", "meter", "whole"),
    [
        ("C", "4/4", "1"),
        ("C|", "2/2", "1"),
        ("6/8", "6/8", "3/4"),
        ("2+3/8", "5/8", "5/8"),
        ("(2+2+3)/8", "7/8", "7/8"),
        ("4/4 % time", "4/4", "1"),
        ("none", "None", "1"),
    ],
)
def test_meters(text: str, meter: str, whole: str) -> None:
    parsed = parse_meter(text)
    assert parsed is not None
    assert (str(parsed.meter), str(parsed.whole)) == (meter, whole)


def test_meters_that_are_none() -> None:
    assert all(parse_meter(text) is None for text in ("x", "3", "0/4", "4/5", "999999/4", "1/0"))


def test_unit_lengths() -> None:
    assert parse_unit("1/8") == Fraction(1, 8)
    assert parse_unit("1") == 1
    assert all(parse_unit(text) is None for text in ("", "0/8", "1/0", "x", "1/999", "99"))
    assert default_unit(parse_meter("2/4")) == Fraction(1, 16)
    assert default_unit(parse_meter("3/4")) == default_unit(None) == Fraction(1, 8)


@pytest.mark.parametrize(
    ("text", "bpm"),
    [
        ("1/4=120", 120.0),
        ('"Allegro" 3/8=60', 90.0),
        ("1/2 = 60.5", 121.0),
        ("1/4 1/8=80", 120.0),
        ("240", 120.0),
        ("C=240", 120.0),
        ("C2=120", 120.0),
        ('"Slowly"', None),
        ("1/4=0", None),
        ("1/4=9999", None),
        ("=", None),
    ],
)
def test_tempos(text: str, bpm: float | None) -> None:
    assert parse_tempo(text, Fraction(1, 8)) == bpm


def test_shifts() -> None:
    assert parse_shift("T1 clef=treble-8 name=Tenor") == AbcShift(-12)
    assert parse_shift("B octave=-1 transpose=+2") == AbcShift(-12, 2)
    assert parse_shift("S clef=treble") is None
    assert parse_shift("1 sound=c_B") == AbcShift(0, -2)
    assert parse_shift("1 instrument=_E") == AbcShift(0, -9)  # an alto saxophone
    assert parse_shift("D shift=CD") == AbcShift(0, 2)
    assert parse_shift('1 name="transposed" snm="sound"') is None
    assert parse_midi_transpose("MIDI transpose -12") == -12
    assert parse_midi_transpose("MIDI program 40") is None


def test_a_transposed_key_sounds_elsewhere_and_is_written_as_it_is() -> None:
    written = parse_key("Dm")
    assert written is not None
    heard = written.sounding(-2)
    assert (heard.key, heard.fifths, heard.alters) == (Key(0, "minor"), -3, written.alters)


def test_voices() -> None:
    assert parse_voice('M clef=treble name="The melody" snm="M"') == AbcVoiceField("The melody", "treble")
    assert parse_voice("B bass nm=Tuba") == AbcVoiceField("Tuba", "bass")
    assert parse_voice('1 name="bass drum"') == AbcVoiceField("bass drum", "")
    assert parse_voice("") == AbcVoiceField("", "")


def test_part_orders() -> None:
    assert parse_part_order("AABB") == tuple("AABB")
    assert parse_part_order("A2.(BC)2 D") == tuple("AABCBCD")
    assert all(parse_part_order(text) is None for text in ("", "(AB", "AB)", "V+1", "(A99)99"))
    assert parse_part_order("(" * 3000) is None
    assert len(parse_part_order("A999") or ()) <= MAX_PARTS
