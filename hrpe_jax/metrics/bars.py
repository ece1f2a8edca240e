"""What stands in each bar as one number, so that bars can be compared at once."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np

from hrpe_jax.metrics.arrays import Piece

Content = Literal["notes", "pitches", "rhythm", "chords"]
EMPTY = -1
PITCHES = 128
MAX_TICKS = 4096
"""Longer notes and later onsets in a bar are taken for this."""


@lru_cache(maxsize=64)
def bar_ids(piece: Piece, of: Content) -> np.ndarray:
    """A number for the content of each bar, equal for bars with equal content.

    Args:
        piece: melody and chords.
        of: "notes": onset, duration and pitch of the notes that begin in the bar. "pitches": onset and pitch.
            "rhythm": onsets alone. "chords": the chord on each beat.

    Returns:
        int64 `[bars]`, read-only, 0 and up; `EMPTY` for bars in which no note begins, or no chord sounds on a
        beat.
    """
    if of == "chords":
        chords = bar_chords(piece)
        return _numbered(chords, chords.max(axis=1, initial=-1) < 0)
    columns = {
        "notes": (piece.offset, piece.duration, piece.pitch),
        "pitches": (piece.offset, piece.pitch),
        "rhythm": (piece.offset,),
    }[of]
    events = np.stack(columns, axis=1)
    first = np.searchsorted(piece.bar, np.arange(piece.bars + 1))
    known: dict[bytes, int] = {}
    ids = np.full(piece.bars, EMPTY, np.int64)
    for bar, (begin, end) in enumerate(pairwise(first.tolist())):
        if end > begin:
            ids[bar] = known.setdefault(events[begin:end].tobytes(), len(known))
    ids.setflags(write=False)
    return ids


def bar_chords(piece: Piece) -> np.ndarray:
    """The chord that sounds on each beat of each bar, int64 `[bars, beats]`; `EMPTY` where none does."""
    beats = np.arange(piece.meter.beats_per_bar) * piece.meter.beat_ticks
    return chord_at(piece, piece.starts[:, None] + beats)


def chord_at(piece: Piece, ticks: np.ndarray) -> np.ndarray:
    """The label of the chord that sounds at each tick, of the shape of `ticks`; `EMPTY` where none does."""
    if not len(piece.chord):
        return np.full(ticks.shape, EMPTY, np.int64)
    span = np.searchsorted(piece.chord_end, ticks, side="right")
    inside = np.minimum(span, len(piece.chord) - 1)
    sounds = (span < len(piece.chord)) & (piece.chord_onset[inside] <= ticks)
    return np.where(sounds, piece.chord[inside], EMPTY)


def _numbered(rows: np.ndarray, empty: np.ndarray) -> np.ndarray:
    ids = np.full(len(rows), EMPTY, np.int64)
    if len(rows):
        _, ids = np.unique(rows, axis=0, return_inverse=True)
    found = np.where(empty, EMPTY, ids.reshape(-1))
    found.setflags(write=False)
    return found


def bar_similarity(piece: Piece, of: Literal["notes", "pitches", "rhythm"], empty: float = 0) -> np.ndarray:
    """Jaccard similarity of all pairs of bars.

    Formula: S[a, b] = |N_a and N_b| / |N_a or N_b|, N_a = the set of events that begin in bar a

    Args:
        piece: the melody.
        of: what an event is, see `bar_ids`.
        empty: the similarity of two empty bars.

    Returns:
        float32 `[bars, bars]`.
    """
    key = np.minimum(piece.offset, MAX_TICKS - 1)
    if of == "notes":
        key = key * MAX_TICKS + np.minimum(piece.duration, MAX_TICKS - 1)
    if of != "rhythm":
        key = key * PITCHES + piece.pitch
    _, kind = np.unique(key, return_inverse=True)
    return jaccard(piece.bar, kind, piece.bars, empty)


def jaccard(group: np.ndarray, kind: np.ndarray, groups: int, empty: float = 0) -> np.ndarray:
    """Jaccard similarity of all pairs of sets.

    Args:
        group: int64 `[events]`, the set that each event is in.
        kind: int64 `[events]`, 0 and up, what it is.
        groups: how many sets there are.
        empty: the similarity of two empty sets.

    Returns:
        float32 `[groups, groups]`.
    """
    has = np.zeros((groups, int(kind.max(initial=-1)) + 1), np.float32)
    has[group, kind] = 1
    common = has @ has.T
    size = has.sum(axis=1)
    union = size[:, None] + size - common
    return np.divide(common, union, out=np.full((groups, groups), empty, np.float32), where=union > 0)
