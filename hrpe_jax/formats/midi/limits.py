"""Bad MIDI files: what a file must not do, and what can still be read of a damaged one.

Everything is checked before a C++ parser sees it: that parser accepts tick overflow, division 0, tempo 0 and
meter 0/1. Every track of a damaged file is walked event by event, as far as its bytes are events; the search
goes on at the next track. Chunk lengths, which broken programs write wrong, count only where another chunk or
the end of the file follows. A note whose end is lost is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any, NamedTuple

import numpy as np

from hrpe_jax.errors import UserError
from hrpe_jax.formats.text import decode_text

HEADER = b"MThd"
_MACBINARY = 128
"""Bytes of the header that old Macintosh programs put before a file."""
_TITLE_SPAN = 4096
"""Bytes of a track in which its name is looked for."""
_TITLE_LENGTH = 200


def unwrap(data: bytes) -> bytes:
    """The MIDI file inside a RIFF file of type RMID, or behind a header of MacBinary; any other data as it
    is."""
    if data[:1] == b"\0" and data[_MACBINARY : _MACBINARY + 4] == HEADER:
        return data[_MACBINARY:]
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


_KARAOKE_TITLE = re.compile(rb"\xff\x01([\x03-\x7f])@T")
_NAME = re.compile(rb"\xff\x03([\x01-\x7f])")


def file_title(data: bytes) -> str:
    """What the file calls the piece: karaoke's first "@T" text, else the name of its first track.

    The name may say nothing ("untitled", "Track 1"). What is no UTF-8 is read in the encoding of the language
    that a karaoke file names, or in the likeliest one.
    """
    karaoke = _KARAOKE_TITLE.search(data) if b"@T" in data else None
    if karaoke is not None:
        language = _LANGUAGE.search(data)
        title = data[karaoke.end() : karaoke.end() + karaoke[1][0] - 2]
        return _text(title, _ENCODINGS.get(language[1].upper(), "") if language else "")
    begin, end = next(track_chunks(data), (0, 0))
    name = _NAME.search(data, begin, min(end, begin + _TITLE_SPAN))
    return "" if name is None else _text(data[name.end() : min(name.end() + name[1][0], end)])


_LANGUAGE = re.compile(rb"\xff\x01[\x03-\x10]@L([A-Za-z]{4})")
_ENCODINGS = {
    b"JAPA": "cp932", b"KORE": "cp949", b"CHIN": "gb18030", b"TAIW": "big5", b"RUSS": "cp1251",
    b"GREE": "cp1253", b"POLI": "cp1250", b"CZEC": "cp1250", b"HUNG": "cp1250", b"TURK": "cp1254",
    b"HEBR": "cp1255", b"ARAB": "cp1256", b"THAI": "cp874",
}  # fmt: skip
"""By the languages that karaoke files name."""


def _text(raw: bytes, encoding: str = "") -> str:
    """Text in one line, without control characters; see `decode_text`."""
    text = unescape(decode_text(raw, encoding))
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
    """The readable part of a file whose header is sound (see `check_bytes`).

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


MOST_CLAMPED = 16
"""Data bytes over 127 from which on a file is too damaged to believe the rest."""


def clamp(data: bytes) -> tuple[bytes, int]:
    """The file with data bytes over 127 taken as 127, where all its tracks are sound then.

    Returns:
        The bytes, and how many were changed; 0 where there is none, or where that does not mend the file.
    """
    wrong: list[int] = []
    for begin, end in track_chunks(data):
        whole, is_whole = _events(data, begin, end, wrong)
        if not is_whole or end - whole > len(_END) + 3 or len(wrong) > MOST_CLAMPED:
            return data, 0
    fixed = bytearray(data)
    for position in wrong:
        fixed[position] = 0x7F
    return bytes(fixed), len(wrong)


def _events(data: bytes, begin: int, limit: int, wrong: list[int] | None = None) -> tuple[int, bool]:
    """(where the last whole event ends, whether the track says its end there); the end itself is left out.

    Args:
        data: of the file.
        begin: of the track's events.
        limit: their end.
        wrong: takes the places of data bytes over 127, which are passed over; None for none.
    """
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
            high = [position + place for place, value in enumerate(values) if value >= 0x80]
            sound = len(values) == length and (
                not high or (wrong is not None and len(wrong) < MOST_CLAMPED + 1)
            )
            if wrong is not None and sound:
                wrong.extend(high)
            position = position + length if sound else -1
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


MAX_BYTES = 5 * 1024 * 1024
MAX_TRACKS = 256
MAX_NOTES = 200_000
MAX_TICKS = 2**31 - 1
MAX_SECONDS = 24 * 3600
MAX_DIVISION = 20_000
MIN_BPM, MAX_BPM = 10.0, 1000.0
MAX_NUMERATOR = 64
DENOMINATORS = (1, 2, 4, 8, 16, 32)


class MidiError(UserError):
    """A MIDI file that is refused.

    Attributes:
        reason: short code for reject lists: "midi_missing", "midi_too_large", "midi_corrupt",
            "midi_division", "midi_too_many_tracks", "midi_too_many_notes", "midi_too_long", "midi_bad_tempo",
            "midi_bad_meter", "midi_bad_note" or "midi_no_lead_sheet".
        detail: what was found and what was expected.
    """

    def __init__(self, reason: str, where: str, detail: str) -> None:
        super().__init__(f"{where}: {detail}")
        self.reason = reason
        self.detail = detail


def check_bytes(data: bytes, where: str) -> None:
    """Raise MidiError unless size, header and the sum of all delta times are within the limits."""
    if len(data) > MAX_BYTES:
        raise MidiError("midi_too_large", where, f"{len(data)} bytes: expected at most {MAX_BYTES}")
    if len(data) < 14 or data[:4] != HEADER:
        raise MidiError("midi_corrupt", where, "no MThd header: expected a standard MIDI file (.mid)")
    kind = int.from_bytes(data[8:10], "big")
    if kind > 2:
        raise MidiError("midi_corrupt", where, f"format {kind}: expected format 0, 1 or 2")
    tracks = int.from_bytes(data[10:12], "big")
    if tracks > MAX_TRACKS:
        raise MidiError("midi_too_many_tracks", where, f"{tracks} tracks: expected at most {MAX_TRACKS}")
    division = int.from_bytes(data[12:14], "big")
    if division & 0x8000:
        raise MidiError("midi_division", where, "SMPTE time division: expected ticks per quarter note")
    if not 1 <= division <= MAX_DIVISION:
        raise MidiError(
            "midi_division", where, f"{division} ticks per quarter note: expected 1 to {MAX_DIVISION}"
        )
    if _ticks_bound(data) > MAX_TICKS:
        ticks = _longest_track(data)
        if ticks > MAX_TICKS:
            raise MidiError("midi_too_long", where, f"{ticks} ticks: expected at most {MAX_TICKS}")


def _ticks_bound(data: bytes) -> int:
    """An upper bound on the file's length in ticks, cheap enough to ask of every file.

    A delta time of n bytes begins with n - 1 bytes with the high bit set and is below 2^(7n); any other byte
    adds at most 127. So one high byte counts 2^14, two neighbours 2^21 more, and three 2^28 more.
    """
    high = np.frombuffer(data, dtype=np.uint8) >= 0x80
    two = high[1:] & high[:-1]
    three = two[1:] & two[:-1]
    single, double, triple = (int(np.count_nonzero(run)) for run in (high, two, three))
    return 127 * len(data) + (single << 14) + (double << 21) + (triple << 28)


def _longest_track(data: bytes) -> int:
    """Length in ticks of the longest track, or 0 if all are surely within the limit; a damaged track counts
    up to the damage."""
    tracks = (data[begin:end] for begin, end in track_chunks(data))
    return max((_track_ticks(track) for track in tracks if _nearer_bound(track) > MAX_TICKS), default=0)


def _nearer_bound(track: bytes) -> int:
    """A lower upper bound: the digits of delta times count what they say, as do all bytes that look like
    some."""
    digits = np.frombuffer(track + b"\0\0", dtype=np.uint8)
    high = (digits >= 0x80).astype(np.int64)
    shift = 7 * high[:-2] * (1 + high[1:-1] * (1 + high[2:]))
    return int(((digits[:-2] & 0x7F).astype(np.int64) << shift).sum())


def _track_ticks(track: bytes) -> int:
    """Sum of the delta times of one track's events."""
    ticks, position, status = 0, 0, 0
    try:
        while position < len(track):
            delta, position = _variable_length(track, position)
            ticks += delta
            if track[position] & 0x80:
                status = track[position]
                position += 1
            if status == 0xFF or status in (0xF0, 0xF7):
                length, position = _variable_length(track, position + (status == 0xFF))
                position += length
            else:
                position += 1 if status & 0xE0 == 0xC0 else 2
    except IndexError:
        pass  # cut off in the middle of an event
    return ticks


def _variable_length(data: bytes, position: int) -> tuple[int, int]:
    """A variable-length number and the position after it."""
    value = 0
    for _ in range(4):
        byte = data[position]
        position += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, position


def read_tempos(parsed: Any, where: str) -> tuple[tuple[int, float], ...]:
    """(tick, quarters a minute) of the parser's tempos, starting with MIDI's default of 120 where the file
    does not say; MidiError for one outside the limits."""
    columns = parsed.tempos.numpy()
    ticks, length = columns["time"].tolist(), columns["mspq"].astype(np.float64)
    bpm = np.divide(6e7, length, out=np.full(len(length), np.inf), where=length > 0)
    wrong = np.flatnonzero(~((bpm >= MIN_BPM) & (bpm <= MAX_BPM)))
    if len(wrong):
        raise MidiError(
            "midi_bad_tempo",
            where,
            f"tempo {bpm[wrong[0]]:.4g} at tick {ticks[wrong[0]]}: expected 10 to 1000 bpm",
        )
    tempos = {0: 120.0, **dict(zip(ticks, bpm.tolist(), strict=True))}
    return tuple(sorted(tempos.items()))


def read_meters(parsed: Any, where: str) -> tuple[tuple[int, int, int], ...]:
    """(tick, numerator, denominator) of the parser's meters; MidiError for one outside the limits."""
    meters = {}
    for meter in parsed.time_signatures:
        if not 1 <= meter.numerator <= MAX_NUMERATOR or meter.denominator not in DENOMINATORS:
            raise MidiError(
                "midi_bad_meter",
                where,
                f"meter {meter.numerator}/{meter.denominator} at tick {meter.time}: expected numerator 1 to "
                f"{MAX_NUMERATOR} and denominator 1, 2, 4, 8, 16 or 32",
            )
        meters[int(meter.time)] = (int(meter.numerator), int(meter.denominator))
    return tuple((tick, *meters[tick]) for tick in sorted(meters))
