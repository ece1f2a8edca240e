"""The band on made-up and real lead sheets."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.arranging.arrange import BandOptions, arrange
from hrpe_jax.arranging.arrangement import Arrangement, PlayedNote, Programs, even_tick, swing_tick
from hrpe_jax.arranging.styles import band_names, read_band
from hrpe_jax.arranging.voicing import GAP
from hrpe_jax.formats.midi.lead_sheet import score_from_midi
from hrpe_jax.formats.midi.write import write_midi
from hrpe_jax.readers.musicxml import read_lead_sheet
from hrpe_jax.score.form import parse_form
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord, parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.score.made import scores

STYLES = [name for name in band_names() if name != "none"]


def song(chords: str, meter: str = "4/4", form: str = "", beats: int = 4) -> Score:
    """A chord a bar under a scale."""
    names = chords.split()
    ticks = Meter.parse(meter).bar_ticks
    return Score(
        "song",
        "",
        Key.parse("C major"),
        Meter.parse(meter),
        120,
        tuple(Note(ticks // 2 * i, ticks // 2, 64 + (i * 5) % 12) for i in range(2 * len(names))),
        tuple(ChordSpan(ticks * i, ticks, parse_lead_sheet(name)) for i, name in enumerate(names)),
        form=parse_form(form) if form else (),
    )


BLUES = song("C7 F7 C7 C7 F7 F7 C7 A7 Dm7 G7 C7 G7")


def play(score: Score, name: str, **more: object) -> Arrangement:
    return arrange(score, BandOptions(read_band(name), **{"humanize": 0.0, "swing": 0.5, **more}))  # type: ignore[arg-type]


def notes(arrangement: Arrangement, name: str) -> tuple[PlayedNote, ...]:
    part = arrangement.part(name)
    return part.notes if part else ()


def meetings(score: Score, arrangement: Arrangement, slack: float = 0.0) -> tuple[int, int, int]:
    """(melody notes, those at or under the highest chord note meanwhile, those at the pitch of one)."""
    at = same = 0
    for sung in score.melody:
        under = [
            note.pitch
            for note in notes(arrangement, "CHORDS")
            if note.onset < sung.end - slack and note.end > sung.onset + slack
        ]
        at += bool(under) and max(under) >= sung.pitch
        same += sung.pitch in under
    return len(score.melody), at, same


@pytest.mark.parametrize("name", STYLES)
def test_every_style_plays_under_the_melody(name: str) -> None:
    arrangement = play(BLUES, name)
    assert meetings(BLUES, arrangement)[1:] == (0, 0)
    for note in notes(arrangement, "CHORDS"):
        sung = [n.pitch for n in BLUES.melody if n.onset < note.end and n.end > note.onset]
        assert all(pitch - note.pitch >= GAP for pitch in sung)
    assert len(notes(arrangement, "CHORDS")) > 12
    assert len(notes(arrangement, "BASS")) >= 12


@pytest.mark.parametrize("name", [name for name in STYLES if name != "block"])
def test_chords_and_basses_are_those_of_the_sheet(name: str) -> None:
    arrangement = play(BLUES, name)
    for span in BLUES.chords:
        comp = [n for n in notes(arrangement, "CHORDS") if span.onset <= n.onset < span.end - 6]
        assert {n.pitch % 12 for n in comp} <= span.chord.pitch_classes
        latest = (span.onset + span.end) / 2
        assert any(span.onset - 6 <= n.onset < latest for n in notes(arrangement, "CHORDS"))
        struck = [n for n in notes(arrangement, "BASS") if abs(n.onset - span.onset) <= 6]
        assert span.chord.bass in {n.pitch % 12 for n in struck}
    assert all(24 <= n.pitch <= 56 for n in notes(arrangement, "BASS"))


@pytest.mark.parametrize("name", [*STYLES, "none"])
@settings(max_examples=15)
@given(score=scores())
def test_any_score_can_be_played(name: str, score: Score) -> None:
    arrangement = arrange(score, BandOptions(read_band(name), seed=3))
    assert arrangement == arrange(score, BandOptions(read_band(name), seed=3))
    assert arrangement.parts[0].name == "MELODY"
    assert len(notes(arrangement, "MELODY")) == len(score.melody)
    for part in arrangement.parts:
        assert all(
            0 <= n.onset < n.end and 0 <= n.pitch <= 127 and 1 <= n.velocity <= 127 for n in part.notes
        )


def test_nothing_sounds_before_the_first_chord_or_over_no_chord() -> None:
    spans = (
        ChordSpan(12, 48, parse_lead_sheet("C")),
        ChordSpan(60, 48, Chord.NONE),
        ChordSpan(108, 48, parse_lead_sheet("F")),
    )
    score = replace(song("C C C C"), chords=spans, bar_resets=(12,))
    for name in STYLES:
        arrangement = play(score, name)
        for part in arrangement.parts[1:]:
            assert all(note.onset >= 12 for note in part.notes), name
        for track in ("CHORDS", "BASS"):
            assert not [n for n in notes(arrangement, track) if 60 <= n.onset < 102], name


def test_irregular_bars_and_fast_changes() -> None:
    names = "C F G C Am D G C".split() * 2  # noqa: SIM905
    spans = [ChordSpan(6 * i, 6, parse_lead_sheet(name)) for i, name in enumerate(names)]
    score = replace(song("C C"), chords=tuple(spans), bar_resets=(36, 60))
    for name in STYLES:
        bass = {n.onset: n.pitch % 12 for n in notes(play(score, name), "BASS")}
        for span in spans[:12]:
            assert bass.get(span.onset) == span.chord.bass, name


def test_a_part_can_be_left_out_and_has_its_program() -> None:
    arrangement = play(BLUES, "swing-drums", programs=Programs(73, None, 35))
    assert [part.name for part in arrangement.parts] == ["MELODY", "CHORDS", "BASS"]
    assert [part.program for part in arrangement.parts] == [73, 0, 35]
    assert [part.name for part in play(BLUES, "none").parts] == ["MELODY"]


def test_sections_are_played_differently_with_fills_and_an_end() -> None:
    score = song("C F G C " * 4, form="A8B8")
    drums = notes(play(score, "rock"), "DRUMS")
    first = {n.pitch for n in drums if 48 <= n.onset < 96}
    later = {n.pitch for n in drums if 48 * 9 <= n.onset < 48 * 10}
    assert (42 in first, 51 in first, 42 in later, 51 in later) == (True, False, False, True)
    fill = [n for n in drums if 48 * 7 <= n.onset < 48 * 8 and n.pitch in (47, 50)]
    assert fill
    last = [n for n in drums if n.onset >= 48 * 15]
    assert {n.onset for n in last} == {48 * 15}
    held = [n for n in notes(play(score, "rock"), "BASS") if n.onset == 48 * 15]
    assert [n.end for n in held] == [48 * 16]


def test_sections_are_pushed() -> None:
    score = song("C F G C " * 8, form="A8B8C8D8")
    bass = notes(play(score, "pop"), "BASS")
    early = [n for n in bass if n.onset % 48 == 42 and n.end > n.onset // 48 * 48 + 48]
    assert early
    assert {(int(n.onset) + 6) // 48 for n in early} <= {8, 16, 24}


def test_a_walking_bass_walks() -> None:
    bass = notes(play(BLUES, "swing"), "BASS")
    inner = [n for n in bass if n.onset < 48 * 7]
    assert [n.onset for n in inner] == list(range(0, 48 * 7, 12))
    steps = [abs(a.pitch - b.pitch) for a, b in pairwise(inner)]
    assert sum(step <= 7 for step in steps) / len(steps) > 0.9
    assert sum(step == 0 for step in steps) / len(steps) < 0.1


def test_swing_and_back() -> None:
    for tick in range(48):
        assert even_tick(swing_tick(tick, 0.64), 0.64) == pytest.approx(tick)
    assert swing_tick(6, 2 / 3) == pytest.approx(8)
    assert swing_tick(12, 0.7) == 12


def test_a_swung_file_reads_back(tmp_path: Path) -> None:
    score = replace(BLUES, melody=(Note(0, 6, 72), Note(6, 12, 74), Note(18, 30, 76)))
    write_midi(score, tmp_path / "a.mid", BandOptions(read_band("swing"), seed=5))
    assert score_from_midi(tmp_path / "a.mid").melody == score.melody


def test_people_differ_by_the_seed_and_a_little() -> None:
    even = play(BLUES, "pop")
    once, again, other = (play(BLUES, "pop", humanize=1.0, seed=seed) for seed in (1, 1, 2))
    assert once == again
    assert once != other
    second = BLUES.tempo_bpm * 12 / 60
    one = play(BLUES, "pop", seed=1)
    for part, grid in zip(once.parts[1:], one.parts[1:], strict=True):
        late = [abs(a.onset - b.onset) / second for a, b in zip(part.notes, grid.notes, strict=True)]
        assert 0 < max(late) <= 0.021
        assert len({n.velocity for n in part.notes}) > len({n.velocity for n in grid.notes})
    assert once.parts[0] == even.parts[0]


def test_real_lead_sheets(shared_data: Path) -> None:
    files = sorted((shared_data / "openewld").rglob("*.mxl"))
    total, at, same = 0, 0, 0
    for file in random.Random(1).sample(files, 6):
        score = read_lead_sheet(file).score
        found = meetings(score, arrange(score, BandOptions(seed=1)), slack=0.6)
        total, at, same = total + found[0], at + found[1], same + found[2]
    assert same == 0
    assert at <= 0.02 * total


@settings(max_examples=20)
@given(st.sampled_from(STYLES), scores())
def test_all_parts_keep_to_the_piece(name: str, score: Score) -> None:
    last = (score.bar_starts() or (0,))[-1] + score.meter.bar_ticks
    for part in play(score, name).parts[1:]:
        assert all(note.onset < last for note in part.notes)
