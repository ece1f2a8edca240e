"""The pointer adds its trust to the expected event alone, and nothing is expected where nothing agreed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from hrpe_jax.models.copying import Copying, point
from hrpe_jax.ops.repeats import Expectation

WIDTH = 6
FOUND = Expectation(
    event=jnp.asarray([[-1, 3, 3, 3, 3]]),
    agree=jnp.asarray([[0, 1, 5, 5, 5]]),
    same=jnp.asarray([[False, True, True, False, False]]),
    back=jnp.asarray([[0, 8, 8, 8, 100]]),
    clock=jnp.asarray([[0, 8, 9, 10, 100]]),
)


def test_point() -> None:
    logits = jnp.zeros((1, 3, 4))
    pointed = point(logits, jnp.asarray([[2, -1, 0]]), jnp.asarray([[1.5, 9.0, -2.0]]))
    np.testing.assert_array_equal(pointed[0], [[0, 0, 1.5, 0], [0, 0, 0, 0], [-2, 0, 0, 0]])


def test_where_nothing_agrees_the_expected_event_is_not_seen() -> None:
    copying, rng = Copying(WIDTH), np.random.default_rng(0)
    expected = [jnp.asarray(rng.normal(size=(1, 5, WIDTH)), jnp.float32) for _ in range(2)]
    params = copying.init(jax.random.key(0), expected[0], FOUND, method="embed")
    first, second = (copying.apply(params, x, FOUND, method="embed") for x in expected)
    changed = np.abs(np.asarray(first - second)).max(axis=-1)[0]
    assert changed[0] == 0
    assert changed[1:].min() > 1e-3


def test_trust_depends_on_the_state_and_on_all_that_was_found() -> None:
    copying = Copying(WIDTH)
    params = copying.init(jax.random.key(0), jnp.zeros((1, 5, WIDTH)), FOUND, method="embed")
    nothing = copying.apply(params, jnp.zeros((1, 5, WIDTH)), FOUND, method="trust")
    np.testing.assert_array_equal(nothing, np.zeros((1, 5)))
    trust = copying.apply(params, jnp.ones((1, 5, WIDTH)), FOUND, method="trust")
    assert len(set(np.asarray(trust)[0].tolist())) == 5
