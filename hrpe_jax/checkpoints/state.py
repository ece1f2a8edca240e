"""The training state: the part of a checkpoint that changes from step to step."""

from __future__ import annotations

from typing import Any

import jax
from flax import struct


@struct.dataclass
class TrainState:
    """Parameters and optimizer.

    Attributes:
      step: int32 scalar, optimizer steps taken.
      params: the model's parameters, float32.
      opt_state: the optimizer's.
      ema: an exponential moving average of the parameters, None where the config asks for none.
    """

    step: jax.Array
    params: Any
    opt_state: Any
    ema: Any = None

    @property
    def best_params(self) -> Any:
        """What is validated and exported: the average where there is one."""
        return self.params if self.ema is None else self.ema
