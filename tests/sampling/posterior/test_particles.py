"""Particle filters against exact answers of a model so small that all its sequences can be listed."""

from __future__ import annotations

import functools
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.sampling.posterior import particles

STATES, STEPS = 2, 4
RNG = np.random.default_rng(5)
BEGIN = RNG.dirichlet(np.ones(STATES))
MOVE = RNG.dirichlet(np.ones(STATES), STATES)
SOUND = RNG.dirichlet(np.full(5, 0.4), STATES)
HEARD = np.array([0, 3, 1, 4])
# The proposal need not be the model's own: it is divided out.
PROPOSED = 0.5 * MOVE + 0.5 / STATES


def exact() -> tuple[dict[tuple[int, ...], float], float]:
    """The posterior of every sequence given what was heard, and the evidence."""
    joint = {}
    for path in product(range(STATES), repeat=STEPS):
        chance = BEGIN[path[0]] * SOUND[path[0], HEARD[0]]
        for number in range(1, STEPS):
            chance *= MOVE[path[number - 1], path[number]] * SOUND[path[number], HEARD[number]]
        joint[path] = chance
    total = sum(joint.values())
    return {path: chance / total for path, chance in joint.items()}, total


def step(states: Any, keys: jax.Array, number: jax.Array) -> tuple[Any, jax.Array, jax.Array]:
    """Draws the next hidden state, and weighs it."""
    before = states["last"]
    target = jnp.where(number == 0, jnp.asarray(BEGIN), jnp.asarray(MOVE)[before])
    proposal = jnp.where(number == 0, 1 / STATES, jnp.asarray(PROPOSED)[before])
    proposal = jnp.broadcast_to(proposal, target.shape)
    drawn = jax.vmap(jax.random.categorical)(keys, jnp.log(proposal))

    def of(table: jax.Array) -> jax.Array:
        return jnp.take_along_axis(table, drawn[:, None], axis=1)[:, 0]

    seen = jnp.asarray(SOUND)[drawn, jnp.asarray(HEARD)[number]]
    return {"last": drawn}, jnp.log(of(target)) - jnp.log(of(proposal)) + jnp.log(seen), drawn


@functools.partial(jax.jit, static_argnames=("filters", "count", "threshold"))
def run(seed: Any, numbers: Any, filters: int, count: int, threshold: float = 0.5) -> Any:
    states = {"last": jnp.zeros(filters * count, jnp.int32)}
    keys = particles.filter_keys(seed, numbers)
    cloud, trace = particles.run(step, particles.start(states, filters), keys, STEPS, threshold=threshold)
    return particles.weights(cloud), particles.evidence(cloud), trace


def posterior(share: np.ndarray, said: np.ndarray) -> dict[tuple[int, ...], float]:
    found: dict[tuple[int, ...], float] = {}
    for path, weight in zip(said.T.tolist(), share, strict=True):
        found[tuple(path)] = found.get(tuple(path), 0.0) + float(weight)
    return found


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_the_posterior_is_the_exact_one(threshold):
    share, _, trace = run(3, np.arange(1), 1, 4096, threshold)
    found = posterior(np.asarray(share)[0], particles.paths(trace, STEPS))
    wanted, _ = exact()
    assert sum(found.values()) == pytest.approx(1, abs=1e-4)
    apart = sum(abs(found.get(path, 0.0) - chance) for path, chance in wanted.items()) / 2
    assert apart <= 0.02


def test_the_evidence_is_unbiased_whatever_is_resampled():
    wanted = exact()[1]
    for threshold in (0.0, 1.0):
        _, found, _ = run(11, np.arange(2048), 2048, 4, threshold)
        estimates = np.exp(np.asarray(found, np.float64))
        error = estimates.std() / len(estimates) ** 0.5
        assert abs(estimates.mean() - wanted) < 4 * error
        assert error < 0.05 * wanted  # so few particles, yet the mean of many filters is sharp


def test_a_filter_draws_the_same_whatever_runs_beside_it():
    alone = run(7, np.array([5]), 1, 16)
    beside = run(7, np.array([2, 5, 9]), 3, 16)
    np.testing.assert_array_equal(alone[0][0], beside[0][1])
    np.testing.assert_array_equal(
        particles.paths(alone[2], STEPS), particles.paths(beside[2], STEPS)[:, 16:32]
    )
    other = run(8, np.array([5]), 1, 16)
    assert np.any(np.asarray(alone[2].written) != np.asarray(other[2].written))


def test_effective_numbers_and_systematic_counts():
    assert float(particles.effective_number(jnp.zeros(8))) == pytest.approx(8)
    assert float(particles.effective_number(jnp.array([0.0, -50.0]))) == pytest.approx(1)
    shares = np.array([0.5, 0.3, 0.125, 0.075])
    for place in (0.0, 0.3, 0.999):
        picked = np.asarray(particles.systematic(jnp.float32(place), jnp.log(jnp.asarray(shares))))
        counts = np.bincount(picked, minlength=4)
        assert ((counts == np.floor(4 * shares)) | (counts == np.ceil(4 * shares))).all()


def test_rows_that_have_ended_wait_and_the_loop_stops():
    def count_down(states: Any, keys: jax.Array, number: jax.Array) -> tuple[Any, jax.Array, jax.Array]:
        left = jnp.maximum(states - 1, 0)
        return left, jnp.zeros(states.shape), states

    cloud, trace = jax.jit(
        lambda: particles.run(
            count_down,
            particles.start(jnp.array([1, 2, 3, 2]), 2),
            particles.filter_keys(0, np.arange(2)),
            8,
            unfinished=lambda states: jnp.any(states > 0),
        )
    )()
    assert np.asarray(cloud.states).tolist() == [0, 0, 0, 0]
    assert np.asarray(trace.written)[:4, 2].tolist() == [3, 2, 1, 0]
    assert np.asarray(trace.effective)[:, 0].tolist() == [2, 2, 2, 0, 0, 0, 0, 0]
