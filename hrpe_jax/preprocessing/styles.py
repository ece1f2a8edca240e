"""Which style of music a song is of, as `preprocess --style` says it: pop, folk, hymns ..."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.splits import nearest_folder, plain_folder
from hrpe_jax.readers.find import SongFile

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def with_styles(songs: Sequence[SongFile], options: Sequence[str]) -> list[SongFile]:
    """The files with their styles; those of folders that no option names have none.

    Args:
        songs: what was found.
        options: each "NAME" for all of the input, or "FOLDER:NAME" for what is below a folder of it; the
            nearest folder decides.

    Raises:
        UserError: an option is no such thing, or holds for no file.
    """
    styles: dict[str, str] = {}
    for option in options:
        folder, _, name = option.rpartition(":")
        folder = plain_folder(folder)
        if not _NAME.fullmatch(name):
            raise UserError(
                f"--style={option}: style {name!r}: expected a short name of small letters, such as "
                "--style=folk, or --style=FOLDER:folk for a folder of the input"
            )
        if folder in styles:
            raise UserError(f"--style={option}: a second style for {folder or 'the whole input'}")
        styles[folder] = name
    used: set[str] = set()
    named = []
    for song in songs:
        folder_of_it = nearest_folder(song.name, styles)
        if folder_of_it is not None:
            used.add(folder_of_it)
            song = replace(song, style=styles[folder_of_it])
        named.append(song)
    for folder, name in styles.items():
        if folder not in used:
            found = sorted({song.name.partition("/")[0] for song in songs if "/" in song.name})[:8]
            raise UserError(
                f"--style={folder}:{name}: no song lies in {folder!r}"
                + (f"; folders of the input are {', '.join(found)}" if found else "")
            )
    return named
