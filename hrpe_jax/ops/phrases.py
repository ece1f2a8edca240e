"""What stood so many bars ago, where the next event begins: songs come back to it in phrases of 2 to 32 bars.

``ops.repeats`` finds the same events one by one, and nothing where a phrase comes back with one chord more,
a longer one, or another bass. Here the *clock* says where to look: for every event and every distance asked
the candidate is what sounded so long before the place where the next one begins. How far it can be trusted
is told by how the same distance has done so far: for how many events in a row what it expected was of the
*kind* that came (its root and quality, say).

A kernel with an explicit state of fixed size, so that it costs the same at any place of a piece.

    >>> events, beats = jnp.array([[7, 5, 4, 2, 7, 5, 4]]), jnp.array([[4, 4, 4, 4, 4, 2, 2]])
    >>> back, fresh = jnp.full((1, 7, 1), 16), jnp.zeros((1, 7), bool)
    >>> state, found = follow(empty(1, 16, 1), events, events, beats, fresh, back)
    >>> found.event[0, :, 0].tolist(), found.left[0, :, 0].tolist()
    ([-1, -1, -1, 7, 5, 5, 4], [0, 0, 0, 4, 4, 2, 4])
    >>> found.right[0, :, 0].tolist(), found.begins[0, :, 0].tolist()
    ([0, 0, 0, 0, 1, 2, 0], [False, False, False, True, True, False, True])

The event after the fourth begins 16 beats after the first one did: a 7, four beats of it left. It comes. So
does the 5, but ends early: what is expected then is the rest of the old one, and the 4 that comes instead
ends the run.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

NOTHING = -1


class Phrases(NamedTuple):
    """Events of each row, the newest last: int32 ``[batch, capacity]`` each but where said.

    Attributes:
      events: `NOTHING` where there was none.
      kinds: of each.
      ends: what the clock showed after each.
      clock: what it shows now, ``[batch]``.
      start: what it showed when the song began, ``[batch]``.
      expected: the kind of event that each distance expects next, ``[batch, distances]``; or `NOTHING`.
      right: for how many events in a row each distance was right, ``[batch, distances]``.
    """

    events: Array
    kinds: Array
    ends: Array
    clock: Array
    start: Array
    expected: Array
    right: Array


class Expectation(NamedTuple):
    """What may follow: ``[batch, length, distances]`` each.

    Attributes:
      event: int32, `NOTHING` where the song, or what is remembered of it, is not so long.
      left: int32, how long it still sounded there; 0 for nothing.
      right: int32, for how many events in a row this distance has been right; 0 for nothing.
      begins: bool, whether it began just there.
    """

    event: Array
    left: Array
    right: Array
    begins: Array


def empty(batch: int, capacity: int, distances: int) -> Phrases:
    """Rows that remember up to ``capacity`` events, and have none.

    Args:
      batch: rows.
      capacity: events.
      distances: how many are followed at once.
    """
    zeros, none = jnp.zeros((batch, capacity), jnp.int32), jnp.zeros((batch, distances), jnp.int32)
    clock = jnp.zeros(batch, jnp.int32)
    return Phrases(zeros + NOTHING, zeros, zeros, clock, clock, none + NOTHING, none)


def follow(
    state: Phrases, events: Array, kinds: Array, advance: Array, fresh: Array, back: Array
) -> tuple[Phrases, Expectation]:
    """Takes in events and says after each what stood where the next one begins, at each distance.

    Args:
      state: of the events before.
      events: int ``[batch, length]``.
      kinds: int ``[batch, length]``, at least 0: what of an event has to be right.
      advance: int ``[batch, length]``, at least 0: by how much the clock goes on with each event. One that
        takes no time stands nowhere and ends no run.
      fresh: bool ``[batch, length]``: a song begins here, and what was before is not looked at.
      back: int ``[batch, length, distances]``, how far to look back by the clock; 0 for nowhere.

    Returns:
      The state with these events, and what is expected after each of them.
    """
    ends = state.clock[:, None] + jnp.cumsum(advance, axis=1)
    began = jnp.where(fresh, ends - advance, state.start[:, None])
    start = jax.lax.cummax(began.astype(jnp.int32), axis=1)  # the clock goes on from song to song

    def joined(old: Array, new: Array) -> Array:
        return jnp.concatenate([old, new.astype(jnp.int32)], axis=1)

    seen, sorts = joined(state.events, events), joined(state.kinds, kinds)
    until = joined(state.ends, ends)
    place = ends[..., None] - back
    # The first event that ends later is the one that sounds there.
    there = jnp.sum(until[:, None, None] <= place[..., None], axis=-1)
    # What stood before the first that is remembered is lost, and so is where that one began.
    known = (back > 0) & (place >= start[..., None]) & (there > 0)

    def at(values: Array, index: Array) -> Array:
        flat = jnp.take_along_axis(values, index.reshape(index.shape[0], -1), axis=1)
        return flat.reshape(index.shape)

    expected = jnp.where(known, at(sorts, there), NOTHING)
    before = jnp.concatenate([state.expected[:, None], expected[:, :-1]], axis=1)
    before = jnp.where(fresh[..., None], NOTHING, before)
    hit = before == kinds[..., None]
    counted = (advance > 0)[..., None]
    hits = state.right[:, None] + jnp.cumsum(hit & counted, axis=1)
    missed = (counted & ~hit) | fresh[..., None]
    right = (hits - jax.lax.cummax(jnp.where(missed, hits, 0), axis=1)).astype(jnp.int32)
    found = Expectation(
        jnp.where(known, at(seen, there), NOTHING),
        jnp.where(known, at(until, there) - place, 0).astype(jnp.int32),
        jnp.where(known, right, 0),
        known & (at(until, jnp.maximum(there - 1, 0)) == place),
    )
    last = slice(-state.events.shape[1], None)
    heard = Phrases(
        seen[:, last],
        sorts[:, last],
        until[:, last],
        until[:, -1],
        start[:, -1],
        expected[:, -1],
        right[:, -1],
    )
    return heard, found
