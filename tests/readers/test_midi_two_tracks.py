from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.formats.midi.read import MidiFile, parse_midi, read_midi
from hrpe_jax.readers.midi_two_tracks import chord_track_song, count_bars, find_chord_track, longest_key
from hrpe_jax.readers.song import Song
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.formats.midi.midi_bytes import key, meter, midi, notes

C, F, G7, C_OVER_E = [48, 52, 55], [53, 57, 60], [43, 47, 50, 53], [52, 55, 60]
TUNE = [(at * 480, 480, 60 + at % 5) for at in range(16)]


def blocks(*chords: list[int], bar: int = 1920) -> list[tuple[int, int, int]]:
    return [(at * bar, bar, pitch) for at, chord in enumerate(chords) for pitch in chord]


def song(file: MidiFile) -> Song:
    tracks = find_chord_track(file)
    assert tracks is not None
    return chord_track_song(file, tracks, "folder/The_tune.mid")


def test_chords_are_spelled_by_their_notes() -> None:
    made = song(parse_midi(midi(key(0) + meter(4, 2), notes(TUNE), notes(blocks(C, F, G7, C_OVER_E)))))
    score = made.score
    assert [to_lead_sheet(span.chord) for span in score.chords] == ["C", "F", "G7", "C/E"]
    assert [span.onset for span in score.chords] == [0, 48, 96, 144]
    assert len(score.melody) == 16
    assert (score.id, score.title) == ("The_tune", "The tune")
    assert (score.key, score.meter, score.tempo_bpm) == (Key(0, "major"), Meter(4, 4), 120.0)
    assert (made.found, made.warnings, made.error) == ((), (), None)


def test_the_order_of_the_tracks_does_not_matter() -> None:
    tracks = notes(TUNE), notes(blocks(C, F, G7, C))
    assert song(parse_midi(midi(*tracks))).score.chords == song(parse_midi(midi(*tracks[::-1]))).score.chords


def test_short_blocks_ring_and_equal_ones_are_one() -> None:
    strokes = [(at * 480, 240, pitch) for at in range(12) for pitch in (C if at < 8 else F)]
    score = song(parse_midi(midi(notes(TUNE), notes(strokes)))).score
    assert [(span.onset, span.duration) for span in score.chords] == [(0, 96), (96, 42)]


def test_second_voices_and_melodies_that_outlast_the_chords() -> None:
    low = [(at * 480, 480, 50) for at in range(16)]
    score = song(parse_midi(midi(notes(TUNE + low), notes(blocks(C, F, G7))))).score
    assert [note.pitch for note in score.melody] == [pitch for _, _, pitch in TUNE]
    assert score.chords[-1].end == 144
    assert score.end == 192


def test_meter_changes_become_bar_resets() -> None:
    change = meter(3, 2) + b"\x96\x40" + meter(2, 2)[1:] + b"\x87\x40" + meter(3, 2)[1:]
    made = song(parse_midi(midi(change, notes(TUNE), notes(blocks(C, F, G7, C, F, bar=1440)))))
    assert made.score.meter == Meter(3, 4)
    assert made.score.bar_starts()[:5] == (0, 36, 72, 96, 132)


def test_no_meter_is_said() -> None:
    made = song(parse_midi(midi(notes(TUNE), notes(blocks(C, F, G7, C)))))
    assert made.found == ("key", "meter")
    assert made.warnings == ("meter_assumed",)


def test_the_mode_is_found_and_key_changes_are_kept() -> None:
    tune = [(at * 480, 480, pitch) for at, pitch in enumerate([69, 71, 72, 76, 72, 71, 68, 69] * 2)]
    chords = blocks([45, 48, 52], [40, 44, 47], [50, 53, 57], [45, 48, 52])
    made = song(parse_midi(midi(key(0), notes(tune), notes(chords))))
    assert made.score.key == Key(9, "minor")
    assert made.found == ("key", "meter")
    later = key(0) + b"\xbc\x00" + key(2)[1:]  # after 7680 ticks
    up = [(onset + 7680, length, pitch + 2) for onset, length, pitch in TUNE]
    moved = [(onset + 7680, length, pitch + 2) for onset, length, pitch in blocks(C, F, G7, C)]
    made = song(parse_midi(midi(later, notes(TUNE + up), notes(blocks(C, F, G7, C) + moved))))
    assert made.keys == ((0, Key(0, "major")), (192, Key(2, "major")))


@pytest.mark.parametrize(
    "tracks",
    [
        [notes(TUNE)],
        [notes(TUNE), notes(TUNE)],
        [notes(TUNE), notes(blocks(C, F)), notes(blocks(C, F))],  # one voice of an arrangement
        [notes(TUNE), notes([*blocks(C, F, C, G7), (240, 200, 50), (2000, 200, 51)])],  # a left hand
        [notes(TUNE), notes([(onset + 11 * i, 1900, p) for i, (onset, _, p) in enumerate(blocks(C, F, G7))])],
        [notes(blocks(C, F, G7, C)), notes(blocks(C, F, G7, C))],
        [notes(TUNE), notes(blocks([48, 49, 50], [50, 51, 52]))],
    ],
)
def test_other_files_are_left_alone(tracks: list[bytes]) -> None:
    assert find_chord_track(parse_midi(midi(*tracks))) is None


@given(
    st.lists(st.tuples(st.integers(1, 400), st.integers(1, 20), st.sampled_from([1, 2, 4, 8, 16, 32]))),
    st.integers(1, 2000),
)
def test_bars_count_up_to_the_end(changes: list[tuple[int, int, int]], end: int) -> None:
    ticks = np.cumsum([step for step, _, _ in changes]).tolist()
    said = [(tick, Meter(num, den)) for tick, (_, num, den) in zip(ticks, changes, strict=True)]
    regular, bars = count_bars(said, end)
    assert regular.is_supported
    assert bars[0] == 0
    assert bars == sorted(set(bars))
    assert len(bars) <= end


def test_longest_key() -> None:
    a, b = Key(0, "major"), Key(7, "major")
    assert longest_key([(0, a), (10, b), (19, a)], 24) == a
    assert longest_key([(0, a), (10, b)], 24) == b


def test_no_piano_is_taken_for_a_chord_track(shared_data: Path) -> None:
    files = sorted((shared_data / "pop909" / "POP909").glob("*/???.mid"))[::40]
    files += sorted((shared_data / "plainmidi").glob("*/*.mid"))[::12]
    assert not any(find_chord_track(read_midi(path)) for path in files)


@pytest.mark.slow
def test_nottingham(shared_data: Path) -> None:
    spans = 0
    files = sorted((shared_data / "nottingham" / "MIDI").glob("*.mid"))
    for path in files:
        midi_file = read_midi(path)
        tracks = find_chord_track(midi_file)
        if len(midi_file.tracks) == 2:
            assert tracks is not None, path
            spans += len(chord_track_song(midi_file, tracks, str(path)).score.chords)
    assert len(files) == 1034
    assert spans == 42114
