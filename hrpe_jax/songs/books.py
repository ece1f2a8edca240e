"""Large tune books in parts, so that limits of time and memory are those of a part, and all processors help.

What a part gives depends on the file alone, never on how fast the machine is.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import replace

from hrpe_jax.score.abc_file import MAX_BYTES, MAX_TUNES
from hrpe_jax.songs.find import SongFile

TUNES = 250
"""Tunes of a part: two or three seconds of work."""
_TUNE = re.compile(rb"(?:\A|[\r\n])[ \t]*X:")


def book_parts(song: SongFile) -> list[SongFile]:
    """The parts of a tune book that are to be read one by one; any other file as it is.

    Songs of the parts have the ids that they have in the whole, in the same order.
    """
    if song.format != "abc" or song.tunes != (0, None):
        return [song]
    try:
        about = os.stat(song.path)
        if not stat.S_ISREG(about.st_mode) or not TUNES * 4 < about.st_size <= MAX_BYTES:
            return [song]
        with open(song.path, "rb") as file:
            data = file.read(MAX_BYTES)
    except OSError:  # the reader will say so
        return [song]
    count = sum(1 for _ in _TUNE.finditer(data))
    if not TUNES < count <= MAX_TUNES:
        return [song]
    firsts = range(0, count, TUNES)
    stops = [*firsts[1:], None]
    return [replace(song, tunes=(first, stop)) for first, stop in zip(firsts, stops, strict=True)]
