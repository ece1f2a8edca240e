"""Harmonic Relative Positional Encoding (H-RPE): attention that sees how two events relate in harmony.

Every event carries one *cyclic* code (a chord's root pitch class) and some *categorical* codes (its quality,
its function). For query i, key j and head h the attention logit gains

    A_h[(r_i - r_j) mod n] + sum_c C_h^c[c_i, c_j] + Q_i . E_h[(r_i - r_j) mod n]

with learned, directed tables (``A[m] != A[-m]``: V to I is not I to V) that start at zero, so that an
untrained layer is plain attention bit for bit. Only differences of the cyclic code enter: transposing a
piece changes nothing.

A relation also exists at *lags* (a, b): the codes of a events before the query against those of b events
before the key. At (0, 1) a query finds the places whose preceding chord relates to its own chord as asked,
and attention reads there what came next; that is how a small model sees that a song repeats itself.

An event without harmony (no chord, padding, before the start) has ``present`` false and gets exactly zero
bias.

Example, V to I in two keys: G7 (root 7) before C (root 0), and D7 (root 2) before G (root 7). With the tonic
as query and the dominant as key both have (r_i - r_j) mod 12 = (0 - 7) mod 12 = (7 - 2) mod 12 = 5, and so
share the entry ``A_h[5]``, "a fourth up from the key's root". With the dominant as query the entry is
``A_h[7]``, another parameter.

Two forms compute the same number. ``bias`` is the readable reference and builds ``[batch, heads, query,
key]``. ``fold`` writes every term as ``U_i . V_j`` where V holds one-hot codes of the key and U the table
rows that the query selects; appended to queries and keys they turn any attention kernel into H-RPE with
memory linear in length.

The functions know cyclic and categorical codes only; nothing here is about music.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class Codes(NamedTuple):
    """What the relations are about, for every event.

    Attributes:
      cyclic: int ``[batch, length]``, 0 to period - 1; ignored where not present.
      categories: ints ``[batch, length]`` each; ignored where not present.
      present: bool ``[batch, length]``; False gives zero bias.
    """

    cyclic: Array
    categories: tuple[Array, ...]
    present: Array


class Relation(NamedTuple):
    """The tables of one relation.

    Attributes:
      cyclic: A, ``[heads, period]``.
      categories: C, one ``[heads, size, size]`` (query, key) for each of the first categories; may be fewer
        than the codes have.
      query: E, ``[heads, period, width]``, or None.
    """

    cyclic: Array
    categories: tuple[Array, ...]
    query: Array | None = None


def lag(codes: Codes, steps: int, segments: Array | None = None) -> Codes:
    """The codes of ``steps`` events earlier; absent before the start and across the border of a segment.

    Args:
      codes: ``[batch, length]``.
      steps: 0 or more: a lag never looks ahead.
      segments: int ``[batch, length]``, equal within one song; None where a row is one song.

    Raises:
      ValueError: steps is negative.
    """
    if steps < 0:
        raise ValueError(f"hrpe: a lag must not look ahead, got {steps}")
    if steps == 0:
        return codes

    def shift(x: Array) -> Array:
        return jnp.pad(x, ((0, 0), (steps, 0)))[:, : x.shape[1]]

    present = shift(codes.present)
    if segments is not None:
        present &= shift(segments) == segments
        present &= jnp.arange(segments.shape[1]) >= steps
    return Codes(shift(codes.cyclic), tuple(shift(c) for c in codes.categories), present)


def bias(
    query_codes: Sequence[Codes],
    key_codes: Sequence[Codes],
    relations: Sequence[Relation],
    queries: Array | None = None,
) -> Array:
    """The reference: H-RPE's addition to the attention logits.

    Args:
      query_codes: for each relation, the query side's (lagged) codes ``[batch, query]``.
      key_codes: for each relation, the key side's (lagged) codes ``[batch, key]``.
      relations: the tables.
      queries: ``[batch, heads, query, width]`` without scale or rotation, for relations with a query table.

    Returns:
      float32 ``[batch, heads, query, key]``.

    Raises:
      ValueError: a relation has a query table and ``queries`` is None.
    """
    total = jnp.zeros((), jnp.float32)
    for q, k, tables in zip(query_codes, key_codes, relations, strict=True):
        period = tables.cyclic.shape[-1]
        interval = (q.cyclic[:, :, None] - k.cyclic[:, None, :]) % period
        term = jnp.moveaxis(tables.cyclic.astype(jnp.float32)[:, interval], 0, 1)
        for table, q_category, k_category in zip(tables.categories, q.categories, k.categories, strict=False):
            entries = table.astype(jnp.float32)[:, q_category[:, :, None], k_category[:, None, :]]
            term = term + jnp.moveaxis(entries, 0, 1)
        if tables.query is not None:
            sought = _sought(queries, tables.query)
            term = term + jnp.take_along_axis(sought, interval[:, None], axis=-1)
        both = q.present[:, None, :, None] & k.present[:, None, None, :]
        total = total + jnp.where(both, term, 0.0)
    return total


def fold(
    query_codes: Sequence[Codes],
    key_codes: Sequence[Codes],
    relations: Sequence[Relation],
    queries: Array | None = None,
) -> tuple[Array, Array]:
    """The same as ``bias``, as features whose inner products are the bias.

    Args and Raises: as for ``bias``.

    Returns:
      U float32 ``[batch, heads, query, features]`` and V float32 ``[batch, key, features]`` (the same for
      all heads), with ``bias = U @ V^T``; features = sum over relations of period + sizes of their
      categories.
    """
    left, right = [], []
    for q, k, tables in zip(query_codes, key_codes, relations, strict=True):
        period = tables.cyclic.shape[-1]
        # turn[b, i, m, n] = 1 where n = (r_i - m) mod period: from "interval n" to "the key's code is m".
        intervals = (q.cyclic[:, :, None] - jnp.arange(period)) % period
        turn = jax.nn.one_hot(intervals, period) * q.present[:, :, None, None]
        wanted = _einsum("hn,bimn->bhim", tables.cyclic.astype(jnp.float32), turn)
        if tables.query is not None:
            wanted = wanted + _einsum("bhin,bimn->bhim", _sought(queries, tables.query), turn)
        left.append(wanted)
        right.append(_one_hot(k.cyclic, period, k.present))
        for table, q_category, k_category in zip(tables.categories, q.categories, k.categories, strict=False):
            size = table.shape[-1]
            rows = _einsum("bic,hck->bhik", _one_hot(q_category, size, q.present), table.astype(jnp.float32))
            left.append(rows)
            right.append(_one_hot(k_category, size, k.present))
    return jnp.concatenate(left, axis=-1), jnp.concatenate(right, axis=-1)


# Accelerators round float32 products to fewer bits unless told not to; the two forms would then differ.
_einsum = functools.partial(jnp.einsum, precision="highest")


def _sought(queries: Array | None, table: Array) -> Array:
    """How much each query seeks each interval: ``[batch, heads, query, period]``."""
    if queries is None:
        raise ValueError("hrpe: a relation has a query table, so `queries` must be given")
    return _einsum("bhid,hnd->bhin", queries.astype(jnp.float32), table.astype(jnp.float32))


def _one_hot(codes: Array, size: int, present: Array) -> Array:
    return jax.nn.one_hot(codes, size) * present[..., None]
