"""The outside of a MIDI file: RIFF wrapping, chunks, and its title, read from the bytes.

The parser sees neither: it takes bare files only, puts the patterns of a format 2 file on top of each other,
and keeps texts as UTF-8, which karaoke files rarely are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

HEADER = b"MThd"
_TRACK = b"MTrk"
_TITLE_SPAN = 4096
"""Bytes of a track in which its name is looked for."""
_TITLE_LENGTH = 200


def unwrap(data: bytes) -> bytes:
    """The MIDI file inside a RIFF file of type RMID; any other data as it is."""
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    position = 12
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == b"data":
            return data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
    return data


def track_chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """(begin, end) of the bytes of every track after the header; the last may be cut off."""
    position = 8 + int.from_bytes(data[4:8], "big")
    while position + 8 <= len(data):
        begin = position + 8
        position = begin + int.from_bytes(data[position + 4 : begin], "big")
        if data[begin - 8 : begin - 4] == _TRACK:
            yield begin, min(position, len(data))


def is_pattern_file(data: bytes) -> bool:
    """Whether the header says format 2: tracks that are patterns of their own, not voices of one piece."""
    return data[8:10] == b"\x00\x02" and data[10:12] not in (b"\x00\x00", b"\x00\x01")


def split_patterns(data: bytes) -> list[bytes]:
    """Every track of a format 2 file as a file of format 0."""
    header = HEADER + b"\x00\x00\x00\x06\x00\x00\x00\x01" + data[12:14]
    return [
        header + _TRACK + (end - begin).to_bytes(4, "big") + data[begin:end]
        for begin, end in track_chunks(data)
    ]


_KARAOKE_TITLE = re.compile(rb"\xff\x01[\x03-\x7f]@T([^\xff\x00-\x1f]{1,200})")
_NAME = re.compile(rb"\xff\x03([\x01-\x7f])")


def file_title(data: bytes) -> str:
    """What the file calls the piece: karaoke's first "@T" text, else the name of its first track.

    The name may say nothing ("untitled", "Track 1"). Bytes that are no UTF-8 are read as Latin 1.
    """
    karaoke = _KARAOKE_TITLE.search(data) if b"@T" in data else None
    if karaoke is not None:
        return _text(karaoke[1])
    begin, end = next(track_chunks(data), (0, 0))
    name = _NAME.search(data, begin, min(end, begin + _TITLE_SPAN))
    return "" if name is None else _text(data[name.end() : min(name.end() + name[1][0], end)])


def _text(raw: bytes) -> str:
    """Text of unknown encoding, in one line, without control characters."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_TITLE_LENGTH]
