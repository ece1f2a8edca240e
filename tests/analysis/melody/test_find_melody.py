"""Melodies are found by name, by words, by looks, and note by note."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.analysis.melody.find_melody import find_melody
from hrpe_jax.formats.midi.read import MidiFile, MidiTrack, read_midi

QUARTER = 480


def track(rows: list[tuple[int, int, int, int]], name: str = "", program: int = 0, drum: bool = False):
    return MidiTrack(name, program, drum, np.array(sorted(rows)).reshape(-1, 4))


def song(*tracks: MidiTrack, **more) -> MidiFile:
    return MidiFile(ticks_per_quarter=QUARTER, tracks=tracks, tempos=((0, 100.0),), **more)


def tune(bars: int = 16, start: int = 4) -> list[tuple[int, int, int, int]]:
    """A sung line: small steps in the middle of the treble, breathing at the end of each phrase."""
    steps = [0, 2, 4, 2, 0, -1, 0, 4, 5, 4, 2, 0]
    rows, at = [], start * 4 * QUARTER
    for bar in range(bars):
        for beat in range(3 if bar % 4 == 3 else 4):
            for half in range(1 + (beat + bar) % 2):
                length = QUARTER // (1 + (beat + bar) % 2)
                rows.append(
                    (at + beat * QUARTER + half * length, length - 10, 67 + steps[len(rows) % 12], 95)
                )
        at += 4 * QUARTER
    return rows


def chords(bars: int = 20) -> list[tuple[int, int, int, int]]:
    """Broken triads with a bass below."""
    rows = []
    for bar in range(bars):
        root = (48, 53, 55, 48)[bar % 4]
        rows.append((bar * 4 * QUARTER, 4 * QUARTER, root - 12, 70))
        for eighth in range(8):
            pitch = root + (0, 7, 12, 16)[eighth % 4]
            rows.append((bar * 4 * QUARTER + eighth * QUARTER // 2, QUARTER // 2, pitch, 60))
    return rows


def f1(found: np.ndarray, true: list[tuple[int, int, int, int]]) -> float:
    ours, theirs = ({(int(row[0]), int(row[2])) for row in rows} for rows in (found, true))
    return 2 * len(ours & theirs) / (len(ours) + len(theirs))


def check(midi: MidiFile) -> None:
    found = find_melody(midi)
    onset, duration = found.notes[:, 0], found.notes[:, 1]
    assert found.notes.dtype == np.int64
    assert (np.diff(onset) > 0).all()
    assert (duration > 0).all()
    assert (onset[:-1] + duration[:-1] <= onset[1:]).all()
    given = {tuple(row[[0, 2, 3]].tolist()) for track in midi.tracks for row in track.rows}
    assert {tuple(row[[0, 2, 3]].tolist()) for row in found.notes} <= given


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("Piano", "MELODY", "Bass"), 1),
        (("Vocals", "Piano", "Bass"), 0),
        (("lead_vocal", "Backing Vocal", "Piano"), 0),
        (("Backing Vocals", "Lead guitar", "Voice"), 2),
        (("ピアノ", "メロディー", ""), 1),
        (("主旋律", "和弦", ""), 0),
        (("Klavier", "Gesang", "Bass"), 1),
        (("Melody 2", "Melody", "Bass"), 1),
    ],
)
def test_a_track_that_is_named_is_taken(names: tuple[str, ...], wanted: int):
    rows = [[(i * QUARTER, 300, 60 + j, 90) for i in range(16)] for j in range(3)]
    found = find_melody(song(*(track(r, name) for r, name in zip(rows, names, strict=True))))
    assert (found.how, found.track) == ("named", wanted)


def test_the_name_of_a_song_on_all_tracks_names_none():
    found = find_melody(song(track(chords(), "My Melody"), track(tune(), "My Melody")))
    assert (found.how, found.track) == ("scored", 1)


def test_the_words_are_sung_by_the_track_that_has_their_rhythm():
    low = [(tick, length, pitch - 24, 60) for tick, length, pitch, _ in tune()]
    high = [(tick + 160, 100, pitch + 5, 100) for tick, _, pitch, _ in tune()]
    syllables = tuple(row[0] for row in tune())
    found = find_melody(song(track(high), track(chords()), track(low), syllables=syllables))
    assert (found.how, found.track) == ("named", 2)


def test_the_track_that_looks_sung_is_taken():
    bass = [(bar * 4 * QUARTER + beat * QUARTER, 400, 40, 90) for bar in range(20) for beat in range(4)]
    drums = [(i * QUARTER // 2, 50, 42, 100) for i in range(160)]
    found = find_melody(
        song(track(drums, drum=True), track(chords()), track(bass, program=33), track(tune(), program=65))
    )
    assert (found.how, found.track) == ("scored", 3)
    assert f1(found.notes, tune()) == 1.0


def test_a_tune_is_found_among_its_accompaniment_in_one_track():
    found = find_melody(song(track(tune() + chords())))
    assert found.how == "skyline"
    assert f1(found.notes, tune()) > 0.85


def test_nothing_to_sing():
    drums = track([(0, 10, 40, 90)], drum=True)
    for midi in (song(), song(drums)):
        found = find_melody(midi)
        assert found.notes.shape == (0, 4)
        assert found.track == -1


rows = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(1, 3000), st.integers(0, 127), st.integers(0, 127)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60)
@given(st.lists(rows, min_size=1, max_size=3))
def test_any_notes_give_one_note_at_a_time(tables: list):
    check(song(*(track(table) for table in tables)))


def test_very_many_notes_at_once_are_bounded():
    check(song(track([(i // 50, 1 + i % 7, 30 + i % 60, 80) for i in range(40_000)])))


def test_real_songs_with_names_hidden(shared_data: Path):
    right = 0
    folders = [shared_data / "pop909" / "POP909" / f"{number:03d}" for number in range(10, 210, 10)]
    for folder in folders:
        midi = read_midi(folder / f"{folder.name}.mid")
        hidden = replace(midi, tracks=tuple(replace(each, name="") for each in midi.tracks))
        check(hidden)
        right += midi.tracks[find_melody(hidden).track].name == "MELODY"
    assert right >= 18


def test_the_lowest_pitch_is_a_note_too():
    check(song(track([(0, 1, 0, 0)]), track([(0, 1, 0, 0)])))
