"""Repeats: a plain search finds the same; states hand over; nothing crosses a song's beginning."""

from __future__ import annotations

import doctest

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.ops import repeats

PHRASE = [3, 1, 4, 1, 5, 9, 2, 6]


follow = jax.jit(repeats.follow)
Found = tuple[list[int], list[int], list[bool], list[int]]


def search(events: list[int], context: list[int], remembered: int) -> Found:
    """For each event, by comparing with every earlier place in view: what followed the best, and how good."""
    expected, agreement, same, back = [], [], [], []
    for now in range(len(events)):
        best: tuple[int, bool, int] | None = None
        for then in range(max(0, now - remembered + 1), now):
            length = 0
            while length <= then and events[then - length] == events[now - length] and events[now] >= 0:
                length += 1
            place = (min(length, repeats.LONGEST), context[then] == context[now], then)
            if length and (best is None or place > best):
                best = place
        expected.append(repeats.NOTHING if best is None else events[best[2] + 1])
        agreement.append(best[0] if best else 0)
        same.append(bool(best and best[1]))
        back.append(2 * (now - best[2]) if best else 0)
    return expected, agreement, same, back


def found(events: list[int], context: list[int], capacity: int, cuts: tuple[int, ...] = ()) -> Found:
    """The same by the kernel, handed over at `cuts`; the clock goes by two."""
    state, parts = repeats.empty(1, capacity), []
    for part, around in zip(
        np.split(np.asarray(events), cuts), np.split(np.asarray(context), cuts), strict=True
    ):
        columns = (jnp.asarray(x)[None] for x in (part, around, np.full_like(part, 2)))
        state, follows = follow(state, *columns, fresh=jnp.zeros((1, len(part)), bool))
        parts.append([np.asarray(x)[0] for x in follows[:4]])
    return tuple(np.concatenate(x).tolist() for x in zip(*parts, strict=True))  # type: ignore[return-value]


def test_example() -> None:
    assert doctest.testmod(repeats).failed == 0


_symbols = st.lists(st.integers(0, 2), min_size=30, max_size=30)


@settings(max_examples=25, deadline=None)
@given(_symbols, _symbols, st.sampled_from([1, 13, 29]))
def test_equals_a_plain_search_in_one_go_or_in_parts(events: list[int], context: list[int], cut: int) -> None:
    expected = search(events, context, remembered=32)
    assert found(events, context, 32) == expected
    assert found(events, context, 32, (cut,)) == expected


def test_event_by_event() -> None:
    events = [*PHRASE, 7, *PHRASE[2:], 7]
    context = [n // 5 for n in range(len(events))]
    assert found(events, context, 32, tuple(range(1, 16))) == search(events, context, remembered=32)


def test_agreement_is_counted_up_to_the_longest_and_the_latest_place_wins() -> None:
    events = [1, 2] * 40 + [1]
    expected, agreement, *_ = found(events, [0] * 81, 128)
    assert (expected[-1], agreement[-1]) == (2, repeats.LONGEST)
    assert found(events, [0] * 81, 128) == search(events, [0] * 81, remembered=128)


def test_of_equally_long_agreements_the_one_in_the_same_context_is_taken() -> None:
    events, context = [1, 2, 1, 3, 1], [5, 0, 6, 0, 5]
    expected, _, same, _ = found(events, context, 8)
    assert (expected[-1], same[-1]) == (2, True)
    expected, _, same, _ = found(events, [5, 0, 6, 0, 7], 8)
    assert (expected[-1], same[-1]) == (3, False)


def test_what_is_beyond_the_capacity_is_forgotten() -> None:
    events = [*PHRASE, *range(20, 30), *PHRASE]
    context = [0] * len(events)
    assert found(events, context, 18)[0][-8] == repeats.NOTHING
    assert found(events, context, 19)[0][-8:-1] == PHRASE[1:]


def test_a_fresh_song_and_a_forgotten_row_know_nothing() -> None:
    twice, nowhere = jnp.asarray([PHRASE + PHRASE] * 2), jnp.zeros((2, 16), int)
    fresh = jnp.zeros((2, 16), bool).at[1, 8].set(True)
    state, follows = repeats.follow(repeats.empty(2, 16), twice, nowhere, nowhere + 1, fresh)
    assert follows.clock.tolist() == [[*range(1, 17)], [*range(1, 9)] * 2]
    assert follows.event[0, 9] == 4
    assert follows.agree[1, 8:11].tolist() == [0, 0, 0]
    assert follows.event[1, 11] == PHRASE[2]  # after the first 1 of this song
    blank = repeats.forget(state, jnp.asarray([True, False]))
    _, follows = repeats.follow(blank, twice[:, :1], nowhere[:, :1], nowhere[:, :1], jnp.zeros((2, 1), bool))
    assert follows.event[:, 0].tolist() == [repeats.NOTHING, PHRASE[1]]
    assert follows.clock[:, 0].tolist() == [0, 8]


def test_negative_events_equal_nothing() -> None:
    assert found([-1, -1, -1, 2, -1, -1], [0] * 6, 8)[1] == [0] * 6
