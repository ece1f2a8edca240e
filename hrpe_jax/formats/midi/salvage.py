"""What can still be read of a damaged MIDI file: a download that broke off, a track with bytes gone wrong.

Every track is walked event by event, as far as its bytes are events; what follows the first that is none is
given up, and the search goes on at the next track. Chunk lengths, which broken programs write wrong, are
believed only where another chunk or the end of the file follows. A note whose end is lost is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

HEADER = b"MThd"
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


_TRACK = b"MTrk"
_END = b"\x00\xff\x2f\x00"


class Salvage(NamedTuple):
    """What `salvage` returns.

    Attributes:
        data: a well-formed file of what could be read; of the same format and time division.
        kept: bytes of events in it.
        tracks: that it has, whole ones and cut ones.
        cut: how many of them lost their ends.
        missing: tracks that the header promises and nothing is left of.
    """

    data: bytes
    kept: int
    tracks: int
    cut: int
    missing: int


def salvage(data: bytes) -> Salvage:
    """The readable part of a file whose header is sound (see `midi_guard.check_bytes`).

    Takes time in proportion to the size.
    """
    begin = data.find(_TRACK, 8)
    tracks: list[bytes] = []
    cut = 0
    while 0 <= begin <= len(data) - 8:
        first = begin + 8
        said = first + int.from_bytes(data[begin + 4 : first], "big")
        following = data.find(_TRACK, first)
        if said == len(data) or (said < len(data) and data[said : said + 4] == _TRACK):
            following = said if said < len(data) else -1
            limit = said
        else:
            limit = following if following >= 0 else len(data)
        end, is_whole = _events(data, first, limit)
        tracks.append(data[first:end])
        cut += not is_whole
        begin = following
    chunks = [_TRACK + (len(events) + len(_END)).to_bytes(4, "big") + events + _END for events in tracks]
    header = HEADER + b"\0\0\0\6" + data[8:10] + min(len(tracks), 0xFFFF).to_bytes(2, "big") + data[12:14]
    missing = max(0, int.from_bytes(data[10:12], "big") - len(tracks))
    return Salvage(header + b"".join(chunks), sum(map(len, tracks)), len(tracks), cut, missing)


def _events(data: bytes, begin: int, limit: int) -> tuple[int, bool]:
    """(where the last whole event ends, whether the track says its end there); the end itself is left out."""
    whole, running = begin, 0
    while True:
        position = _past_number(data, whole, limit)
        if position < 0 or position >= limit:
            return whole, False
        status = data[position]
        if status < 0x80:
            status = running
        else:
            position += 1
        if status == 0xFF:
            kind = data[position : position + 1]
            position = _past_block(data, position + 1, limit)
            if kind == b"\x2f":
                return whole, True
        elif status in (0xF0, 0xF7):
            position = _past_block(data, position, limit)
        elif 0x80 <= status < 0xF0:
            running = status
            length = 1 if status & 0xE0 == 0xC0 else 2
            values = data[position : min(position + length, limit)]
            position = position + length if len(values) == length and max(values) < 0x80 else -1
        else:
            return whole, False
        if not 0 <= position <= limit:
            return whole, False
        whole = position


def _past_number(data: bytes, position: int, limit: int) -> int:
    """The position after a number of at most four bytes; -1 where there is none."""
    for after in range(position + 1, min(position + 4, limit) + 1):
        if data[after - 1] < 0x80:
            return after
    return -1


def _past_block(data: bytes, position: int, limit: int) -> int:
    """The position after a length and so many bytes; -1 where they are not all there."""
    first = _past_number(data, position, limit)
    if first < 0:
        return -1
    length = 0
    for byte in data[position:first]:
        length = length << 7 | byte & 0x7F
    return first + length if first + length <= limit else -1
