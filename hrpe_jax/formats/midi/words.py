"""When the words of a karaoke file are sung.

Programs write syllables as lyric events or, in the older way, as plain texts, in a track of their own or
among the notes. Their times name the melody better than any track name does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hrpe_jax.formats.midi.salvage import track_chunks

MIN_SYLLABLES = 20
"""Texts of one kind in one track below which they are remarks, not words."""

_KINDS = (1, 5)  # text, lyric
_LETTER = re.compile(rb"[^\W_]|[\x80-\xff]")


def syllable_ticks(data: bytes) -> tuple[int, ...]:
    """The ticks at which syllables are sung, increasing; empty where a file has no words.

    Where several tracks have words, those with the most syllables are meant. A damaged track counts up to the
    damage.

    Args:
        data: a MIDI file of format 0 or 1.
    """
    best: list[int] = []
    if data.count(b"\xff") < MIN_SYLLABLES:  # one byte is counted many times as fast as two
        return ()
    if all(data.count(bytes([0xFF, kind])) < MIN_SYLLABLES for kind in _KINDS):
        return ()
    for begin, end in track_chunks(data):
        track = data[begin:end]
        counts = [track.count(bytes([0xFF, kind])) for kind in _KINDS]
        if max(counts) <= max(MIN_SYLLABLES, len(best)):
            continue
        times: dict[int, list[int]] = {kind: [] for kind in _KINDS}
        for tick, kind, text in meta_texts(track):
            if kind in times and _is_syllable(text) and tick not in times[kind][-1:]:
                times[kind].append(tick)
        best = max(best, *times.values(), key=len)
    return tuple(best) if len(best) >= MIN_SYLLABLES else ()


def _is_syllable(text: bytes) -> bool:
    return not text.startswith((b"@", b"#")) and _LETTER.search(text) is not None


def meta_texts(track: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(tick, kind, content) of the meta events of a track."""
    tick = position = status = 0
    try:
        while position < len(track):
            delta = track[position] & 0x7F
            while track[position] & 0x80:
                position += 1
                delta = delta << 7 | track[position] & 0x7F
            tick += delta
            position += 1
            if track[position] & 0x80:
                status = track[position]
                position += 1
            if status < 0xF0:
                position += 1 if status & 0xE0 == 0xC0 else 2
                continue
            kind = -1
            if status == 0xFF:
                kind = track[position]
                position += 1
            length = 0
            while True:
                byte = track[position]
                position += 1
                length = length << 7 | byte & 0x7F
                if byte < 0x80:
                    break
            if kind >= 0:
                yield tick, kind, track[position : position + length]
            position += length
    except IndexError:
        return  # cut off in the middle of an event
