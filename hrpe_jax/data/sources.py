"""Finding the songs that a user points at, and reading each by its format.

pop909     folders NNN with NNN.mid, chord_midi.txt, beat_midi.txt and key_audio.txt, at any depth
chorales   MusicXML files of four-part settings at any depth, or, with the word `chorales` in place of a
folder, those that come with the package music21 (extra `corpus`)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hrpe_jax.errors import UserError
from hrpe_jax.score.score import Score

FORMATS = ("pop909", "chorales")
BUILT_IN = "chorales"
_MUSICXML = (".mxl", ".musicxml", ".xml")


@dataclass(frozen=True)
class SongFile:
    """A song that has been found and not yet been read.

    Attributes:
        id: unique among the songs found together.
        format: one of FORMATS.
        path: its file or folder.
        name: the path as the user knows it, relative to what was given.
    """

    id: str
    format: str
    path: Path
    name: str


def find_songs(source: str | Path, format: str = "auto") -> list[SongFile]:
    """The songs of a folder, of a single file, or of the built-in corpus, sorted by name.

    Args:
        source: a folder or file, or "chorales"; "" means "chorales" where that is the format.
        format: one of FORMATS, or "auto" to see what is there.

    Raises:
        UserError: if there is nothing, or nothing of that format.
    """
    if str(source) == BUILT_IN or (not str(source) and format == BUILT_IN):
        if format not in ("auto", BUILT_IN):
            raise UserError(
                f"--input={source} is a corpus of format {BUILT_IN}, not {format}; leave --format out"
            )
        return _built_in()
    root = Path(source)
    if not str(source):
        raise UserError(f"--input: expected a folder or file of songs, or the word {BUILT_IN}")
    if not root.exists():
        raise UserError(
            f"{source}: no such file or folder; expected songs, or --input={BUILT_IN} for a built-in corpus"
        )
    for name in FORMATS if format == "auto" else (format,):
        paths = sorted(_FINDERS[name](root))
        if paths:
            return _name_songs(paths, root, name)
    wanted = (
        "POP909 songs (NNN/NNN.mid with chord_midi.txt) or MusicXML chorales" if format == "auto" else format
    )
    raise UserError(f"{root}: no songs found; expected {wanted} in it")


def read_song(song: SongFile) -> Score:
    """Reads a song; errors are those of the format's reader (`.reason` names the kind where there is one)."""
    if song.format == "pop909":
        from hrpe_jax.songs.pop909 import read_pop909

        return read_pop909(song.path)
    from hrpe_jax.songs.chorales import read_chorale

    return read_chorale(song.path)


def _built_in() -> list[SongFile]:
    from hrpe_jax.songs.chorales import chorale_folder, list_chorales

    return _name_songs(list(list_chorales().files), chorale_folder(), BUILT_IN)


def _name_songs(paths: list[Path], root: Path, format: str) -> list[SongFile]:
    """Ids are file names without suffix where these are unique, else paths."""
    stems = [path.name if path.is_dir() else path.stem for path in paths]
    unique = len(set(stems)) == len(stems)
    songs = []
    for path, stem in zip(paths, stems, strict=True):
        name = path.relative_to(root).as_posix() if root in path.parents else path.name
        songs.append(SongFile(stem if unique else name, format, path, name))
    return songs


def _pop909_folders(root: Path) -> Iterator[Path]:
    """Folders that are, or were meant to be, a POP909 song; the reader says what is missing in one."""
    if root.is_file():
        root = root.parent
    for folder, subfolders, files in os.walk(root):
        if "chord_midi.txt" in files or "beat_midi.txt" in files:
            subfolders.clear()
            yield Path(folder)


def _musicxml_files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield from [root] if root.suffix.lower() in _MUSICXML else []
        return
    for folder, _, files in os.walk(root):
        yield from (Path(folder, file) for file in files if Path(file).suffix.lower() in _MUSICXML)


_FINDERS: dict[str, Callable[[Path], Iterator[Path]]] = {
    "pop909": _pop909_folders,
    "chorales": _musicxml_files,
}
