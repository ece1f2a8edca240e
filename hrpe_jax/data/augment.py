"""Transposition to all keys, drawn per (seed, epoch, song) and applied to whole batches at once.

Everything here is a pure function: the same seed and epoch give the same semitones on every host and after
every restart, which is what makes a batch a function of its step.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.codec import backbone_tokens
from hrpe_jax.codec.melody import fold_pitch
from hrpe_jax.codec.melody_tokens import PITCHES

LOWEST_SHIFT, HIGHEST_SHIFT = -5, 6
"""Semitones of the twelve transpositions: each key once, and as near to the written pitch as possible."""

# What the random draws of an epoch are for; each purpose has a stream of its own.
SHUFFLE, SHIFT, CROP, PLAY = 0, 1, 2, 3


def epoch_generator(seed: int, epoch: int, purpose: int) -> np.random.Generator:
    """The random generator of one purpose (`SHUFFLE`, `SHIFT`, `CROP`, `PLAY`) in one epoch."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, purpose])))


def draw_shifts(seed: int, epoch: int, num_songs: int) -> np.ndarray:
    """Semitones by which each song is transposed in this epoch, int32 `[songs]` in -5..6, uniform."""
    drawn = epoch_generator(seed, epoch, SHIFT).integers(LOWEST_SHIFT, HIGHEST_SHIFT + 1, size=num_songs)
    return drawn.astype(np.int32)


def shift_to_c(tonic: int) -> int:
    """The transposition in -5..6 that brings a tonic (pitch class 0..11) to C."""
    return (-tonic - LOWEST_SHIFT) % 12 + LOWEST_SHIFT


def transpose_backbone_ids(ids: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Transposes backbone tokens, chords and keys, by `shift` semitones (broadcast over `ids`)."""
    return backbone_tokens.transpose_table()[np.mod(shift, 12), ids]


def transpose_roots(roots: np.ndarray, quality_codes: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Transposes pitch classes; where no chord sounds (quality 9) the root has no meaning and stays."""
    return np.where(quality_codes == backbone_tokens.NO_QUALITY_CODE, roots, (roots + shift) % 12).astype(
        roots.dtype
    )


def transpose_keys(keys: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Transposes key indices 0..23 (tonic + 12 in minor)."""
    return ((keys % 12 + shift) % 12 + keys // 12 * 12).astype(keys.dtype)


def transpose_melody_ids(ids: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Transposes melody tokens: pitches move; one that would leave 0..127 comes an octave back."""
    return np.where(ids < PITCHES, fold_pitch(ids + shift), ids).astype(ids.dtype)
