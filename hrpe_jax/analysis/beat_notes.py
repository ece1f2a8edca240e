"""All notes of a MIDI file in one table, as beat finding wants them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hrpe_jax.score.midi import MidiFile

MAX_HELD = 2.0
"""Quarters (or beats) from which on a longer note says no more about where beats are."""


class NoteTable(NamedTuple):
    """[n] columns, sorted by onset.

    Attributes:
        onset: in the file's ticks, or in seconds or beats once mapped.
        end: the same.
        pitch: MIDI number; of percussion, the instrument.
        velocity: 1-127.
        drum: whether it is percussion.
    """

    onset: np.ndarray
    end: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    drum: np.ndarray

    def at(self, onset: np.ndarray, end: np.ndarray) -> NoteTable:
        """The same notes at other times."""
        return self._replace(onset=onset, end=end)


def note_table(midi: MidiFile) -> NoteTable:
    """Every note of the file, in ticks."""
    tracks = [track for track in midi.tracks if len(track.rows)]
    rows = np.concatenate([track.rows for track in tracks] or [np.empty((0, 4), dtype=np.int64)])
    drum = np.repeat([track.is_drum for track in tracks], [len(track.rows) for track in tracks])
    order = np.argsort(rows[:, 0], kind="stable")
    onset, duration, pitch, velocity = rows[order].T
    return NoteTable(
        onset.astype(np.float64), (onset + duration).astype(np.float64), pitch, velocity, drum[order] > 0
    )
