"""Sequential Monte Carlo: samples of a sequence given what cannot be seen until later.

Particles are rows of a state. A *step* lets each row draw its next part from a proposal, and gives the log
weight of that part: what the target says of it over what the proposal said. Rows whose weights have become
too unequal are *resampled*: rows that fit are continued several times, others end. The weighted rows then
stand for the posterior, and the mean weight is an unbiased estimate of the evidence.

Rows are divided into *filters* that know nothing of each other. In one filter all rows soon descend from one
ancestor; several small filters keep several answers, and what they agree on is what is sure.

A filter of a seed draws the same numbers however many filters run beside it. Nothing here knows what a state
means; everything runs inside a compiled function.

References: N. Gordon, D. Salmond and A. Smith, "Novel approach to nonlinear/non-Gaussian Bayesian state
estimation", 1993; G. Kitagawa, "Monte Carlo filter and smoother", 1996 (systematic resampling).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

THRESHOLD = 0.5
"""Filters are resampled where their effective number falls below this share of their particles."""


class Cloud(NamedTuple):
    """Particles of several filters; the rows of a filter stand together.

    Attributes:
        states: arrays with a leading axis of `filters * particles` rows.
        log_weight: float32 `[filters, particles]`, since the filter was resampled.
        log_evidence: float32 `[filters]`, of all that was weighed before that.
    """

    states: Any
    log_weight: Array
    log_evidence: Array


class Trace(NamedTuple):
    """What happened step by step; `[steps, ...]` each.

    Attributes:
        written: what the step function gave out, `[steps, rows, ...]`, before rows were resampled.
        ancestors: int32 `[steps, rows]`: the row of the same step that each row of the next one continues.
        effective: float32 `[steps, filters]`: the effective number before resampling.
    """

    written: Any
    ancestors: Array
    effective: Array


Step = Callable[[Any, Array, Array], tuple[Any, Array, Any]]
"""`(states, keys [rows], number) -> (states, log weights [rows], written)`."""


def start(states: Any, filters: int) -> Cloud:
    """Particles that all have the same weight.

    Args:
        states: arrays with a leading axis of rows, a multiple of `filters`.
        filters: how many.
    """
    rows = jax.tree.leaves(states)[0].shape[0]
    return Cloud(states, jnp.zeros((filters, rows // filters)), jnp.zeros(filters))


def filter_keys(seed: Any, numbers: Any) -> Array:
    """The random key of each filter, by its number: `[filters]`."""
    key = jax.random.key(seed)
    return jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.asarray(numbers))


def weights(cloud: Cloud) -> Array:
    """The particles' shares of their filter, `[filters, particles]`; each filter sums to 1."""
    return jax.nn.softmax(cloud.log_weight, axis=-1)


def effective_number(log_weight: Array) -> Array:
    """How many equal weights would be worth as much: 1 to the number of particles, over the last axis."""
    share = jax.nn.softmax(log_weight, axis=-1)
    return 1.0 / jnp.sum(share**2, axis=-1)


def evidence(cloud: Cloud) -> Array:
    """Each filter's estimate of the log evidence, `[filters]`; its exponential is unbiased."""
    count = cloud.log_weight.shape[-1]
    return cloud.log_evidence + jax.nn.logsumexp(cloud.log_weight, axis=-1) - jnp.log(count)


def systematic(place: Array, log_weight: Array) -> Array:
    """Systematic resampling: each particle comes as often as its share of all, rounded up or down.

    Args:
        place: in [0, 1), one random number for all.
        log_weight: `[particles]`.

    Returns:
        int32 `[particles]`, in order: which particle each one continues.
    """
    count = log_weight.shape[-1]
    edges = jnp.cumsum(jax.nn.softmax(log_weight))
    places = (jnp.arange(count) + place) / count
    # Rounding may leave the last edge below the last place.
    return jnp.minimum(jnp.searchsorted(edges / edges[-1], places, side="right"), count - 1).astype(jnp.int32)


def resample(cloud: Cloud, keys: Array, threshold: Any = THRESHOLD) -> tuple[Cloud, Array]:
    """Resamples the filters whose weights are too unequal.

    Args:
        cloud: the particles.
        keys: `[filters]`.
        threshold: share of the particles below which the effective number must fall.

    Returns:
        The particles, and int32 `[rows]`: which row each one continues. States move only where some filter
        is resampled.
    """
    filters, count = cloud.log_weight.shape
    due = effective_number(cloud.log_weight) < threshold * count
    picked = jax.vmap(systematic)(jax.vmap(jax.random.uniform)(keys), cloud.log_weight)
    picked = jnp.where(due[:, None], picked, jnp.arange(count))
    rows = (picked + jnp.arange(filters)[:, None] * count).reshape(-1)
    states = jax.lax.cond(
        jnp.any(due), lambda states: jax.tree.map(lambda x: x[rows], states), lambda states: states,
        cloud.states,
    )  # fmt: skip
    done = evidence(cloud)
    return Cloud(
        states,
        jnp.where(due[:, None], 0.0, cloud.log_weight),
        jnp.where(due, done, cloud.log_evidence),
    ), rows


def run(
    step: Step,
    cloud: Cloud,
    keys: Array,
    steps: int,
    limit: Any = None,
    threshold: Any = THRESHOLD,
    unfinished: Callable[[Any], Array] | None = None,
) -> tuple[Cloud, Trace]:
    """Steps and resamples, inside a compiled function.

    Args:
        step: see `Step`; a row that has ended gives a log weight of 0.
        cloud: from `start`.
        keys: from `filter_keys`.
        steps: at most, fixed when compiled.
        limit: int32 scalar, at most `steps`: how many are done. None: `steps`.
        threshold: see `resample`; 0 never resamples.
        unfinished: bool scalar of the states: whether any row goes on. None: all steps are done.

    Returns:
        The particles after the last step, which are not resampled any more, and the trace; what lies behind
        the last step is zero, and its ancestors are the rows themselves.
    """
    filters, count = cloud.log_weight.shape
    rows = filters * count
    limit = jnp.asarray(steps if limit is None else limit)

    def keys_of(number: Array) -> tuple[Array, Array]:
        own = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
        drawn = jax.vmap(lambda key: jax.vmap(lambda n: jax.random.fold_in(key, n))(jnp.arange(count + 1)))(
            own
        )
        return drawn[:, :count].reshape(-1), drawn[:, count]

    shape = jax.eval_shape(step, cloud.states, jax.eval_shape(keys_of, jnp.int32(0))[0], jnp.int32(0))[2]
    trace = Trace(
        jax.tree.map(lambda x: jnp.zeros((steps, *x.shape), x.dtype), shape),
        jnp.tile(jnp.arange(rows, dtype=jnp.int32), (steps, 1)),
        jnp.zeros((steps, filters)),
    )

    def body(carry: tuple[Array, Cloud, Trace]) -> tuple[Array, Cloud, Trace]:
        number, cloud, trace = carry
        # Before a step, not behind it: the last weights are kept.
        of_rows, of_filters = keys_of(number)
        cloud, ancestors = resample(cloud, of_filters, threshold)
        states, gained, written = step(cloud.states, of_rows, number)
        cloud = cloud._replace(
            states=states, log_weight=cloud.log_weight + gained.reshape(cloud.log_weight.shape)
        )
        return (
            number + 1,
            cloud,
            Trace(
                jax.tree.map(lambda all_, new: all_.at[number].set(new), trace.written, written),
                trace.ancestors.at[jnp.maximum(number - 1, 0)].set(
                    jnp.where(number > 0, ancestors, jnp.arange(rows, dtype=jnp.int32))
                ),
                trace.effective.at[number].set(effective_number(cloud.log_weight)),
            ),
        )

    def more(carry: tuple[Array, Cloud, Trace]) -> Array:
        goes_on = carry[0] < limit
        return goes_on if unfinished is None else goes_on & unfinished(carry[1].states)

    _, cloud, trace = jax.lax.while_loop(more, body, (jnp.zeros((), jnp.int32), cloud, trace))
    return cloud, trace


def paths(trace: Trace, steps: int) -> Any:
    """What each row of the last step and its ancestors wrote: arrays of numpy, `[steps, rows, ...]`.

    Args:
        trace: from `run`.
        steps: that were done.
    """
    ancestors = np.asarray(trace.ancestors)
    rows = np.arange(ancestors.shape[1])
    chosen = np.empty((steps, len(rows)), np.int64)
    for number in range(steps - 1, -1, -1):
        chosen[number] = rows
        if number:
            rows = ancestors[number - 1][rows]
    numbers = np.arange(steps)[:, None]
    return jax.tree.map(lambda x: np.asarray(x)[numbers, chosen], trace.written)
