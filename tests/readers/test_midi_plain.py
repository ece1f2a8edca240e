from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.analysis.keys import Keys
from hrpe_jax.analysis.melody.find_melody import FoundMelody
from hrpe_jax.formats.midi.read import MidiFile, MidiNote, MidiTrack
from hrpe_jax.readers.midi_plain import ALONE_BARS, _weigh_signature, plain_song, read_plain_midi
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.score.score import ChordSpan, Note
from hrpe_jax.theory.chord import Chord, to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

QUARTER, BAR = 480, 1920
CHORDS = {"C": (48, 64, 67), "Am": (45, 60, 64), "F": (41, 57, 60), "G": (43, 59, 62)}
PROGRESSION = ("C", "Am", "F", "G")
# A bar of melody over each: eighths and quarters, chord notes on the beats, a step between them.
TUNE = {
    "C": ((0, 76), (480, 79), (960, 77), (1200, 76), (1440, 72)),
    "Am": ((0, 76), (480, 72), (960, 74), (1200, 76), (1440, 69)),
    "F": ((0, 77), (480, 81), (960, 79), (1200, 77), (1440, 72)),
    "G": ((0, 74), (480, 79), (960, 77), (1200, 74), (1440, 71)),
}


def accompaniment(bars: range, program: int = 0) -> MidiTrack:
    """Bass and chord, struck on every beat."""
    rows = [
        MidiNote(bar * BAR + beat * QUARTER, QUARTER, pitch, 90 if beat == 0 else 60)
        for bar in bars
        for beat in range(4)
        for pitch in CHORDS[PROGRESSION[bar % 4]]
    ]
    return MidiTrack("piano", program, False, rows)


def melody(bars: range, late: int = 0) -> MidiTrack:
    rows: list[MidiNote] = []
    for bar in bars:
        notes = TUNE[PROGRESSION[bar % 4]]
        ends = [place for place, _ in notes[1:]] + [BAR]
        for (place, pitch), end in zip(notes, ends, strict=True):
            rows.append(MidiNote(bar * BAR + place + late, end - place, pitch, 100))
    return MidiTrack("MELODY", 73, False, rows)


def file(*tracks: MidiTrack, title: str = "") -> MidiFile:
    return MidiFile(QUARTER, tracks, ((0, 120.0),), ((0, 4, 4),), title=title)


def song(*tracks: MidiTrack) -> Song:
    return plain_song(file(*tracks), "folder/My_song.mid")


def test_a_song() -> None:
    made = plain_song(
        file(melody(range(16)), accompaniment(range(16)), title="Four chords"), "folder/tune.mid"
    )
    score = made.score
    assert (score.id, score.title, score.source) == ("tune", "Four chords", "tune.mid")
    assert (score.meter, score.tempo_bpm, score.key) == (Meter(4, 4), 120.0, Key(0, "major"))
    assert [to_lead_sheet(span.chord) for span in score.chords] == list(PROGRESSION) * 4
    assert [span.onset for span in score.chords] == [48 * bar for bar in range(16)]
    assert len(score.melody) == 80
    assert score.melody[:2] == tuple(sorted(score.melody))[:2]
    assert {note.onset % 48 for note in score.melody} == {0, 12, 24, 30, 36}
    assert score.bar_starts() == tuple(range(0, 16 * 48, 48))
    assert {"chords", "key", "melody"} <= set(made.found)
    assert made.warnings == ()
    assert made.error == 0.0
    assert made.keys == ()


def test_error_is_the_mean_distance_from_the_grid() -> None:
    made = song(melody(range(16), late=20), accompaniment(range(16)))
    assert made.error == pytest.approx(0.5)  # 20 of 480 ticks


def test_tick_0_is_the_bar_line_of_the_first_event() -> None:
    made = song(melody(range(8, 24)), accompaniment(range(6, 24)))
    assert made.score.chords[0].onset == 0
    assert made.score.melody[0].onset == 96
    assert made.score.bar_starts()[1] == 48
    assert made.warnings == ()


def test_long_lead_ins_and_tails_are_cut() -> None:
    made = song(melody(range(30, 40)), accompaniment(range(70)))
    assert made.score.melody[0].onset == ALONE_BARS * 48
    assert made.score.end == (10 + 2 * ALONE_BARS) * 48
    assert made.warnings == ("cut",)


def test_a_hidden_second_piece_is_cut() -> None:
    hidden = [*range(16), *range(60, 66)]
    made = song(melody(hidden), accompaniment(hidden))
    assert made.score.end == 16 * 48
    assert made.warnings == ("cut",)


def test_one_line_has_no_chords() -> None:
    made = song(melody(range(16)))
    assert made.score.chords == ()
    assert made.warnings == ("no_chords",)
    assert len(made.score.melody) == 80


def test_noises_are_no_harmony() -> None:
    with_noise = song(
        melody(range(16)), accompaniment(range(16)), MidiTrack("sea", 122, False, [(0, 40000, 61, 99)])
    )
    assert with_noise.score.chords == song(melody(range(16)), accompaniment(range(16))).score.chords


def test_the_upper_line_where_nothing_looks_like_a_melody(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = FoundMelody(np.zeros((0, 4), dtype=np.int64), "skyline", 0)
    monkeypatch.setattr("hrpe_jax.readers.midi_plain.find_melody", lambda midi: nothing)
    rows = [tuple(note) for note in melody(range(16)).notes]
    low = [(onset, duration, pitch - 12, velocity) for onset, duration, pitch, velocity in rows]
    right, left = MidiTrack("Right", 0, False, sorted(rows + low)), accompaniment(range(16))
    made = song(right, left)
    assert [note.pitch for note in made.score.melody] == [pitch for _, _, pitch, _ in rows]
    assert made.warnings == ("melody_skyline",)


@pytest.mark.parametrize(
    ("fifths", "expected"),
    [(0, Key(0, "major")), (1, Key(7, "major")), (5, Key(0, "major"))],
)
def test_a_signature_decides_between_near_keys_only(fifths: int, expected: Key) -> None:
    # C, G and D chords with neither F nor F# in the tune: C or G major.
    found = Keys(Key(0, "major"), ((0, Key(0, "major")),))
    line = [Note(12 * at, 12, pitch) for at, pitch in enumerate([67, 71, 74, 72, 76, 74, 71, 67] * 4)]
    chords = [ChordSpan(48 * at, 48, Chord(root, "maj")) for at, root in enumerate([7, 0, 7, 0, 7])]
    made = MidiFile(QUARTER, (), ((0, 120.0),), keys=((0, fifths, 0),))
    assert _weigh_signature(made, found, line, chords).key == expected


def same(pitch: int, count: int, is_drum: bool = False) -> MidiTrack:
    rows = [MidiNote(at * 240, 200, pitch, 80) for at in range(count)]
    return MidiTrack("", 0, is_drum, rows)


@pytest.mark.parametrize(
    ("tracks", "reason"),
    [
        ([], "no_notes"),
        ([same(36, 200, is_drum=True)], "drums_only"),
        ([same(60, 200)], "one_pitch"),
        ([melody(range(1))], "too_short"),
        ([melody(range(2)), accompaniment(range(2))], "too_short"),
    ],
)
def test_what_is_no_song(tracks: list[MidiTrack], reason: str) -> None:
    with pytest.raises(SongError) as caught:
        plain_song(file(*tracks), "folder/x.mid")
    assert caught.value.reason == reason
    assert str(caught.value).startswith("folder/x.mid: ")
    assert "expected" in str(caught.value)


def test_real_files_are_songs(shared_data: Path) -> None:
    for path in sorted((shared_data / "plainmidi").glob("*/*.mid"))[7::40]:
        score = read_plain_midi(path).score
        assert score.chords or score.melody
        first = min(item.onset for item in (*score.chords[:1], *score.melody[:1]))
        assert first < score.meter.bar_ticks, path
