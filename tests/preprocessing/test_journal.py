"""What a journal keeps: whole frames of unchanged files, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing import journal as module
from hrpe_jax.preprocessing.journal import SUFFIX, Entry, Journal, song_key, to_frame
from hrpe_jax.preprocessing.prepare import PreparedSong, prepare_file
from hrpe_jax.preprocessing.writer import Reject
from hrpe_jax.readers.find import SongFile, find_songs
from tests.preprocessing.songs import write_songs


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[SongFile]:
    return find_songs(write_songs(tmp_path_factory.mktemp("songs") / "all", 3)).songs


def _filled(folder: Path, songs: list[SongFile]) -> list[bytes]:
    keys = [song_key(song, "") for song in songs]
    journal = Journal(folder)
    for key, song in zip(keys, songs, strict=True):
        journal.add(key, [*prepare_file(song), Reject(song.name, "made_up", "dé\ud7fftail", "7")])
    journal.close()
    return keys


def test_what_is_added_is_read(tmp_path: Path, songs: list[SongFile]):
    keys = _filled(tmp_path / "j", songs)
    journal = Journal(tmp_path / "j")
    assert len(journal) == 3
    for key, song in zip(keys, songs, strict=True):
        prepared = prepare_file(song)[0]
        entry, reject = journal.results(key)
        assert isinstance(prepared, PreparedSong)
        assert isinstance(entry, Entry)
        assert reject == Reject(song.name, "made_up", "dé\ud7fftail", "7")
        assert (entry.id, entry.file, entry.tokens) == (prepared.id, prepared.file, prepared.tokens)
        assert entry.about == prepared.about
        for stage, record in prepared.records.items():
            assert journal.record(entry, stage) == record
        for name in ("windows", "melody", "chords"):
            np.testing.assert_array_equal(journal.array(entry, name), getattr(prepared.marks, name))
    journal.close(remove=True)
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize("cut", [1, 100, 2000])
def test_a_torn_end_is_done_again(tmp_path: Path, songs: list[SongFile], cut: int):
    keys = _filled(tmp_path / "j", songs)
    file = next((tmp_path / "j").glob(f"*{SUFFIX}"))
    os.truncate(file, file.stat().st_size - cut)
    journal = Journal(tmp_path / "j")
    assert [key in journal for key in keys] == [True, True, False]
    journal.add(keys[2], prepare_file(songs[2]))
    journal.close()
    again = Journal(tmp_path / "j")
    assert all(key in again for key in keys)
    assert len(again.results(keys[2])) == 1
    again.close()


def test_a_changed_byte_is_not_believed(tmp_path: Path, songs: list[SongFile]):
    keys = _filled(tmp_path / "j", songs)
    file = next((tmp_path / "j").glob(f"*{SUFFIX}"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    journal = Journal(tmp_path / "j")
    assert [key in journal for key in keys] == [True, False, False]
    journal.close()


def test_frames_of_others_are_found_when_asked_for(tmp_path: Path, songs: list[SongFile]):
    journal = Journal(tmp_path / "j")
    key = song_key(songs[0], "")
    (tmp_path / "j" / f"worker{SUFFIX}").write_bytes(to_frame(key, prepare_file(songs[0])) * 2)
    (tmp_path / "j" / "unfinished").write_bytes(b"")
    assert key not in journal
    journal.load()
    assert key in journal
    assert len(journal) == 1
    journal.close()


def test_keys_change_with_file_settings_and_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write_songs(tmp_path / "songs", 1)
    song = find_songs(root).songs[0]
    key = song_key(song, "a")
    assert song_key(song, "a") == key
    assert song_key(song, "b") != key
    os.utime(root / "001" / "chord_midi.txt", ns=(0, 0))
    touched = song_key(song, "a")
    assert touched != key
    monkeypatch.setattr(module, "code_version", lambda: "other")
    assert song_key(song, "a") != touched
    (root / "001" / "001.mid").unlink()
    song_key(SongFile("gone", "midi", str(root / "gone.mid"), "gone.mid"), "a")


def test_two_runs_do_not_write_one_output(tmp_path: Path):
    journal = Journal(tmp_path / "j")
    with pytest.raises(UserError, match=r"process \d+ on .* works here \(preprocess"):
        Journal(tmp_path / "j")
    journal.close()
    Journal(tmp_path / "j").close()
