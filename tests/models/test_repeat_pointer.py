"""The pointer adds its trust to the expected event alone, and nothing is expected where nothing agreed."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hrpe_jax.models.pointers import STEPS, RepeatPointer, point
from hrpe_jax.ops.repeats import LONGEST, Expectation

WIDTH = 6
FOUND = Expectation(
    event=jnp.asarray([[[-1, -1], [3, -1], [3, 4], [3, 4], [3, 4], [3, 4]]]),
    agree=jnp.asarray([[[0, 0], [1, 0], [5, 2], [5, 2], [5, 2], [200, 2]]]),
    same=jnp.asarray(
        [[[False, False], [True, False], [True, True], [False, True], [False, True], [False, True]]]
    ),
    back=jnp.asarray([[[0, 0], [8, 0], [8, 4], [8, 4], [100, 4], [8, 4]]]),
    often=jnp.asarray([[[0, 0], [1, 0], [1, 1], [2, 1], [2, 1], [100, 1]]]),
    clock=jnp.asarray([[0, 8, 9, 10, 11, 100]]),
)


def run(function: Any, *arguments: Any, method: str) -> Any:
    """An `init` or `apply` of a module, compiled whole."""
    return jax.jit(functools.partial(function, method=method))(*arguments)


def test_point() -> None:
    logits = jnp.zeros((1, 3, 4))
    expected, trust = [[[2, 1], [-1, -1], [0, -1]]], [[[1.5, 4.0], [9.0, 9.0], [-2.0, 3.0]]]
    pointed = point(logits, jnp.asarray(expected), jnp.asarray(trust))
    np.testing.assert_array_equal(pointed[0], [[0, 4, 1.5, 0], [0, 0, 0, 0], [-2, 0, 0, 0]])


def test_agreements_are_told_apart_up_to_hundreds() -> None:
    assert STEPS[:33].tolist() == [*range(33)]
    assert np.diff(STEPS).min() == 1
    assert (STEPS[34:] / STEPS[33:-1]).max() < 1.25
    assert LONGEST - 1 <= STEPS[-1] <= LONGEST + 1


def test_where_nothing_agrees_the_expected_event_is_not_seen() -> None:
    repeat_pointer, rng = RepeatPointer(WIDTH), np.random.default_rng(0)
    expected = [jnp.asarray(rng.normal(size=(1, 6, 2, WIDTH)), jnp.float32) for _ in range(2)]
    params = run(repeat_pointer.init, jax.random.key(0), expected[0], FOUND, method="embed")
    first, second = (run(repeat_pointer.apply, params, x, FOUND, method="embed") for x in expected)
    changed = np.abs(np.asarray(first - second)).max(axis=-1)[0]
    assert changed[0] == 0
    assert changed[1:].min() > 1e-3


def test_trust_depends_on_the_state_and_on_all_that_was_found() -> None:
    repeat_pointer = RepeatPointer(WIDTH)
    params = run(repeat_pointer.init, jax.random.key(0), jnp.zeros((1, 6, 2, WIDTH)), FOUND, method="embed")
    nothing = run(repeat_pointer.apply, params, jnp.zeros((1, 6, WIDTH)), FOUND, method="trust")
    np.testing.assert_array_equal(nothing, np.zeros((1, 6, 2, 1)))
    trust = run(repeat_pointer.apply, params, jnp.ones((1, 6, WIDTH)), FOUND, method="trust")
    assert len(set(np.asarray(trust)[0, :, 0, 0].tolist())) == 6
