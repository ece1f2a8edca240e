from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hrpe_jax.errors import UserError
from hrpe_jax.formats.midi.limits import MidiError
from hrpe_jax.formats.midi.read import midi_bytes, write_midi
from hrpe_jax.readers.midi_plain import read_midi_song
from hrpe_jax.readers.song import SongError
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.formats.midi.midi_bytes import key, meter, midi, notes, riff, tempo, text

SCORE = Score(
    id="sheet",
    title="",
    key=Key(9, "minor"),
    meter=Meter(3, 4),
    tempo_bpm=100.0,
    melody=tuple(Note(12 * at, 12, 60 + at % 7, 90) for at in range(24)),
    chords=(ChordSpan(0, 36, Chord(9, "min")), ChordSpan(36, 252, Chord(4, "7", 8))),
)
TUNE = [(at * 480, 480, 60 + (at * at) % 9) for at in range(32)]
BLOCKS = [(bar * 1920, 1920, pitch) for bar in range(8) for pitch in ((48, 52, 55), (53, 57, 60))[bar % 2]]
BASS = [(bar * 1920, 960, 36 + 5 * (bar % 2)) for bar in range(8)]
CHORD_TRACK = midi(key(0) + meter(4, 2), notes(TUNE), notes(BLOCKS))
PLAIN = midi(tempo(500_000) + meter(4, 2), notes(TUNE), notes(BLOCKS, 1), notes(BASS, 2), notes(BASS, 9))


def test_written_lead_sheets_come_back(tmp_path: Path) -> None:
    write_midi(SCORE, tmp_path / "sheet.mid")
    song = read_midi_song(tmp_path / "sheet.mid")
    assert song.score == SCORE
    assert (song.found, song.warnings, song.error) == ((), (), None)


def test_written_melodies_come_back(tmp_path: Path) -> None:
    alone = Score("alone", "", Key(7, "major"), Meter(3, 4), 100.0, SCORE.melody, ())
    write_midi(alone, tmp_path / "alone.mid")
    assert read_midi_song(tmp_path / "alone.mid").score == alone


def test_chord_tracks_and_plain_files(tmp_path: Path) -> None:
    for name, data in (("track", CHORD_TRACK), ("plain", PLAIN), ("riff", riff(CHORD_TRACK))):
        (tmp_path / f"{name}.mid").write_bytes(data)
    track, plain, wrapped = (read_midi_song(tmp_path / f"{name}.mid") for name in ("track", "plain", "riff"))
    assert track.found == ()
    assert {"chords", "melody"} <= set(plain.found)
    assert wrapped.score.chords == track.score.chords
    assert [span.chord for span in plain.score.chords] == [span.chord for span in track.score.chords]


def test_a_file_that_broke_off_is_a_song_with_a_warning(tmp_path: Path) -> None:
    long = [(at * 480, 480, 60 + (at * at) % 9) for at in range(128)]
    data = midi(tempo(500_000) + meter(4, 2), notes(long), notes(BLOCKS, 1), notes(BASS, 2))
    (tmp_path / "cut.mid").write_bytes(data[:-100])
    (tmp_path / "whole.mid").write_bytes(data)
    cut, whole = (read_midi_song(tmp_path / f"{name}.mid") for name in ("cut", "whole"))
    assert "damaged" in cut.warnings
    assert "damaged" not in whole.warnings
    assert cut.score.melody == whole.score.melody


def test_karaoke_words_are_no_chord_names(tmp_path: Path) -> None:
    words = b"".join(b"\x83\x60" + text(5, word)[1:] for word in (b"A", b"la", b"Am", b"E") * 8)
    (tmp_path / "words.mid").write_bytes(midi(words, notes(TUNE), notes(BLOCKS, 1), notes(BASS, 2)))
    assert "melody" in read_midi_song(tmp_path / "words.mid").found


@pytest.mark.parametrize(
    ("data", "error", "reason"),
    [
        (b"", MidiError, "midi_corrupt"),
        (b"no music", MidiError, "midi_corrupt"),
        (midi(b""), SongError, "no_notes"),
        (midi(notes(TUNE, 9)), SongError, "drums_only"),
        (midi(notes([(at * 480, 480, 60) for at in range(40)])), SongError, "one_pitch"),
        (midi(notes(TUNE[:4])), SongError, "too_short"),
        (
            midi(notes([*TUNE, (200_000_000, 480, 60)]), notes(BLOCKS), division=1000),
            MidiError,
            "midi_too_long",
        ),
    ],
)
def test_reasons(data: bytes, error: type[UserError], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.mid"
    path.write_bytes(data)
    with pytest.raises(error) as caught:
        read_midi_song(path)
    assert getattr(caught.value, "reason", "") == reason
    assert "bad.mid: " in str(caught.value)
    assert "\n" not in str(caught.value)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "insert", "copy"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 255),
        st.integers(1, 40),
    ),
    min_size=1,
    max_size=12,
)


def mutate(data: bytes, edits: list[tuple[str, float, int, int]]) -> bytes:
    changed = bytearray(data)
    for kind, place, value, length in edits:
        at = int(place * len(changed))
        if kind == "set":
            changed[at : at + 1] = bytes([value])
        elif kind == "cut":
            del changed[at : at + length]
        elif kind == "insert":
            changed[at:at] = bytes([value]) * length
        else:
            changed[at:at] = changed[at // 2 : at // 2 + length]
    return bytes(changed)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([CHORD_TRACK, PLAIN, riff(PLAIN), midi_bytes(SCORE)]), EDITS)
def test_damaged_files_are_songs_or_have_a_reason(
    tmp_path: Path, data: bytes, edits: list[tuple[str, float, int, int]]
) -> None:
    path = tmp_path / "damaged.mid"
    path.write_bytes(mutate(data, edits))
    try:
        song = read_midi_song(path)
    except (MidiError, SongError) as error:
        assert error.reason  # noqa: PT017
    else:
        assert song.score.chords or song.score.melody


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "files", "rejected"), [("nottingham", 1034, 0), ("plainmidi", 360, 1)])
def test_corpora(shared_data: Path, folder: str, files: int, rejected: int) -> None:
    paths = sorted((shared_data / folder).glob("*/*.mid")) + sorted((shared_data / folder).glob("*.mid"))
    reasons = []
    for path in paths:
        try:
            read_midi_song(path)
        except (MidiError, SongError) as error:
            reasons.append(error.reason)
    assert len(paths) == files
    assert len(reasons) <= rejected, reasons
