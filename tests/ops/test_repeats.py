"""Repeats: a plain search finds the same; states hand over; nothing crosses a song's beginning."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.ops import repeats

PHRASE = [3, 1, 4, 1, 5, 9, 2, 6]


follow = jax.jit(repeats.follow)
Found = list[list[tuple[int, int, bool, int, int]]]


def search(events: list[int], context: list[int], remembered: int) -> Found:
    """For each event, by comparing with every earlier place in view, each candidate: what followed the best
    place, and how good that is."""
    found = []
    for now in range(len(events)):
        places = []
        for then in range(max(0, now - remembered + 1), now):
            length = 0
            while length <= then and events[then - length] == events[now - length] and events[now] >= 0:
                length += 1
            if length:
                places.append((min(length, repeats.LONGEST), context[then] == context[now], then))
        candidates = []
        for _ in range(repeats.CANDIDATES):
            taken = [event for event, *_ in candidates]
            left = [place for place in places if events[place[2] + 1] not in taken]
            if not left:
                candidates.append((repeats.NOTHING, 0, False, 0, 0))
                continue
            agree, same, then = max(left)
            event, phrase = events[then + 1], min(agree, repeats.PHRASE)
            often = sum(length >= phrase and events[place + 1] == event for length, _, place in places)
            candidates.append((event, agree, same, 2 * (now - then), often))
        found.append(candidates)
    return found


def found(events: list[int], context: list[int], capacity: int, cuts: tuple[int, ...] = ()) -> Found:
    """The same by the kernel, handed over at `cuts`; the clock goes by two."""
    state, parts = repeats.empty(1, capacity), []
    for part, around in zip(
        np.split(np.asarray(events), cuts), np.split(np.asarray(context), cuts), strict=True
    ):
        columns = (jnp.asarray(x)[None] for x in (part, around, np.full_like(part, 2)))
        state, follows = follow(state, *columns, fresh=jnp.zeros((1, len(part)), bool))
        parts.append([np.asarray(x)[0] for x in follows[:5]])
    fields = [np.concatenate(x).tolist() for x in zip(*parts, strict=True)]
    return [list(zip(*event, strict=True)) for event in zip(*fields, strict=True)]


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


def test_agreement_is_counted_up_to_the_longest_and_the_latest_place_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repeats, "LONGEST", 64)
    events = [1, 2] * 40 + [1]
    wanted = search(events, [0] * 81, remembered=128)
    assert wanted[-1][0][:4] == (2, 64, True, 4)
    assert found(events, [0] * 81, 128) == wanted


def test_of_equally_long_agreements_the_one_in_the_same_context_is_taken() -> None:
    events, context = [1, 2, 1, 3, 1], [5, 0, 6, 0, 5]
    assert found(events, context, 8)[-1] == [(2, 1, True, 8, 1), (3, 1, False, 4, 1)]
    assert found(events, [5, 0, 6, 0, 7], 8)[-1] == [(3, 1, False, 4, 1), (2, 1, False, 8, 1)]


def test_how_often_a_phrase_has_gone_on_like_this() -> None:
    events = [*PHRASE, *PHRASE, *PHRASE, 7, *PHRASE[:-1]]
    (first, second) = found(events, [0] * len(events), 64)[-1]
    assert first == (PHRASE[-1], 7, True, 18, 3)
    assert second == (repeats.NOTHING, 0, False, 0, 0)
    events = [*PHRASE, 7, *PHRASE, *PHRASE, 8, *PHRASE]
    (first, second) = found(events, [0] * len(events), 64)[-1]
    assert (first[0], first[4], second[0], second[4]) == (8, 1, PHRASE[0], 1)


def test_what_is_beyond_the_capacity_is_forgotten() -> None:
    events = [*PHRASE, *range(20, 30), *PHRASE]
    context = [0] * len(events)
    assert found(events, context, 18)[-8][0][0] == repeats.NOTHING
    assert [first[0] for first, _ in found(events, context, 19)[-8:-1]] == PHRASE[1:]


def test_a_fresh_song_and_a_forgotten_row_know_nothing() -> None:
    twice, nowhere = jnp.asarray([PHRASE + PHRASE] * 2), jnp.zeros((2, 16), int)
    fresh = jnp.zeros((2, 16), bool).at[1, 8].set(True)
    state, follows = follow(repeats.empty(2, 16), twice, nowhere, nowhere + 1, fresh=fresh)
    assert follows.clock.tolist() == [[*range(1, 17)], [*range(1, 9)] * 2]
    assert follows.event[0, 9, 0] == 4
    assert follows.agree[1, 8:11].tolist() == [[0, 0]] * 3
    assert follows.event[1, 11, 0] == PHRASE[2]  # after the first 1 of this song
    blank = repeats.forget(state, jnp.asarray([True, False]))
    _, follows = follow(
        blank, *(np.array(x)[:, :1] for x in (twice, nowhere, nowhere)), fresh=np.zeros((2, 1), bool)
    )
    assert follows.event[:, 0, 0].tolist() == [repeats.NOTHING, PHRASE[1]]
    assert follows.clock[:, 0].tolist() == [0, 8]


def test_negative_events_equal_nothing() -> None:
    assert found([-1, -1, -1, 2, -1, -1], [0] * 6, 8) == [[(repeats.NOTHING, 0, False, 0, 0)] * 2] * 6


def test_room_can_grow_as_long_as_nothing_was_forgotten() -> None:
    events = [*PHRASE, 7, *PHRASE[2:], 7, *PHRASE, 4]
    context = [n // 5 for n in range(len(events))]

    def columns(part: slice) -> tuple[jax.Array, ...]:
        return tuple(jnp.asarray(x[part])[None] for x in (events, context, [2] * len(events)))

    def hear(state: repeats.Repeats, part: slice) -> tuple[repeats.Repeats, repeats.Expectation]:
        heard = columns(part)
        return follow(state, *heard, fresh=jnp.zeros(heard[0].shape, bool))

    state, _ = hear(repeats.empty(1, 16), slice(0, 16))
    _, late = hear(repeats.grow(state, 64), slice(16, None))
    _, whole = hear(repeats.empty(1, 64), slice(None))
    for got, expected in zip(late, whole, strict=True):
        np.testing.assert_array_equal(got, expected[:, 16:])
