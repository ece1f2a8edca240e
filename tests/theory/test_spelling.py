from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.theory.chord import QUALITIES, Chord, parse_lead_sheet, to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.spelling import spell_note

chords = st.builds(Chord, st.integers(0, 11), st.sampled_from(QUALITIES), st.integers(0, 11)) | st.just(
    Chord.NONE
)


@pytest.mark.parametrize(
    ("pitch", "key", "chord", "following", "name"),
    [
        (61, "C", "A7", 62, "C#4"),  # third of the applied dominant
        (61, "C", "Db", 60, "Db4"),  # root of the Neapolitan
        (68, "C", "Fm", None, "Ab4"),  # third of the borrowed chord
        (68, "C", "E7", None, "G#4"),
        (68, "A minor", "E7", 69, "G#4"),  # raised leading tone
        (66, "A minor", "Am", 68, "F#4"),  # raised sixth
        (63, "E minor", "B7", 64, "D#4"),
        (67, "G# minor", "D#7", 68, "F##4"),
        (59, "Gb", "Gb", None, "Cb4"),  # of the signature; in the octave of its letter
        (60, "C#m", "G#7", 61, "B#3"),
        (66, "C", "C", 67, "F#4"),  # chromatic, on its way up
        (68, "C", "C", 69, "G#4"),
        (68, "C", "C", 67, "Ab4"),  # and down
        (66, "C", "C", 65, "F#4"),  # but the raised fourth stays one
        (63, "G", "Am", 64, "D#4"),
        (63, "C", "N", None, "Eb4"),
        (59, "C", "Abm", 60, "Cb4"),
        (65, "C", "G#dim7", None, "F4"),
    ],
)
def test_names(pitch: int, key: str, chord: str, following: int | None, name: str) -> None:
    sounding = Chord.NONE if chord == "N" else parse_lead_sheet(chord)
    assert str(spell_note(pitch, Key.parse(key), sounding, following)) == name


@given(st.integers(0, 127), st.integers(0, 23), chords, st.none() | st.integers(0, 127))
def test_a_name_sounds_as_its_note(pitch: int, key: int, chord: Chord, following: int | None) -> None:
    name = spell_note(pitch, Key.from_index(key), chord, following)
    assert name.pitch == pitch
    assert abs(name.alter) <= 2


@given(st.integers(0, 11), st.sampled_from(("major", "minor")))
def test_notes_of_the_scale_have_seven_letters(tonic: int, mode: str) -> None:
    key = Key(tonic, mode)  # type: ignore[arg-type]
    names = [spell_note(60 + pitch_class, key) for pitch_class in key.scale]
    assert sorted(name.step for name in names) == list("ABCDEFG")


@pytest.mark.parametrize(
    ("chord", "key", "name"),
    [
        ("Dbdim7", "C", "C#dim7"),
        ("Abdim7/B", "C", "G#dim7/B"),
        ("Ebdim7", "A minor", "D#dim7"),
        ("Db7", "C", "Db7"),
        ("Gbdim7", "Bb", "F#dim7"),
    ],
)
def test_chromatic_diminished_chords_lead_up(chord: str, key: str, name: str) -> None:
    assert to_lead_sheet(parse_lead_sheet(chord), Key.parse(key), as_written=False) == name
