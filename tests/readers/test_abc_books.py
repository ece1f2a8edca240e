"""Large tune books are read in parts; the songs and their ids are those of the whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hrpe_jax.preprocessing.prepare import PreparedSong, prepare_file
from hrpe_jax.readers import abc as books
from hrpe_jax.readers.abc import book_parts
from hrpe_jax.readers.find import SongFile
from hrpe_jax.readers.read import read_songs

TUNE = 'X:{}\nT:Tune {}\nM:4/4\nL:1/4\nK:G\n"G"GABc|"C"edcB|"D"AFGA|"G"G4|"Em"efge|"C"cdec|"D"dcAF|"G"G4|\n'


def book(path: Path, numbers: list[object], head: str = "") -> SongFile:
    text = head + "\n".join(TUNE.format(number, place) for place, number in enumerate(numbers))
    path.write_bytes(text.encode())
    return SongFile("book", "abc", str(path), path.name)


@pytest.mark.parametrize("numbers", [[1, 2, 3, 4, 5, 6, 7], [1, 1, "1-2", 1, "", "", 9]])
def test_parts_give_what_the_whole_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers: list[object]
) -> None:
    song = book(tmp_path / "book.abc", numbers, head="Words.\r\nM:3/4\r\nQ:1/4=90\n\n%%begintext\nX\n")
    whole = prepare_file(song)
    assert book_parts(song) == [song]
    monkeypatch.setattr(books, "TUNES", 3)
    parts = book_parts(song)
    assert [part.tunes for part in parts] == [(0, 3), (3, 6), (6, None)]
    read = [result for part in parts for result in prepare_file(part)]
    assert read == whole
    ids = [result.id for result in read if isinstance(result, PreparedSong)]
    assert len(set(ids)) == len(numbers)
    assert book_parts(parts[0]) == [parts[0]]


def test_what_is_no_large_book_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "TUNES", 2)
    missing = SongFile("a", "abc", str(tmp_path / "a.abc"), "a.abc")
    assert book_parts(missing) == [missing]
    os.mkfifo(tmp_path / "pipe.abc")
    pipe = SongFile("p", "abc", str(tmp_path / "pipe.abc"), "pipe.abc")
    assert book_parts(pipe) == [pipe]
    midi = SongFile("m", "midi", str(tmp_path / "a.abc"), "a.abc")
    assert book_parts(midi) == [midi]
    small = book(tmp_path / "small.abc", [1, 2])
    assert book_parts(small) == [small]


def test_a_large_book_in_utf_16_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "TUNES", 3)
    song = book(tmp_path / "book.abc", [1, 2, 3, 4, 5, 6, 7])
    Path(song.path).write_text(Path(song.path).read_text(encoding="utf-8"), encoding="utf-16")
    parts = book_parts(song)
    assert len(parts) == 3
    assert sum(len(read_songs(part)) for part in parts) == 7
