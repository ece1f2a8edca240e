"""What followed at the same place of an earlier bar: a pointer that keeps to the metre.

`ops.repeats` finds the longest earlier agreement and `ops.phrases` what sounded so long ago. Here every event
names its *place* as one number, in which the bar is a multiple of a stride and the rest says where in the bar
(and at which point of the grammar) the next event begins. The candidate at a distance of n bars is the event
that came at the same place n bars before. Two runs say how far each distance can be trusted: for how many
events in a row its candidate was *right*, and was of the right *kind* (a note here, of any pitch, say).
Events stand in a *context*, such as a chord: whether that of the candidate is the present one says whether
it fits.

A kernel with an explicit state of fixed size, so that it costs the same at any place of a piece.

    >>> events = jnp.array([[9, 60, 3, 62, 9, 60, 3, 64]])  # 9 begins a bar, 3 is a length
    >>> places = jnp.array([[0, 1, 2, 3, 10, 11, 12, 13]])  # of the event after each; 10 to the bar
    >>> kinds = jnp.where(events > 9, 1, 2)
    >>> context = jnp.array([[0, 0, 0, 0, 0, 0, 1, 1]])
    >>> back, never = jnp.ones((1, 8, 1), jnp.int32), jnp.zeros((1, 8, 1), bool)
    >>> state, found = follow(empty(1, 16, 1), events, kinds, places, context, back, 10, never)
    >>> found.event[0, :, 0].tolist()
    [-1, -1, -1, -1, 60, 3, 62, 9]
    >>> found.right[0, :, 0].tolist(), found.alike[0, :, 0].tolist()
    ([0, 0, 0, 0, 0, 1, 2, 0], [0, 0, 0, 0, 0, 1, 2, 3])
    >>> found.same[0, :, 0].tolist()
    [False, False, False, False, True, True, False, False]
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

NOTHING = -1


class Aligned(NamedTuple):
    """Events of each row, the newest last: int32 `[batch, capacity]` each but where said.

    Attributes:
      events: `NOTHING` where there was none.
      kinds: of each.
      places: where each came, `NOTHING` where it is not looked for.
      contexts: in which each came.
      place: where the next one comes, `[batch]`.
      context: in which, `[batch]`.
      expected: the event that each distance expects next, `[batch, distances]`, or `NOTHING`.
      expected_kind: its kind.
      right: for how many events in a row each distance was right, `[batch, distances]`.
      alike: likewise, right in kind.
    """

    events: Array
    kinds: Array
    places: Array
    contexts: Array
    place: Array
    context: Array
    expected: Array
    expected_kind: Array
    right: Array
    alike: Array


class Expectation(NamedTuple):
    """What may follow: `[batch, length, distances]` each.

    Attributes:
      event: int32, `NOTHING` where nothing came at that place.
      kind: its kind.
      right: int32, for how many events in a row this distance has been right.
      alike: int32, for how many it has been right in kind.
      same: bool, whether it came in the present context.
    """

    event: Array
    kind: Array
    right: Array
    alike: Array
    same: Array


def empty(batch: int, capacity: int, distances: int) -> Aligned:
    """Rows that remember up to `capacity` events, and have none.

    Args:
      batch: rows.
      capacity: events.
      distances: how many are followed at once.
    """
    nothing = jnp.full((batch, capacity), NOTHING, jnp.int32)
    none = jnp.full((batch, distances), NOTHING, jnp.int32)
    zero, unset = jnp.zeros((batch, distances), jnp.int32), jnp.full(batch, NOTHING, jnp.int32)
    return Aligned(nothing, nothing, nothing, nothing, unset, unset, none, none, zero, zero)


def forget(state: Aligned, reset: Array) -> Aligned:
    """Empties the rows where `reset [batch]` is true."""
    blank = reset[:, None]
    return state._replace(
        places=jnp.where(blank, NOTHING, state.places),
        place=jnp.where(reset, NOTHING, state.place),
        expected=jnp.where(blank, NOTHING, state.expected),
        right=jnp.where(blank, 0, state.right),
        alike=jnp.where(blank, 0, state.alike),
    )


def follow(
    state: Aligned,
    events: Array,
    kinds: Array,
    places: Array,
    context: Array,
    back: Array,
    stride: int,
    restart: Array,
) -> tuple[Aligned, Expectation]:
    """Takes in events and says after each what came at the place of the next one, at each distance.

    Args:
      state: of the events before.
      events: int `[batch, length]`. A negative one takes no place and ends no run.
      kinds: int `[batch, length]`, at least 0: what of an event has to be right at least.
      places: int `[batch, length]`, at least 0: where the event after each begins, bars a `stride` apart.
      context: int `[batch, length]`: in which the event after each stands.
      back: int `[batch, length, distances]`, bars to look back; 0 for nowhere.
      stride: places of a bar.
      restart: bool `[batch, length, distances]`: runs begin anew behind this event.

    Returns:
      The state with these events, and what is expected after each of them.
    """
    taken = events >= 0
    came = jnp.concatenate([state.place[:, None], places[:, :-1]], axis=1)  # where each event itself came
    within = jnp.concatenate([state.context[:, None], context[:, :-1]], axis=1)

    def joined(old: Array, new: Array) -> Array:
        return jnp.concatenate([old, new.astype(jnp.int32)], axis=1)

    seen, sorts = joined(state.events, events), joined(state.kinds, kinds)
    stood = joined(state.places, jnp.where(taken, came, NOTHING))
    contexts = joined(state.contexts, within)
    wanted = jnp.where(back > 0, places[..., None] - back * stride, NOTHING)
    order = jnp.arange(stood.shape[1]) + 1
    # Bars are counted on, so an earlier bar's place is never that of an event still to come.
    there = stood[:, None, None, :] == wanted[..., None]
    index = jnp.max(jnp.where(there & (wanted >= 0)[..., None], order, 0), axis=-1) - 1

    def at(values: Array) -> Array:
        flat = jnp.take_along_axis(values, jnp.maximum(index, 0).reshape(index.shape[0], -1), axis=1)
        return jnp.where(index >= 0, flat.reshape(index.shape), NOTHING)

    event, kind = at(seen), at(sorts)
    same = (event >= 0) & (at(contexts) == context[..., None])

    def runs(before: Array, expected: Array, actual: Array, run: Array) -> Array:
        """How many events in a row were as expected, up to each event."""
        said = jnp.concatenate([before[:, None], expected[:, :-1]], axis=1)
        hit = (said == actual[..., None]) & (said >= 0)
        hits = run[:, None] + jnp.cumsum(hit & taken[..., None], axis=1)
        ended = (taken[..., None] & ~hit) | restart
        return (hits - jax.lax.cummax(jnp.where(ended, hits, 0), axis=1)).astype(jnp.int32)

    right = runs(state.expected, event, events, state.right)
    alike = runs(state.expected_kind, kind, kinds, state.alike)
    last = slice(-state.events.shape[1], None)
    after = Aligned(
        seen[:, last],
        sorts[:, last],
        stood[:, last],
        contexts[:, last],
        places[:, -1],
        context[:, -1].astype(jnp.int32),
        event[:, -1],
        kind[:, -1],
        right[:, -1],
        alike[:, -1],
    )
    return after, Expectation(event, kind, right, alike, same)
