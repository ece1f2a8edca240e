from __future__ import annotations

from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.score import midi_guard
from hrpe_jax.score.midi import MidiError, parse_midi, read_midi


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "big") + body


def midi(*tracks: bytes, division: int = 480, count: int | None = None) -> bytes:
    count = len(tracks) if count is None else count
    header = b"\x00\x01" + count.to_bytes(2, "big") + division.to_bytes(2, "big")
    return chunk(b"MThd", header) + b"".join(chunk(b"MTrk", t + b"\x00\xff\x2f\x00") for t in tracks)


NOTE = b"\x00\x90\x3c\x40\x83\x60\x80\x3c\x40"  # middle C for 480 ticks


def tempo(microseconds: int) -> bytes:
    return b"\x00\xff\x51\x03" + microseconds.to_bytes(3, "big")


def meter(numerator: int, power: int) -> bytes:
    return b"\x00\xff\x58\x04" + bytes([numerator, power, 24, 8])


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
    "midi_too_large": [b"MThd" + bytes(midi_guard.MAX_BYTES)],
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


def test_too_many_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(midi_guard, "MAX_NOTES", 2)
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
    assert midi_guard._track_ticks(track) == 480 + 128 + 16 + 5 + 7 + 8 + 16384
    data = midi(body + b"\x80\x3c\x40")
    ticks = midi_guard._track_ticks(data[22:])
    assert ticks == 480 + 128 + 16 + 5 + 7 + 8 + 16384
    assert midi_guard._ticks_bound(data) >= midi_guard._nearer_bound(data[22:]) >= ticks


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
