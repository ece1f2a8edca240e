"""What is counted of songs, written to a file, finds their chords again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.analysis import harmony_hmm
from hrpe_jax.analysis.fitted import write_fitted
from hrpe_jax.analysis.harmony_hmm import beats
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tools.fit import melody_chords as tool

PROGRESSION = (
    (0, "maj7"),
    (9, "min"),
    (2, "min7"),
    (7, "7"),
    (0, "maj"),
    (5, "sus2"),
    (11, "hdim7"),
    (7, "9"),
)
STATES = {
    "maj7": "maj",
    "maj": "maj",
    "sus2": "maj",
    "min": "min",
    "min7": "min",
    "7": "7",
    "9": "7",
    "hdim7": "dim",
}


def song(mode: str, tonic: int) -> Score:
    """A bar for each chord, its first tones sung in quarters."""
    chords = [Chord((root + tonic) % 12, quality) for root, quality in PROGRESSION]
    notes = [
        Note(48 * bar + 12 * at, 12, 60 + pitch)
        for bar, chord in enumerate(chords)
        for at, pitch in enumerate((*sorted(chord.pitch_classes)[:3], chord.root))
    ]
    spans = [ChordSpan(48 * bar, 48, chord) for bar, chord in enumerate(chords)]
    return Score("song", "", Key(tonic, mode), Meter(4, 4), 120.0, tuple(notes), tuple(spans))


def test_qualities_become_states() -> None:
    assert {quality: tool.triad(Chord(0, quality)) for _, quality in PROGRESSION} == STATES


def test_counted_tables_find_the_chords_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    songs = [song(mode, tonic) for mode in ("major", "minor") for tonic in range(12)]
    write_fitted(tmp_path / "made.json", {mode: tool.fit(mode, songs) for mode in ("major", "minor")})
    assert "12 songs, 100.0% of the time are" in capsys.readouterr().out
    tables = json.loads((tmp_path / "made.json").read_text())
    harmonies = {mode: harmony_hmm.Harmony.of(each) for mode, each in tables.items()}
    assert np.argmax(harmonies["major"].begin) == harmonies["major"].chords.index((0, "maj"))
    monkeypatch.setattr(harmony_hmm, "harmonies", lambda: harmonies)
    said = tool.agreement(songs)
    assert said == "24 songs: root 100.0 %, root and third 100.0 %; the tonic throughout 25.0 %"
    assert "cc written 8 / found" not in tool.effect(songs)
    bare = replace(songs[0], chords=())
    assert tool.written(bare, (), beats(bare)[0]) == [None] * 32
