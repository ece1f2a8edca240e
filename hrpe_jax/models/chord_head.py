"""Scores of chord tokens as sums over root, quality, inversion and length, and what they say of targets.

The score of an event is the sum of one for its root and quality, one for its inversion and one for its
duration, so the sum of exponentials over 12,395 tokens is one over 484 groups (tokens that are no event; no
chord; root and quality) times two small ones. Exact, and most of a training step of a small model saved.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.ops.losses import TargetScores

IMPOSSIBLE = -1e9
"""What is added to the score of a token that names no chord or meter."""
_QUALITIES = tokens.NO_QUALITY + 1  # "no chord" the last
_EVENTS = np.flatnonzero(tokens.VALID & (tokens.KIND == tokens.KIND_EVENT))
_HAS = np.zeros((_QUALITIES, tokens.INVERSIONS), bool)  # the inversions of each quality
_HAS[tokens.QUALITY[_EVENTS], tokens.INVERSION[_EVENTS]] = True
_PLACES = tokens.INVERSIONS * tokens.MAX_BEATS
_PLACE = tokens.INVERSION * tokens.MAX_BEATS + np.maximum(tokens.BEATS, 1) - 1  # of each token in its group
GROUP = np.minimum(np.arange(tokens.SIZE), tokens.NO_CHORD0)
GROUP[tokens.CHORD0 :] = tokens.NO_CHORD0 + 1 + np.arange(tokens.SIZE - tokens.CHORD0) // _PLACES
"""Of each token: itself where it is no event, that there is no chord, or its root and quality."""
_GROUPS = int(GROUP.max()) + 1
_VALID_PREFIX = tokens.VALID[: tokens.NO_CHORD0]
_POSSIBLE = int(tokens.VALID.sum())


class ChordScores(NamedTuple):
    """The summands, float32.

    Attributes:
      prefix: of the tokens that are no event, ``[batch, length, NO_CHORD0]``.
      no_chord: ``[batch, length, 1]``.
      chord: of root and quality, ``[batch, length, 12, 32]``.
      inversion: of chords alone, ``[batch, length, 4]``.
      beats: of all events, ``[batch, length, 8]``.
    """

    prefix: Array
    no_chord: Array
    chord: Array
    inversion: Array
    beats: Array


class Pointer(NamedTuple):
    """Candidates, and what is added to scores for them: ``[batch, length, candidates]`` each.

    Attributes:
      event: tokens that are possible, all different; negative for none.
      trust: added to the token's own score.
      chord_trust: added to the scores of all that have the token's root and quality, or are no chord too.
    """

    event: Array
    trust: Array
    chord_trust: Array


def both(pointer: Pointer | None, more: Pointer) -> Pointer:
    """All candidates of two pointers; an event that several name is one candidate, with the trust of all."""
    joined = [more] if pointer is None else [pointer, more]
    candidates = [[part[..., k] for part in x] for x in joined for k in range(x.event.shape[-1])]
    for place, later in enumerate(candidates):
        for earlier in candidates[:place]:
            same = (earlier[0] == later[0]) & (later[0] >= 0)
            earlier[1:] = [a + jnp.where(same, b, 0.0) for a, b in zip(earlier[1:], later[1:], strict=True)]
            later[0] = jnp.where(same, -1, later[0])
    return Pointer(*(jnp.stack(part, axis=-1) for part in zip(*candidates, strict=True)))


def point_at_chords(scores: ChordScores, pointer: Pointer) -> ChordScores:
    """The scores with what is added to those of chords."""
    no_chord, chord = scores.no_chord, scores.chord.reshape(*scores.chord.shape[:2], -1)
    for k in range(pointer.event.shape[-1]):
        event, trust = pointer.event[..., k], pointer.chord_trust[..., k]
        here = _one_of(GROUP, jnp.maximum(event, 0), _GROUPS)[..., tokens.NO_CHORD0 :]
        added = jnp.where(here, trust[..., None], 0.0)
        no_chord, chord = no_chord + added[..., :1], chord + added[..., 1:]
    return scores._replace(no_chord=no_chord, chord=chord.reshape(scores.chord.shape))


def target_scores(scores: ChordScores, targets: Array, pointer: Pointer | None = None) -> TargetScores:
    """``losses.target_scores`` of the whole vocabulary.

    Args:
      scores: the summands.
      targets: tokens ``[batch, length]``.
      pointer: its `trust` is added; chords have been pointed at already.
    """
    prefix = scores.prefix + jnp.where(_VALID_PREFIX, 0.0, IMPOSSIBLE)
    # Inversions of every quality; no chord has one, which scores nothing.
    chords = jnp.where(_HAS[:-1], scores.inversion[..., None, :], IMPOSSIBLE)
    none = jnp.broadcast_to(jnp.where(_HAS[-1], 0.0, IMPOSSIBLE), (*targets.shape, 1, tokens.INVERSIONS))
    inversion = jnp.concatenate([chords, none], axis=-2)

    def joined(no_chord: Array, chord: Array) -> Array:
        return jnp.concatenate([prefix, no_chord, chord.reshape(*targets.shape, -1)], axis=-1)

    def reduced(reduce: Callable[..., Array]) -> Array:
        """Every group as one score, ``[batch, length, groups]``."""
        places = reduce(inversion, axis=-1) + reduce(scores.beats, axis=-1, keepdims=True)
        return joined(scores.no_chord + places[..., -1:], scores.chord + places[..., None, :-1])

    groups = joined(scores.no_chord, scores.chord)  # less inversion and duration

    def parts(token: Array) -> tuple[Array, Array, Array, Array]:
        """Which group, its score, the scores of the places in it, and which of those."""
        group = _one_of(GROUP, token, _GROUPS)
        quality = _one_of(tokens.QUALITY, token, _QUALITIES)
        within = jnp.sum(jnp.where(quality[..., None], inversion, 0.0), axis=-2)
        place = (within[..., None] + scores.beats[..., None, :]).reshape(*token.shape, -1)
        return group, _pick(group, groups), place, _one_of(_PLACE, token, _PLACES)

    def score(token: Array, group: Array, place: Array, here: Array) -> Array:
        return group + jnp.where(token < tokens.NO_CHORD0, 0.0, _pick(here, place))

    target, mean, top = score(targets, *parts(targets)[1:]), _mean(scores), reduced(jnp.max)
    total = jax.nn.logsumexp(reduced(jax.nn.logsumexp), axis=-1)
    if pointer is None:
        return TargetScores(target - total, target >= jnp.max(top, axis=-1), mean - total)
    candidates = []
    for k in range(pointer.event.shape[-1]):
        event, trust = pointer.event[..., k], pointer.trust[..., k]
        candidates.append((jnp.maximum(event, 0), jnp.where(event < 0, 0.0, trust)))
    found = [parts(event) for event, _ in candidates]
    gained, others = jnp.zeros_like(total), [top]
    for (event, trust), (group, base, place, here) in zip(candidates, found, strict=True):
        plain = score(event, base, place, here)
        # Its share is multiplied; all shares below one, so that all else keeps something.
        gained += (1 - 1e-6) * jnp.exp(plain - total) * jnp.expm1(trust)
        mean += trust / _POSSIBLE
        target += jnp.where(targets == event, trust, 0.0)
        # The best of its group other than candidates stands for the group.
        taken = [its & jnp.any(group & there, axis=-1, keepdims=True) for there, *_, its in found]
        rest = base + jnp.max(jnp.where(functools.reduce(jnp.logical_or, taken), IMPOSSIBLE, place), axis=-1)
        others[0] = jnp.where(group, IMPOSSIBLE, others[0])
        others += [
            jnp.where(event < tokens.NO_CHORD0, IMPOSSIBLE, rest)[..., None],
            (plain + trust)[..., None],
        ]
    total += jnp.log1p(gained)
    top = jnp.max(jnp.concatenate(others, axis=-1), axis=-1)
    return TargetScores(target - total, target >= top, mean - total)


def _mean(scores: ChordScores) -> Array:
    """Of the scores of all tokens that are possible."""
    has = jnp.asarray(_HAS[:-1], jnp.float32)
    count = jnp.sum(has, axis=-1)  # inversions of each quality
    beats = jnp.sum(scores.beats, axis=-1)
    chord = jnp.sum(scores.chord, axis=-2) * tokens.MAX_BEATS + 12 * beats[..., None]
    inversion = 12 * tokens.MAX_BEATS * jnp.sum(has * scores.inversion[..., None, :], axis=-1)
    none = tokens.MAX_BEATS * scores.no_chord[..., 0] + beats
    prefix = jnp.sum(jnp.where(_VALID_PREFIX, scores.prefix, 0.0), axis=-1)
    return (prefix + none + jnp.sum(count * chord + inversion, axis=-1)) / _POSSIBLE


def _one_of(table: np.ndarray, token: Array, size: int) -> Array:
    """Where the entry of each token is: bool ``[..., size]``."""
    return jnp.arange(size) == jnp.asarray(table.astype(np.int32))[token][..., None]


def _pick(here: Array, values: Array) -> Array:
    """The one value of the last axis; its gradient writes no row alone, which is slow on CPU and TPU."""
    return jnp.sum(jnp.where(here, values, 0.0), axis=-1)
