"""Damaged MIDI files are read as far as they go, and nothing is made up."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from hrpe_jax.formats.midi import read as midi_module
from hrpe_jax.formats.midi.limits import salvage
from hrpe_jax.formats.midi.read import MidiError, MidiFile, parse_midi
from tests.formats.midi.midi_bytes import meter, midi, notes, number, tempo, text

TUNE = [(480 * i, 400, 60 + i * 5 % 12) for i in range(100)]
BASS = [(960 * i, 900, 40 + i % 5) for i in range(50)]
WHOLE = midi(tempo(500_000) + meter(3, 2), text(3, b"Song") + notes(TUNE), notes(BASS, 1))


def rows(file: MidiFile) -> set[tuple[int, ...]]:
    return {tuple(row) for track in file.tracks for row in track.rows.tolist()}


def test_a_sound_file_is_left_as_it_is() -> None:
    assert parse_midi(WHOLE, damaged=True).damage == ""
    left = salvage(WHOLE)
    assert (left.data, left.tracks, left.cut, left.missing) == (WHOLE, 3, 0, 0)


@pytest.mark.parametrize("share", [0.55, 0.7, 0.9, 0.99])
def test_a_file_that_broke_off(share: float) -> None:
    cut = WHOLE[: int(share * len(WHOLE))]
    with pytest.raises(MidiError, match="not readable"):
        parse_midi(cut)
    file = parse_midi(cut, damaged=True)
    whole = parse_midi(WHOLE)
    assert rows(file) < rows(whole)
    assert file.note_count > 0.8 * share * whole.note_count
    assert (file.meters, file.ticks_per_quarter) == (whole.meters, whole.ticks_per_quarter)
    assert "could be read" in file.damage


def test_too_little_is_refused() -> None:
    with pytest.raises(MidiError, match="too few to keep") as error:
        parse_midi(WHOLE[:300], damaged=True)
    assert error.value.reason == "midi_corrupt"


def test_bytes_gone_wrong_cost_the_rest_of_their_track() -> None:
    at = WHOLE.index(b"Song") + 300
    damaged = WHOLE[:at] + b"\xfd\xfd\xfd\xfd" + WHOLE[at + 4 :]
    left = salvage(damaged)
    assert (left.tracks, left.cut, left.missing) == (3, 1, 0)
    file = parse_midi(left.data)
    assert rows(file) < rows(parse_midi(WHOLE))
    assert file.tracks[1].rows.tolist() == parse_midi(WHOLE).tracks[1].rows.tolist()


def test_wrong_lengths_of_chunks_are_not_believed() -> None:
    second = WHOLE.index(b"MTrk", 30)
    for claim in (0, 5, 0xFFFFFFFF):
        damaged = WHOLE[: second + 4] + claim.to_bytes(4, "big") + WHOLE[second + 8 :]
        assert rows(parse_midi(salvage(damaged).data)) == rows(parse_midi(WHOLE))


def test_numbers_and_blocks_over_the_edge() -> None:
    for tail in (
        b"\x00\xff\x01" + number(10_000),
        b"\x80\x80\x80\x80\x00",
        b"\x00\xf0\x7f",
        b"\x00\x90\x3c",
        b"\x00\xff",
    ):
        track = notes(TUNE) + tail
        data = midi(b"")[:22] + b"MTrk" + (len(track)).to_bytes(4, "big") + track
        file = parse_midi(salvage(data).data)
        assert file.note_count == len(TUNE)


def test_salvaged_files_are_well_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(midi_module, "SALVAGED_NOTES", 1)
    for seed in range(300):
        random = Random(seed)
        data = bytearray(WHOLE[: random.randrange(14, len(WHOLE))] if seed % 2 else WHOLE)
        for _ in range(random.choice((0, 1, 5))):
            data[random.randrange(14, len(data)) if len(data) > 14 else 0] = random.randrange(256)
        left = salvage(bytes(data))
        again = salvage(left.data)
        assert (again.data, again.cut, again.missing) == (left.data, 0, 0)
        try:
            file = parse_midi(bytes(data), damaged=True)
        except MidiError:
            continue
        assert all(np.all(track.rows[:, 1] > 0) for track in file.tracks)
