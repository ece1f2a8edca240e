"""Where this has been before: the longest earlier agreement with the latest events, and what followed it.

Songs come back to what they said. For every event the first *candidate* is the event that followed the place
whose past equals the present one for longest (the latest such place where there are several), the second
what followed the longest-agreeing place where something else did; the *agreement* is for how many events. It
is the pointer of a longest-match predictor (PPM*, Cleary and Teahan, 1997; the suffix links of the factor
oracle, which improvises by them: Assayag and Dubnov, 2004), as a kernel with an explicit state of fixed size,
so that it costs the same at any place of a piece, and nothing has to be learned to find it.

With agree(t, j), how many events up to j equal those up to t one by one,

    agree(t, j) = agree(t - 1, j - 1) + 1 where event j equals event t, else 0

and the state is one row of it. The remembered events move one place to the left with each new one, which
keeps agree(t, j) where agree(t - 1, j - 1) was.

Events stand in a *context* (the chord over which a melody goes on, the beat at which the next chord begins):
among places that agree for equally long one whose context is the present one is preferred, and whether it is
so is told too. A clock (in bars or beats) says how long ago that was: phrases come back after 4 or 8 bars.
How often the candidate has followed a phrase like the present one tells the third time from the tenth.

    >>> events, context = jnp.array([[7, 5, 4, 2, 7, 5, 2, 7, 5]]), jnp.array([[0, 0, 0, 0, 0, 1, 0, 0, 1]])
    >>> every = jnp.ones((1, 9), int)
    >>> state, found = follow(empty(1, 16), events, context, advance=every, fresh=every < 0)
    >>> first, second = jnp.moveaxis(found.event[0], -1, 0)
    >>> first.tolist(), second.tolist()
    ([-1, -1, -1, -1, 5, 4, 7, 5, 2], [-1, -1, -1, -1, -1, -1, -1, -1, 4])
    >>> found.agree[0, :, 0].tolist(), found.agree[0, :, 1].tolist()
    ([0, 0, 0, 0, 1, 2, 1, 2, 3], [0, 0, 0, 0, 0, 0, 0, 0, 2])
    >>> found.same[0, -1].tolist(), found.back[0, -1].tolist(), found.often[0, -1].tolist()
    ([True, False], [3, 7], [1, 1])
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

LONGEST = 1023
"""Agreements are counted up to here; among places that agree for so long, the latest is taken."""
PHRASE = 16
"""Places that agree for so many events, or for as long as the candidate's, are counted as the same phrase."""
CANDIDATES = 2
NOTHING = -1


class Repeats(NamedTuple):
    """Events of each row, the newest last; int32 ``[batch, capacity]`` each, and ``[batch]``.

    Attributes:
      events: `NOTHING` where there was none.
      context: in which each stood.
      times: what the clock showed after each.
      agree: how many events up to this one equal the latest ones, at most `LONGEST`.
      clock: what it shows now, ``[batch]``.
    """

    events: Array
    context: Array
    times: Array
    agree: Array
    clock: Array


class Expectation(NamedTuple):
    """What may follow: ``[batch, length, CANDIDATES]`` each, but for the clock.

    Attributes:
      event: int32, `NOTHING` where no (other) earlier event equals the present one.
      agree: int32, for how many events the past of the place found equals the present one's; 0 for nothing.
      same: bool, whether its context is the present one.
      back: int32, by how much the clock has gone on since that place; 0 for nothing.
      often: int32, how many places of the same phrase this event followed; 0 for nothing.
      clock: int32 ``[batch, length]``, what it shows.
    """

    event: Array
    agree: Array
    same: Array
    back: Array
    often: Array
    clock: Array


def empty(batch: int, capacity: int) -> Repeats:
    """Rows that remember up to ``capacity`` events, and have none."""
    zeros = jnp.zeros((batch, capacity), jnp.int32)
    nothing = jnp.full((batch, capacity), NOTHING, jnp.int32)
    return Repeats(nothing, zeros, zeros, zeros, jnp.zeros(batch, jnp.int32))


def grow(state: Repeats, capacity: int) -> Repeats:
    """Rows that remember up to ``capacity`` events, at least as many as before."""
    more = ((0, 0), (capacity - state.events.shape[1], 0))
    return state._replace(
        events=jnp.pad(state.events, more, constant_values=NOTHING),
        context=jnp.pad(state.context, more),
        times=jnp.pad(state.times, more),
        agree=jnp.pad(state.agree, more),
    )


def forget(state: Repeats, reset: Array) -> Repeats:
    """Empties the rows where ``reset [batch]`` is true."""
    blank = reset[:, None]
    return state._replace(
        events=jnp.where(blank, NOTHING, state.events),
        agree=jnp.where(blank, 0, state.agree),
        clock=jnp.where(reset, 0, state.clock),
    )


def follow(
    state: Repeats, events: Array, context: Array, advance: Array, fresh: Array
) -> tuple[Repeats, Expectation]:
    """Takes in events and says after each what is expected next.

    Args:
      state: of the events before.
      events: int ``[batch, length]``; a negative one equals no other.
      context: int ``[batch, length]``.
      advance: int ``[batch, length]``: by how much the clock goes on with each event.
      fresh: bool ``[batch, length]``: a song begins here, and what was before is forgotten.

    Returns:
      The state with these events, and what is expected after each of them.
    """

    def step(state: Repeats, column: tuple[Array, ...]) -> tuple[Repeats, Expectation]:
        event, here, passes, begins = column
        state = forget(state, begins)
        clock = state.clock + passes
        seen = jnp.concatenate([state.events[:, 1:], event[:, None]], axis=1)
        contexts = jnp.concatenate([state.context[:, 1:], here[:, None]], axis=1)
        times = jnp.concatenate([state.times[:, 1:], clock[:, None]], axis=1)
        equal = (seen == event[:, None]) & (event >= 0)[:, None]
        longer = jnp.where(equal, jnp.minimum(state.agree + 1, LONGEST), 0)
        size = seen.shape[1]
        longer = longer.at[:, -1].set(0)  # the present event itself
        order = jnp.where(longer > 0, 2 * longer + (contexts == here[:, None]), 0) * size + jnp.arange(size)
        following = jnp.roll(seen, -1, axis=1)

        def candidate(order: Array) -> tuple[Array, ...]:
            first = jnp.max(order, axis=1)  # its place is its remainder: an argmax is slow on a CPU
            best = (first % size)[:, None]

            def at(values: Array) -> Array:
                return jnp.take_along_axis(values, best, axis=1)[:, 0]

            any_left = first >= size
            agree = jnp.where(any_left, at(longer), 0)
            event = jnp.where(any_left, at(following), NOTHING)
            alike = (longer > 0) & (longer >= jnp.minimum(agree, PHRASE)[:, None])
            often = jnp.sum(alike & (following == event[:, None]), axis=1)
            back = jnp.where(any_left, clock - at(times), 0)
            return event, agree, any_left & (at(contexts) == here), back, jnp.where(any_left, often, 0)

        candidates = []
        for _ in range(CANDIDATES):
            candidates.append(candidate(order))
            order = jnp.where(following == candidates[-1][0][:, None], 0, order)
        event, agree, same, back, often = (jnp.stack(x, axis=-1) for x in zip(*candidates, strict=True))
        return Repeats(seen, contexts, times, longer, clock), Expectation(
            event, agree, same, back, often, clock
        )

    columns = (*(x.T.astype(jnp.int32) for x in (events, context, advance)), fresh.T)
    if events.shape[1] == 1:
        state, found = step(state, jax.tree.map(lambda x: x[0], columns))
        return state, jax.tree.map(lambda x: x[:, None], found)
    state, found = jax.lax.scan(step, state, columns)
    return state, jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), found)
