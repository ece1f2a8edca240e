from __future__ import annotations

from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.formats.midi import limits
from hrpe_jax.formats.midi.read import MidiError, MidiNote, MidiTrack, parse_midi, read_midi
from tests.formats.midi.midi_bytes import NOTE, key, meter, midi, notes, riff, tempo, text


def test_reads_notes_tempo_and_meter() -> None:
    file = parse_midi(midi(tempo(600_000) + meter(3, 2) + b"\x00\xff\x03\x06MELODY" + NOTE))
    assert file.ticks_per_quarter == 480
    assert file.tempos == ((0, 100.0),)
    assert file.meters == ((0, 3, 4),)
    assert [t.name for t in file.tracks] == ["MELODY"]
    assert file.tracks[0].notes == ((0, 480, 60, 64),)
    assert file.tracks[0].notes[0].end == file.end == 480
    assert file.tracks[0].array().tolist() == [[0, 480, 60, 64]]
    assert file.note_count == 1
    assert file.seconds([480])[0] == pytest.approx(0.6)


def test_seconds_and_ticks_through_tempo_changes() -> None:
    change = b"\x83\x60\xff\x51\x03" + (250_000).to_bytes(3, "big")
    file = parse_midi(midi(tempo(500_000) + change, NOTE))
    ticks = np.array([0, 240, 480, 960, 4800])
    np.testing.assert_allclose(file.seconds(ticks), [0, 0.25, 0.5, 0.75, 2.75])
    np.testing.assert_allclose(file.ticks(file.seconds(ticks)), ticks)


def test_no_tempo_means_120() -> None:
    assert parse_midi(midi(NOTE)).tempos == ((0, 120.0),)


def test_notes_without_length_are_dropped_and_counted() -> None:
    file = parse_midi(midi(b"\x00\x90\x3c\x40\x00\x80\x3c\x40" + NOTE))
    assert file.dropped_notes == 1
    assert file.note_count == 1


LONG = b"\xff\xff\xff\x7f"  # the largest delta time, 2^28 - 1 ticks
REFUSED = {
    "midi_corrupt": [
        b"",
        b"RIFF0000RMID0000",
        b"MThd" + b"\x00" * 4,
        b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\x00\x00\xff\xff\x00\x90",
        midi(NOTE)[:-6],
        midi(b"\x00\x3c\x40" + NOTE),  # running status before any status
        midi(NOTE, form=3),
        riff(midi(NOTE))[:30],
    ],
    "midi_division": [
        midi(NOTE, division=0),
        midi(NOTE, division=20_001),
        midi(NOTE, division=0xE728),
    ],
    "midi_too_many_tracks": [midi(*[NOTE] * 257), midi(NOTE, count=257)],
    "midi_bad_tempo": [midi(tempo(0) + NOTE), midi(tempo(59_000) + NOTE), midi(tempo(6_100_000) + NOTE)],
    "midi_bad_meter": [midi(meter(0, 2) + NOTE), midi(meter(65, 2) + NOTE), midi(meter(4, 6) + NOTE)],
    "midi_too_long": [
        midi((LONG + b"\x90\x3c\x40" + LONG + b"\x80\x3c\x40") * 8),
        midi(b"\x00\x90\x3c\x40" + LONG + b"\x80\x3c\x40"),  # 77 hours
    ],
    "midi_too_large": [b"MThd" + bytes(limits.MAX_BYTES)],
}


@pytest.mark.parametrize(
    ("reason", "data"),
    [(reason, data) for reason, files in REFUSED.items() for data in files],
    ids=[f"{reason}-{i}" for reason, files in REFUSED.items() for i in range(len(files))],
)
def test_refused(reason: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.mid"
    path.write_bytes(data)
    with pytest.raises(MidiError) as caught:
        read_midi(path)
    assert caught.value.reason == reason
    assert caught.value.detail
    message = str(caught.value)
    assert "bad.mid" in message
    assert "\n" not in message
    assert isinstance(caught.value, UserError)


def test_riff_files_hold_midi_files() -> None:
    assert parse_midi(riff(midi(NOTE))).tracks[0].notes == ((0, 480, 60, 64),)


def test_patterns_of_format_2_follow_each_other_on_bar_lines() -> None:
    first = meter(3, 2) + tempo(600_000) + key(1) + notes([(0, 480, 60), (1440, 480, 62)])
    file = parse_midi(midi(first, b"", text(3, b"B") + tempo(400_000) + notes([(240, 480, 64)]), form=2))
    (track,) = file.tracks  # one channel is one voice
    assert [note.onset for note in track.notes] == [0, 1440, 2880 + 240]  # after two bars of 3/4
    assert file.tempos == ((0, 100.0), (2880, 150.0))
    assert file.meters == ((0, 3, 4), (2880, 4, 4))
    assert file.keys == ((0, 1, 0),)
    assert file.end == 2880 + 720


def test_patterns_without_notes_are_an_empty_file() -> None:
    assert parse_midi(midi(b"", b"", form=2)).tracks == ()


@pytest.mark.parametrize("raw", [b"\x83\x8f\x81\x5b", "Café".encode("cp1252"), b"\xff\xfeA\x00", b"\x00\x07"])
def test_texts_in_any_encoding(raw: bytes) -> None:
    file = parse_midi(midi(text(3, raw) + text(1, raw), text(3, raw) + text(5, raw) + NOTE))
    assert file.note_count == 1
    assert isinstance(file.title + file.tracks[0].name + file.lyrics[0][1], str)


def test_rows_are_sorted_and_cannot_be_changed() -> None:
    file = parse_midi(midi(notes([(480, 240, 60), (0, 480, 67), (0, 960, 60)])))
    rows = file.tracks[0].rows
    assert rows[:, :3].tolist() == [[0, 720, 60], [0, 480, 67], [480, 480, 60]]  # first in, first out
    with pytest.raises(ValueError, match="read-only"):
        rows[0, 0] = 1
    again = MidiTrack("", 0, False, file.tracks[0].notes)
    assert again.rows.tolist() == rows.tolist()
    assert isinstance(again.notes[0], MidiNote)


def test_too_many_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_NOTES", 2)
    with pytest.raises(MidiError) as caught:
        parse_midi(midi(NOTE * 3))
    assert caught.value.reason == "midi_too_many_notes"


def test_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mid", tmp_path):
        with pytest.raises(MidiError) as caught:
            read_midi(path)
        assert caught.value.reason == "midi_missing"


def test_tick_count_is_exact_and_its_bound_a_bound() -> None:
    # Running status, a system exclusive, a channel message with one data byte, and a text between the notes.
    body = (
        NOTE
        + b"\x81\x00\x90\x3c\x40\x10\x3e\x40\x05\xf0\x02\x01\xf7\x07\xc0\x05\x08\xff\x01\x03abc\x81\x80\x00"
    )
    track = body + b"\x80\x3c\x40\x00\xff\x2f\x00"
    assert limits._track_ticks(track) == 480 + 128 + 16 + 5 + 7 + 8 + 16384
    data = midi(body + b"\x80\x3c\x40")
    ticks = limits._track_ticks(data[22:])
    assert ticks == 480 + 128 + 16 + 5 + 7 + 8 + 16384
    assert limits._ticks_bound(data) >= limits._nearer_bound(data[22:]) >= ticks


@pytest.mark.parametrize("seed", range(40))
def test_damaged_files_never_crash(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(midi(tempo(500_000) + meter(4, 2) + NOTE * 20, NOTE * 20))
    for _ in range(8):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    try:
        file = parse_midi(bytes(data[: int(rng.integers(10, len(data) + 1))]))
    except MidiError:
        return
    assert file.end < 2**31


def test_agrees_with_pretty_midi(shared_data: Path) -> None:
    path = shared_data / "pop909" / "POP909" / "001" / "001.mid"
    ours = read_midi(path)
    theirs = pretty_midi.PrettyMIDI(str(path))
    for track, instrument in zip(ours.tracks, theirs.instruments, strict=True):
        assert track.name == instrument.name
        starts = ours.seconds([note.onset for note in track.notes])
        expected = sorted((n.start, n.pitch) for n in instrument.notes)
        np.testing.assert_allclose(starts, [start for start, _ in expected], atol=1e-6)


def test_real_files_are_read(shared_data: Path) -> None:
    files = sorted((shared_data / "plainmidi").glob("**/*.mid"))[::6]
    refused = []
    for path in files:
        try:
            assert read_midi(path).note_count > 0
        except MidiError as error:
            refused.append(error.reason)
    assert len(refused) <= 1
