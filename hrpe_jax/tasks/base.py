"""What the trainer knows of a stage: a ``Task``.

The trainer never asks which stage it trains. A task turns parameters, a carry and one segment of a batch
into a summed loss and metrics, and names the logical axes of its arrays, which is all that sharding needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import flax.linen as nn
import jax
from jax import Array

from hrpe_jax.ops import losses

Segment = Mapping[str, Array]
Pair = tuple[Array, Array]  # (sum, weight): adds up over segments, batches and hosts

BATCH_AXES = ("segments", "rows", "length")


class Task(Protocol):
    """One stage of the model as the trainer sees it. Every method is pure and jittable."""

    def init_params(self, key: Array) -> Any:
        """Draws parameters: a plain tree of float32 arrays."""

    def param_axes(self) -> Any:
        """The logical axis names of the parameters, in a tree like theirs."""

    def init_carry(self, rows: int) -> Any:
        """What is handed from segment to segment, before the first; None where nothing is."""

    def carry_axes(self) -> Any:
        """The logical axis names of the carry."""

    def batch_axes(self, name: str, ndim: int) -> tuple[str | None, ...]:
        """The logical axis names of a batch leaf ``[segments, rows, ...]``."""

    def segment_loss(
        self, params: Any, carry: Any, segment: Segment, key: Array, train: bool
    ) -> tuple[Pair, Any, dict[str, Pair]]:
        """The loss of one segment.

        Args:
          params: from ``init_params``.
          carry: from ``init_carry`` or the segment before.
          segment: batch leaves without their first axis, ``[rows, ...]``.
          key: for dropout.
          train: whether dropout is on; some metrics are computed only when it is not.

        Returns:
          (sum of the loss in nats, its weight), the carry, and metrics as such pairs by name.
        """


def predictions(name: str, logits: Array, targets: Array, weights: Array) -> dict[str, Pair]:
    """How well targets are predicted: ``NAME_nll``, ``NAME_accuracy`` (top-1), ``NAME_top3``, ``NAME_top5``.

    Args:
      name: what is predicted; "" for no prefix.
      logits: ``[..., classes]``.
      targets: ``[...]``.
      weights: ``[...]``, 0 where a prediction does not count.

    Returns:
      (sum, weight) pairs. ``metrics.prediction`` computes the same of probabilities.
    """
    prefix = f"{name}_" if name else ""
    above = losses.rank(logits, targets)
    return {
        f"{prefix}nll": losses.weighted(-losses.log_likelihood(logits, targets), weights),
        f"{prefix}accuracy": losses.weighted(above < 1, weights),
        f"{prefix}top3": losses.weighted(above < 3, weights),
        f"{prefix}top5": losses.weighted(above < 5, weights),
    }


class LinenTask:
    """The parts of a task that follow from its linen module.

    Subclasses set ``module`` and say how to call it on abstract inputs in ``_init``.
    """

    module: nn.Module
    label_smoothing: float = 0.0

    def _init(self, key: Array) -> Any:
        """The module's variables, partitioned boxes included."""
        raise NotImplementedError

    def init_params(self, key: Array) -> Any:
        """See ``Task``."""
        return nn.unbox(self._init(key)["params"])

    def trained(self, loss: Pair, even: Array, weights: Array) -> Pair:
        """The loss that the gradient is of: the plain one with label smoothing, where there is some.

        Args:
          loss: sum and weight of the negative log likelihood.
          even: ``[rows, length]`` the mean over the vocabulary.
          weights: ``[rows, length]`` of the events.
        """
        if not self.label_smoothing:
            return loss
        return losses.smoothed(loss, even, weights, self.label_smoothing)

    def param_axes(self) -> Any:
        """See ``Task``."""
        return nn.get_partition_spec(jax.eval_shape(self._init, jax.random.key(0)))["params"]

    def batch_axes(self, name: str, ndim: int) -> tuple[str | None, ...]:
        """See ``Task``."""
        del name
        return BATCH_AXES[:ndim]
