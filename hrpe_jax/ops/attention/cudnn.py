"""Attention by cuDNN's flash kernel on NVIDIA GPUs; see ``attention``.

The kernel knows causal masks and windows by index, but neither songs in one row nor memory. Both are put in
its terms: songs by features that lower the logits between songs to nothing (``song_features``), memory by
dummy queries in front, so that queries and keys are equally many.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.ops.attention.types import (
    Features,
    Side,
    pad_length,
    pad_width,
    round_up,
    song_bits,
    song_features,
    widen,
)

MULTIPLE = 8
MAX_WIDTH = 128
"""Widest head of GPUs before Hopper; Hopper and later take 256, but are slow beyond 128, features included.

On one H200 with jax 0.11.2 the gradient at 8 rows, 16 heads, 2,048 events, bfloat16 and causal took 0.87,
1.21 and 1.29 ms at widths 64, 96 and 128, but 4.22, 2.37 and 2.38 ms at 136, 144 and 160: 1.8 to 3.3 times
as long as at 128.
"""
DTYPES = (jnp.bfloat16, jnp.float16)


def refuse(q: Array, width: int, slots: int, platform: str) -> str:
    """Why these arrays cannot be attended to here; empty where they can.

    Args:
      q: queries.
      width: of a head with its harmonic features.
      slots: keys.
      platform: "cpu", "gpu" or "tpu".
    """
    if platform != "gpu":
        return f"needs an NVIDIA GPU, not {platform}: use 'xla'"
    if q.dtype not in DTYPES:
        return f"takes bfloat16 or float16, not {q.dtype}: set the model's dtype to bfloat16, or use 'xla'"
    wide = width + song_bits(slots)
    if wide > max_width():
        return (
            f"takes heads of at most {max_width()}: head width and harmonic features are {width}, and "
            f"{wide - width} more tell songs apart; use narrower heads, fewer lags, or 'xla'"
        )
    return ""


def max_width() -> int:
    """Widest head that the GPU's kernel takes."""
    capability = getattr(jax.devices()[0], "compute_capability", "0")
    return 256 if float(capability or 0) >= 9.0 else MAX_WIDTH


def attention_cudnn(
    q: Array,
    k: Array,
    v: Array,
    queries: Side,
    keys: Side,
    *,
    window: int | None = None,
    features: Features | None = None,
    kernel: str = "cudnn",
) -> Array:
    """As ``attention.attention``.

    ``kernel`` is what ``jax.nn.dot_product_attention`` is asked for: "xla" runs the same arrays anywhere, in
    memory quadratic in length.

    Args:
      q: as for ``attention``.
      k: as for ``attention``.
      v: as for ``attention``.
      queries: as for ``attention``.
      keys: as for ``attention``.
      window: as for ``attention``.
      features: as for ``attention``.
      kernel: what ``jax.nn.dot_product_attention`` is asked for.
    """
    length, slots, width = q.shape[2], k.shape[2], v.shape[-1]
    songs, key_songs = (song_features(side.segments, slots) for side in (queries, keys))
    wide_q, wide_k = widen(q, k, features, 1)
    wide_q = jnp.concatenate([wide_q, _for_heads(songs, wide_q)], axis=-1)
    wide_k = jnp.concatenate([wide_k, _for_heads(key_songs, wide_k)], axis=-1)
    total = round_up(wide_q.shape[-1], MULTIPLE)
    wide_q, wide_k, wide_v = (pad_width(x, total) for x in (wide_q, wide_k, v))
    wide_q = pad_length(wide_q, slots - length, 0, 2)
    attend: Any = jax.nn.dot_product_attention
    out = attend(
        wide_q.swapaxes(1, 2),
        wide_k.swapaxes(1, 2),
        wide_v.swapaxes(1, 2).astype(wide_k.dtype),
        scale=1.0,
        is_causal=True,
        local_window_size=None if window is None else (window - 1, 0),
        implementation=kernel,
    )
    out = out.swapaxes(1, 2)[:, :, slots - length :, :width]
    return jnp.where(queries.segments[:, None, :, None] > 0, out, 0.0).astype(v.dtype)


def _for_heads(x: Array, like: Array) -> Array:
    """``[batch, length, n]`` for every head of ``like``, in its dtype."""
    return jnp.broadcast_to(x[:, None], (*like.shape[:3], x.shape[-1])).astype(like.dtype)
