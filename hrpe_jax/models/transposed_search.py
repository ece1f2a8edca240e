"""A search for what came before in another key: `ops.repeats` and `ops.phrases` over motions of the root.

Every chord event is rewritten with its root's motion from the event before in place of the root. In that form
a progression is the same in all keys, so the search that finds literal repeats finds transposed ones. Its
candidates are motions too. Moved to the present root they are chord events again, for `models.pointers`.

    >>> from hrpe_jax.theory.chord import parse_lead_sheet, to_lead_sheet
    >>> names = ["C", "F", "G7", "D", "G"]  # C F G7 goes on a step higher
    >>> ids = jnp.array([[tokens.chord_id(parse_lead_sheet(name), 4) for name in names]])
    >>> root = jnp.asarray(tokens.ROOT)[ids].astype(jnp.int32)
    >>> motion = hrpe.motion(hrpe.Codes(root, (), root >= 0), period=12)
    >>> moved = as_motions(ids, motion)
    >>> bool(moved[0, 1] == moved[0, 4])  # both a fourth up, a major triad of four beats
    True
    >>> after_g = moved[:, 2:3]  # what followed F: G7, two semitones up
    >>> to_lead_sheet(tokens.id_chord(int(from_motions(after_g, ids[:, 4:5])[0, 0])))  # and so G
    'A7'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.models.chord_embedding import GROUP
from hrpe_jax.models.config import BackboneModelConfig
from hrpe_jax.ops import hrpe, phrases, repeats

OF_ONE_ROOT = len(tokens.QUALITY[tokens.CHORD0 :]) // 12
"""Chord tokens of each root."""
EVENTS = 256
"""Events among which `transposed_phrases` are looked for."""


class State(NamedTuple):
    """The song so far, as motions.

    Attributes:
      repeats: of `ops.repeats`; None in a model without `transposed_repeats`.
      phrases: of `ops.phrases`; None in a model without `transposed_phrases`.
    """

    repeats: Any
    phrases: Any


def empty(config: BackboneModelConfig, batch: int) -> State | None:
    """Before the first event; None in a model that does not search so."""
    events, bars = config.transposed_repeats, config.transposed_phrases
    if not events and not bars:
        return None
    return State(
        repeats.empty(batch, events) if events else None,
        phrases.empty(batch, EVENTS, len(bars)) if bars else None,
    )


def as_motions(ids: Array, motion: hrpe.Codes) -> Array:
    """Tokens with motions for roots.

    Args:
      ids: `[batch, length]`.
      motion: the motion into each, `[batch, length]`.

    Returns:
      int32 `[batch, length]`: a chord whose root is the motion; behind the last token, by all but its root, a
      chord after none; any other token as it is.
    """
    rest = (ids - tokens.CHORD0) % OF_ONE_ROOT
    moved = jnp.where(motion.present, tokens.CHORD0 + motion.cyclic * OF_ONE_ROOT + rest, tokens.SIZE + rest)
    return jnp.where(ids >= tokens.CHORD0, moved, ids).astype(jnp.int32)


def from_motions(moved: Array, present: Array) -> Array:
    """Which tokens these motions lead to.

    Args:
      moved: int `[...]`, as of `as_motions`, or negative for nothing.
      present: the present tokens `[...]`, from whose root the motions start.

    Returns:
      Tokens `[...]`; `ops.repeats.NOTHING` where there is nothing, or a chord whose root nothing tells.
    """
    root = jnp.asarray(tokens.ROOT)[present].astype(jnp.int32)
    at = moved - tokens.CHORD0
    chord = tokens.CHORD0 + (at // OF_ONE_ROOT + root) % 12 * OF_ONE_ROOT + at % OF_ONE_ROOT
    known = (moved < tokens.SIZE) & (present >= tokens.CHORD0)
    chord = jnp.where(known, chord, repeats.NOTHING)
    return jnp.where(moved >= tokens.CHORD0, chord, moved)


def follow_repeats(
    state: State, batch: Mapping[str, Array], motion: hrpe.Codes, beats_per_bar: Array
) -> tuple[State, repeats.Expectation]:
    """What followed the longest earlier agreement in any transposition, moved to the present root.

    Args:
      state: of the events before.
      batch: the columns of a backbone batch.
      motion: the motion into each event, `[batch, length]`.
      beats_per_bar: int `[batch, length]`, 0 where unknown.

    Returns:
      The state with these events, and the candidates as tokens, their times in bars.
    """
    ids = batch["input_ids"]
    known = jnp.where(batch["segment_ids"] > 0, as_motions(ids, motion), repeats.NOTHING)
    beats = jnp.asarray(tokens.BEATS)[ids]
    song, found = repeats.follow(state.repeats, known, batch["bar_phase"], beats, batch["positions"] == 0)
    event = from_motions(found.event, ids[..., None])
    per_bar = jnp.maximum(beats_per_bar, 1)
    lost = event < 0
    return state._replace(repeats=song), repeats.Expectation(
        event,
        jnp.where(lost, 0, found.agree),
        found.same & ~lost,
        jnp.where(lost, 0, found.back // per_bar[..., None]),
        jnp.where(lost, 0, found.often),
        found.clock // per_bar,
    )


def follow_phrases(
    state: State,
    batch: Mapping[str, Array],
    motion: hrpe.Codes,
    bars: tuple[int, ...],
    beats_per_bar: Array,
) -> tuple[State, phrases.Expectation]:
    """What began so many bars before the next event, moved: its motion from the present root.

    Args:
      state: of the events before.
      batch: the columns of a backbone batch.
      motion: the motion into each event, `[batch, length]`.
      bars: how many bars ago.
      beats_per_bar: int `[batch, length]`, 0 where unknown.

    Returns:
      The state with these events, and the candidates `[batch, length, bars]` as tokens. What only sounded on
      there is none: its motion does not start from where the present chord stands.
    """
    ids = jnp.where(batch["segment_ids"] > 0, batch["input_ids"], tokens.PAD)
    beats = jnp.asarray(tokens.BEATS)[ids].astype(jnp.int32)
    moved = as_motions(jnp.asarray(tokens.HARMONY)[ids], motion)
    unknown = len(GROUP) + (moved - tokens.SIZE) // (tokens.INVERSIONS * tokens.MAX_BEATS)
    kinds = jnp.where(moved >= tokens.SIZE, unknown, jnp.asarray(GROUP)[jnp.minimum(moved, tokens.SIZE - 1)])
    back = beats_per_bar[..., None] * jnp.asarray(bars, jnp.int32)
    song, old = phrases.follow(state.phrases, moved, kinds, beats, batch["positions"] == 0, back)
    event = from_motions(old.event, ids[..., None])
    holds = (event == jnp.asarray(tokens.HARMONY)[ids][..., None]) & (beats < tokens.MAX_BEATS)[..., None]
    kept = (event > 0) & old.begins & ~holds
    token = event + jnp.clip(old.left, 1, tokens.MAX_BEATS) - 1
    old = old._replace(event=jnp.where(kept, token, phrases.NOTHING), left=jnp.where(kept, old.left, 0))
    return state._replace(phrases=song), old
