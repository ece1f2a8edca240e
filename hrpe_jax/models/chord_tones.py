"""Chords as sets of notes, which all qualities share: what any pitch class is to any chord."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.theory.quality import INTERVALS, QUALITIES

ROOTS = 12
TONE_KINDS = 8


def _tones() -> tuple[np.ndarray, np.ndarray]:
    """Of every quality, the last one "no chord", by semitones over the root: its notes, and what others are.

    Returns:
      bool `[qualities, 12]`; int32 `[qualities, 12]`: 1 for a chord tone, plus 2 where a chord tone lies a
      semitone below, plus 4 where one lies a semitone above; `TONE_KINDS` without a chord.
    """
    tones = np.zeros((len(QUALITIES) + 1, ROOTS), bool)
    for index, name in enumerate(QUALITIES):
        tones[index, list(INTERVALS[name])] = True
    kinds = tones + 2 * np.roll(tones, 1, axis=1) + 4 * np.roll(tones, -1, axis=1)
    kinds[len(QUALITIES)] = TONE_KINDS
    return tones, kinds.astype(np.int32)


TONES, KINDS_OF_TONES = _tones()


def turn_back(values: Array, steps: Array) -> Array:
    """`out[..., i] = values[..., (i + steps) % 12]`: what lies at an interval above another origin.

    Args:
      values: `[batch, length, 12]`.
      steps: int `[batch, length]`, how far the new origin lies above the old one.
    """
    index = (jnp.arange(ROOTS) + steps[..., None]) % ROOTS
    return jnp.take_along_axis(values, index, axis=-1)
