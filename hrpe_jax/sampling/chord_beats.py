"""The chords of a piece beat by beat, for the melody's sampler.

Over a chord that is rare in training melodies, avoid notes lose log probability: pitches a semitone over a
chord tone that are no chord tones (Nettles and Graf, "The Chord Scale Theory and Jazz Harmony", 1997).
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.codec import backbone, melody_tokens
from hrpe_jax.codec import backbone_tokens as chord_ids
from hrpe_jax.codec.backbone import MAX_TICKS_TO_NEXT
from hrpe_jax.data.chord_counts import ChordCounts
from hrpe_jax.models.chord_embedding import KINDS_OF_TONES
from hrpe_jax.score.score import Score
from hrpe_jax.theory.key import Key

AVOID = 4.0
"""Nats that avoid notes lose over a chord without notes in training melodies; less where it has some."""
_AVOID_NOTES = KINDS_OF_TONES & 3 == 2  # by quality and semitones over the root


def beat_table(score: Score) -> np.ndarray:
    """What the chords say on each beat of a score: chord, next chord, ticks until it; int32 `[beats, 3]`.

    Where nothing follows, the next chord is none and as far away as the model can be told, and a beat more.
    """
    grid, harmony = backbone.harmony_of_beats(score)
    starts = backbone.run_starts(harmony)
    runs = np.searchsorted(starts, np.arange(len(harmony)), "right")
    following = np.append(harmony[starts], chord_ids.NO_CHORD0)[runs]
    far = MAX_TICKS_TO_NEXT + score.meter.beat_ticks
    when = np.append(grid.ticks[starts], grid.ticks[-1] + far)[runs]
    return np.stack([harmony, following, np.minimum(when - grid.ticks[:-1], far)], axis=-1).astype(np.int32)


def avoid_table(table: np.ndarray, key: Key, style: str, heard: ChordCounts | None) -> np.ndarray:
    """What avoid notes lose on each beat, in nats, float32 `[beats]`: the rarer the chord, the more.

    Args:
        table: of the beats, from `beat_table`.
        key: of the piece.
        style: of the piece; "" for any.
        heard: notes of training melodies over each chord; None for no loss.
    """
    if heard is None:
        return np.zeros(len(table), np.float32)
    return np.float32(AVOID) * heard.strangeness(style, key, table[:, 0])


def avoided(chords: Array, nats: Array, beat: Array) -> Array:
    """The loss of each melody event: that of an avoid note, else 0.

    Args:
        chords: backbone ids, int32 `[rows, beats]`.
        nats: from `avoid_table`, `[rows, beats]`.
        beat: of each row, int32 `[rows]`.

    Returns:
        Nats `[rows, melody tokens]`.
    """
    chord = jnp.take_along_axis(chords, beat[:, None], axis=1)[:, 0]
    over_root = jnp.asarray(_AVOID_NOTES)[jnp.asarray(chord_ids.QUALITY)[chord]]
    ids = jnp.arange(melody_tokens.SIZE)
    steps = (ids - jnp.asarray(chord_ids.ROOT)[chord, None].astype(jnp.int32)) % 12
    clashes = jnp.take_along_axis(over_root, steps, axis=1) & (ids < melody_tokens.PITCHES)
    return jnp.where(clashes, jnp.take_along_axis(nats, beat[:, None], axis=1), 0.0)
