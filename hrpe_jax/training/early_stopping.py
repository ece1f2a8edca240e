"""Early stopping: which validation is the best so far, and when there has been no better one for too long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax

from hrpe_jax.errors import UserError
from hrpe_jax.utils.schema import suggestion

HIGHER_IS_BETTER = ("accuracy", "top")


class EarlyStopping:
    """The best validation of a stage. Its state is plain values, which a checkpoint can hold.

    Args:
      metric: what is compared; "" for the nll, or the loss where a task reports none.
      patience: validations without a better one after which ``exhausted``; 0 for never.
      state: from ``state`` of an earlier process.
    """

    def __init__(self, metric: str = "", patience: int = 0, state: Mapping[str, Any] | None = None) -> None:
        self._metric, self._patience = metric, patience
        state = state or {}
        self.found: dict[str, Any] | None = state.get("best")
        self._stale = int(state.get("stale", 0))

    def update(self, step: int, scores: Mapping[str, float]) -> bool:
        """Notes a validation; returns whether it is the best so far."""
        if self.found is None or self._cost(scores) < self._cost(self.found["metrics"]):
            self.found, self._stale = {"step": step, "metrics": dict(scores)}, 0
            return True
        self._stale += 1
        return False

    @property
    def step(self) -> int | None:
        """Of the best validation, None before the first."""
        return self.found["step"] if self.found else None

    @property
    def exhausted(self) -> bool:
        """Whether patience is at its end."""
        return 0 < self._patience <= self._stale

    def state(self) -> dict[str, Any]:
        """JSON values: best ({step, metrics} or None) and stale (validations since)."""
        return {"best": self.found, "stale": self._stale}

    def _cost(self, scores: Mapping[str, float]) -> float:
        """The lower the better; a metric that a small split has no example of is never better."""
        name = self._metric or ("nll" if "nll" in scores else "loss")
        value = scores.get(name, math.nan)
        if math.isnan(value):
            return math.inf
        return -value if any(word in name for word in HIGHER_IS_BETTER) else value


def check_metric(stage: str, task: Any, metric: str, batch: Mapping[str, Any]) -> None:
    """Refuses a ``best_metric`` that validation does not report, before any work.

    Args:
      stage: its name, for the message.
      task: of the stage.
      metric: from the config; "" is always known.
      batch: leaves ``[segments, rows, ...]``, of any values.

    Raises:
      UserError: no such metric; names the nearest.
    """
    if not metric:
        return
    rows = next(iter(batch.values())).shape[1]

    def metrics() -> Any:
        params, carry = task.init_params(jax.random.key(0)), task.init_carry(rows)
        segment = {name: value[0] for name, value in batch.items()}
        return task.segment_loss(params, carry, segment, jax.random.key(0), False)[2]

    known = ["loss", *jax.eval_shape(metrics)]
    if metric not in known:
        where = f"config.stages.{stage}.best_metric"
        raise UserError(f"{where}: validation reports no {metric!r}; {suggestion(metric, known)}")
