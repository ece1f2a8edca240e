from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from hrpe_jax.formats.abc.write import abc_text, write_abc
from hrpe_jax.readers.abc import read_abc
from hrpe_jax.readers.song import Song
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.score.written import cut_pickup
from hrpe_jax.theory.chord import parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.score.made import as_written, scores


def read_back(score: Score, tmp_path: Path) -> Score:
    path = tmp_path / "tune.abc"
    write_abc(score, path)
    (song,) = read_abc(path)
    assert isinstance(song, Song)
    return as_written(song.score)


def test_the_text() -> None:
    score = Score(
        id="tune",
        title="100% mine",
        key=Key.parse("Eb"),
        meter=Meter(4, 4),
        tempo_bpm=90.0,
        melody=(
            Note(0, 6, 63),
            Note(6, 6, 66),
            Note(12, 4, 67),
            Note(16, 4, 75),
            Note(20, 4, 76),
            Note(24, 48, 55),
        ),
        chords=(ChordSpan(0, 36, parse_lead_sheet("Eb")), ChordSpan(36, 60, parse_lead_sheet("Abmaj7/C"))),
    )
    assert abc_text(score).splitlines() == [
        "%abc-2.1",
        "X:1",
        "T:100\\% mine",
        "M:4/4",
        "L:1/8",
        "Q:1/4=90",
        "K:Eb",
        '"Eb"E^F (3:2:3Ge=e G,2- "Abmaj7/C"G,2- | G,4 z4 |]',
    ]


@settings(max_examples=60)
@given(scores())
def test_any_score_reads_back(tmp_path_factory: pytest.TempPathFactory, score: Score) -> None:
    back, written = read_back(score, tmp_path_factory.mktemp("abc")), as_written(cut_pickup(score))
    assert (back.melody, back.title, back.key) == (written.melody, written.title, written.key)
    assert (back.tempo_bpm, back.chords) == (written.tempo_bpm, written.chords)
    if written.bar_resets == () and score.meter.denominator < 16:
        assert (back.meter, back.bar_resets) == (score.meter, ())


def test_titles_stay_in_their_line() -> None:
    text = abc_text(Score("", "One\nK:D", Key(0, "major"), Meter(4, 4), 120.0, (Note(0, 12, 60),), ()))
    assert "T:One K:D\n" in text
    assert (
        abc_text(replace(Score("", "", Key(0, "major"), Meter(4, 4), 120.0, (), ()))).count("T:Untitled") == 1
    )


def test_silence_before_a_pickup_is_left_out(tmp_path: Path) -> None:
    notes = (Note(36, 12, 67), Note(48, 48, 72))
    chords = (ChordSpan(48, 48, parse_lead_sheet("C")),)
    path = tmp_path / "up.abc"
    write_abc(Score("", "Up", Key(0, "major"), Meter(4, 4), 120.0, notes, chords), path)
    assert path.read_text(encoding="utf-8").splitlines()[-1] == 'G2 | "C"c8 |]'
