"""Reading what was found, each file by the reader of its format; readers are loaded when first needed."""

from __future__ import annotations

import os
from dataclasses import replace

from hrpe_jax.errors import UserError
from hrpe_jax.readers.find import SongFile, find_songs, is_song_folder
from hrpe_jax.readers.song import Song, SongError


def read_first(path: str | os.PathLike[str]) -> Song:
    """Reads one file, or one folder of POP909; of several tunes, the first that can be read.

    Raises:
        UserError: it cannot be read, is no music, or is a folder of many songs.
    """
    formats = "MIDI, MusicXML, ABC or another format that preprocess reads"
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file; expected {formats}")
    if os.path.isdir(path) and not is_song_folder(path):  # a whole tree is not searched for one song
        raise UserError(f"{path}: is a folder; expected one file: {formats}")
    try:
        found = find_songs(os.fspath(path))
    except UserError:
        raise UserError(f"{path}: holds no music that can be read; expected {formats}") from None
    tunes = read_songs(found.songs[0])
    errors = [tune for tune in tunes if isinstance(tune, SongError)]
    songs = [tune for tune in tunes if isinstance(tune, Song)]
    if not songs:
        raise errors[0] if errors else UserError(f"{path}: holds no tune")
    return songs[0]


def read_all(path: str | os.PathLike[str]) -> list[Song]:
    """Reads all songs of a file or folder; those that cannot be read are left out.

    Raises:
        UserError: there is no song that can be read.
    """
    songs: list[Song] = []
    failed: UserError | None = None
    for file in find_songs(os.fspath(path)).songs:
        try:
            songs += [tune for tune in read_songs(file) if isinstance(tune, Song)]
        except UserError as error:
            failed = error
    if not songs:
        raise failed or UserError(f"{path}: holds no song that can be read")
    return songs


def read_songs(song: SongFile) -> list[Song | SongError]:
    """Reads a file: one song, or the tunes of a book, each of them a song or the error that it gave.

    A song some of whose chords the vocabulary cannot hold has the warning "chords_simplified"; they are shown
    as they were written, and sound as the nearest chord.

    Raises:
        UserError: the file as a whole cannot be read; errors are those of the format's reader (`.reason`
            names the kind where there is one).
    """
    return [_with_warning(tune) if isinstance(tune, Song) else tune for tune in _read(song)]


def _with_warning(song: Song) -> Song:
    if all(span.chord.is_exact for span in song.score.chords):
        return song
    return replace(song, warnings=tuple(sorted({*song.warnings, "chords_simplified"})))


def _read(song: SongFile) -> list[Song | SongError]:
    """Reads a file by the reader of its format."""
    match song.format:
        case "pop909":
            from hrpe_jax.readers.pop909 import read_pop909_song

            read = read_pop909_song(song.path, song.form)
            source = "labels" if read.score.form else ""
            error = read.melody.mean_error
            return [Song(read.score, warnings=read.warnings, keys=read.keys, error=error, form_source=source)]
        case "chorales":
            from hrpe_jax.readers.chorales import read_chorale

            return [Song(read_chorale(song.path), found=("chords", "key"))]
        case "midi":
            from hrpe_jax.readers.midi_plain import read_midi_song

            return [read_midi_song(song.path)]
        case "musicxml":
            from hrpe_jax.readers.musicxml import read_lead_sheet

            return [read_lead_sheet(song.path)]
        case "abc":
            from hrpe_jax.readers.abc import read_abc

            return list(read_abc(song.path, *song.tunes))
        case "billboard":
            from hrpe_jax.readers.charts import read_billboard

            return [read_billboard(song.path)]
        case "lab":
            from hrpe_jax.readers.charts import read_lab

            return [read_lab(song.path)]
        case "humdrum":
            from hrpe_jax.readers.humdrum import read_humdrum_song

            return [read_humdrum_song(song.path)]
        case "ireal" | "chordpro" | "grid":
            from hrpe_jax.readers.charts import read_bar_chart

            return read_bar_chart(song.path, song.format)
    raise ValueError(f"format {song.format!r}: expected one that songs.find gives")
