"""What can still be read of a damaged MIDI file: a download that broke off, a track with bytes gone wrong.

Every track is walked event by event, as far as its bytes are events; what follows the first that is none is
given up, and the search goes on at the next track. Chunk lengths, which broken programs write wrong, are
believed only where another chunk or the end of the file follows. A note whose end is lost is lost.
"""

from __future__ import annotations

from typing import NamedTuple

from hrpe_jax.score.midi_chunks import HEADER

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
