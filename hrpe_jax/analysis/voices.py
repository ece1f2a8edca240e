"""Which notes of a voice are ornaments of the harmony, told from the voice alone."""

from __future__ import annotations

import numpy as np

PASSING_WEIGHT = 0.3
"""How much a passing or neighbour note counts as evidence for a chord."""
STEP = 2
"""Largest step, in semitones."""


def ornament_weights(
    onset: np.ndarray, duration: np.ndarray, pitch: np.ndarray, on_beat: np.ndarray
) -> np.ndarray:
    """Weights for `find_chords` that discount passing and neighbour notes.

    A note off the beat, no longer than the one before it, reached by step and left by step without a rest on
    either side, is taken to pass.

    Args:
        onset: [n] starts in ticks, increasing: one voice.
        duration: [n] ticks.
        pitch: [n] MIDI numbers.
        on_beat: [n] whether the note is struck where a chord may change.

    Returns:
        [n] 1, or `PASSING_WEIGHT` for ornaments.
    """
    weights = np.ones(len(onset))
    if len(onset) < 3:
        return weights
    leap = np.abs(np.diff(pitch))
    joined = onset[:-1] + duration[:-1] == onset[1:]
    stepwise = joined & (leap > 0) & (leap <= STEP)
    passing = stepwise[:-1] & stepwise[1:] & ~on_beat[1:-1] & (duration[1:-1] <= duration[:-2])
    weights[1:-1][passing] = PASSING_WEIGHT
    return weights
