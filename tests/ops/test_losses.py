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
