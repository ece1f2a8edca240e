"""Which channels and programs the tracks of a MIDI file have, and which of them are one voice.

The parser gives a track of notes for every channel and program of a track chunk. A voice that changes its
sound is so cut in two, and one that is played over many channels (MPE, a guitar with a channel for each
string) into many. Here they are told from the bytes and put together again. MPE has two zones at most, one
from the first channel up and one from the last channel down; each is a voice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from hrpe_jax.formats.midi.limits import track_chunks

_DELTA = rb"[\x80-\xff]{0,3}[\x00-\x7f]"
_TWO = rb"[\x00-\x7f]{2}(?:" + _DELTA + rb"[\x00-\x7f]{2})*+"
_RUN = re.compile(rb"(?:" + _DELTA + rb"[\x80-\xbf\xe0-\xef]" + _TWO + rb")+")
"""Channel events that say their status, but for changes of program and pressure, with those that follow."""
_STATUS = re.compile(_DELTA + rb"([\x80-\xbf\xe0-\xef])" + _TWO)
_PAST_DELTA = re.compile(_DELTA)

EFFECTS = 112
"""General MIDI program from which on sounds are percussion and noises: never part of a voice with others."""
_STRINGS = range(4, 8)
"""Channels that may be the strings of an instrument, whose pitches go up or down from one to the next."""
_ROUND, _NEAR = 0.6, 7
"""Share of notes that are on another channel than the note before, and semitones between the middles of
channels, where each note is given the next channel."""
_ALONE = 1.2
"""Notes that sound at once, on average, up to which channels that take turns are one line."""
_TURNS = 0.3
"""Share of the notes of such a line that are on another channel than the note before."""
_SEEN = 2_000
"""Onsets that are looked at for that."""
_IN_TURN = 0.8
"""Share of notes that are on the channels that were silent longest, from which on they go round."""
DRUMS = 9
_ZONE = re.compile(
    rb"([\xb0\xbf])(?:\x65\x00" + _DELTA + rb"\1?\x64\x06|\x64\x06" + _DELTA + rb"\1?\x65\x00)"
    + _DELTA + rb"\1?\x06([\x00-\x0f])"
)  # fmt: skip
"""MPE Configuration Message: registered parameter 6 of the first or last channel, the size of its zone."""


class Piece(NamedTuple):
    """What the parser makes a track of.

    Attributes:
        chunk: number of the track chunk.
        channel: 0 to 15.
        program: General MIDI program.
    """

    chunk: int
    channel: int
    program: int


def find_pieces(data: bytes) -> list[Piece] | None:
    """The pieces of a sound MIDI file in the order of the parser's tracks: by chunk, channel and program.

    Returns:
        None where some event has no meaning here.
    """
    pieces: list[Piece] = []
    for chunk, (begin, end) in enumerate(track_chunks(data)):
        voices = _chunk_voices(data[begin:end])
        if voices is None:
            return None
        pieces.extend(Piece(chunk, *voice) for voice in sorted(voices))
    return pieces


def _chunk_voices(track: bytes) -> set[tuple[int, int]] | None:
    """(channel, program) of the notes that begin in a track."""
    programs = [0] * 16
    voices: set[tuple[int, int]] = set()
    position, running = 0, 0
    try:
        while position < len(track):
            run = _RUN.match(track, position)
            if run is not None:
                statuses = _STATUS.findall(track, position, run.end())
                for status in set(statuses):
                    if status[0] & 0xF0 == 0x90:
                        voices.add((status[0] & 0x0F, programs[status[0] & 0x0F]))
                position, running = run.end(), statuses[-1][0]
                continue
            delta = _PAST_DELTA.match(track, position)
            if delta is None:
                return None
            position = delta.end()
            status = track[position]
            if status >= 0x80:
                position += 1
            else:
                status = running
            if status in (0xFF, 0xF0, 0xF7):
                if status == 0xFF and track[position] == 0x2F:
                    break
                position += status == 0xFF
                length = 0
                while True:
                    byte = track[position]
                    position += 1
                    length = length << 7 | byte & 0x7F
                    if byte < 0x80:
                        break
                position += length
                continue
            if not 0x80 <= status < 0xF0:
                return None
            running = status
            if status & 0xF0 == 0xC0:
                programs[status & 0x0F] = track[position]
            elif status & 0xF0 == 0x90:
                voices.add((status & 0x0F, programs[status & 0x0F]))
            position += 1 if status & 0xE0 == 0xC0 else 2
    except IndexError:
        return None
    return voices


def find_zones(data: bytes) -> list[frozenset[int]]:
    """The channels of each zone of MPE that a file declares.

    Args:
        data: of the file.

    Returns:
        None, one or both zones; those of no size are left out.
    """
    sizes = {master[0] & 15: size[0] for master, size in _ZONE.findall(data)}  # the last one holds
    lower, upper = sizes.get(0, 0), sizes.get(15, 0)
    zones = [frozenset(range(lower + 1))] if lower else []
    return [*zones, frozenset(range(15 - upper, 16))] if upper else zones


def join_pieces(
    pieces: Sequence[Piece], rows: Sequence[np.ndarray], zones: Sequence[frozenset[int]] = ()
) -> list[tuple[list[int], bool]]:
    """Which pieces are one voice.

    A channel of a track is one voice whatever programs it has. So are the channels of a zone of MPE, declared
    or seen from notes that go round, and channels of one program in one of several tracks. Where one track
    holds all, channels of one program are a voice where they are the strings of a guitar, where notes go
    round all of them, or where they take turns in one line. The tenth channel is no drum inside of a zone.

    Args:
        pieces: of a file.
        rows: for each, [notes, 4] onset, duration, pitch, velocity.
        zones: from `find_zones`.

    Returns:
        For every voice the places of its pieces, and whether channels were joined; in the order of the first.
    """
    by_channel: dict[tuple[int, int, bool], list[int]] = {}
    for place, piece in enumerate(pieces):
        effect = piece.program >= EFFECTS and piece.channel != DRUMS
        by_channel.setdefault((piece.chunk, piece.channel, effect), []).append(place)
    chunks = {piece.chunk for piece in pieces if piece.channel != DRUMS}
    voices: list[tuple[list[int], bool]] = []
    for chunk in dict.fromkeys(piece.chunk for piece in pieces):
        own = {key[1:]: places for key, places in by_channel.items() if key[0] == chunk}
        pitched = {channel: places for (channel, effect), places in own.items() if not effect}
        found: list[list[int]] = []
        for zone in zones:
            members = [channel for channel in pitched if channel in zone]
            if len(members) > 1 + (DRUMS in members):
                found.append(members)
        if not found:
            found = _seen_zones(pitched, pieces, rows)
        for members in found:
            voices.append((sorted(place for channel in members for place in pitched.pop(channel)), True))
        drums = pitched.pop(DRUMS, None)
        programs = {pieces[place].program for places in pitched.values() for place in places}
        same = len(pitched) > 1 and len(programs) == 1
        channels = [_joined(rows, places) for places in pitched.values()]
        if same and not found and (len(chunks) > 1 or _is_one_voice(channels)):
            voices.append((sorted(place for places in pitched.values() for place in places), True))
        else:
            voices.extend((places, False) for places in pitched.values())
        voices.extend((places, False) for (_, effect), places in own.items() if effect)
        voices.extend([(drums, False)] if drums else [])
    return sorted(voices, key=lambda voice: voice[0][0])


def _seen_zones(
    pitched: dict[int, list[int]], pieces: Sequence[Piece], rows: Sequence[np.ndarray]
) -> list[list[int]]:
    """Channels of one or two zones that no message declares: neighbours whose notes go round.

    Args:
        pitched: places of the pieces of each channel of a track, the tenth with them.
        pieces: of the file.
        rows: of each piece.

    Returns:
        The channels of each zone; none where notes do not go round all channels.
    """
    without = sorted(channel for channel in pitched if channel != DRUMS)
    beside = DRUMS in pitched and (DRUMS - 1 in pitched or DRUMS + 1 in pitched)
    for channels in ([sorted(pitched)] if beside else []) + [without]:
        if len(channels) < 3 or len({pieces[place].program for c in channels for place in pitched[c]}) > 1:
            continue
        notes = [_joined(rows, pitched[channel]) for channel in channels]
        if not all(_density(part) < _ALONE for part in notes):
            continue
        middles = np.array([np.median(part[:, 2]) for part in notes])
        apart = {
            split: min(_in_turn(notes[:split]), _in_turn(notes[split:]))
            for split in range(2, len(channels) - 1)
            if abs(np.median(middles[:split]) - np.median(middles[split:])) > _NEAR
        }
        steps = np.abs(np.diff(middles))  # of equals, where the pitch changes most
        best = max(apart, key=lambda split: (apart[split], steps[split - 1]), default=0)
        if best and apart[best] >= _IN_TURN:
            return [channels[:best], channels[best:]]
        if _in_turn(notes) >= _IN_TURN:
            return [channels]
    return []


def _in_turn(channels: Sequence[np.ndarray]) -> float:
    """Share of notes that are on the channels that were silent longest, where others stay silent."""
    owner = np.repeat(np.arange(len(channels)), [len(rows) for rows in channels])
    onset = np.concatenate([rows[:, 0] for rows in channels])
    order = np.argsort(onset, kind="stable")
    last = dict.fromkeys(range(len(channels)), -1)
    right = count = 0
    begins = np.append(np.flatnonzero(np.diff(onset[order], prepend=-1)), len(order))[: _SEEN + 1]
    for number, (begin, end) in enumerate(pairwise(begins)):
        used = set(owner[order[begin:end]].tolist())
        if len(used) < len(channels) and -1 not in last.values():
            oldest = sorted(last, key=lambda channel: last[channel])
            latest = last[oldest[len(used) - 1]]  # of equals, any may be next
            count += len(used)
            right += sum(last[channel] <= latest for channel in used)
        last.update(dict.fromkeys(used, number))
    return right / count if count > len(channels) else 0.0


def _joined(rows: Sequence[np.ndarray], places: Sequence[int]) -> np.ndarray:
    return np.concatenate([rows[place] for place in places])


def _is_one_voice(channels: Sequence[np.ndarray]) -> bool:
    """Whether channels of one program in the only track are one voice: strings of a guitar, notes that go
    round (MPE), or a line whose notes take turns."""
    if len(channels) < 3 or not all(_density(rows) < _ALONE for rows in channels):
        return False
    medians = np.array([np.median(rows[:, 2]) for rows in channels])
    steps = np.diff(medians)
    if len(channels) in _STRINGS and (_all_between(steps, 2, 9) or _all_between(-steps, 2, 9)):
        return True
    owner = np.repeat(np.arange(len(channels)), [len(rows) for rows in channels])
    every = np.concatenate(channels)
    order = np.lexsort((every[:, 2], every[:, 0]))
    turns = float((np.diff(owner[order]) != 0).mean())
    counts = np.array([len(rows) for rows in channels])
    if turns >= _ROUND and np.ptp(medians) <= _NEAR and counts.min() >= 0.3 * counts.max():
        return not _in_parallel(channels)
    return turns >= _TURNS and _density(every) < _ALONE


def _in_parallel(channels: Sequence[np.ndarray]) -> bool:
    """Whether channels mostly begin notes together, as the voices of a hymn do."""
    onsets, counts = np.unique(np.concatenate([rows[:, 0] for rows in channels]), return_counts=True)
    return bool((counts == len(channels)).sum() > 0.5 * len(onsets))


def _all_between(values: np.ndarray, least: float, most: float) -> bool:
    return bool(((values >= least) & (values <= most)).all())


def _density(rows: np.ndarray) -> float:
    """Notes that sound at once, on average over the time in which any does."""
    order = np.argsort(rows[:, 0], kind="stable")
    onset, end = rows[order, 0], rows[order, 0] + rows[order, 1]
    until = np.maximum.accumulate(end)
    covered = until - np.maximum(onset, np.concatenate([onset[:1], until[:-1]]))
    return float((end - onset).sum() / max(1, np.maximum(covered, 0).sum()))
