from __future__ import annotations

import pytest

from hrpe_jax.formats.midi.limits import file_title, is_pattern_file, split_patterns, track_chunks, unwrap
from tests.formats.midi.midi_bytes import NOTE, midi, riff, text


def test_unwrap() -> None:
    data = midi(NOTE)
    assert unwrap(riff(data)) == data
    assert unwrap(data) == data
    for broken in (b"", b"RIFF", b"RIFF0000RMID", b"RIFF0000WAVE" + data):
        assert unwrap(broken) == broken


def test_track_chunks_are_cut_at_the_end() -> None:
    data = midi(b"", NOTE)
    assert list(track_chunks(data)) == [(22, 26), (34, 47)]
    assert list(track_chunks(data[:40])) == [(22, 26), (34, 40)]
    assert list(track_chunks(b"MThd\xff\xff\xff\xff" + bytes(6))) == []


def test_patterns() -> None:
    assert is_pattern_file(midi(NOTE, NOTE, form=2))
    assert not is_pattern_file(midi(NOTE, NOTE))
    assert not is_pattern_file(midi(NOTE, form=2))
    first, second = split_patterns(midi(NOTE, b"", form=2))
    assert first == midi(NOTE, form=0)
    assert second == midi(b"", form=0)


@pytest.mark.parametrize(
    ("track", "title"),
    [
        (text(3, b"Yesterday"), "Yesterday"),
        (text(3, b"  Two\nlines \x00"), "Two lines"),
        (text(3, "Für Elise".encode()), "Für Elise"),
        (text(3, "Für Elise".encode("cp1252")), "Für Elise"),
        (text(3, b"Soft karaoke") + text(1, b"@TLet It Be") + text(1, b"@TThe Beatles"), "Let It Be"),
        (NOTE, ""),
    ],
)
def test_title(track: bytes, title: str) -> None:
    assert file_title(midi(track, text(3, b"another"))) == title


def test_title_of_a_name_cut_off() -> None:
    assert file_title(midi(text(3, b"Yesterday"))[:30]) == "Yest"
    assert file_title(b"MThd") == ""
