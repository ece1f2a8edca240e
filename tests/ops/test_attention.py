"""Attention against loops, its masks, and the loss helpers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from hrpe_jax.ops import losses
from hrpe_jax.ops.attention import Side, attention, mask


def test_equals_loops() -> None:
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, 3, n, 4)).astype(np.float32) for n in (5, 7, 7))
    bias = rng.normal(size=(2, 3, 5, 7)).astype(np.float32)
    seen = rng.random((2, 1, 5, 7)) < 0.6
    seen[0, 0, 2] = False
    got = attention(*map(jnp.asarray, (q, k, v)), jnp.asarray(seen), bias=jnp.asarray(bias))
    for b, h, i in np.ndindex(2, 3, 5):
        keys = np.flatnonzero(seen[b, 0, i])
        if not len(keys):
            np.testing.assert_array_equal(got[b, h, i], 0)
            continue
        scores = np.exp(q[b, h, i] @ k[b, h, keys].T / 2 + bias[b, h, i, keys])
        np.testing.assert_allclose(got[b, h, i], scores @ v[b, h, keys] / scores.sum(), atol=1e-5)


def test_features_equal_their_bias() -> None:
    keys = jax.random.split(jax.random.key(0), 5)
    q, k, v = (jax.random.normal(key, (2, 3, 6, 4)) for key in keys[:3])
    u, w = jax.random.normal(keys[3], (2, 3, 6, 5)), jax.random.normal(keys[4], (2, 6, 5))
    seen = jnp.ones((2, 1, 6, 6), bool)
    bias = jnp.einsum("bhqf,bkf->bhqk", u, w)
    dense, folded = attention(q, k, v, seen, bias=bias), attention(q, k, v, seen, features=(u, w))
    np.testing.assert_allclose(dense, folded, atol=1e-5)


def test_mask_is_causal_within_songs_and_skips_padding() -> None:
    side = Side(jnp.asarray([[0, 1, 0, 1, 0]]), jnp.asarray([[1, 1, 2, 2, 0]]))
    expected = [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(mask(side, side)[0, 0], np.asarray(expected, bool))


def test_window_limits_the_past() -> None:
    side = Side(jnp.arange(5)[None], jnp.ones((1, 5), int))
    np.testing.assert_array_equal(mask(side, side, window=2)[0, 0].sum(-1), [1, 2, 2, 2, 2])


def test_log_likelihood_normalises() -> None:
    logits = jax.random.normal(jax.random.key(0), (2, 3, 7)) * 5
    each = jnp.stack([losses.log_likelihood(logits, jnp.full((2, 3), i)) for i in range(7)], -1)
    np.testing.assert_allclose(jnp.exp(each).sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(losses.is_top(logits, jnp.argmax(logits, -1)), True)
    assert int(sum(losses.is_top(logits, jnp.full((2, 3), i)).sum() for i in range(7))) == 6
    total, weight = losses.weighted(jnp.asarray([1.0, 2.0, 4.0]), jnp.asarray([1, 0, 2]))
    assert (float(total), float(weight)) == (9.0, 3.0)
