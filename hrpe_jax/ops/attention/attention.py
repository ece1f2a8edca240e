"""Masked attention with optional harmonic terms: one function, four implementations that agree.

reference   dense float32 logits ``[batch, heads, query, key]``: what the others are tested against. The only
            one that takes a dense bias.
xla         blocks of queries against the keys they may see, recomputed in the backward pass: memory linear in
            length, on every platform (`xla.py`).
cudnn       the flash attention of NVIDIA GPUs (`cudnn.py`).
splash      the Pallas kernel of TPUs (`splash.py`).

H-RPE reaches the last three as extra features of queries and keys (``hrpe.fold``), so none of them builds an
array of query times key.

What a query may see is described by two ``Side``s, not by an array: keys of the same song, not later, at most
``window - 1`` events back; never padding, which may hold anything ("reference" and "xla": also NaN). Keys
stand in order of time, and the queries are the last of the keys' slots, or with ``start`` those from there
on.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.ops.attention.types import NOTHING, Features, Side, mask
from hrpe_jax.ops.pointwise import target

Implementation = Literal["auto", "reference", "xla", "cudnn", "splash"]
IMPLEMENTATIONS: tuple[str, ...] = get_args(Implementation)


def attention(
    q: Array,
    k: Array,
    v: Array,
    queries: Side,
    keys: Side,
    *,
    window: int | None = None,
    bias: Array | None = None,
    features: Features | None = None,
    implementation: str = "auto",
    start: Any = None,
) -> Array:
    """Softmax attention; a query that sees nothing gets zeros.

    Args:
      q: ``[batch, heads, query, width]``, rotated, not scaled.
      k: ``[batch, heads, key, width]``, rotated.
      v: ``[batch, heads, key, width]``.
      queries: where the queries stand.
      keys: where the keys stand, in order of time.
      window: how many events a query sees, itself included; None for all before it.
      bias: ``[batch, heads, query, key]`` added to the logits; "reference" only.
      features: factors of a bias that is added to the logits.
      implementation: one of ``IMPLEMENTATIONS``; "auto" takes what fits the platform and the shapes.
      start: the slot of the first query among the keys where they are not the last (a cache that is not yet
        full): an integer array. Only "reference" and "xla" take it.

    Returns:
      ``[batch, heads, query, width]`` in the dtype of ``v``.

    Raises:
      ValueError: before anything is compiled, on shapes that do not fit each other, an unknown
        implementation, or one that cannot do what is asked; names the argument, its value and what is
        allowed.
    """
    _check(q, k, v, queries, keys, window, bias, features)
    chosen = choose(implementation, q, k, features, bias, start)
    if not q.size:  # no query, or no row of them
        return jnp.zeros((*q.shape[:3], v.shape[-1]), v.dtype)
    if chosen in ("reference", "xla") and q.shape[2] > 1 and start is None:
        k, v, features = _without_padding(k, v, features, keys)
    if chosen == "reference":
        return _reference(q, k, v, mask(queries, keys, window), bias, features)
    if chosen == "xla":
        from hrpe_jax.ops.attention.xla import attention_xla

        return attention_xla(q, k, v, queries, keys, window=window, features=features, aligned=start is None)
    if chosen == "cudnn":
        from hrpe_jax.ops.attention.cudnn import attention_cudnn

        return attention_cudnn(q, k, v, queries, keys, window=window, features=features)
    from hrpe_jax.ops.attention.splash import attention_splash

    return attention_splash(q, k, v, queries, keys, window=window, features=features)


def _without_padding(
    k: Array, v: Array, features: Features | None, keys: Side
) -> tuple[Array, Array, Features | None]:
    """Zeros where keys are padding: a NaN there times a weight of zero would be NaN in every query.

    Not in decoding, whose cache is ours, and where a copy of it for every event is felt.
    """
    held = keys.segments[:, None, :, None] > 0
    k, v = jnp.where(held, k, 0), jnp.where(held, v, 0)
    if features is not None:
        features = Features(features.query, jnp.where(held, features.key, 0))
    return k, v, features


def choose(
    implementation: str,
    q: Array,
    k: Array,
    features: Features | None = None,
    bias: Array | None = None,
    start: Any = None,
    platform: str | None = None,
) -> str:
    """The implementation that will run.

    Args:
      implementation: what was asked for.
      q: as for ``attention``; shape and dtype decide.
      k: likewise.
      features: likewise.
      bias: likewise.
      start: likewise.
      platform: "cpu", "gpu" or "tpu"; the one compiled for where not given.

    Raises:
      ValueError: it cannot do this; the message says what can.
    """
    if implementation not in IMPLEMENTATIONS:
        raise ValueError(f"attention: implementation={implementation!r}: one of {', '.join(IMPLEMENTATIONS)}")
    platform = platform or target()
    fused = {"gpu": "cudnn", "tpu": "splash"}.get(platform)
    if implementation == "auto":
        if bias is not None:
            return "reference"
        short = q.shape[2] == 1 or start is not None  # decoding: one row of logits is no matter
        problem = refusal(fused, q, k, features, bias, start, platform) if fused and not short else ""
        return fused if fused and not short and not problem else "xla"
    problem = refusal(implementation, q, k, features, bias, start, platform)
    if problem:
        raise ValueError(f"attention: implementation={implementation!r} {problem}")
    return implementation


def refusal(
    implementation: str,
    q: Array,
    k: Array,
    features: Features | None,
    bias: Array | None,
    start: Any,
    platform: str,
) -> str:
    """Why an implementation cannot do this, and what can; empty where it can.

    Args:
      implementation: one of ``IMPLEMENTATIONS``.
      q: queries.
      k: keys.
      features: of a bias, or None.
      bias: dense, or None.
      start: slot of the first query, or None.
      platform: "cpu", "gpu" or "tpu".
    """
    if implementation == "reference":
        return ""
    if bias is not None:
        return "takes no dense bias: give `features` (hrpe.fold), or use 'reference'"
    if implementation == "xla":
        return ""
    if start is not None:
        return "takes no `start`: use 'xla' or 'reference' with a cache"
    width = q.shape[-1] + (0 if features is None else features.query.shape[-1])
    if implementation == "cudnn":
        from hrpe_jax.ops.attention.cudnn import refuse

        return refuse(q, width, k.shape[2], platform)
    from hrpe_jax.ops.attention.splash import refuse

    return refuse(q, width, k.shape[2], platform)


def _reference(
    q: Array, k: Array, v: Array, seen: Array, bias: Array | None, features: Features | None
) -> Array:
    logits = jnp.einsum("bhqd,bhkd->bhqk", q * q.shape[-1] ** -0.5, k, preferred_element_type=jnp.float32)
    if features is not None:
        batch, heads, length, width = features.query.shape
        groups = features.key.shape[1]
        grouped = features.query.reshape(batch, groups, heads // groups, length, width)
        extra = jnp.einsum("bghqf,bgkf->bghqk", grouped, features.key, precision="highest")
        logits = logits + extra.reshape(logits.shape)
    if bias is not None:
        logits = logits + bias
    logits = jnp.where(seen, logits, NOTHING)
    weights = jax.nn.softmax(logits, axis=-1)
    weights = jnp.where(seen.any(axis=-1, keepdims=True), weights, 0.0)
    return jnp.einsum("bhqk,bhkd->bhqd", weights.astype(v.dtype), v)


def _check(
    q: Array,
    k: Array,
    v: Array,
    queries: Side,
    keys: Side,
    window: int | None,
    bias: Array | None,
    features: Features | None,
) -> None:
    """Raises ValueError unless the shapes fit each other."""

    def demand(name: str, shape: tuple[int, ...], expected: tuple[int, ...], meaning: str) -> None:
        if tuple(shape) != tuple(expected):
            raise ValueError(
                f"attention: {name} has shape {tuple(shape)}: {meaning} = {tuple(expected)} expected"
            )

    if q.ndim != 4:
        raise ValueError(f"attention: q has shape {q.shape}: [batch, heads, query, width] expected")
    batch, heads, length, width = q.shape
    if k.ndim != 4:
        raise ValueError(f"attention: k has shape {k.shape}: [batch, heads, key, width] expected")
    slots = k.shape[2]
    demand("k", k.shape, (batch, heads, slots, width), "[batch, heads, key, width] of q")
    demand("v", v.shape[:3], (batch, heads, slots), "[batch, heads, key] of k")
    for name, side, count in (("queries", queries, length), ("keys", keys, slots)):
        demand(f"{name}.positions", side.positions.shape, (batch, count), "[batch, length]")
        demand(f"{name}.segments", side.segments.shape, (batch, count), "[batch, length]")
    if length > slots:
        raise ValueError(f"attention: {length} queries and {slots} keys: every query must be among the keys")
    if window is not None and window < 1:
        raise ValueError(f"attention: window={window}: at least 1 expected (a query sees itself)")
    if bias is not None:
        demand("bias", bias.shape, (batch, heads, length, slots), "[batch, heads, query, key]")
    if features is not None:
        groups, size = features.key.shape[1], features.query.shape[-1]
        demand(
            "features.query", features.query.shape, (batch, heads, length, size), "[batch, heads, query, f]"
        )
        demand("features.key", features.key.shape, (batch, groups, slots, size), "[batch, groups, key, f]")
        if heads % groups:
            raise ValueError(
                f"attention: features.key has {groups} groups: a divisor of {heads} heads expected"
            )
