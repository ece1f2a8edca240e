"""What a MIDI file must not do, checked before a C++ parser sees it and before anyone trusts the result.

The parser accepts tick overflow, division 0, tempo 0 and meter 0/1 without a word, so every limit is checked
here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hrpe_jax.errors import UserError
from hrpe_jax.formats.midi.salvage import HEADER, track_chunks

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
