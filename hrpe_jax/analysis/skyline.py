"""The upper line of a piece: what is left of the melody where nothing says which notes it is."""

from __future__ import annotations

import numpy as np

from hrpe_jax.score.midi import MidiFile

_FEWEST = 8
"""Notes of a track below which it is not the upper hand, where another has them."""
_OVERLAP = 0.1
"""Quarters by which a note may go on under the next and still be over."""


def skyline(midi: MidiFile) -> np.ndarray:
    """The highest line of the highest track: a pianist's right hand, or the top of a score.

    A note that begins under a higher one that still sounds is not heard as the tune.

    Args:
        midi: any file.

    Returns:
        [n, 4] onset, duration, pitch and velocity in file ticks, one note at a time; empty where there is
        nothing but percussion.
    """
    tracks = [track for track in midi.tracks if not track.is_drum]
    full = [track for track in tracks if len(track.rows) >= _FEWEST] or tracks
    if not full:
        return np.zeros((0, 4), dtype=np.int64)
    highest = max(full, key=lambda track: float(np.median(track.rows[:, 2])))
    rows = highest.rows
    kept = _upper(rows, round(_OVERLAP * midi.ticks_per_quarter))
    line = rows[kept].copy()
    line[:-1, 1] = np.minimum(line[:-1, 1], np.diff(line[:, 0]))
    return line


def _upper(rows: np.ndarray, overlap: int) -> list[int]:
    """Places of the notes that are highest where they begin, of rows sorted by onset and pitch."""
    kept: list[int] = []
    until = pitch_now = started = -1
    for place, (onset, duration, pitch, _) in enumerate(rows.tolist()):
        if kept and onset == started:
            kept[-1] = place  # sorted by pitch, so this one is higher
        elif pitch < pitch_now and onset < until - overlap:
            continue
        else:
            kept.append(place)
        started, pitch_now, until = onset, pitch, onset + duration
    return kept
