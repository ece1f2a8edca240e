from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.theory.chord import QUALITIES, Chord, parse_lead_sheet
from hrpe_jax.theory.function import FUNCTION_NAMES, function_code, roman_numeral
from hrpe_jax.theory.key import Key

C, A_MINOR = Key.parse("C"), Key.parse("a")
chords = st.builds(Chord, st.integers(0, 11), st.sampled_from((*QUALITIES, "N")), st.integers(0, 11))
keys = st.integers(0, 23).map(Key.from_index)

MAJOR = {
    0: "C Cmaj7 C6 C6/9 Cadd9 Csus4 Csus2 C5 Cmaj9",
    1: "Dm Dm7 Dm9 D7sus4 D5",
    2: "Em Em7 Esus4",
    3: "F Fmaj7 F6 Fsus2",
    4: "G G7 G9 G13 G7b9 G7#5 G7sus4 G+ G6",
    5: "Am Am7 Am6",
    6: "Bdim Bm7b5 B5",
    7: "D D7 D9 E E7 A7 B7 C7 F#dim7 C#dim7 F#m7b5 Em7b5 D#dim G#dim7",
    8: "Fm Fm7 Fm6 Bb Bb7 Ab Abmaj7 Eb Cm Gm Dm7b5 Bdim7 Bb5",
    9: "Db Ab7 F7 Gmaj7 Cdim7 F#m",
    10: "N.C.",
}
MINOR = {
    0: "Am Am7 Am6 Am(maj7) Am(add9) A5",
    1: "Bdim Bm7b5",
    2: "C Cmaj7 C+",
    3: "Dm Dm7 Dm6",
    4: "E E7 E7b9 E7#9 Em Em7 Esus4 E7#5",
    5: "F Fmaj7 F6",
    6: "G G7 Gsus4 G#dim G#dim7",
    7: "A7 B7 C7 D7 D A F#m7b5 C#dim7 D#dim7",
    8: "F#m Bm Bm7 Dmaj7 Amaj7",
    9: "Bb Eb Abm Fm",
    10: "N.C.",
}


@pytest.mark.parametrize(("key", "table"), [(C, MAJOR), (A_MINOR, MINOR)], ids=["C", "a"])
def test_functions(key: Key, table: dict[int, str]) -> None:
    for code, labels in table.items():
        for label in labels.split():
            assert function_code(parse_lead_sheet(label), key) == code, (label, FUNCTION_NAMES[code])


@given(chords, keys, st.integers(0, 11))
def test_transposition_changes_nothing(chord: Chord, key: Key, shift: int) -> None:
    moved, moved_key = chord.transpose(shift), key.transpose(shift)
    assert function_code(moved, moved_key) == function_code(chord, key)
    assert roman_numeral(moved, moved_key) == roman_numeral(chord, key)


@given(chords, keys)
def test_range_and_bass(chord: Chord, key: Key) -> None:
    code = function_code(chord, key)
    assert 0 <= code <= 10
    assert (code == 10) == chord.is_none
    assert code == function_code(Chord(chord.root, chord.quality), key)


@pytest.mark.parametrize(
    ("label", "key", "numeral"),
    [
        ("C", C, "I"),
        ("C/E", C, "I6"),
        ("C/G", C, "I64"),
        ("Dm7/F", C, "ii65"),
        ("G7/F", C, "V42"),
        ("Bm7b5", C, "viiø7"),
        ("Bb", C, "bVII"),
        ("Fm", C, "iv"),
        ("D7", C, "V7/V"),
        ("A7/C#", C, "V65/ii"),
        ("F#dim7", C, "vii°7/V"),
        ("Fmaj7", C, "IVmaj7"),
        ("F6", C, "IVadd6"),
        ("Gsus4", C, "Vsus4"),
        ("Db", C, "bII"),
        ("F#m", C, "#iv"),
        ("C", A_MINOR, "III"),
        ("E7", A_MINOR, "V7"),
        ("G#dim7", A_MINOR, "vii°7"),
        ("G", A_MINOR, "VII"),
        ("Bb", A_MINOR, "bII"),
        ("F#m", A_MINOR, "#vi"),
        ("A7", A_MINOR, "V7/iv"),
        ("N.C.", C, "N"),
    ],
)
def test_roman_numerals(label: str, key: Key, numeral: str) -> None:
    assert roman_numeral(parse_lead_sheet(label), key) == numeral
