"""Chord embedding and output head: sums over root, quality, inversion and length, tied.

A chord token is root, quality, inversion and duration at once; a vector for each of the 12,395 tokens would
leave most of them untrained. So the embedding of a token, and its row in the output head, is a sum of small
tables: its scale degree with its quality, its root, quality, inversion, duration, plus a low-rank residual
of its own. In the head the root is also seen as an interval from the chord before.

Scale degrees and intervals are the root minus the tonic or minus the previous root; the head computes logits
over them and turns them to absolute roots, so what is learned in one key holds in all.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.models import chord_head
from hrpe_jax.models.chord_head import IMPOSSIBLE, ChordScores, Pointer
from hrpe_jax.models.initializers import matmul, normal
from hrpe_jax.models.pointers import point
from hrpe_jax.ops.losses import TargetScores, target_scores
from hrpe_jax.ops.pointwise import target

ROOTS = 12
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
        return scores if pointer is None else chord_head.point_at_chords(scores, pointer)

    def target_scores(
        self, hidden: Array, ids: Array, tonic: Array, targets: Array, pointer: Pointer | None = None
    ) -> TargetScores:
        """What ``logits`` says of the targets ``[batch, length]``.

        Without a residual the vocabulary is never written out (``factor_scores``). With one, a CPU computes
        its scores for a few positions at a time, and again in the backward pass.
        """
        if not self.residual_rank:
            return chord_head.target_scores(self._scores(hidden, ids, tonic, pointer), targets, pointer)

        def score(part: tuple[Array, Array, Array, Array, Pointer | None]) -> TargetScores:
            hidden, ids, tonic, targets, pointer = part
            return target_scores(self.logits(hidden, ids, tonic, pointer), targets)

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
