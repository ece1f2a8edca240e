"""Every file of a folder is accounted for, whatever it is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.readers.find import Found, find_songs, show

MIDI = b"MThd\0\0\0\6\0\1\0\1\0\x60"
TUNE = "X:1\nK:C\nCDEF|\n"


def _put(root: Path, *names: str | bytes, content: bytes = MIDI) -> None:
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(content)


def _passed(found: Found) -> dict[str, str]:
    return {file.name: file.reason for file in found.passed}


def test_a_mixed_folder(tmp_path: Path):
    _put(tmp_path, "b/2.mid", "b/1.mid", "a.bin")
    _put(tmp_path, "tunes.txt", content=TUNE.encode())
    _put(tmp_path, "README.md", "b/.DS_Store", content=b"nothing")
    _put(tmp_path, "POP909/007/007.mid", "POP909/007/chord_midi.txt", "POP909/007/beat_audio.txt")
    _put(tmp_path, "POP909/007/versions/007-v1.mid", ".git/config.mid")
    found = find_songs(tmp_path)
    assert [(song.format, song.name) for song in found.songs] == [
        ("pop909", "POP909/007"),
        ("midi", "a.bin"),
        ("midi", "b/1.mid"),
        ("midi", "b/2.mid"),
        ("abc", "tunes.txt"),
    ]
    assert [song.id for song in found.songs] == ["007", "a", "1", "2", "tunes"]
    assert found.companions == 2
    assert _passed(found) == {
        "README.md": "not_music",
        "b/.DS_Store": "not_music",
        ".git": "hidden_folder",
        "POP909/007/versions": "pop909_versions",
    }
    assert found.files == 11


def test_a_format_is_a_filter(tmp_path: Path):
    _put(tmp_path, "1/1.mid", "1/chord_midi.txt", "2.mid")
    _put(tmp_path, "a.abc", content=TUNE.encode())
    assert [song.name for song in find_songs(tmp_path, "midi").songs] == [
        "1/1.mid",
        "1/chord_midi.txt",
        "2.mid",
    ]
    assert [song.name for song in find_songs(tmp_path, "pop909").songs] == ["1"]
    abc = find_songs(tmp_path, "abc")
    assert [song.name for song in abc.songs] == ["a.abc"]
    assert set(_passed(abc).values()) == {"other_format"}
    with pytest.raises(UserError, match=r"no songs found \(4 other_format\); expected billboard in it"):
        find_songs(tmp_path, "billboard")


def test_ids_are_paths_where_names_repeat_and_charts_are_named_by_folder(tmp_path: Path):
    chart = b"# title: A\n\n0.0\tsilence\n"
    _put(tmp_path, "0003/salami_chords.txt", "0004/salami_chords.txt", content=chart)
    assert [song.id for song in find_songs(tmp_path).songs] == ["0003", "0004"]
    _put(tmp_path, "other/0003.mid")
    assert [song.id for song in find_songs(tmp_path).songs] == [
        "0003/salami_chords",
        "0004/salami_chords",
        "other/0003",
    ]
    _put(tmp_path, "other/0003.rmi")
    assert [song.id for song in find_songs(tmp_path).songs][2:] == ["other/0003.mid", "other/0003.rmi"]


def test_links_are_followed_and_loops_end(tmp_path: Path):
    _put(tmp_path, "music/a.mid", "elsewhere/b.mid")
    (tmp_path / "music" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "music" / "self").symlink_to("self")
    (tmp_path / "music" / "gone.mid").symlink_to("nowhere")
    (tmp_path / "music" / "c.mid").symlink_to(tmp_path / "elsewhere" / "b.mid")
    found = find_songs(tmp_path)
    assert [song.name for song in found.songs] == ["elsewhere/b.mid", "music/a.mid", "music/c.mid"]
    assert _passed(found) == {
        "music/up": "link_loop",
        "music/self": "broken_link",
        "music/gone.mid": "broken_link",
    }


def test_what_is_no_file_is_not_opened(tmp_path: Path):
    _put(tmp_path, "a.mid")
    os.mkfifo(tmp_path / "pipe.mid")  # opening it would wait for ever
    assert _passed(find_songs(tmp_path)) == {"pipe.mid": "not_a_file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_said(tmp_path: Path):
    _put(tmp_path, "a.mid", "b.mid", "c/d.mid")
    (tmp_path / "b.mid").chmod(0)
    (tmp_path / "c").chmod(0)
    assert _passed(find_songs(tmp_path)) == {"b.mid": "unreadable_file", "c": "unreadable_folder"}


def test_names_in_any_bytes_become_text(tmp_path: Path):
    _put(tmp_path, b"caf\xe9.mid", "caf\\xe9.mid", "Ü.mid", b"\xff\xfe/\xf0.mid")
    found = find_songs(tmp_path)
    assert len({song.id for song in found.songs}) == 4
    assert {song.name for song in found.songs} == {"caf\\xe9.mid", "Ü.mid", "\\xff\\xfe/\\xf0.mid"}
    for song in found.songs:
        json.dumps([song.id, song.name], ensure_ascii=False).encode()
        assert Path(song.path).is_file()
    assert [show(name) for name in ("plain", "a\udcffb", "half \ud800")] == [
        "plain",
        "a\\xffb",
        "half \\ud800",
    ]


def test_a_single_file_and_nothing_at_all(tmp_path: Path):
    _put(tmp_path, "x.dat")
    assert [(song.id, song.name) for song in find_songs(tmp_path / "x.dat").songs] == [("x", "x.dat")]
    _put(tmp_path, "empty/y.txt", content=b"")
    with pytest.raises(UserError, match=r"no songs found \(1 not_music\); expected POP909"):
        find_songs(tmp_path / "empty")
    with pytest.raises(UserError, match="no such file or folder"):
        find_songs(tmp_path / "absent")
    with pytest.raises(UserError, match="leave --format out"):
        find_songs("chorales", "midi")


def test_the_output_is_not_read(tmp_path: Path):
    _put(tmp_path, "a.mid", "set/b.mid")
    found = find_songs(tmp_path, skip=[tmp_path / "set"])
    assert [song.name for song in found.songs] == ["a.mid"]
    assert _passed(found) == {"set": "output_folder"}
