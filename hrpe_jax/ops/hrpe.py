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

A relation may be one of *motions* instead: of the steps (r_i - r_{i-1}) mod n of the cyclic code into each
event (``motion``). What comes back in another key has the same motions, so a sum of relations finds it. Over
the codes themselves that is a conjunction, "by the same n at every lag", which no sum can express.

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

In a model of your own, whatever library it is written in: keep the tables among its parameters, all zero, and
hand the folded features to attention. Two songs of three chords, C G7 C and G D7 G, with one head:

    >>> import jax.numpy as jnp
    >>> from hrpe_jax.ops import hrpe, rope
    >>> from hrpe_jax.ops.attention.attention import Side, attention
    >>> root = jnp.array([[0, 7, 0], [7, 2, 7]])
    >>> quality = jnp.array([[0, 1, 0], [0, 1, 0]])  # 0 major, 1 dominant seventh
    >>> codes = hrpe.Codes(root, (quality,), present=jnp.ones((2, 3), bool))
    >>> lags = ((0, 0), (0, 1))
    >>> tables = {lag: {"A": jnp.zeros((1, 12)), "C": jnp.zeros((1, 2, 2))} for lag in lags}  # parameters
    >>> tables[0, 0]["A"] = jnp.zeros((1, 12)).at[0, 5].set(2.0)  # has learned to hear V before I

    >>> relations = [hrpe.Relation(tables[lag]["A"], (tables[lag]["C"],)) for lag in lags]
    >>> of_queries = [hrpe.lag(codes, a) for a, b in lags]
    >>> of_keys = [hrpe.lag(codes, b) for a, b in lags]
    >>> hrpe.bias(of_queries, of_keys, relations)[:, 0, 2]  # the last chord to all three: alike in both keys
    Array([[0., 2., 0.],
           [0., 2., 0.]], dtype=float32)

    >>> features = hrpe.join([hrpe.fold(of_queries, of_keys, relations)])
    >>> q = k = v = jnp.ones((2, 1, 3, 4))  # [batch, heads, length, width]
    >>> positions = jnp.array([[0, 1, 2], [0, 1, 2]])
    >>> side = Side(positions, segments=jnp.ones((2, 3), int))
    >>> turn = rope.rotation(positions, width=4)
    >>> attention(rope.rotate(q, turn), rope.rotate(k, turn), v, side, side, features=features).shape
    (2, 1, 3, 4)

Packed rows give their ``segments`` to ``lag`` and ``Side``. For the query-dependent table E hand ``fold`` the
queries, scaled by ``width ** -0.5`` but not rotated.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hrpe_jax.ops.attention.types import Features, pad_width


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
      joint: ``[heads, size, size, period]``, or None: an entry for every pair (query, key) of the first
        category at every interval. It takes size * period features instead of their sum; the distances of
        tonal theory need it.
    """

    cyclic: Array
    categories: tuple[Array, ...]
    query: Array | None = None
    joint: Array | None = None


def lag(codes: Codes, steps: int, segments: Array | None = None) -> Codes:
    """The codes of ``steps`` events earlier; absent before the start and across the border of a segment.

    Args:
      codes: ``[batch, length]``.
      steps: 0 or more: a lag never looks ahead.
      segments: int ``[batch, length]``, equal within one song; None where a row is one song.

    Raises:
      ValueError: steps is negative.

    Example:
        >>> codes = Codes(jnp.array([[0, 7, 5]]), (), jnp.ones((1, 3), bool))
        >>> earlier = lag(codes, 1)
        >>> earlier.cyclic.tolist(), earlier.present.tolist()
        ([[0, 0, 7]], [[False, True, True]])
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


def motion(codes: Codes, period: int, segments: Array | None = None) -> Codes:
    """The codes with the cyclic one as its step from the event before: (r_i - r_{i-1}) mod period.

    Absent where the event or the one before is, and at the start of a segment. A transposition changes no
    step, and one that begins in the middle of a song changes only the step across it.

    A falling fifth (7 semitones down, 5 up) is the same step anywhere, and the first chord has none:

    >>> root = jnp.array([[4, 9, 2, 7, 0]])  # E A D G C
    >>> step = motion(Codes(root, (), present=root >= 0), period=12)
    >>> step.cyclic[0, 1:].tolist(), step.present[0].tolist()
    ([5, 5, 5, 5], [False, True, True, True, True])

    Args:
      codes: ``[batch, length]``.
      period: of the cyclic code.
      segments: int ``[batch, length]``, equal within one song; None where a row is one song.
    """
    before = lag(codes, 1, segments)
    present = codes.present & before.present
    return codes._replace(
        cyclic=jnp.where(present, (codes.cyclic - before.cyclic) % period, 0), present=present
    )


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
      ValueError: a relation has a query table and ``queries`` is None; shapes do not match; or codes that are
        known before compilation are out of range. It names the argument, its value and what is allowed.
    """
    _check(query_codes, key_codes, relations, queries)
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
        if tables.joint is not None:
            pair = q.categories[0][:, :, None], k.categories[0][:, None, :]
            entries = tables.joint.astype(jnp.float32)[:, pair[0], pair[1], interval]
            term = term + jnp.moveaxis(entries, 0, 1)
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

    Args:
      query_codes: for each relation, the query side's (lagged) codes ``[batch, query]``.
      key_codes: likewise ``[batch, key]``.
      relations: the tables.
      queries: ``[batch, heads, query, width]`` as for ``bias``.

    Returns:
      U float32 ``[batch, heads, query, features]`` and V float32 ``[batch, key, features]`` (the same for
      all heads), with ``bias = U @ V^T``; features = sum over relations of period + sizes of their
      categories (``width``).
    """
    _check(query_codes, key_codes, relations, queries)
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
        if tables.joint is not None:
            size = tables.joint.shape[1]
            one_hot = _one_hot(q.categories[0], size, q.present)
            rows = _einsum("bic,hckn->bhikn", one_hot, tables.joint.astype(jnp.float32))
            rows = _einsum("bhikn,bimn->bhikm", rows, turn)
            left.append(rows.reshape(*rows.shape[:3], size * period))
            pair = k.categories[0] * period + k.cyclic % period
            right.append(_one_hot(pair, size * period, k.present))
    return jnp.concatenate(left, axis=-1), jnp.concatenate(right, axis=-1)


def join(groups: Sequence[tuple[Array, Array]]) -> Features:
    """Features of several groups of heads, each with relations of its own.

    The number of features is that of the largest group, not the sum: heads that hold different relations are
    cheaper than heads that hold all of them.

    Args:
      groups: what ``fold`` returned for each group of equally many heads, in order.

    Returns:
      Features for ``attention``: of all heads together, one set of key features for each group.
    """
    widest = max(u.shape[-1] for u, _ in groups)
    left = [pad_width(u, widest) for u, _ in groups]
    right = [pad_width(v, widest) for _, v in groups]
    return Features(jnp.concatenate(left, axis=1), jnp.stack(right, axis=1))


def width(relations: Sequence[Relation]) -> int:
    """How many features ``fold`` makes of these relations."""
    total = 0
    for tables in relations:
        period = tables.cyclic.shape[-1]
        total += period + sum(table.shape[-1] for table in tables.categories)
        total += 0 if tables.joint is None else tables.joint.shape[1] * period
    return total


# Accelerators round float32 products to fewer bits unless told not to; the two forms would then differ.
_einsum = functools.partial(jnp.einsum, precision="highest")


def _sought(queries: Array | None, table: Array) -> Array:
    """How much each query seeks each interval: ``[batch, heads, query, period]``."""
    assert queries is not None  # _check
    return _einsum("bhid,hnd->bhin", queries.astype(jnp.float32), table.astype(jnp.float32))


def _check(
    query_codes: Sequence[Codes],
    key_codes: Sequence[Codes],
    relations: Sequence[Relation],
    queries: Array | None,
) -> None:
    """Raises ValueError unless codes and tables fit each other."""
    if not len(query_codes) == len(key_codes) == len(relations):
        raise ValueError(
            f"hrpe: {len(query_codes)} query_codes, {len(key_codes)} key_codes, {len(relations)} relations: "
            "equally many expected"
        )
    for n, (q, k, tables) in enumerate(zip(query_codes, key_codes, relations, strict=True)):
        heads, period = tables.cyclic.shape
        for name, codes in (("query_codes", q), ("key_codes", k)):
            if len(tables.categories) > len(codes.categories):
                raise ValueError(
                    f"hrpe: relations[{n}] has {len(tables.categories)} category tables, {name}[{n}] only "
                    f"{len(codes.categories)} categories"
                )
            _check_range(f"{name}[{n}].cyclic", codes.cyclic, codes.present, period)
            for c, (table, category) in enumerate(zip(tables.categories, codes.categories, strict=False)):
                _check_range(f"{name}[{n}].categories[{c}]", category, codes.present, table.shape[-1])
        for c, table in enumerate(tables.categories):
            if table.shape != (heads, table.shape[-1], table.shape[-1]):
                raise ValueError(
                    f"hrpe: relations[{n}].categories[{c}] has shape {table.shape}: [heads, size, size] with "
                    f"{heads} heads expected"
                )
        if tables.query is None:
            continue
        if queries is None:
            raise ValueError("hrpe: a relation has a query table, so `queries` must be given")
        if queries.shape[1] != heads or tables.query.shape != (heads, period, queries.shape[-1]):
            raise ValueError(
                f"hrpe: relations[{n}].query has shape {tables.query.shape} and queries {queries.shape}: "
                f"[heads, period, width] and [batch, heads, query, width] with {heads} heads and period "
                f"{period} expected"
            )


def _check_range(name: str, codes: Array, present: Array, size: int) -> None:
    """Raises ValueError where a present code is outside 0 to size - 1; traced codes cannot be looked at."""
    if codes.shape != present.shape:
        raise ValueError(
            f"hrpe: {name} has shape {codes.shape}, its `present` {present.shape}: equal expected"
        )
    if isinstance(codes, jax.core.Tracer) or isinstance(present, jax.core.Tracer):
        return
    with jax.ensure_compile_time_eval():
        wrong = present & ((codes < 0) | (codes >= size))
        if wrong.any():
            place = tuple(int(i) for i in jnp.argwhere(wrong)[0])
            raise ValueError(f"hrpe: {name} is {int(codes[place])} at {place}: 0 to {size - 1} expected")


def _one_hot(codes: Array, size: int, present: Array) -> Array:
    return jax.nn.one_hot(codes, size) * present[..., None]
