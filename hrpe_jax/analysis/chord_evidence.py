"""What the notes of a song say about its chords, beat by beat: which pitch classes sound, and what is lowest.

Everything is measured in slots of the beat grid, so that tempo and rubato are gone before chords are sought.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

STEPS = 8
"""Parts of a slot at which notes are looked at: thirty-seconds where slots are quarters."""

_HEAVY = 0.5  # notes that weigh less are no bass while others sound
_LONGEST = 64 * STEPS  # a note held for longer has said what it says; bounds the work a damaged file asks for
_CELLS = 4_000_000  # looked at in one go


class Evidence(NamedTuple):
    """[slots, 12] each, by pitch class.

    Attributes:
        cover: share of the slot in which the pitch class sounds, 0 to 1, times the weight of its notes.
        bass: share of the slot in which it is the lowest.
        first: weight of the note that is lowest where the slot begins, at its pitch class.
    """

    cover: np.ndarray
    bass: np.ndarray
    first: np.ndarray


def song_evidence(
    begin: np.ndarray, end: np.ndarray, pitch: np.ndarray, weight: np.ndarray, slots: int
) -> Evidence:
    """Evidence of every slot.

    A pitch class counts once however many notes play it: octaves and repeated notes say nothing new about
    the chord.

    Args:
        begin: [n] where notes start, in slots from the first; may lie before it or after the last.
        end: [n] where they stop.
        pitch: [n] MIDI numbers.
        weight: [n] 0 to 1.
        slots: how many there are.
    """
    steps = slots * STEPS
    inside = (end > 0) & (begin < slots) & (weight > 0)
    pitch, weight = pitch[inside], weight[inside]
    first = np.clip(np.rint(begin[inside] * STEPS).astype(np.int64), 0, steps - 1)
    last = np.minimum(np.maximum(np.rint(end[inside] * STEPS).astype(np.int64), first + 1), steps)

    # Where several notes claim one cell the last assignment holds, so notes are written in order of what is
    # to win: the heaviest of a pitch class, then the lowest of the heavy ones.
    loud = np.zeros((12, steps))
    for note, step in cells(np.argsort(weight, kind="stable"), first, last):
        loud[pitch[note] % 12, step] = weight[note]
    cover = loud.reshape(12, slots, STEPS).mean(axis=2).T

    lowest = np.full(steps, -1)
    for note, step in cells(np.lexsort((-pitch, weight >= _HEAVY)), first, last):
        lowest[step] = note
    bass, start = np.zeros((slots, 12)), np.zeros((slots, 12))
    step = np.flatnonzero(lowest >= 0)
    note = lowest[step]
    np.add.at(bass, (step // STEPS, pitch[note] % 12), weight[note] / STEPS)
    begins = step % STEPS == 0
    start[step[begins] // STEPS, pitch[note[begins]] % 12] = weight[note[begins]]
    return Evidence(cover, bass, start)


def cells(order: np.ndarray, first: np.ndarray, last: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every (note, step) where a note sounds, note after note in this order, in pieces of bounded size."""
    length = np.minimum((last - first)[order], _LONGEST)
    until = np.cumsum(length)
    piece = 0
    while piece < len(order):
        done = int(until[piece - 1]) if piece else 0
        stop = max(int(np.searchsorted(until, done + _CELLS, side="right")), piece + 1)
        notes, many = order[piece:stop], length[piece:stop]
        begin = np.repeat(first[notes] - (until[piece:stop] - done) + many, many)
        yield np.repeat(notes, many), begin + np.arange(len(begin))
        piece = stop
