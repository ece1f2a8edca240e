"""How likely given melodies are over given chords: log probabilities of their events, in parallel passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import melody as codec
from hrpe_jax.codec.columns import MELODY_FIELDS, MELODY_PADDING, MELODY_ROW_FIELDS
from hrpe_jax.codec.plan import attributes_of
from hrpe_jax.data.batches import melody_song
from hrpe_jax.models import melody as models
from hrpe_jax.models.config import MelodyModelConfig
from hrpe_jax.sampling.programs import stored_jit
from hrpe_jax.sampling.sizes import melody_stage, round_up
from hrpe_jax.score.score import Score

WINDOW, CONTEXT = 512, 256
"""Events of one pass at most, and how many of them only are the past of the others, in longer melodies."""
_NOT_READ = ("target_ids", "next_root_pc", "next_quality_code")


@dataclass(frozen=True)
class MelodyColumns:
    """What the melody stage reads of one score, and what comes.

    Attributes:
        fields: int32 `[events]` each, by name, BOS to the event before EOS.
        row: key, meter, tempo and attributes, by name.
        targets: int32 `[events]`: the event that comes next.
        ticks: int64 `[events]`: the tick at which it begins.
    """

    fields: Mapping[str, np.ndarray]
    row: Mapping[str, int]
    targets: np.ndarray
    ticks: np.ndarray


def melody_columns_of(score: Score, style: str = "") -> MelodyColumns:
    """The columns of a score, as training has them: its form, what its bars do, and its attributes."""
    record = codec.encode(score) | {"attributes": attributes_of(score, style).values()}
    song = melody_song(record)
    named = dict(zip(MELODY_FIELDS, song.fields, strict=True))
    starts = codec.bar_starts_of_events(score)
    ticks = (np.asarray(starts) + np.asarray(record["bar_phase"]))[:-1]
    fields = {name: values for name, values in named.items() if name not in _NOT_READ}
    return MelodyColumns(
        fields, dict(zip(MELODY_ROW_FIELDS, song.row, strict=True)), named["target_ids"], ticks
    )


@stored_jit(static=(0, 1))
def _pass(
    config: MelodyModelConfig, slots: int, params: Any, batch: dict[str, Array], targets: Array
) -> Array:
    """Log probabilities of the targets, `[rows, events]`."""
    cache = models.init_cache(config, targets.shape[0], slots, min(config.repeats, slots))
    logits, _ = models.Melody(config).apply({"params": params}, batch, cache)
    return target_scores(logits, targets)


def target_scores(logits: Any, targets: Array) -> Array:
    """Log probabilities of targets `[rows, events]` under logits `[rows, events, tokens]`."""
    wide = jnp.asarray(logits).astype(jnp.float32)
    chosen = jnp.take_along_axis(wide, targets[..., None], axis=-1)[..., 0]
    return chosen - jax.nn.logsumexp(wide, axis=-1)


def log_probabilities(
    model: Model,
    fields: Mapping[str, np.ndarray],
    row: Mapping[str, Any],
    targets: np.ndarray,
) -> np.ndarray:
    """Log probabilities of events.

    Args:
        model: with a melody stage.
        fields: int `[rows, events]` each, or `[events]` where all rows have the same.
        row: int `[rows]` each, or one value for all rows.
        targets: int `[rows, events]`, or `[events]`.

    Returns:
        float64 `[rows, events]`.
    """
    config, params = melody_stage(model)
    rows = max(np.atleast_2d(values).shape[0] for values in (*fields.values(), targets))
    events = targets.shape[-1]
    found = np.zeros((rows, events))
    about = {name: np.broadcast_to(np.asarray(value, np.int32), rows) for name, value in row.items()}
    done = 0
    while done < events:
        first = max(0, done - CONTEXT)
        last = min(first + WINDOW, events)
        slots = round_up(last - first, 128)

        part = {name: values[..., first:last] for name, values in fields.items()}
        batch = {name: _padded(name, values, rows, slots) for name, values in part.items()} | about
        following = _padded("target_ids", targets[..., first:last], rows, slots)
        scores = np.asarray(_pass(config, slots, params, batch, following))
        found[:, done:last] = scores[:, done - first : last - first]
        done = last
    return found


def _padded(name: str, values: np.ndarray, rows: int, slots: int) -> Any:
    """A column of so many rows, int32 `[rows, slots]`, with its padding behind."""
    table = np.full((rows, slots), MELODY_PADDING.get(name, 0), np.int32)
    table[:, : values.shape[-1]] = values
    return table
