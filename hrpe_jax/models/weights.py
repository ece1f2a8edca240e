"""How parameters begin, the names of their axes, and the product that all of them share."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
from jax import Array


def normal(stddev: float, *axes: str | None) -> Any:
    """An initialiser that names the logical axes of its parameter."""
    return nn.with_logical_partitioning(nn.initializers.normal(stddev), axes)


def zeros(*axes: str | None) -> Any:
    """As ``normal``, all zero."""
    return nn.with_logical_partitioning(nn.initializers.zeros, axes)


def ones(*axes: str) -> Any:
    """As ``normal``, all one."""
    return nn.with_logical_partitioning(nn.initializers.ones, axes)


def lecun(fan_in: int, *axes: str | None) -> Any:
    """As ``normal``, with variance 1 / fan_in."""
    return normal(fan_in**-0.5, *axes)


def matmul(x: Array, kernel: Array) -> Array:
    """``x [..., n]`` times ``kernel [n, m]``, as one product of two matrices.

    Written with leading axes, the gradient with respect to the kernel contracts two axes at once, for which
    the CPU backend copies both operands: that takes 1.7 times as long (``tools/bench_step.py``).
    """
    flat = x.reshape(-1, x.shape[-1]) @ kernel
    return flat.reshape(*x.shape[:-1], kernel.shape[-1])
