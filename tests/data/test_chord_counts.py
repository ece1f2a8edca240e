"""Counts of notes over chords: what a record says, how strange a chord is, files that come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.codec import backbone_tokens, melody
from hrpe_jax.data.chord_counts import ENOUGH, fit_chord_counts, read_chord_counts
from hrpe_jax.errors import UserError
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

KEY = Key.parse("D minor")
CHORDS = np.array(
    [
        backbone_tokens.chord_id(Chord(root, quality, root))
        for root, quality in ((2, "min"), (9, "7"), (3, "maj"))
    ]
)


def record(style: str) -> dict[str, object]:
    """Three notes over Dm, one over A7."""
    notes = (Note(0, 12, 62), Note(12, 12, 65), Note(24, 24, 69), Note(48, 48, 73))
    chords = (ChordSpan(0, 48, Chord(2, "min", 2)), ChordSpan(48, 48, Chord(9, "7", 9)))
    return {**melody.encode(Score("", "", KEY, Meter(4, 4), 90.0, notes, chords)), "style": style}


def test_notes_are_counted_by_style_degree_and_quality() -> None:
    counts = fit_chord_counts([record("pop"), record("pop"), record("folk")])
    expected = [ENOUGH / (ENOUGH + notes) for notes in (6, 2, 0)]
    assert counts.strangeness("pop", KEY, CHORDS) == pytest.approx(expected)
    # Every chord of the vocabulary counts in any key, and an unknown style is all of them together.
    moved = np.array([backbone_tokens.chord_id(Chord(0, "min", 0))])
    assert counts.strangeness("", Key.parse("C minor"), moved) == pytest.approx([ENOUGH / (ENOUGH + 9)])
    assert counts.strangeness("pop", Key.parse("D major"), CHORDS).tolist() == [1, 1, 1]
    assert counts.strangeness("pop", KEY, np.array([backbone_tokens.NO_CHORD0])).tolist() == [0]


def test_inversions_are_one_chord() -> None:
    counts = fit_chord_counts([record("pop")])
    over_f = np.array([backbone_tokens.chord_id(Chord(2, "min", 5))])
    assert counts.strangeness("pop", KEY, over_f) == pytest.approx([ENOUGH / (ENOUGH + 3)])


def test_files_come_back(tmp_path: Path) -> None:
    path = tmp_path / "chords.json"
    counts = fit_chord_counts([record("pop"), record("")])
    path.write_text(counts.to_json(), encoding="utf-8")
    back = read_chord_counts(path)
    assert back.to_json() == counts.to_json()
    assert back.strangeness("pop", KEY, CHORDS).tolist() == counts.strangeness("pop", KEY, CHORDS).tolist()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 2, "counts": {}}',
        '{"format": 1, "counts": {"pop": [[0, 1, 2]]}}',
        '{"format": 1, "counts": {"pop": [[0, 12, 0, 5]]}}',
        '{"format": 1, "counts": {"pop": [[0, 1, 0, -5]]}}',
        "[" * 100_000,
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "chords.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(
        UserError, match=r"chords.json: no counts of chords \(.*\); take the file of a released model"
    ):
        read_chord_counts(path)
