"""Where this has been before: the longest earlier agreement with the latest events, and what followed it.

Songs come back to what they said. For every event the *expectation* is the event that followed the place
whose past equals the present one for longest (the latest such place where there are several); the
*agreement* is for how many events. It is the pointer of a longest-match predictor (PPM*, Cleary and
Teahan, 1997; the suffix links of the factor oracle, which improvises by them: Assayag and Dubnov, 2004), as
a kernel with an explicit state of fixed size, so that it costs the same at any place of a piece, and nothing
has to be learned to find it.

With agree(t, j), how many events up to j equal those up to t one by one,

    agree(t, j) = agree(t - 1, j - 1) + 1 where event j equals event t, else 0

and the state is one row of it. The remembered events move one place to the left with each new one, which
keeps agree(t, j) where agree(t - 1, j - 1) was.

Events stand in a *context* (the chord over which a melody goes on, the beat at which the next chord begins):
among places that agree for equally long one whose context is the present one is preferred, and whether it is
so is told too.

    >>> events, context = jnp.array([[7, 5, 4, 2, 7, 5]]), jnp.array([[0, 0, 0, 0, 0, 1]])
    >>> state, found = follow(empty(batch=1, capacity=8), events, context, fresh=jnp.zeros((1, 6), bool))
    >>> found.event.tolist(), found.agree.tolist(), found.same.tolist()
    ([[-1, -1, -1, -1, 5, 4]], [[0, 0, 0, 0, 1, 2]], [[False, False, False, False, True, False]])
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

LONGEST = 64
"""Agreements are counted up to here; among places that agree for so long, the latest is taken."""
NOTHING = -1


class Repeats(NamedTuple):
    """Events of each row, the newest last; int32 ``[batch, capacity]`` each.

    Attributes:
      events: `NOTHING` where there was none.
      context: in which each stood.
      agree: how many events up to this one equal the latest ones, at most `LONGEST`.
    """

    events: Array
    context: Array
    agree: Array


class Expectation(NamedTuple):
    """What may follow; ``[batch, length]`` each.

    Attributes:
      event: int32, `NOTHING` where no earlier event equals the present one.
      agree: int32, for how many events the past of the place found equals the present one's; 0 for nothing.
      same: bool, whether its context is the present one.
    """

    event: Array
    agree: Array
    same: Array


def empty(batch: int, capacity: int) -> Repeats:
    """Rows that remember up to ``capacity`` events, and have none."""
    zeros = jnp.zeros((batch, capacity), jnp.int32)
    return Repeats(jnp.full((batch, capacity), NOTHING, jnp.int32), zeros, zeros)


def forget(state: Repeats, reset: Array) -> Repeats:
    """Empties the rows where ``reset [batch]`` is true."""
    blank = reset[:, None]
    return Repeats(jnp.where(blank, NOTHING, state.events), state.context, jnp.where(blank, 0, state.agree))


def follow(state: Repeats, events: Array, context: Array, fresh: Array) -> tuple[Repeats, Expectation]:
    """Takes in events and says after each what is expected next.

    Args:
      state: of the events before.
      events: int ``[batch, length]``; a negative one equals no other.
      context: int ``[batch, length]``.
      fresh: bool ``[batch, length]``: a song begins here, and what was before is forgotten.

    Returns:
      The state with these events, and what is expected after each of them.
    """

    def step(state: Repeats, column: tuple[Array, Array, Array]) -> tuple[Repeats, Expectation]:
        event, here, begins = column
        state = forget(state, begins)
        seen = jnp.concatenate([state.events[:, 1:], event[:, None]], axis=1)
        contexts = jnp.concatenate([state.context[:, 1:], here[:, None]], axis=1)
        equal = (seen == event[:, None]) & (event >= 0)[:, None]
        longer = jnp.where(equal, jnp.minimum(state.agree + 1, LONGEST), 0)
        size = seen.shape[1]
        longer = longer.at[:, -1].set(0)  # the present event itself
        order = jnp.where(longer > 0, 2 * longer + (contexts == here[:, None]), 0) * size + jnp.arange(size)
        best = jnp.argmax(order, axis=1)[:, None]

        def at(values: Array, place: Array) -> Array:
            return jnp.take_along_axis(values, place, axis=1)[:, 0]

        agree = at(longer, best)
        expected = jnp.where(agree > 0, at(seen, jnp.minimum(best + 1, size - 1)), NOTHING)
        same = (agree > 0) & (at(contexts, best) == here)
        return Repeats(seen, contexts, longer), Expectation(expected, agree, same)

    columns = (events.T.astype(jnp.int32), context.T.astype(jnp.int32), fresh.T)
    if events.shape[1] == 1:
        state, found = step(state, jax.tree.map(lambda x: x[0], columns))
        return state, jax.tree.map(lambda x: x[:, None], found)
    state, found = jax.lax.scan(step, state, columns)
    return state, jax.tree.map(jnp.transpose, found)
