"""Training the backbone: the next chord event, whole songs in view."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec.columns import BACKBONE_FIELDS
from hrpe_jax.models.backbone import Backbone
from hrpe_jax.models.config import BackboneModelConfig
from hrpe_jax.ops import losses
from hrpe_jax.tasks.base import LinenTask, Pair, Segment, predictions
from hrpe_jax.theory.chord import QUALITIES


class BackboneTask(LinenTask):
    """See ``tasks.base.Task``. Rows hold whole songs, so nothing is carried."""

    def __init__(self, config: BackboneModelConfig, label_smoothing: float = 0.0) -> None:
        self.module, self.label_smoothing = Backbone(config), label_smoothing

    def _init(self, key: Array) -> Any:
        return self.module.init(
            key, {name: jnp.zeros((1, 4), jnp.int32) for name in (*BACKBONE_FIELDS, "segment_ids")}
        )

    def init_carry(self, rows: int) -> None:
        """Nothing."""
        del rows

    def carry_axes(self) -> None:
        """Nothing."""

    def segment_loss(
        self, params: Any, carry: None, segment: Segment, key: Array, train: bool
    ) -> tuple[Pair, None, dict[str, Pair]]:
        """Negative log likelihood of every next token, the key and meter of the prefix included.

        Metrics are over events and the end only: ``nll``, ``accuracy``. When not training also

        - ``top3``, ``top5``;
        - ``chord_nll``, ``chord_accuracy``, ``chord_top3``, ``chord_top5``: root and fine quality, whatever
          the inversion and duration, where they change;
        - ``root_nll``, ``root_accuracy``, ``root_top3``, ``root_top5``: the root alone, at the same events;
        - ``nll_per_chord``, ``nll_per_bar``: all that is said between two changes, or in a bar.

        Args:
          params: of the model.
          carry: none in this stage.
          segment: columns ``[rows, length]``.
          key: of the dropout.
          train: whether dropout is on and only the loss's metrics are made.
        """
        targets, weights = segment["target_ids"], segment["weights"]
        events = weights * (segment["positions"] >= tokens.PREFIX_LENGTH - 1)
        if train:
            rngs = {"dropout": key}
            scores, _ = self.module.apply({"params": params}, segment, train=True, targets=targets, rngs=rngs)
            likelihood = scores.log_likelihood
            loss = self.trained(losses.weighted(-likelihood, weights), scores.even, weights)
            metrics = {
                "nll": losses.weighted(-likelihood, events),
                "accuracy": losses.weighted(scores.is_top, events),
            }
        else:
            logits, _ = self.module.apply({"params": params}, segment)
            loss = losses.weighted(-losses.log_likelihood(logits, targets), weights)
            metrics = predictions("", logits, targets, events)
            chords, target = root_quality(logits), root_quality_of(targets)
            changes = events * (target > 0) * (target != root_quality_of(segment["input_ids"]))
            metrics |= predictions("chord", chords, target, changes)
            metrics |= predictions("root", root_of_chords(chords), root_of(target), changes)
            bars = events * jnp.asarray(tokens.BEATS)[targets] / segment["beats_per_bar"]
            total = metrics["nll"][0]
            metrics |= {"nll_per_chord": (total, jnp.sum(changes)), "nll_per_bar": (total, jnp.sum(bars))}
        return loss, None, metrics


def root_quality(logits: Array) -> Array:
    """Log scores of (anything but an event, no chord, each root with each fine quality).

    Args:
      logits: ``[..., SIZE]``.

    Returns:
      ``[..., 2 + 12 * 32]``: the log of the summed exponentials over inversions and durations.
    """
    other = jax.nn.logsumexp(logits[..., : tokens.NO_CHORD0], axis=-1, keepdims=True)
    no_chord = jax.nn.logsumexp(logits[..., tokens.NO_CHORD0 : tokens.CHORD0], axis=-1, keepdims=True)
    grid = logits[..., tokens.CHORD0 :]
    grid = grid.reshape(*grid.shape[:-1], -1, tokens.INVERSIONS * tokens.MAX_BEATS)
    return jnp.concatenate([other, no_chord, jax.nn.logsumexp(grid, axis=-1)], axis=-1)


def root_quality_of(ids: Array) -> Array:
    """The index of a token in ``root_quality``; 0 where it is no event."""
    chord = 2 + (ids - tokens.CHORD0) // (tokens.INVERSIONS * tokens.MAX_BEATS)
    return jnp.where(ids >= tokens.CHORD0, chord, (ids >= tokens.NO_CHORD0).astype(ids.dtype))


def root_of_chords(chords: Array) -> Array:
    """Log scores of (no event, no chord, each root): sums ``root_quality`` over qualities, ``[..., 14]``."""
    grid = chords[..., 2:].reshape(*chords.shape[:-1], 12, -1)
    return jnp.concatenate([chords[..., :2], jax.nn.logsumexp(grid, axis=-1)], axis=-1)


def root_of(root_quality: Array) -> Array:
    """The index in ``root_of_chords`` of an index in ``root_quality``."""
    return jnp.where(root_quality < 2, root_quality, 2 + (root_quality - 2) // len(QUALITIES))
