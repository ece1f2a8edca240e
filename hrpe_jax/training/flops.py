"""What a step costs by its mathematics: FLOPs of its matrix products, counted in its jaxpr.

XLA's own count takes the body of a loop once, whatever its length, and knows nothing of a fused kernel; a
jaxpr says how often a scan runs. Model FLOPs, by which hardware is judged, are those of the forward pass
times three (a product has two gradients of the same size): what is recomputed to save memory is
of no use to the model and is not counted (Chowdhery et al., PaLM, 2022, appendix B).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import jax
from jax.sharding import Mesh

from hrpe_jax.config import StageConfig
from hrpe_jax.tasks import build_task

PEAK = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L4": 121e12,
    "T4": 65e12,
    "TPU v6 lite": 918e12,
    "TPU v6e": 918e12,
    "TPU v5 lite": 197e12,
    "TPU v5e": 197e12,
    "TPU v5p": 459e12,
    "TPU v5": 459e12,
    "TPU v4": 275e12,
}
"""Dense bfloat16 (T4: float16) operations a second of one device, by words in the name of its kind; from the
makers' data sheets. The first that is there counts."""


def peak_flops(device: jax.Device) -> float | None:
    """Operations a second that a device can do at most, None where that is not known."""
    kind = device.device_kind
    return next((peak for name, peak in PEAK.items() if re.search(rf"\b{name}\b", kind)), None)


def count_flops(jaxpr: Any) -> float:
    """Operations of all matrix products of a jaxpr, 2 for each multiplication with its addition.

    A scan counts as often as it runs, a while loop once, of a cond the most expensive branch. A kernel that
    was written by hand may hide its products.
    """
    total = 0.0
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        if name == "dot_general":
            ((contracted, _), _) = params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            width = math.prod(left[axis] for axis in contracted)
            total += 2.0 * width * math.prod(equation.outvars[0].aval.shape)
            continue
        inner = [count_flops(sub) for sub in _inside(params)]
        if name == "scan":
            total += params["length"] * sum(inner)
        elif name == "cond":
            total += max(inner, default=0.0)
        elif name == "shard_map":
            total += params["mesh"].size * sum(inner)
        else:
            total += sum(inner)
    return total


def model_flops(stage: str, config: StageConfig, batch: Mapping[str, Any]) -> float:
    """Model FLOPs of one training step.

    Args:
      stage: whose model.
      config: of its training.
      batch: leaves ``[segments, rows, ...]``; only shapes and types are looked at.

    Returns:
      Three times the forward pass over the whole batch, attention as the "xla" implementation computes it,
      which skips blocks of keys that are in the future of a block of queries.
    """
    task = build_task(stage, replace(config.model, attention="xla", remat="none"))
    segments, rows = next(iter(batch.values())).shape[:2]

    def forward(params: Any, carry: Any, segment: Any) -> Any:
        return task.segment_loss(params, carry, segment, jax.random.key(0), True)[0]

    params = jax.eval_shape(task.init_params, jax.random.key(0))
    carry = jax.eval_shape(lambda: task.init_carry(rows))
    segment = {name: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for name, leaf in batch.items()}
    return 3.0 * segments * count_flops(jax.make_jaxpr(forward)(params, carry, segment).jaxpr)


def peak_seconds(stage: str, config: StageConfig, mesh: Mesh, batch: Mapping[str, Any]) -> float | None:
    """The least time a step could take: its model FLOPs at the peak of all devices; None without a peak.

    Args:
      stage: "backbone" or "melody".
      config: of the stage.
      mesh: the devices.
      batch: arrays of the shapes of a step.
    """
    peak = peak_flops(mesh.devices.flat[0])
    return None if peak is None else model_flops(stage, config, batch) / (peak * mesh.size)


def _inside(params: Mapping[str, Any]) -> Iterator[Any]:
    """The jaxprs among the parameters of an equation."""
    for value in params.values():
        for part in value if isinstance(value, (list, tuple)) else [value]:
            inner = getattr(part, "jaxpr", part)
            if hasattr(inner, "eqns"):
                yield inner
