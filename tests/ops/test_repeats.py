"""Repeats: a plain search finds the same; states hand over; nothing crosses a song's beginning."""

from __future__ import annotations

import doctest

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.ops import repeats

PHRASE = [3, 1, 4, 1, 5, 9, 2, 6]


def search(events: list[int], remembered: int) -> tuple[list[int], list[int]]:
    """For each event, by comparing with every earlier place in view: what followed the best, and how good."""
    expected, agreement = [], []
    for now in range(len(events)):
        best, place = 0, None
        for then in range(max(0, now - remembered + 1), now):
            length = 0
            while length <= then and events[then - length] == events[now - length] and events[now] >= 0:
                length += 1
            length = min(length, repeats.LONGEST)
            if length and length >= best:
                best, place = length, then
        expected.append(repeats.NOTHING if place is None else events[place + 1])
        agreement.append(best)
    return expected, agreement


def found(events: list[int], capacity: int, cuts: tuple[int, ...] = ()) -> tuple[list[int], list[int]]:
    """The same by the kernel, handed over at `cuts`."""
    state, expected, agreement = repeats.empty(1, capacity), [], []
    for part in np.split(np.asarray(events), cuts):
        fresh = jnp.zeros((1, len(part)), bool)
        state, follows, agree = repeats.follow(state, jnp.asarray(part)[None], fresh)
        expected += follows[0].tolist()
        agreement += agree[0].tolist()
    return expected, agreement


def test_example() -> None:
    assert doctest.testmod(repeats).failed == 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=30, max_size=30), st.integers(1, 29))
def test_equals_a_plain_search_in_one_go_or_in_parts(events: list[int], cut: int) -> None:
    expected = search(events, remembered=32)
    assert found(events, 32) == expected
    assert found(events, 32, (cut,)) == expected


def test_event_by_event() -> None:
    events = [*PHRASE, 7, *PHRASE[2:], 7]
    assert found(events, 32, tuple(range(1, len(events)))) == search(events, remembered=32)


def test_agreement_is_counted_up_to_the_longest_and_the_latest_place_wins() -> None:
    events = [1, 2] * 40 + [1]
    expected, agreement = found(events, 128)
    assert (expected[-1], agreement[-1]) == (2, repeats.LONGEST)
    assert (expected, agreement) == search(events, remembered=128)


def test_what_is_beyond_the_capacity_is_forgotten() -> None:
    events = [*PHRASE, *range(20, 30), *PHRASE]
    assert found(events, 18)[0][-1] == found(events, 19)[0][0] == repeats.NOTHING
    assert found(events, 20)[0][-8:-1] == PHRASE[1:]


def test_a_fresh_song_and_a_forgotten_row_know_nothing() -> None:
    twice = jnp.asarray([PHRASE + PHRASE] * 2)
    fresh = jnp.zeros((2, 16), bool).at[1, 8].set(True)
    state, expected, agree = repeats.follow(repeats.empty(2, 16), twice, fresh)
    assert expected[0, 9] == 4
    assert agree[1, 8:11].tolist() == [0, 0, 0]
    assert expected[1, 11] == PHRASE[2]  # after the first 1 of this song
    blank = repeats.forget(state, jnp.asarray([True, False]))
    _, expected, _ = repeats.follow(blank, twice[:, :1], jnp.zeros((2, 1), bool))
    assert expected[:, 0].tolist() == [repeats.NOTHING, PHRASE[1]]


def test_negative_events_equal_nothing() -> None:
    _, agreement = found([-1, -1, -1, 2, -1, -1], 8)
    assert agreement == [0] * 6
