"""Where nothing stood nothing is seen; how far a candidate is trusted depends on all that is known of it."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hrpe_jax.models.pointers import PhrasePointer
from hrpe_jax.ops.phrases import Expectation

WIDTH = 6
# Nothing; then the same event, by distance, by run, and by whether it begins there.
FOUND = Expectation(
    event=jnp.asarray([[[-1, -1], [3, -1], [-1, 3], [3, -1], [3, -1], [3, -1]]]),
    left=jnp.asarray([[[0, 0], [2, 0], [0, 2], [2, 0], [2, 0], [2, 0]]]),
    right=jnp.asarray([[[0, 0], [0, 0], [0, 0], [3, 0], [0, 0], [500, 0]]]),
    begins=jnp.asarray([[[0, 0], [0, 0], [0, 0], [0, 0], [1, 0], [0, 0]]], bool),
)


def run(function: Any, *arguments: Any, method: str) -> Any:
    """An `init` or `apply` of a module, compiled whole."""
    return jax.jit(functools.partial(function, method=method))(*arguments)


def test_where_nothing_stood_the_expected_event_is_not_seen() -> None:
    phrase_pointer, rng = PhrasePointer(WIDTH, 2), np.random.default_rng(0)
    events = [jnp.asarray(rng.normal(size=(1, 6, 2, WIDTH)), jnp.float32) for _ in range(2)]
    params = run(phrase_pointer.init, jax.random.key(0), events[0], FOUND, method="embed")
    first, second = (run(phrase_pointer.apply, params, x, FOUND, method="embed") for x in events)
    changed = np.abs(np.asarray(first - second)).max(axis=-1)[0]
    assert changed[0] == 0
    assert changed[1:].min() > 1e-3


def test_trust_depends_on_the_state_and_on_all_that_was_found() -> None:
    phrase_pointer = PhrasePointer(WIDTH, 2, levels=2)
    params = run(phrase_pointer.init, jax.random.key(0), jnp.zeros((1, 6, 2, WIDTH)), FOUND, method="embed")
    nothing = run(phrase_pointer.apply, params, jnp.zeros((1, 6, WIDTH)), FOUND, method="trust")
    np.testing.assert_array_equal(nothing, np.zeros((1, 6, 2, 2)))
    trust = np.asarray(run(phrase_pointer.apply, params, jnp.ones((1, 6, WIDTH)), FOUND, method="trust"))
    candidates = [trust[0, n, k, 0] for n, k in ((0, 0), (1, 0), (2, 1), (3, 0), (4, 0), (5, 0))]
    assert len(set(candidates)) == len(candidates)
