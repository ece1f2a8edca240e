"""H-RPE: the reference against loops, the folded form against it, and the promises of the method."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.ops import hrpe

PERIOD, SIZES, HEADS, WIDTH = 12, (9, 10), 3, 4
LAGS = ((0, 0), (0, 1), (2, 3))


def draw_codes(rng: np.random.Generator, batch: int, length: int, absent: float = 0.3) -> hrpe.Codes:
    return hrpe.Codes(
        jnp.asarray(rng.integers(0, PERIOD, (batch, length))),
        tuple(jnp.asarray(rng.integers(0, size, (batch, length))) for size in SIZES),
        jnp.asarray(rng.random((batch, length)) >= absent),
    )


def draw_relations(rng: np.random.Generator) -> list[hrpe.Relation]:
    def table(*shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=(HEADS, *shape)).astype(np.float32))

    relations = []
    for pair in LAGS:
        here = pair == (0, 0)
        categories = tuple(table(size, size) for size in (SIZES if here else SIZES[:1]))
        relations.append(hrpe.Relation(table(PERIOD), categories, table(PERIOD, WIDTH) if here else None))
    return relations


def lagged(codes: hrpe.Codes, side: int) -> list[hrpe.Codes]:
    return [hrpe.lag(codes, pair[side]) for pair in LAGS]


@functools.partial(jax.jit, static_argnames="pairs")
def lagged_bias(
    codes: hrpe.Codes,
    relations: list[hrpe.Relation],
    queries: jax.Array,
    pairs: tuple[tuple[int, int], ...] = LAGS,
) -> jax.Array:
    sides = ([hrpe.lag(codes, pair[side]) for pair in pairs] for side in (0, 1))
    return hrpe.bias(*sides, relations, queries)


def loops(codes: hrpe.Codes, relations: list[hrpe.Relation], queries: jax.Array) -> np.ndarray:
    codes, relations, queries = jax.tree.map(np.asarray, (codes, relations, queries))
    batch, length = codes.cyclic.shape
    cyclic, present, categories = codes.cyclic, codes.present, codes.categories
    out = np.zeros((batch, HEADS, length, length))
    for (a, b), tables in zip(LAGS, relations, strict=True):
        for n, h, i, j in np.ndindex(out.shape):
            qi, kj = i - a, j - b
            if qi < 0 or kj < 0 or not (present[n, qi] and present[n, kj]):
                continue
            interval = (cyclic[n, qi] - cyclic[n, kj]) % PERIOD
            out[n, h, i, j] += tables.cyclic[h, interval]
            for table, category in zip(tables.categories, categories, strict=False):
                out[n, h, i, j] += table[h, category[n, qi], category[n, kj]]
            if tables.query is not None:
                out[n, h, i, j] += np.dot(queries[n, h, i], tables.query[h, interval])
    return out


def test_reference_equals_loops() -> None:
    rng = np.random.default_rng(0)
    codes, relations = draw_codes(rng, 2, 7), draw_relations(rng)
    queries = jnp.asarray(rng.normal(size=(2, HEADS, 7, WIDTH)), jnp.float32)
    got = lagged_bias(codes, relations, queries)
    np.testing.assert_allclose(got, loops(codes, relations, queries), atol=1e-5)


def _folded(*arguments: Any) -> jax.Array:
    return jnp.einsum("bhqf,bkf->bhqk", *hrpe.fold(*arguments))


FORMS = (_folded, hrpe.bias)


@functools.partial(jax.jit, static_argnums=0)
def _value_and_gradient(
    form: Callable[..., jax.Array],
    here: Any,
    there: Any,
    relations: Any,
    queries: jax.Array,
    weights: jax.Array,
) -> Any:
    def total(relations: Any, queries: jax.Array) -> tuple[jax.Array, jax.Array]:
        value = form(here, there, relations, queries)
        return jnp.sum(value * weights), value

    return jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(relations, queries)


# Few shapes, many draws: every new shape compiles anew.
@settings(max_examples=20)
@given(st.sampled_from([1, 2]), st.sampled_from([1, 2, 7]), st.integers(0, 2**31 - 1))
def test_folded_equals_reference_in_value_and_gradient(batch: int, length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes, relations = draw_codes(rng, batch, length), draw_relations(rng)
    queries = jnp.asarray(rng.normal(size=(batch, HEADS, length, WIDTH)), jnp.float32)
    weights = jnp.asarray(rng.normal(size=(batch, HEADS, length, length)), jnp.float32)

    here, there = lagged(codes, 0), lagged(codes, 1)
    got, expected = (_value_and_gradient(form, here, there, relations, queries, weights) for form in FORMS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), got, expected)


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_transposition_changes_no_bias(semitones: int) -> None:
    rng = np.random.default_rng(1)
    codes, relations = draw_codes(rng, 2, 6), draw_relations(rng)
    queries = jnp.asarray(rng.normal(size=(2, HEADS, 6, WIDTH)), jnp.float32)
    moved = codes._replace(cyclic=(codes.cyclic + semitones) % PERIOD)
    here, there = (lagged_bias(c, relations, queries) for c in (codes, moved))
    np.testing.assert_array_equal(here, there)


def test_tables_are_directed() -> None:
    """The docstring's example: V-I in C and in G share an entry; I-V has another."""
    table = jnp.arange(12.0)[None]
    relation = hrpe.Relation(table, ())

    def entry(query_root: int, key_root: int) -> float:
        sides = [hrpe.Codes(jnp.asarray([[r]]), (), jnp.ones((1, 1), bool)) for r in (query_root, key_root)]
        return float(hrpe.bias(sides[:1], sides[1:], [relation])[0, 0, 0, 0])

    assert entry(0, 7) == entry(7, 2) == 5
    assert entry(7, 0) == entry(2, 7) == 7


def test_absent_events_have_no_bias_at_any_lag() -> None:
    rng = np.random.default_rng(2)
    codes, relations = draw_codes(rng, 1, 8, absent=0), draw_relations(rng)
    codes = codes._replace(present=codes.present.at[0, 4].set(False))
    queries = jnp.zeros((1, HEADS, 8, WIDTH))
    for (a, b), relation in zip(LAGS, relations, strict=True):
        only = np.asarray(lagged_bias(codes, [relation], queries, ((a, b),)))
        assert not np.any(only[:, :, 4 + a]) if 4 + a < 8 else True
        assert not np.any(only[..., 4 + b]) if 4 + b < 8 else True
        assert np.any(only)
        assert not np.any(only[:, :, :a])
        assert not np.any(only[..., :b])


def test_lags_look_back_only() -> None:
    rng = np.random.default_rng(3)
    codes = draw_codes(rng, 1, 6, absent=0)
    changed = codes._replace(cyclic=codes.cyclic.at[0, 4:].set((codes.cyclic[0, 4:] + 1) % PERIOD))
    for steps in range(4):
        before, after = hrpe.lag(codes, steps).cyclic, hrpe.lag(changed, steps).cyclic
        np.testing.assert_array_equal(before[0, : 4 + steps], after[0, : 4 + steps])
    with pytest.raises(ValueError, match="look ahead"):
        hrpe.lag(codes, -1)


def test_lags_stop_at_song_borders() -> None:
    codes = draw_codes(np.random.default_rng(4), 1, 6, absent=0)
    segments = jnp.asarray([[1, 1, 1, 2, 2, 2]])
    np.testing.assert_array_equal(hrpe.lag(codes, 2, segments).present[0], [0, 0, 1, 0, 0, 1])


@jax.jit
def motions(codes: hrpe.Codes, segments: jax.Array | None = None) -> hrpe.Codes:
    return hrpe.motion(codes, PERIOD, segments)


def test_motions_equal_loops() -> None:
    """The step from the event before; absent where either is, at the start and at the border of a song."""
    codes = draw_codes(np.random.default_rng(9), 2, 9)
    segments = jnp.asarray([[1] * 9, [1] * 4 + [2] * 5])
    got, codes, segments = jax.tree.map(np.asarray, (motions(codes, segments), codes, segments))
    for row, i in np.ndindex(2, 9):
        before = i > 0 and segments[row, i - 1] == segments[row, i] and codes.present[row, i - 1]
        assert bool(got.present[row, i]) == bool(before and codes.present[row, i])
        if got.present[row, i]:
            step = (codes.cyclic[row, i] - codes.cyclic[row, i - 1]) % PERIOD
            assert got.cyclic[row, i] == step
    for had, has in zip(codes.categories, got.categories, strict=True):
        np.testing.assert_array_equal(had, has)


def test_motions_of_a_lone_song_do_not_need_segments() -> None:
    codes = draw_codes(np.random.default_rng(10), 2, 6)
    jax.tree.map(np.testing.assert_array_equal, motions(codes), motions(codes, jnp.ones((2, 6), jnp.int32)))


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_a_transposition_in_mid_song_changes_only_the_motion_across_it(semitones: int) -> None:
    rng = np.random.default_rng(11)
    codes, relations = draw_codes(rng, 2, 9, absent=0), draw_relations(rng)
    queries = jnp.asarray(rng.normal(size=(2, HEADS, 9, WIDTH)), jnp.float32)
    moved = codes._replace(cyclic=codes.cyclic.at[:, 5:].add(semitones) % PERIOD)

    def biases(codes: hrpe.Codes) -> list[np.ndarray]:
        return [
            np.array(lagged_bias(codes, [relation], queries, (pair,)))
            for pair, relation in zip(LAGS, relations, strict=True)
        ]

    here, there = biases(motions(codes)), biases(motions(moved))
    for (a, b), old, new in zip(LAGS, here, there, strict=True):
        assert np.any(old[:, :, 5 + a] != new[:, :, 5 + a])
        for x in (old, new):
            x[:, :, 5 + a] = x[..., 5 + b] = 0
        np.testing.assert_array_equal(old, new)
    # Roots cannot do that: what stands on both sides of the change is another interval apart.
    assert all(np.any(old != new) for old, new in zip(biases(codes), biases(moved), strict=True))


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_a_transposition_behind_a_silence_changes_no_motion(semitones: int) -> None:
    codes = draw_codes(np.random.default_rng(12), 2, 9, absent=0)
    codes = codes._replace(present=codes.present.at[:, 4].set(False))
    moved = codes._replace(cyclic=codes.cyclic.at[:, 5:].add(semitones) % PERIOD)
    jax.tree.map(
        np.testing.assert_array_equal,
        motions(codes)._replace(categories=()),
        motions(moved)._replace(categories=()),
    )


def test_relations_over_motions_fold() -> None:
    rng = np.random.default_rng(13)
    codes, relations = draw_codes(rng, 2, 8), draw_relations(rng)
    queries = jnp.asarray(rng.normal(size=(2, HEADS, 8, WIDTH)), jnp.float32)
    segments = jnp.asarray([[1] * 8, [1] * 3 + [2] * 5])
    moving = motions(codes, segments)
    sides = [[hrpe.lag(moving, pair[side], segments) for pair in LAGS] for side in (0, 1)]
    folded, dense = (jax.jit(form)(*sides, relations, queries) for form in FORMS)
    np.testing.assert_allclose(folded, dense, atol=1e-5)


def test_query_table_needs_queries() -> None:
    rng = np.random.default_rng(5)
    codes, relations = draw_codes(rng, 1, 2), draw_relations(rng)[:1]
    with pytest.raises(ValueError, match="queries"):
        hrpe.bias([codes], [codes], relations)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda codes: codes._replace(cyclic=codes.cyclic.at[1, 2].set(12)),
            r"cyclic is 12 at \(1, 2\): 0 to 11",
        ),
        (
            lambda codes: codes._replace(
                categories=(codes.categories[0].at[0, 1].set(-1), codes.categories[1])
            ),
            r"categories\[0\] is -1 at \(0, 1\): 0 to 8",
        ),
        (lambda codes: codes._replace(cyclic=codes.cyclic[:, :2]), r"cyclic has shape \(2, 2\)"),
        (
            lambda codes: codes._replace(categories=codes.categories[:1]),
            r"2 category tables, .* only 1 categories",
        ),
    ],
)
def test_codes_that_cannot_be_are_refused(change: Callable[[hrpe.Codes], hrpe.Codes], message: str) -> None:
    rng = np.random.default_rng(6)
    codes, relations = draw_codes(rng, 2, 3, absent=0), draw_relations(rng)[:1]
    queries = jnp.zeros((2, HEADS, 3, WIDTH))
    for form in (hrpe.bias, hrpe.fold):
        with pytest.raises(ValueError, match=message):
            form([change(codes)], [codes], relations, queries)
    with pytest.raises(ValueError, match="relations"):
        hrpe.fold([codes], [codes], relations, queries[..., :2])
    with pytest.raises(ValueError, match="equally many"):
        hrpe.fold([codes], [], relations, queries)


def test_what_is_absent_may_hold_any_code() -> None:
    rng = np.random.default_rng(7)
    codes, relations = draw_codes(rng, 1, 4, absent=0), draw_relations(rng)[:1]
    gone = codes._replace(present=codes.present.at[0, 1].set(False))
    odd = gone._replace(
        cyclic=gone.cyclic.at[0, 1].set(99), categories=tuple(c.at[0, 1].set(99) for c in gone.categories)
    )
    queries = jnp.asarray(rng.normal(size=(1, HEADS, 4, WIDTH)), jnp.float32)
    hrpe.fold([odd], [odd], relations, queries)  # not refused
    here, there = (jax.jit(_folded)([c], [c], relations, queries) for c in (gone, odd))
    np.testing.assert_array_equal(here, there)


def test_joint_tables_hold_an_entry_for_every_pair_and_interval() -> None:
    rng = np.random.default_rng(8)
    codes = draw_codes(rng, 2, 6)
    table = jnp.asarray(rng.normal(size=(HEADS, SIZES[0], SIZES[0], PERIOD)), jnp.float32)
    relation = hrpe.Relation(jnp.zeros((HEADS, PERIOD)), (), None, table)
    dense = np.asarray(jax.jit(hrpe.bias)([codes], [codes], [relation]))
    u, v = jax.jit(hrpe.fold)([codes], [codes], [relation])
    table, codes = jax.tree.map(np.asarray, (table, codes))
    quality, root = codes.categories[0], codes.cyclic
    for n, h, i, j in np.ndindex(dense.shape):
        both = codes.present[n, i] and codes.present[n, j]
        entry = table[h, quality[n, i], quality[n, j], (root[n, i] - root[n, j]) % PERIOD]
        assert dense[n, h, i, j] == (entry if both else 0)
    assert u.shape[-1] == hrpe.width([relation]) == PERIOD + SIZES[0] * PERIOD
    np.testing.assert_allclose(jnp.einsum("bhqf,bkf->bhqk", u, v), dense, atol=1e-5)
