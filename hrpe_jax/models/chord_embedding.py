"""Chord embedding and output head: sums over root, quality, inversion and length, tied.

A chord token is root, quality, inversion and duration at once; a vector for each of the 12,395 tokens would
leave most of them untrained. So the embedding of a token, and its row in the output head, is a sum of small
tables: its scale degree with its quality, its root, quality, inversion, duration, plus a low-rank residual
of its own. In the head the root is also seen as an interval from the chord before.

Scale degrees and intervals are the root minus the tonic or minus the previous root; the head computes logits
over them and turns them to absolute roots, so what is learned in one key holds in all.

The score of an event is the sum of one for its root and quality, one for its inversion and one for its
duration. The sum of exponentials over 12,395 tokens is therefore one over 484 groups (tokens that are no
event; no chord; root and quality) times two small ones. It is exact, and saves most of a training step of a
small model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.models.initializers import matmul, normal
from hrpe_jax.models.pointers import point
from hrpe_jax.ops import losses
from hrpe_jax.ops.losses import TargetScores
from hrpe_jax.ops.pointwise import target
from hrpe_jax.theory.quality import INTERVALS
from hrpe_jax.theory.quality import QUALITIES as QUALITY_NAMES

ROOTS = 12
TONE_KINDS = 8


def _tones() -> tuple[np.ndarray, np.ndarray]:
    """Of every quality, the last one "no chord", by semitones over the root: its notes, and what others are.

    Returns:
      bool `[qualities, 12]`; int32 `[qualities, 12]`: 1 for a chord tone, plus 2 where a chord tone lies a
      semitone below, plus 4 where one lies a semitone above; `TONE_KINDS` without a chord.
    """
    tones = np.zeros((len(QUALITY_NAMES) + 1, ROOTS), bool)
    for index, name in enumerate(QUALITY_NAMES):
        tones[index, list(INTERVALS[name])] = True
    kinds = tones + 2 * np.roll(tones, 1, axis=1) + 4 * np.roll(tones, -1, axis=1)
    kinds[len(QUALITY_NAMES)] = TONE_KINDS
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


QUALITIES = tokens.NO_QUALITY  # fine qualities; the same number stands for "no chord"
STDDEV = 0.02
CPU_POSITIONS = 64
"""Positions whose scores a CPU computes at once in training: as many as stay in its cache. The whole
``[batch, length, 12395]``, written and read several times, makes a step of a small model a fifth longer."""


def turn(logits: Array, origin: Array) -> Array:
    """From "intervals above an origin" to absolute pitch classes.

    Args:
      logits: ``[batch, length, 12, ...]``, by interval.
      origin: pitch classes ``[batch, length]``.

    Returns:
      ``out[..., r, :] = logits[..., (r - origin) % 12, :]``. A matrix product with a permutation, because
      the gradient of a gather is slow on CPU and TPU; in full precision, because it must only move numbers.
    """
    intervals = (jnp.arange(ROOTS) - origin[..., None]) % ROOTS
    permutation = jax.nn.one_hot(intervals, ROOTS, dtype=logits.dtype)
    flat = logits.reshape(*logits.shape[:3], -1)
    return jnp.einsum("blrn,blnx->blrx", permutation, flat, precision="highest").reshape(logits.shape)


class ChordEmbedding(nn.Module):
    """The tables of the backbone's embedding and head.

    Attributes:
      width: of the model.
      residual_rank: of the per-token residual; 0 for none.
    """

    width: int
    residual_rank: int

    def setup(self) -> None:
        """Creates the tables."""

        def table(name: str, size: int) -> Array:
            return self.param(name, normal(STDDEV, "vocab", "embed"), (size, self.width))

        self.degree_quality = table("degree_quality", ROOTS * QUALITIES)
        self.root = table("root", ROOTS)
        self.step = table("step", ROOTS)
        self.quality = table("quality", QUALITIES + 1)
        self.inversion = table("inversion", tokens.INVERSIONS)
        self.beats = table("beats", tokens.MAX_BEATS)
        self.prefix = table("prefix", tokens.NO_CHORD0)
        if self.residual_rank:
            chords = tokens.SIZE - tokens.CHORD0
            self.residual = self.param("residual", normal(0.1, "vocab", "rank"), (chords, self.residual_rank))
            self.residual_out = self.param(
                "residual_out", normal(STDDEV, "rank", "embed"), (self.residual_rank, self.width)
            )

    def embed(self, ids: Array, tonic: Array) -> Array:
        """Token ids and tonics ``[batch, length]`` to float32 ``[batch, length, width]``."""
        kind_is_event = ids >= tokens.NO_CHORD0
        is_chord = ids >= tokens.CHORD0
        root, quality = jnp.asarray(tokens.ROOT)[ids].astype(jnp.int32), jnp.asarray(tokens.QUALITY)[ids]
        inversion, beats = (
            jnp.asarray(tokens.INVERSION)[ids],
            jnp.asarray(tokens.BEATS)[ids].astype(jnp.int32),
        )
        degree = (root - tonic) % ROOTS
        chord = self.degree_quality[degree * QUALITIES + jnp.minimum(quality, QUALITIES - 1)]
        chord = chord + self.root[root] + self.inversion[inversion]
        if self.residual_rank:
            chord = chord + self.residual[jnp.maximum(ids - tokens.CHORD0, 0)] @ self.residual_out
        event = self.quality[quality] + self.beats[jnp.maximum(beats - 1, 0)]
        event = event + jnp.where(is_chord[..., None], chord, 0.0)
        prefix = self.prefix[jnp.minimum(ids, tokens.NO_CHORD0 - 1)]
        return jnp.where(kind_is_event[..., None], event, prefix)

    def logits(self, hidden: Array, ids: Array, tonic: Array, pointer: Pointer | None = None) -> Array:
        """Scores of every token as the next.

        Args:
          hidden: ``[batch, length, width]``.
          ids: the present tokens ``[batch, length]``, origin of the interval table.
          tonic: ``[batch, length]``.
          pointer: see there.

        Returns:
          float32 ``[batch, length, SIZE]``; those that name no chord or meter (``VALID``) are at
          ``IMPOSSIBLE``.
        """
        parts = self._scores(hidden, ids, tonic, pointer)
        grid = (parts.inversion[..., None] + parts.beats[..., None, :])[:, :, None, None]
        grid = parts.chord[..., None, None] + grid
        if self.residual_rank:
            low = matmul(hidden, self.residual_out.T.astype(hidden.dtype))
            grid = grid + score_rows(low, self.residual).reshape(grid.shape)
        no_chord = parts.no_chord + parts.beats
        flat = jnp.concatenate([parts.prefix, no_chord, grid.reshape(*ids.shape, -1)], axis=-1)
        flat = flat + jnp.where(jnp.asarray(tokens.VALID), 0.0, IMPOSSIBLE)
        return flat if pointer is None else point(flat, pointer.event, pointer.trust)

    def _scores(self, hidden: Array, ids: Array, tonic: Array, pointer: Pointer | None) -> ChordScores:
        def score(table: Array) -> Array:
            return score_rows(hidden, table)

        chord = turn(score(self.degree_quality).reshape(*ids.shape, ROOTS, QUALITIES), tonic)
        step = turn(score(self.step), jnp.asarray(tokens.ROOT)[ids].astype(jnp.int32))
        step = jnp.where((ids >= tokens.CHORD0)[..., None], step, 0.0)
        quality = score(self.quality)
        chord = chord + (score(self.root) + step)[..., None] + quality[..., None, :QUALITIES]
        no_chord = quality[..., QUALITIES:]
        scores = ChordScores(score(self.prefix), no_chord, chord, score(self.inversion), score(self.beats))
        return scores if pointer is None else point_at_chords(scores, pointer)

    def target_scores(
        self, hidden: Array, ids: Array, tonic: Array, targets: Array, pointer: Pointer | None = None
    ) -> TargetScores:
        """What ``logits`` says of the targets ``[batch, length]``.

        Without a residual the vocabulary is never written out (``factor_scores``). With one, a CPU computes
        its scores for a few positions at a time, and again in the backward pass.

        Args:
          hidden: ``[batch, length, width]``.
          ids: the present tokens ``[batch, length]``.
          tonic: pitch class ``[batch, length]``.
          targets: tokens ``[batch, length]``.
          pointer: candidates and how far they are trusted.
        """
        if not self.residual_rank:
            return target_scores(self._scores(hidden, ids, tonic, pointer), targets, pointer)

        def score(part: tuple[Array, Array, Array, Array, Pointer | None]) -> TargetScores:
            hidden, ids, tonic, targets, pointer = part
            return losses.target_scores(self.logits(hidden, ids, tonic, pointer), targets)

        arrays = (hidden, ids, tonic, targets, pointer)
        rows, length = ids.shape
        size = max(1, CPU_POSITIONS // rows) if target() == "cpu" else length
        if size >= length:
            return score(arrays)
        parts = -(-length // size)

        def split(x: Array) -> Array:
            padded = jnp.pad(x, [(0, 0), (0, parts * size - length), *[(0, 0)] * (x.ndim - 2)])
            return jnp.moveaxis(padded.reshape(rows, parts, size, *x.shape[2:]), 1, 0)

        def whole(x: Array) -> Array:
            return jnp.moveaxis(x, 0, 1).reshape(rows, parts * size)[:, :length]

        scored = jax.lax.map(jax.checkpoint(score), jax.tree.map(split, arrays))
        return TargetScores(*(whole(x) for x in scored))


def score_rows(hidden: Array, rows: Array) -> Array:
    """``[batch, length, width]`` against ``[tokens, width]``: float32 ``[batch, length, tokens]``."""
    flat = hidden.reshape(-1, hidden.shape[-1])
    scores = jnp.einsum("xd,vd->xv", flat, rows.astype(flat.dtype), preferred_element_type=jnp.float32)
    return scores.reshape(*hidden.shape[:-1], rows.shape[0])
