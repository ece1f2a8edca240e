from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.arranging.arrange import BandOptions
from hrpe_jax.arranging.styles import read_band
from hrpe_jax.formats.midi.lead_sheet import score_from_midi
from hrpe_jax.formats.midi.read import MidiError, midi_bytes, parse_midi, read_midi, write_midi
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import QUALITIES, Chord, parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

SCORE = Score(
    id="tune",
    title="A tune",
    key=Key(9, "minor"),
    meter=Meter(4, 4),
    tempo_bpm=97.0,
    melody=(Note(0, 12, 69, 90), Note(12, 3, 71), Note(15, 4, 72), Note(48, 48, 76), Note(150, 6, 64)),
    chords=(
        ChordSpan(12, 24, parse_lead_sheet("Am9")),
        ChordSpan(36, 24, parse_lead_sheet("E7/G#")),
        ChordSpan(96, 96, parse_lead_sheet("Fmaj7")),
    ),
    bar_resets=(12, 84),
)


def read_back(score: Score, tmp_path: Path) -> Score:
    path = tmp_path / "tune.mid"
    write_midi(score, path)
    return score_from_midi(path)


def test_reads_back(tmp_path: Path) -> None:
    assert read_back(SCORE, tmp_path) == replace(SCORE, title="")


def test_reads_back_without_accompaniment(tmp_path: Path) -> None:
    path = tmp_path / "tune.mid"
    write_midi(SCORE, path, BandOptions(read_band("none")))
    assert [t.name for t in read_midi(path).tracks] == ["MELODY"]
    assert score_from_midi(path) == replace(SCORE, title="")


lines = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60)), max_size=12)
chord_values = st.builds(Chord, st.integers(0, 11), st.sampled_from(QUALITIES), st.integers(0, 11))


@st.composite
def scores(draw: st.DrawFn) -> Score:
    meter = draw(st.sampled_from(["4/4", "3/4", "6/8", "7/8", "2/2", "12/8"]))
    notes, spans, now = [], [], 0
    for gap, length in draw(lines):
        notes.append(Note(now + gap, length, draw(st.integers(0, 127)), draw(st.integers(1, 127))))
        now += gap + length
    now = 0
    for gap, length in draw(lines):
        spans.append(ChordSpan(now + gap, length, draw(chord_values)))
        now += gap + length
    return Score(
        id="tune",
        title="",
        key=Key.from_index(draw(st.integers(0, 23))),
        meter=Meter.parse(meter),
        tempo_bpm=float(draw(st.integers(30, 240))),
        melody=tuple(notes),
        chords=tuple(spans),
    )


@settings(max_examples=60, deadline=None)
@given(scores())
def test_any_score_reads_back(tmp_path_factory: pytest.TempPathFactory, score: Score) -> None:
    if not score.chords:  # a file without a single event is not a lead sheet
        score = replace(
            score, melody=(Note(0, 12, 60), *(replace(n, onset=n.onset + 12) for n in score.melody))
        )
    back = read_back(score, tmp_path_factory.mktemp("midi"))
    chords = tuple(span for span in back.chords if not span.chord.is_none)
    assert (back.melody, chords) == (score.melody, score.chords)
    assert (back.key, back.meter, back.bar_resets) == (score.key, score.meter, score.bar_resets)
    assert back.tempo_bpm == pytest.approx(score.tempo_bpm, abs=0.01)
    assert back.end == score.end


def test_bytes_are_the_same_every_time() -> None:
    assert midi_bytes(SCORE) == midi_bytes(replace(SCORE, source="elsewhere"))


def test_tracks_and_signatures(tmp_path: Path) -> None:
    path = tmp_path / "tune.mid"
    write_midi(SCORE, path, BandOptions(read_band("block")))
    file = pretty_midi.PrettyMIDI(str(path))
    assert [i.name for i in file.instruments] == ["MELODY", "CHORDS", "BASS"]
    assert [k.key_number for k in file.key_signature_changes] == [21]
    meters = [(t.numerator, t.denominator) for t in file.time_signature_changes]
    assert meters == [(1, 4), (4, 4), (2, 4), (4, 4)]
    assert [lyric.text for lyric in file.lyrics] == ["N.C.", "Am9", "E7/G#", "N.C.", "Fmaj7", "N.C."]
    melody, chords, bass = file.instruments
    assert all(36 <= note.pitch <= 52 for note in bass.notes)
    assert max(n.velocity for n in chords.notes) < min(n.velocity for n in melody.notes)
    # Struck again on each bar line it crosses: Fmaj7 from 96 to 192 with bars at 132 and 180.
    assert len({round(n.start, 6) for n in chords.notes}) == 5


def test_empty_score_is_a_valid_file() -> None:
    assert parse_midi(midi_bytes(replace(SCORE, melody=(), chords=(), bar_resets=()))).note_count == 0


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.mid"
    file = pretty_midi.PrettyMIDI()
    file.instruments.append(pretty_midi.Instrument(0, name="Piano"))
    file.instruments[0].notes.append(pretty_midi.Note(80, 60, 0.0, 1.0))
    file.write(str(path))
    with pytest.raises(MidiError) as caught:
        score_from_midi(path)
    assert caught.value.reason == "midi_no_lead_sheet"
    file.instruments[0].name = "MELODY"
    file.instruments[0].notes.append(pretty_midi.Note(80, 64, 0.5, 1.0))
    file.write(str(path))
    with pytest.raises(MidiError, match="melody note 1"):
        score_from_midi(path)
