"""The loss helpers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from hrpe_jax.ops import losses


def test_log_likelihood_normalises() -> None:
    logits = jax.random.normal(jax.random.key(0), (2, 3, 7)) * 5
    each = jnp.stack([losses.log_likelihood(logits, jnp.full((2, 3), i)) for i in range(7)], -1)
    np.testing.assert_allclose(jnp.exp(each).sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(losses.is_top(logits, jnp.argmax(logits, -1)), True)
    assert int(sum(losses.is_top(logits, jnp.full((2, 3), i)).sum() for i in range(7))) == 6
    total, weight = losses.weighted(jnp.asarray([1.0, 2.0, 4.0]), jnp.asarray([1, 0, 2]))
    assert (float(total), float(weight)) == (9.0, 3.0)


def test_label_smoothing_is_a_mixture_with_the_even_distribution_over_what_is_possible() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    logits[:, 2] = -1e9  # names nothing
    targets, weights = np.array([0, 1, 3, 5]), np.array([1.0, 0.0, 2.0, 0.5])
    loss = losses.weighted(-losses.log_likelihood(logits, targets), weights)
    even = losses.target_scores(jnp.asarray(logits), jnp.asarray(targets)).even
    total, weight = losses.smoothed(loss, even, weights, 0.1)
    log_p = logits - np.log(np.exp(logits.astype(np.float64)).sum(-1, keepdims=True))
    target = np.full((4, 6), 0.1 / 5)
    target[:, 2] = 0
    target[np.arange(4), targets] += 0.9
    np.testing.assert_allclose(total, (weights * -(target * log_p).sum(-1)).sum(), rtol=1e-5)
    assert float(weight) == 3.5
