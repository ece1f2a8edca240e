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

    >>> state = empty(batch=1, capacity=8)
    >>> events = jnp.array([[7, 5, 4, 2, 7, 5]])
    >>> state, expected, agree = follow(state, events, fresh=jnp.zeros((1, 6), bool))
    >>> expected.tolist(), agree.tolist()
    ([[-1, -1, -1, -1, 5, 4]], [[0, 0, 0, 0, 1, 2]])
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
      agree: how many events up to this one equal the latest ones, at most `LONGEST`.
    """

    events: Array
    agree: Array


def empty(batch: int, capacity: int) -> Repeats:
    """Rows that remember up to ``capacity`` events, and have none."""
    return Repeats(jnp.full((batch, capacity), NOTHING, jnp.int32), jnp.zeros((batch, capacity), jnp.int32))


def forget(state: Repeats, reset: Array) -> Repeats:
    """Empties the rows where ``reset [batch]`` is true."""
    blank = reset[:, None]
    return Repeats(jnp.where(blank, NOTHING, state.events), jnp.where(blank, 0, state.agree))


def follow(state: Repeats, events: Array, fresh: Array) -> tuple[Repeats, Array, Array]:
    """Takes in events and says after each what is expected next.

    Args:
      state: of the events before.
      events: int ``[batch, length]``; a negative one equals no other.
      fresh: bool ``[batch, length]``: a song begins here, and what was before is forgotten.

    Returns:
      The state with these events; the expected event, int32 ``[batch, length]``, `NOTHING` where no earlier
      event equals the present one; and the agreement, int32 ``[batch, length]``, 0 there.
    """

    def step(state: Repeats, column: tuple[Array, Array]) -> tuple[Repeats, tuple[Array, Array]]:
        event, begins = column
        state = forget(state, begins)
        seen = jnp.concatenate([state.events[:, 1:], event[:, None]], axis=1)
        same = (seen == event[:, None]) & (event >= 0)[:, None]
        longer = jnp.where(same, jnp.minimum(state.agree + 1, LONGEST), 0)
        size = seen.shape[1]
        longer = longer.at[:, -1].set(0)  # the present event itself
        order = longer * size + jnp.arange(size)
        best = jnp.argmax(order, axis=1)[:, None]
        agree = jnp.take_along_axis(longer, best, axis=1)[:, 0]
        next_one = jnp.take_along_axis(seen, jnp.minimum(best + 1, size - 1), axis=1)[:, 0]
        return Repeats(seen, longer), (jnp.where(agree > 0, next_one, NOTHING), agree)

    columns = (events.T.astype(jnp.int32), fresh.T)
    if events.shape[1] == 1:
        state, (expected, agree) = step(state, (columns[0][0], columns[1][0]))
        return state, expected[:, None], agree[:, None]
    state, (expected, agree) = jax.lax.scan(step, state, columns)
    return state, expected.T, agree.T
