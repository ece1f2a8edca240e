"""Our readers beside music21, on files made here."""

from __future__ import annotations

from pathlib import Path

import pretty_midi
import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tools.measure import readers

TUNE = "X:7\nT:Made up\nM:4/4\nL:1/4\nK:C\n|: C E G c | c G E C | C E G c | c G E C :|\n"


def test_both_read_the_same_notes_of_a_lead_sheet(tmp_path: Path) -> None:
    pytest.importorskip("music21")
    score = Score(
        id="made-up",
        title="Made up",
        key=Key(0, "major"),
        meter=Meter(4, 4),
        tempo_bpm=100.0,
        melody=(Note(0, 24, 64, 80), Note(24, 72, 67, 80)),  # the second is tied over the bar line
        chords=(ChordSpan(0, 96, parse_lead_sheet("C")),),
    )
    score.write(tmp_path / "tune.musicxml")
    found = readers.compare_musicxml(tmp_path, 5)
    assert (found["files"], found["same_notes"], found["music21_failed"]) == (1, 1, 0)
    assert readers.our_musicxml(tmp_path / "tune.musicxml") == [(0, 24, 64), (24, 72, 67)]


def test_tunes_are_compared_with_their_midi_files(tmp_path: Path) -> None:
    pytest.importorskip("music21")
    (tmp_path / "book.abc").write_text(TUNE)
    music = pretty_midi.PrettyMIDI()
    voice = pretty_midi.Instrument(0)
    for i, pitch in enumerate([60, 64, 67, 72, 72, 67, 64, 60] * 4):
        voice.notes.append(pretty_midi.Note(80, pitch, i / 2, i / 2 + 0.4))
    music.instruments.append(voice)
    music.write(str(tmp_path / "book7.mid"))
    found = readers.compare_abc(tmp_path, tmp_path, 5)
    assert (found["tunes"], found["ours_as_midi"], found["music21_as_midi"]) == (1, 1, 1)
    voice.notes.pop()
    music.write(str(tmp_path / "book7.mid"))
    assert readers.compare_abc(tmp_path, tmp_path, 5)["ours_as_midi"] == 0


def test_folders_without_such_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no MusicXML file"):
        readers.compare_musicxml(tmp_path, 5)
    with pytest.raises(UserError, match="no tune with a MIDI file"):
        readers.compare_abc(tmp_path, tmp_path, 5)


def test_items_are_taken_from_all_over() -> None:
    assert readers.evenly(range(10), 5) == [0, 2, 4, 6, 8]
    assert readers.evenly(range(3), 5) == [0, 1, 2]
