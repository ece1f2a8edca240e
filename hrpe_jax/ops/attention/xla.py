"""Attention in blocks of queries, for every platform; see ``attention``.

A block of queries meets all keys that any of them may see, so one softmax is complete at once and no
running maximum is needed; the largest array is one block of queries times the keys. The backward pass
computes each block's weights again from the saved logsumexp (Dao et al., "FlashAttention", 2022), so memory
is linear in length. Keys after a block are not touched at all, nor keys before the window.

Few blocks are unrolled, each with its own number of keys; many are put into at most ``GROUPS`` groups, and a
scan runs over the blocks of a group.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.ops.attention.types import NOTHING, Features, Side, mask

BLOCK = 64
GROUPS = 8


class _Group(NamedTuple):
    """Blocks of queries that meet the same keys: queries [begin, end), keys [low, high)."""

    begin: int
    end: int
    low: int
    high: int


def attention_xla(
    q: Array,
    k: Array,
    v: Array,
    queries: Side,
    keys: Side,
    *,
    window: int | None = None,
    features: Features | None = None,
    aligned: bool = True,
) -> Array:
    """As ``attention.attention``; ``aligned`` says that the queries are the last of the keys' slots.

    Args:
        q: as for ``attention``.
        k: as for ``attention``.
        v: as for ``attention``.
        queries: as for ``attention``.
        keys: as for ``attention``.
        window: as for ``attention``.
        features: as for ``attention``.
        aligned: whether the queries are the last of the keys' slots.
    """
    u, w = (None, None) if features is None else features
    return _blocks(q * q.shape[-1] ** -0.5, k, v, u, w, queries, keys, window, aligned)


def _groups(length: int, slots: int, window: int | None, aligned: bool) -> list[_Group]:
    """Cuts the queries into groups of whole blocks and finds the keys of each."""
    blocks = -(-length // BLOCK)
    per_group = -(-blocks // GROUPS)
    before = slots - length
    groups = []
    for first in range(0, blocks, per_group):
        begin, end = first * BLOCK, min((first + per_group) * BLOCK, length)
        low = max(0, before + begin - window + 1) if window is not None and aligned else 0
        groups.append(_Group(begin, end, low, before + end if aligned else slots))
    return groups


def _logits(q: Array, k: Array, u: Array | None, w: Array | None, seen: Array) -> Array:
    """float32 ``[batch, heads, query, key]``, masked."""
    logits = jnp.einsum("bhqd,bhkd->bhqk", q, k, preferred_element_type=jnp.float32)
    if u is not None and w is not None:
        # One product for all heads of a group, since they share the keys' features.
        extra = jnp.einsum("bgxf,bgkf->bgxk", _by_group(u, w), w, precision="highest")
        logits = logits + extra.reshape(logits.shape)
    return jnp.where(seen, logits, NOTHING)


def _by_group(u: Array, w: Array) -> Array:
    """``[batch, heads, query, f]`` as ``[batch, groups, heads of a group * query, f]``."""
    return u.reshape(u.shape[0], w.shape[1], -1, u.shape[-1])


def _cut(x: Any, begin: int | Array, size: int, axis: int) -> Any:
    """``size`` entries of an axis, or None of None (there are no features)."""
    return None if x is None else jax.lax.dynamic_slice_in_dim(x, begin, size, axis)


def _cut_side(side: Side, begin: int | Array, size: int) -> Side:
    return Side(*(jax.lax.dynamic_slice_in_dim(x, begin, size, 1) for x in side))


@functools.partial(jax.custom_vjp, nondiff_argnums=(7, 8))
def _blocks(
    q: Array,
    k: Array,
    v: Array,
    u: Array | None,
    w: Array | None,
    queries: Side,
    keys: Side,
    window: int | None,
    aligned: bool,
) -> Array:
    return _forward(q, k, v, u, w, queries, keys, window, aligned)[0]


def _forward(
    q: Array,
    k: Array,
    v: Array,
    u: Array | None,
    w: Array | None,
    queries: Side,
    keys: Side,
    window: int | None,
    aligned: bool,
) -> tuple[Array, tuple[Any, ...]]:
    outs, sums = [], []
    for group in _groups(q.shape[2], k.shape[2], window, aligned):
        kk, vv, ww = (_cut(x, group.low, group.high - group.low, 2) for x in (k, v, w))
        key_side = _cut_side(keys, group.low, group.high - group.low)

        def block(begin, size, kk=kk, vv=vv, ww=ww, key_side=key_side):  # type: ignore[no-untyped-def]
            seen = mask(_cut_side(queries, begin, size), key_side, window)
            logits = _logits(_cut(q, begin, size, 2), kk, _cut(u, begin, size, 2), ww, seen)
            top = jnp.max(logits, axis=-1, keepdims=True)
            weights = jnp.where(seen, jnp.exp(logits - top), 0.0)
            total = jnp.sum(weights, axis=-1, keepdims=True)
            out = jnp.einsum(
                "bhqk,bhkd->bhqd", weights.astype(vv.dtype), vv, preferred_element_type=jnp.float32
            )
            total = jnp.maximum(total, 1e-30)
            return (out / total).astype(vv.dtype), (top + jnp.log(total))[..., 0]

        out, logsum = _over_blocks(block, group)
        outs.append(out)
        sums.append(logsum)
    out, logsum = jnp.concatenate(outs, axis=2), jnp.concatenate(sums, axis=2)
    return out, (q, k, v, u, w, queries, keys, out, logsum)


def _over_blocks(block, group: _Group):  # type: ignore[no-untyped-def]
    """Runs ``block(begin, size)`` over a group's blocks and joins the results along the queries (axis 2)."""
    count, rest = divmod(group.end - group.begin, BLOCK)
    if count + bool(rest) == 1:
        return block(group.begin, group.end - group.begin)
    _, stacked = jax.lax.scan(
        lambda _, i: (None, block(group.begin + i * BLOCK, BLOCK)), None, jnp.arange(count)
    )
    joined = jax.tree.map(_unstack, stacked)
    if not rest:
        return joined
    last = block(group.end - rest, rest)
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=2), joined, last)


def _unstack(x: Array) -> Array:
    """``[blocks, batch, heads, block, ...]`` to ``[batch, heads, blocks * block, ...]``."""
    x = jnp.moveaxis(x, 0, 2)
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3], *x.shape[4:])


def _backward(window: int | None, aligned: bool, saved: tuple[Any, ...], grad: Array) -> tuple[Any, ...]:
    q, k, v, u, w, queries, keys, out, logsum = saved
    grad = grad.astype(v.dtype)
    inner = jnp.sum(grad.astype(jnp.float32) * out.astype(jnp.float32), axis=-1)
    like: list[Any] = [jnp.zeros(x.shape, jnp.float32) if x is not None else None for x in (k, v, w)]
    dqs, dus = [], []
    for group in _groups(q.shape[2], k.shape[2], window, aligned):
        kk, vv, ww = (_cut(x, group.low, group.high - group.low, 2) for x in (k, v, w))
        key_side = _cut_side(keys, group.low, group.high - group.low)

        def block(begin, size, kk=kk, vv=vv, ww=ww, key_side=key_side):  # type: ignore[no-untyped-def]
            seen = mask(_cut_side(queries, begin, size), key_side, window)
            qq, uu, gg = (_cut(x, begin, size, 2) for x in (q, u, grad))
            logits = _logits(qq, kk, uu, ww, seen)
            weights = jnp.where(seen, jnp.exp(logits - _cut(logsum, begin, size, 2)[..., None]), 0.0)
            wanted = jnp.einsum("bhqd,bhkd->bhqk", gg, vv, preferred_element_type=jnp.float32)
            slope = weights * (wanted - _cut(inner, begin, size, 2)[..., None])
            narrow = slope.astype(kk.dtype)
            dk = jnp.einsum("bhqk,bhqd->bhkd", narrow, qq, preferred_element_type=jnp.float32)
            dv = jnp.einsum(
                "bhqk,bhqd->bhkd", weights.astype(vv.dtype), gg, preferred_element_type=jnp.float32
            )
            dq = jnp.einsum("bhqk,bhkd->bhqd", narrow, kk, preferred_element_type=jnp.float32)
            if uu is None:
                return (dq, None), (dk, dv, None)
            flat = slope.reshape(slope.shape[0], ww.shape[1], -1, slope.shape[-1])
            du = jnp.einsum("bgxk,bgkf->bgxf", flat, ww, precision="highest").reshape(uu.shape)
            dw = jnp.einsum("bgxk,bgxf->bgkf", flat, _by_group(uu, ww), precision="highest")
            return (dq, du), (dk, dv, dw)

        rows, columns = _sum_over_blocks(block, group)
        dqs.append(rows[0])
        dus.append(rows[1])
        like = [
            None if whole is None else whole.at[:, :, group.low : group.high].add(part)
            for whole, part in zip(like, columns, strict=True)
        ]
    dk, dv, dw = like
    dq = jnp.concatenate(dqs, axis=2).astype(q.dtype)
    du = None if u is None else jnp.concatenate(dus, axis=2).astype(u.dtype)
    dw = None if w is None else dw.astype(w.dtype)
    return dq, dk.astype(k.dtype), dv.astype(v.dtype), du, dw, None, None


def _sum_over_blocks(block, group: _Group):  # type: ignore[no-untyped-def]
    """As ``_over_blocks`` for a block that returns (rows, columns): rows are joined, columns summed."""
    count, rest = divmod(group.end - group.begin, BLOCK)
    if count + bool(rest) == 1:
        return block(group.begin, group.end - group.begin)
    shapes = jax.eval_shape(lambda: block(group.begin, BLOCK)[1])
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def step(total, i):  # type: ignore[no-untyped-def]
        rows, columns = block(group.begin + i * BLOCK, BLOCK)
        return jax.tree.map(jnp.add, total, columns), rows

    columns, rows = jax.lax.scan(step, zeros, jnp.arange(count))
    rows = jax.tree.map(_unstack, rows)
    if rest:
        last_rows, last_columns = block(group.end - rest, rest)
        rows = jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=2), rows, last_rows)
        columns = jax.tree.map(jnp.add, columns, last_columns)
    return rows, columns


_blocks.defvjp(_forward, _backward)
