"""MIDI files put together byte by byte, so that tests can say exactly what stands in them."""

from __future__ import annotations

from collections.abc import Iterable

NOTE = b"\x00\x90\x3c\x40\x83\x60\x80\x3c\x40"
"""Middle C for 480 ticks, at once."""


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "big") + body


def midi(*tracks: bytes, division: int = 480, count: int | None = None, form: int = 1) -> bytes:
    """A file of these tracks, each closed; the header may claim another count."""
    count = len(tracks) if count is None else count
    header = form.to_bytes(2, "big") + count.to_bytes(2, "big") + division.to_bytes(2, "big")
    return chunk(b"MThd", header) + b"".join(chunk(b"MTrk", t + b"\x00\xff\x2f\x00") for t in tracks)


def riff(data: bytes) -> bytes:
    """The file in a RIFF file, after a chunk of odd size."""
    body = b"RMID" + b"LIST" + (3).to_bytes(4, "little") + b"abc\x00"
    body += b"data" + len(data).to_bytes(4, "little") + data
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def number(value: int) -> bytes:
    """A variable-length number."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(0x80 | value & 0x7F)
    return bytes(reversed(digits))


def text(kind: int, content: bytes) -> bytes:
    """A text event at once: 1 text, 3 track name, 5 lyric."""
    return b"\x00\xff" + bytes([kind]) + number(len(content)) + content


def tempo(microseconds: int) -> bytes:
    return b"\x00\xff\x51\x03" + microseconds.to_bytes(3, "big")


def meter(numerator: int, power: int) -> bytes:
    return b"\x00\xff\x58\x04" + bytes([numerator, power, 24, 8])


def key(fifths: int, minor: int = 0) -> bytes:
    return b"\x00\xff\x59\x02" + (fifths % 256).to_bytes(1, "big") + bytes([minor])


def notes(rows: Iterable[tuple[int, int, int]], channel: int = 0) -> bytes:
    """Events of (onset, duration, pitch) in ticks from here, velocity 80."""
    events = [(onset + length, 0x80, pitch) for onset, length, pitch in rows]
    events += [(onset, 0x90, pitch) for onset, _, pitch in rows]
    data, now = b"", 0
    for tick, status, pitch in sorted(events):
        data += number(tick - now) + bytes([status + channel, pitch, 80])
        now = tick
    return data
