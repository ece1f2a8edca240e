from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pretty_midi
import pytest
import symusic
from hypothesis import given, settings

import hrpe_jax
from hrpe_jax.arranging.arrange import BandOptions
from hrpe_jax.arranging.arrangement import Programs
from hrpe_jax.arranging.styles import read_band
from hrpe_jax.errors import UserError
from hrpe_jax.formats.json import score_from_values, score_values
from hrpe_jax.formats.midi.write import write_midi
from hrpe_jax.score.form import Section
from hrpe_jax.score.score import Score, ScoreError
from tests.formats.musicxml.test_write import SCORE
from tests.score.made import as_written, scores


@pytest.mark.parametrize("suffix", ["mid", "musicxml", "abc"])
def test_written_by_suffix_and_read_back(suffix: str, tmp_path: Path) -> None:
    path = SCORE.write(tmp_path / f"tune.{suffix}")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    back = hrpe_jax.read_score(path)
    assert as_written(back).melody == as_written(SCORE).melody
    assert [span for span in back.chords if not span.chord.is_none] == list(SCORE.chords)
    assert (back.key, back.meter, back.bar_resets) == (SCORE.key, SCORE.meter, SCORE.bar_resets)


@given(scores())
@settings(max_examples=30)
def test_json_is_the_score_itself(score: Score) -> None:
    assert score_from_values(json.loads(json.dumps(score_values(score)))) == score


def test_json_has_a_form_where_the_score_has_one() -> None:
    assert "form" not in score_values(SCORE)
    formed = replace(SCORE, form=(Section("A'", 0, 1),))
    assert score_values(formed)["form"] == [["A'", 0, 1]]
    assert score_from_values(json.loads(json.dumps(score_values(formed)))) == formed
    with pytest.raises(ScoreError, match=r"no score: ValueError|no score: TypeError"):
        score_from_values({**score_values(SCORE), "form": [["A", 0]]})


def test_json_and_sound_by_suffix(tmp_path: Path) -> None:
    values = json.loads(SCORE.write(tmp_path / "tune.json").read_text())
    assert score_from_values(values) == SCORE
    assert values["chords"][1] == {"onset": 36, "duration": 24, "chord": "E:7/3", "symbol": "E7/G#"}
    assert SCORE.write(tmp_path / "tune.wav").read_bytes()[:4] == b"RIFF"
    with pytest.raises(ScoreError, match="no score: KeyError: 'id'"):
        score_from_values({})


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the suffix says no format; expected one of \.mid, "):
        SCORE.write(tmp_path / "tune.docx")
    with pytest.raises(UserError, match=r"cannot be written \(No such file"):
        SCORE.write(tmp_path / "nowhere" / "tune.mid")
    assert list(tmp_path.iterdir()) == []


def test_both_midi_libraries_read_the_same(tmp_path: Path) -> None:
    path = tmp_path / "tune.mid"
    write_midi(SCORE, path, BandOptions(read_band("block"), programs=Programs(73, 24, 32)))
    pretty = pretty_midi.PrettyMIDI(str(path))
    raw = symusic.Score(str(path))
    assert [(i.name, i.program) for i in pretty.instruments] == [("MELODY", 73), ("CHORDS", 24), ("BASS", 32)]
    tracks = [track for track in raw.tracks if track.notes]
    assert [(t.name, t.program) for t in tracks] == [("MELODY", 73), ("CHORDS", 24), ("BASS", 32)]
    per_tick = raw.ticks_per_quarter // 12
    melody = [(n.time // per_tick, n.duration // per_tick, n.pitch, n.velocity) for n in tracks[0].notes]
    assert melody == [(n.onset, n.duration, n.pitch, n.velocity) for n in SCORE.melody]
    second = 60 / SCORE.tempo_bpm / 12
    for ours, theirs in zip(SCORE.melody, pretty.instruments[0].notes, strict=True):
        assert (theirs.start, theirs.end) == pytest.approx((ours.onset * second, ours.end * second), abs=2e-3)
    for track in tracks[1:]:
        starts = sorted({note.time // per_tick for note in track.notes})
        assert starts == [12, 36, 60, 84]  # the bar line at 60 is where the third chord begins
    for span in SCORE.chords:
        sounding = {
            note.pitch % 12
            for track in tracks[1:]
            for note in track.notes
            if note.time // per_tick == span.onset
        }
        assert span.chord.root in sounding
        assert sounding <= span.chord.pitch_classes
