"""Training the melody: the next event of a stream of songs, with memory handed from segment to segment."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec.columns import MELODY_FIELDS, MELODY_ROW_FIELDS
from hrpe_jax.models import melody as models
from hrpe_jax.models.cache import Cache
from hrpe_jax.models.config import MelodyModelConfig
from hrpe_jax.models.harmonic_attention import LayerMemory
from hrpe_jax.models.melody import Melody, MelodyCache
from hrpe_jax.models.pointers import bar_distances
from hrpe_jax.ops import hrpe, losses
from hrpe_jax.ops.aligned import Aligned
from hrpe_jax.ops.repeats import Repeats
from hrpe_jax.tasks.base import LinenTask, Pair, Segment, predictions


class MelodyTask(LinenTask):
    """See ``tasks.base.Task``. The carry is the memory of every row."""

    def __init__(self, config: MelodyModelConfig, label_smoothing: float = 0.0) -> None:
        self.config, self.label_smoothing = config, label_smoothing
        self.module = Melody(config)

    def _init(self, key: Array) -> Any:
        batch = {name: jnp.zeros((1, 4), jnp.int32) for name in MELODY_FIELDS}
        batch |= {name: jnp.zeros((1,), jnp.int32) for name in MELODY_ROW_FIELDS}
        return self.module.init(key, batch, models.init_memory(self.config, 1))

    def init_carry(self, rows: int) -> MelodyCache:
        """An empty memory."""
        return models.init_memory(self.config, rows)

    def carry_axes(self) -> MelodyCache:
        """See ``Task``: names stand where ``init_carry`` has arrays."""
        side: Any = ("rows", "memory")
        categories = len(models.CATEGORIES[self.config.harmony.codes])
        rows: Any = ("rows",)
        previous: Any = ("rows", "embed")
        codes = hrpe.Codes(side, (side,) * categories, side)
        past = LayerMemory(hidden=("layers", "rows", "memory", "embed"))
        song: Any = Repeats(side, side, side, side, rows) if self.config.repeats else None
        bars: Any = None
        if bar_distances(self.config):
            found: Any = ("rows", None)
            bars = Aligned(side, side, side, side, rows, rows, found, found, found, found)
        return MelodyCache(Cache(side, side, codes, previous, past, repeats=song), rows, bars)

    def segment_loss(
        self, params: Any, carry: MelodyCache, segment: Segment, key: Array, train: bool
    ) -> tuple[Pair, MelodyCache, dict[str, Pair]]:
        """Negative log likelihood of every next event.

        Metrics: ``nll``, ``accuracy`` over all events. When not training also

        - ``top3``, ``top5``;
        - ``pitch_nll``, ``pitch_accuracy``, ``pitch_top3``, ``pitch_top5``: where a pitch is next;
        - ``nll_per_note``, ``nll_per_bar``: all that is said of a note (rests and bars too), in a bar.

        Args:
            params: of the model.
            carry: the memory.
            segment: columns ``[rows, length]``.
            key: of the dropout.
            train: whether dropout is on and only the loss's metrics are made.
        """
        carry = models.forget(carry, segment["reset"] > 0)
        applied: Any = self.module.apply(
            {"params": params}, segment, carry, train=train, rngs={"dropout": key}
        )
        logits, carry = applied
        targets, weights = segment["target_ids"], segment["weights"]
        if train:
            scores = losses.target_scores(logits, targets)
            nll = losses.weighted(-scores.log_likelihood, weights)
            loss = self.trained(nll, scores.even, weights)
            metrics = {"nll": nll, "accuracy": losses.weighted(scores.is_top, weights)}
        else:
            metrics = predictions("", logits, targets, weights)
            loss = metrics["nll"]
            pitches = weights * (targets < tokens.PITCHES)
            metrics |= predictions("pitch", logits, targets, pitches)
            bars = weights * (targets == tokens.BAR)
            metrics |= {"nll_per_note": (loss[0], jnp.sum(pitches)), "nll_per_bar": (loss[0], jnp.sum(bars))}
        return loss, jax.lax.stop_gradient(carry), metrics
