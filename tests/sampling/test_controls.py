"""What a user may ask, and the one line that a mistake gets."""

from __future__ import annotations

from typing import Any

import pytest

from hrpe_jax.codec import backbone
from hrpe_jax.codec.grammar import accepts_backbone
from hrpe_jax.errors import UserError
from hrpe_jax.sampling.controls import chord_tokens, read_chords, read_controls
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def spelled(text: str, meter: str = "4/4") -> str:
    return " ".join(
        f"{to_lead_sheet(chord)}*{beats}" for chord, beats in read_chords(text, Meter.parse(meter))
    )


@pytest.mark.parametrize(
    ("text", "meter", "expected"),
    [
        ("C Am F G", "4/4", "C*4 Am*4 F*4 G*4"),
        ("C, Am7, F", "3/4", "C*3 Am7*3 F*3"),
        ("C*2 Am*2 F G*3 E7", "4/4", "C*2 Am*2 F*4 G*3 E7*1"),
        ("C | Am F | G7 | %", "4/4", "C*4 Am*2 F*2 G7*4 G7*4"),
        ("| C Am F | Dm*1 G7 |", "4/4", "C*2 Am*1 F*1 Dm*1 G7*3"),
        ("C | N.C. | F#m7b5/C Bb", "6/8", "C*2 N.C.*2 F#m7b5/C*1 Bb*1"),
        ("C7(b9) A7(#9)", "2/4", "C7(b9)*2 A7(#9)*2"),
        ("Cmaj7/E", "12/8", "Cmaj7/E*4"),
    ],
)
def test_chords(text: str, meter: str, expected: str):
    assert spelled(text, meter) == expected


def test_chords_become_tokens_that_decode_to_them():
    controls = read_controls(chords="C C | Am*1 F | G7", bars=8)
    assert controls.key == Key(0, "major")
    assert controls.meter == Meter(4, 4)
    assert controls.bars == 8
    ids = chord_tokens(controls.chords or (), controls.key, controls.meter)
    assert accepts_backbone(ids, beats=32) is None
    score = backbone.decode(ids)
    names = [to_lead_sheet(span.chord) for span in score.chords]
    assert names == ["C", "Am", "F", "G7", "C", "Am", "F", "G7", "C", "Am", "F"]
    assert [span.duration // 12 for span in score.chords] == [4, 1, 3, 4, 4, 1, 3, 4, 4, 1, 3]


def test_a_foreign_bass_becomes_a_chord_note_where_there_is_such_a_chord():
    controls = read_controls(chords="Am/G")
    assert controls.chords is not None
    score = backbone.decode(chord_tokens(controls.chords, Key(9, "minor"), Meter(4, 4)))
    assert to_lead_sheet(score.chords[0].chord) == "Am7/G"


def test_defaults():
    controls = read_controls(temperature=0.8)
    assert (controls.bars, controls.key, controls.meter, controls.chords) == (16, None, None, None)
    assert controls.temperature_backbone == 0.8
    assert read_controls(chords="C F").bars == 2
    assert read_controls(chords="C F", key="a minor", meter="3/4").key == Key(9, "minor")


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"bars": 0}, "--bars: 1 to 128 expected, got 0"),
        ({"bars": 129}, "--bars: 1 to 128 expected"),
        ({"num_pieces": 0}, "--num_pieces: 1 to 1000"),
        ({"seed": -1}, "--seed: 0 to"),
        ({"tempo": 5}, "--tempo: 20 to 400"),
        ({"tempo": float("nan")}, "--tempo: 20 to 400"),
        ({"temperature": 0}, "--temperature: above 0"),
        ({"temperature": float("nan")}, "--temperature: above 0"),
        ({"temperature_backbone": -1}, "--temperature_backbone: above 0"),
        ({"top_k": -1}, "--top_k: 0"),
        ({"top_p": 0}, "--top_p: above 0"),
        ({"top_p": 1.5}, "--top_p: above 0"),
        ({"key": "H major"}, "--key: 'H major' is no key"),
        ({"meter": "4"}, "--meter: '4'"),
        ({"meter": "5/32"}, "--meter: '5/32'"),
        ({"meter": "9/4"}, "--meter: '9/4'"),
        ({"chords": ""}, "--chords: none given"),
        ({"chords": " | "}, "--chords: none given"),
        ({"chords": "C | | F"}, "--chords: bar 2: empty"),
        ({"chords": "C Xyz"}, "--chords: bar 2: chord label 'Xyz'"),
        ({"chords": "% | C"}, '--chords: bar 1: "%" needs'),
        ({"chords": "C*5"}, "--chords: bar 1 (C*5): its chords do not fill the 4 beats"),
        ({"chords": "C*3"}, "--chords: bar 1 (C*3): its chords do not fill the 4 beats"),
        ({"chords": "C*0 F"}, '--chords: bar 1 (C*0): beats after "*" must be a whole number'),
        ({"chords": "C*x"}, "must be a whole number, got 'x'"),
        ({"chords": "C D E F G |"}, "do not fill the 4 beats of a 4/4 bar"),
        ({"chords": "C F G", "bars": 2}, "--chords: 3 bars of chords do not fit --bars=2"),
        ({"chords": "C " * 129}, "--chords: at most 128 bars"),
    ],
)
def test_mistakes_are_one_line_that_names_the_option(wishes: dict[str, Any], message: str):
    with pytest.raises(UserError) as caught:
        read_controls(**wishes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
