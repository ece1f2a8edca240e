from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.readers.midi_two_tracks import exact_chord, name_block
from hrpe_jax.theory.chord import parse_lead_sheet
from hrpe_jax.theory.quality import CHORD_TONES, QUALITIES


@pytest.mark.parametrize(
    ("pitches", "label"),
    [
        ([48, 52, 55], "C"),
        ([52, 55, 60], "C/E"),
        ([57, 60, 64, 67], "Am7"),
        ([48, 57, 64, 67], "C6"),
        ([47, 50, 53, 57], "Bm7b5"),
        ([50, 60, 64, 67], "Cadd9/D"),
        ([48, 50, 54, 57], "D7/C"),
        ([54, 60, 64, 67], "C/F#"),  # no chord has these notes, so the lowest is a slash
        ([48, 60, 64, 67, 72], "C"),
    ],
)
def test_names(pitches: list[int], label: str) -> None:
    chord = parse_lead_sheet(label)
    assert exact_chord(pitches) == chord
    assert name_block(pitches[::-1]) == chord


def test_no_exact_name() -> None:
    assert exact_chord([]) is None
    assert exact_chord([60, 61, 62]) is None
    assert exact_chord([60]) is None
    assert name_block([48, 52, 58]) == parse_lead_sheet("C7")  # without its fifth


@given(st.sampled_from(QUALITIES), st.integers(0, 11))
def test_every_chord_in_root_position_is_known(quality: str, root: int) -> None:
    chord = exact_chord([36 + root + tone for tone in CHORD_TONES[quality]])
    assert chord is not None
    assert (chord.root, chord.quality, chord.bass) == (root, quality, root)
