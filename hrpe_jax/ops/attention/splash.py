"""Attention by Splash, the Pallas flash kernel of TPUs; see ``attention``.

The kernel skips blocks that the causal mask or the window rules out, knows songs in a row as segments, and
takes queries and keys wider than values. Under a mesh it runs on every device's own rows and heads
(``jax.shard_map``), since the compiler cannot divide a kernel by itself.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec

from hrpe_jax.ops.attention.types import Features, Side, pad_length, pad_width, round_up, widen
from hrpe_jax.ops.pointwise import target

LANES = 128
BLOCK = 512
ROWS_AXIS, HEADS_AXIS = "data", "model"
"""Mesh axes over which rows and heads are divided, where the mesh has them (``jax.set_mesh``)."""


def refuse(q: Array, width: int, slots: int, platform: str) -> str:
    """Why these arrays cannot be attended to here; empty where they can.

    Args:
      q: queries.
      width: of a head with its harmonic features; any, filled up to a multiple of 128.
      slots: keys; any, likewise.
      platform: "cpu" (where the kernel is interpreted, slowly), "gpu" or "tpu".
    """
    del width, slots
    if platform == "gpu":
        return "needs a TPU, not a GPU: use 'cudnn' or 'xla'"
    if q.dtype not in (jnp.float32, jnp.bfloat16):
        return f"takes float32 or bfloat16, not {q.dtype}: use 'xla'"
    return ""


def attention_splash(
    q: Array,
    k: Array,
    v: Array,
    queries: Side,
    keys: Side,
    *,
    window: int | None = None,
    features: Features | None = None,
    interpret: bool | None = None,
) -> Array:
    """As ``attention.attention``.

    ``interpret`` runs the kernel in Python, which is for tests on a CPU; where it is None, so does the CPU
    unless a mesh of TPUs is set.

    Args:
      q: as for ``attention``.
      k: as for ``attention``.
      v: as for ``attention``.
      queries: as for ``attention``.
      keys: as for ``attention``.
      window: as for ``attention``.
      features: as for ``attention``.
      interpret: whether the kernel runs in Python.
    """
    length, slots, width = q.shape[2], k.shape[2], v.shape[-1]
    if interpret is None:
        interpret = target() == "cpu"
    # Filled up behind: index i of the queries stays slot i + slots - length of the keys.
    rows, columns = round_up(length, LANES), round_up(slots, LANES)
    wide_q, wide_k = widen(q, k, features, LANES)
    wide_v = pad_width(v, round_up(width, LANES))
    wide_q = pad_length(wide_q, 0, rows - length, 2)
    wide_k, wide_v = (pad_length(x, 0, columns - slots, 2) for x in (wide_k, wide_v))
    q_songs = pad_length(queries.segments, 0, rows - length, 1)
    k_songs = pad_length(keys.segments, 0, columns - slots, 1)
    run = functools.partial(_run, offset=slots - length, window=window, interpret=interpret)
    out = _per_device(run)(wide_q, wide_k, wide_v, q_songs, k_songs)
    out = out[:, :, :length, :width]
    return jnp.where(queries.segments[:, None, :, None] > 0, out, 0.0).astype(v.dtype)


def _run(
    q: Array,
    k: Array,
    v: Array,
    q_songs: Array,
    k_songs: Array,
    *,
    offset: int,
    window: int | None,
    interpret: bool,
) -> Array:
    """The kernel on one device's rows and heads."""
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash

    kernel = _kernel(q.shape[1], q.shape[2], k.shape[2], offset, window, interpret)
    return jax.vmap(kernel)(q, k, v, splash.SegmentIds(q=q_songs, kv=k_songs))


def _kernel(heads: int, rows: int, columns: int, offset: int, window: int | None, interpret: bool) -> Any:
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    shape = (rows, columns)
    mask: Any = masks.CausalMask(shape, offset=offset)
    if window is not None:
        mask = masks.LocalMask(shape, window_size=(window - 1, 0), offset=offset)
    bq, bkv = _block(rows), _block(columns)
    sizes = splash.BlockSizes(
        block_q=bq, block_kv=bkv, block_kv_compute=bkv,
        block_q_dkv=bq, block_kv_dkv=bkv, block_kv_dkv_compute=bkv,
        block_q_dq=bq, block_kv_dq=bkv,
    )  # fmt: skip
    return splash.make_splash_mha(
        mask=masks.MultiHeadMask([mask] * heads),
        head_shards=1,
        q_seq_shards=1,
        block_sizes=sizes,
        interpret=interpret,
    )


def _block(length: int) -> int:
    """The largest tile of whole lanes, at most ``BLOCK``, that divides a length."""
    return LANES * math.gcd(length // LANES, BLOCK // LANES)


def _per_device(function: Any) -> Any:
    """``function`` of ``[rows, heads, ...]`` arrays on each device's own part, where a mesh is set."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.size == 1:
        return function
    rows = ROWS_AXIS if ROWS_AXIS in mesh.axis_names else None
    heads = HEADS_AXIS if HEADS_AXIS in mesh.axis_names else None
    wide, songs = PartitionSpec(rows, heads), PartitionSpec(rows)
    return jax.shard_map(function, in_specs=(wide, wide, wide, songs, songs), out_specs=wide, check_vma=False)
