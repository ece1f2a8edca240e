"""Keys of written music."""

from __future__ import annotations

import pytest

from hrpe_jax.readers.written_music import find_mode, find_written_key, said_key
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord import parse_lead_sheet


def spans(text: str) -> list[ChordSpan]:
    return [ChordSpan(48 * i, 48, parse_lead_sheet(label)) for i, label in enumerate(text.split())]


@pytest.mark.parametrize(
    ("chords", "notes", "fifths", "key"),
    [
        ("C F G7 C", [], 0, "C major"),
        ("Am Dm E7 Am", [(69, 12)], 0, "A minor"),  # the same signature
        ("Dm C Dm C Am Dm", [(62, 12)], 0, "D minor"),  # Dorian
        ("F Bb C7 F", [], 0, "F major"),  # a signature that nobody set
        ("Dm Gm A7 D", [], -1, "D minor"),  # a major close
        ("G C Am7 D7 G Em Am7 D7", [(67, 12)], 1, "G major"),  # a turnaround, not a close
        ("C7 F7 C7 C7 F7 F7 C7 C7 G7 F7 C7", [(72, 12)], None, "C major"),  # a blues
    ],
)
def test_keys(chords: str, notes: list[tuple[int, int]], fifths: int | None, key: str) -> None:
    assert find_written_key(notes, spans(chords), fifths).name == key


def test_transposing_moves_the_key() -> None:
    chords = spans("Am F C G Am")
    for shift in range(12):
        moved = [ChordSpan(s.onset, s.duration, s.chord.transpose(shift)) for s in chords]
        assert find_written_key([(69 + shift, 48)], moved, None).tonic == (9 + shift) % 12


def test_silence_has_a_key_too() -> None:
    assert find_written_key([], [], 2).name == "D major"
    assert find_written_key([], [], None).name == "C major"


def test_modes_that_files_name() -> None:
    assert said_key(0, "major") is None
    assert said_key(None, "minor") is None
    names = [str(said_key(-1, mode)) for mode in ("minor", "dorian", "mixolydian", "phrygian", "lydian")]
    assert names == ["D minor", "G minor", "C major", "A minor", "Bb major"]


@pytest.mark.parametrize(
    ("chords", "mode"),
    [
        ("C F G C", "major"),
        ("Cm Fm G Cm", "minor"),
        ("C7 F7 G7", "major"),
        ("C5 Eb Bb F C5", "minor"),
        ("N", "major"),
    ],
)
def test_mode_of_a_tonic(chords: str, mode: str) -> None:
    assert find_mode(spans(chords.replace("N", "N.C.")), 0) == mode
