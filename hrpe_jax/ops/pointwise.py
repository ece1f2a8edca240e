"""Norm and gate with backward passes of their own, which keep little but the arguments.

Left to automatic differentiation, a gated MLP keeps the sigmoid and the gated values of every event beside
what they were computed from, and a norm the normed values, all to be written and read again. Here they are
computed again; of a norm one number an event is kept.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def target() -> str:
    """The platform that what is traced now will run on: "cpu", "gpu" or "tpu".

    That of the default device, unless a mesh of TPUs is set (``jax.set_mesh``): the program is then compiled
    for them, even where there are none (``tools/bench/tpu_compile.py``).
    """
    device = getattr(jax.sharding.get_abstract_mesh(), "abstract_device", None)
    for_tpus = str(getattr(device, "device_kind", "")).upper().startswith("TPU")
    return "tpu" if for_tpus else jax.default_backend()


EPSILON = 1e-6


@jax.custom_vjp
def rms_norm(x: Array, scale: Array) -> Array:
    """Root-mean-square norm of the last axis (Zhang and Sennrich, 2019), times ``scale``.

    Args:
      x: float32 ``[..., width]``.
      scale: float32 ``[width]``.
    """
    return x * _inverse(x) * scale


def _inverse(x: Array) -> Array:
    return jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + EPSILON)


def _norm_forward(x: Array, scale: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    inverse = _inverse(x)
    return x * inverse * scale, (x, inverse, scale)


def _norm_backward(kept: tuple[Array, Array, Array], grad: Array) -> tuple[Array, Array]:
    x, inverse, scale = kept
    normed, wanted = x * inverse, grad * scale
    along = jnp.mean(wanted * normed, axis=-1, keepdims=True)
    # The sum over all events as a product, since a CPU sums columns slowly.
    columns = (grad * normed).reshape(-1, x.shape[-1])
    summed = jnp.matmul(jnp.ones((1, columns.shape[0]), x.dtype), columns, precision="highest")
    return inverse * (wanted - normed * along), summed[0]


rms_norm.defvjp(_norm_forward, _norm_backward)


@jax.custom_vjp
def swiglu(gate: Array, up: Array) -> Array:
    """``silu(gate) * up`` (Shazeer, "GLU Variants Improve Transformer", 2020); any one shape."""
    return jax.nn.silu(gate) * up


def _gate_forward(gate: Array, up: Array) -> tuple[Array, tuple[Array, Array]]:
    return swiglu(gate, up), (gate, up)


def _gate_backward(kept: tuple[Array, Array], grad: Array) -> tuple[Array, Array]:
    gate, up = kept
    share = jax.nn.sigmoid(gate)
    return grad * up * share * (1 + gate * (1 - share)), grad * gate * share


swiglu.defvjp(_gate_forward, _gate_backward)
