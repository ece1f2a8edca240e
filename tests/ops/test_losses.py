"""The loss helpers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from hrpe_jax.ops import losses


def test_log_likelihood_normalises() -> None:
    logits = jax.random.normal(jax.random.key(0), (2, 3, 7)) * 5

    @jax.jit
    def scored(target: jax.Array) -> tuple[jax.Array, jax.Array]:
        return losses.log_likelihood(logits, target), losses.is_top(logits, target)

    each, top = map(np.array, zip(*(scored(np.full((2, 3), i)) for i in range(7)), strict=True))
    np.testing.assert_allclose(np.exp(each).sum(0), 1, rtol=1e-5)
    np.testing.assert_array_equal(scored(np.argmax(logits, -1))[1], True)
    assert top.sum() == 6
    total, weight = losses.weighted(jnp.asarray([1.0, 2.0, 4.0]), jnp.asarray([1, 0, 2]))
    assert (float(total), float(weight)) == (9.0, 3.0)


def test_label_smoothing_is_a_mixture_with_the_even_distribution_over_what_is_possible() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    logits[:, 2] = -1e9  # names nothing
    targets, weights = np.array([0, 1, 3, 5]), np.array([1.0, 0.0, 2.0, 0.5])

    @jax.jit
    def smoothed(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        loss = losses.weighted(-losses.log_likelihood(logits, targets), weights)
        even = losses.target_scores(logits, jnp.asarray(targets)).even
        return losses.smoothed(loss, even, weights, 0.1)

    total, weight = smoothed(logits)
    log_p = logits - np.log(np.exp(logits.astype(np.float64)).sum(-1, keepdims=True))
    target = np.full((4, 6), 0.1 / 5)
    target[:, 2] = 0
    target[np.arange(4), targets] += 0.9
    np.testing.assert_allclose(total, (weights * -(target * log_p).sum(-1)).sum(), rtol=1e-5)
    assert float(weight) == 3.5
