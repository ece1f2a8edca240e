"""What speaks for a bar line at each beat: low and long notes, new harmony, what is not held over, drums."""

from __future__ import annotations

import numpy as np

from hrpe_jax.analysis.beat_notes import NoteTable

NEAR = 0.15
"""Beats that a note may be off a beat and still be on it."""
_HELD = 4
"""Beats for which a held note goes on counting."""

FEATURES = ("low", "bass_length", "length", "sound", "harmony", "held", "bass_moves")
_KICKS, _SNARES, _CRASHES = (35, 36), (37, 38, 39, 40), (49, 52, 55, 57)


def accents(notes: NoteTable, beats: int) -> np.ndarray:
    """Features of every beat.

    Args:
        notes: onset and end in beats from the first.
        beats: how many beats.

    Returns:
        [beats, len(FEATURES)]: how low the lowest note struck is (octaves under the middle of the piece's
        notes); the length of the longest low note and of any note struck, and the sum of these (log); how
        much the harmony of the two beats to come differs from that of the two before (1 less cosine); the
        share of what sounds that is held over; whether the bass is another pitch class than before.
    """
    table = np.zeros((beats, len(FEATURES)))
    pitched = ~notes.drum
    onset, end, pitch = notes.onset[pitched], notes.end[pitched], notes.pitch[pitched]
    if not len(onset):
        return table
    beat = np.round(onset).astype(np.int64)
    on = (np.abs(onset - beat) < NEAR) & (beat >= 0) & (beat < beats)
    struck, length, height = beat[on], np.minimum(end - onset, 4.0)[on], pitch[on]
    quarter, middle = np.percentile(pitch, [25, 50])

    lowest = np.full(beats, 128.0)
    np.minimum.at(lowest, struck, height)
    table[:, 0] = np.where(lowest < 128, np.clip((middle - lowest) / 12, -1.0, 2.0), -1.0)
    is_low = height <= quarter
    np.maximum.at(table[:, 1], struck[is_low], length[is_low] / 2)
    np.maximum.at(table[:, 2], struck, length / 2)
    table[:, 3] = np.log1p(np.bincount(struck, weights=length, minlength=beats))

    begin = np.floor(onset + NEAR).astype(np.int64)
    chroma, bass, held = np.zeros(beats * 12), np.full(beats, 128), np.zeros(beats)
    for ahead in range(_HELD + 1):
        at = begin + ahead
        share = np.minimum(end, at + 1) - np.maximum(onset, at)
        there = (share > 0.05) & (at >= 0) & (at < beats)
        at, share = at[there], share[there]
        chroma += np.bincount(at * 12 + pitch[there] % 12, weights=share, minlength=beats * 12)
        np.minimum.at(bass, at, pitch[there])
        if ahead:
            held += np.bincount(at[share > NEAR], minlength=beats)
    table[:, 4] = _change(chroma.reshape(beats, 12))
    table[:, 5] = held / (held + np.bincount(struck, minlength=beats) + 1.0)
    before = np.concatenate([[128], bass[:-1]])
    table[:, 6] = (bass < 128) & ((bass - before) % 12 != 0)
    return table


def _change(chroma: np.ndarray) -> np.ndarray:
    """[beats] 1 less the cosine between two beats before and two beats from here."""
    padded = np.concatenate([np.zeros((2, 12)), chroma, np.zeros((1, 12))])
    pairs = padded[1:] + padded[:-1]
    before, after = pairs[: len(chroma)], pairs[2:]
    size = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return np.asarray(1.0 - (before * after).sum(axis=1) / np.maximum(size, 1e-9))


def drum_accents(notes: NoteTable, beats: int) -> np.ndarray:
    """[beats, 3] whether a bass drum, a snare drum, a crash cymbal is struck."""
    beat = np.round(notes.onset).astype(np.int64)
    on = notes.drum & (np.abs(notes.onset - beat) < NEAR) & (beat >= 0) & (beat < beats)
    table = np.zeros((beats, 3))
    for column, names in enumerate((_KICKS, _SNARES, _CRASHES)):
        table[beat[on & np.isin(notes.pitch, names)], column] = 1.0
    return table
