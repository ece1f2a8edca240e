"""Which part of a written score is the melody, and its one line of notes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from hrpe_jax.score.musicxml import XmlNote, XmlPart

_LEADING = re.compile(r"voice|vocal|voc\b|melod|lead|solo|sopran|cantus|canto|sing|gesang|chant|voz|lyric")
_FOLLOWING = re.compile(
    r"bass|baix|drum|perc|guitar|piano|organ|keyb|pad|string|accomp|alto|tenor|harmony|chord|back|choir|cello"
)


def melody_part(parts: Sequence[XmlPart]) -> XmlPart | None:
    """The part that carries the tune.

    Words under the notes say it best, then the part's name, then chord symbols above it; among equals the
    part that stands higher on the page, unless it rests most of the time.

    Args:
        parts: in the order of the page.

    Returns:
        None where no part has notes.
    """
    longest = max((_sounding(part) for part in parts), default=0)
    most_words = max((part.lyrics for part in parts), default=0)

    def evidence(part: XmlPart) -> float:
        name = part.name.lower()
        score = 4.0 if part.lyrics and part.lyrics >= 0.3 * most_words else 0.0
        score += 2.0 if _LEADING.search(name) else -1.0 if _FOLLOWING.search(name) else 0.0
        score += 1.0 if part.chords else 0.0
        return score + min(1.0, 2 * _sounding(part) / longest)

    playing = [part for part in parts if part.notes]
    return max(playing, key=evidence, default=None)  # the first of equals


def melody_line(part: XmlPart) -> tuple[XmlNote, ...]:
    """The highest sounding note of the part's first staff, as a line.

    A note that begins under a higher one that still sounds is not heard as the tune, so an inner voice moving
    under a held melody note does not break it. A note is cut off where a higher one begins.

    Args:
        part: one with notes.

    Returns:
        Notes by onset, none overlapping.
    """
    staff = min(note.staff for note in part.notes)
    return skyline([note for note in part.notes if note.staff == staff])


def skyline(notes: Sequence[XmlNote]) -> tuple[XmlNote, ...]:
    """The notes that are the highest where they begin, each until a higher one begins or it ends."""
    line: list[XmlNote] = []
    for note in sorted(notes, key=lambda note: (note.onset, -note.pitch, -note.duration)):
        last = line[-1] if line else None
        if last is not None and note.onset < last.end:
            if note.pitch <= last.pitch:
                continue
            line[-1] = XmlNote(last.onset, note.onset - last.onset, last.pitch, last.voice, last.staff)
        line.append(note)
    return tuple(line)


def is_line(notes: Sequence[XmlNote]) -> bool:
    """Whether no two notes (by onset) sound together."""
    return all(before.end <= after.onset for before, after in pairwise(notes))


def _sounding(part: XmlPart) -> int:
    return sum(note.duration for note in part.notes)
