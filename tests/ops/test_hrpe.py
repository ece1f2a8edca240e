"""H-RPE: the reference against loops, the folded form against it, and the promises of the method."""

from __future__ import annotations

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


def loops(codes: hrpe.Codes, relations: list[hrpe.Relation], queries: jax.Array) -> np.ndarray:
    batch, length = codes.cyclic.shape
    cyclic, present = np.asarray(codes.cyclic), np.asarray(codes.present)
    categories = [np.asarray(c) for c in codes.categories]
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
    got = hrpe.bias(lagged(codes, 0), lagged(codes, 1), relations, queries)
    np.testing.assert_allclose(got, loops(codes, relations, queries), atol=1e-5)


# Few shapes, many draws: every new shape compiles anew.
@settings(max_examples=20)
@given(st.sampled_from([1, 2]), st.sampled_from([1, 2, 7]), st.integers(0, 2**31 - 1))
def test_folded_equals_reference_in_value_and_gradient(batch: int, length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes, relations = draw_codes(rng, batch, length), draw_relations(rng)
    queries = jnp.asarray(rng.normal(size=(batch, HEADS, length, WIDTH)), jnp.float32)
    weights = jnp.asarray(rng.normal(size=(batch, HEADS, length, length)), jnp.float32)

    def reference(relations: list[hrpe.Relation], queries: jax.Array) -> jax.Array:
        return hrpe.bias(lagged(codes, 0), lagged(codes, 1), relations, queries)

    def folded(relations: list[hrpe.Relation], queries: jax.Array) -> jax.Array:
        u, v = hrpe.fold(lagged(codes, 0), lagged(codes, 1), relations, queries)
        return jnp.einsum("bhqf,bkf->bhqk", u, v)

    np.testing.assert_allclose(folded(relations, queries), reference(relations, queries), atol=1e-5)
    gradients = [
        jax.grad(lambda r, q, form=form: jnp.sum(form(r, q) * weights), argnums=(0, 1))(relations, queries)
        for form in (reference, folded)
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), *gradients)


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_transposition_changes_no_bias(semitones: int) -> None:
    rng = np.random.default_rng(1)
    codes, relations = draw_codes(rng, 2, 6), draw_relations(rng)
    queries = jnp.asarray(rng.normal(size=(2, HEADS, 6, WIDTH)), jnp.float32)
    moved = codes._replace(cyclic=(codes.cyclic + semitones) % PERIOD)
    here, there = (hrpe.bias(lagged(c, 0), lagged(c, 1), relations, queries) for c in (codes, moved))
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
        only = hrpe.bias([hrpe.lag(codes, a)], [hrpe.lag(codes, b)], [relation], queries)
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


def test_query_table_needs_queries() -> None:
    rng = np.random.default_rng(5)
    codes, relations = draw_codes(rng, 1, 2), draw_relations(rng)[:1]
    with pytest.raises(ValueError, match="queries"):
        hrpe.bias([codes], [codes], relations)
