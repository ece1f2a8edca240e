"""Phrases: a walk along the song finds the same; states hand over; nothing crosses a song's beginning."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.ops import phrases

DISTANCES = (4, 7, 12)
LENGTH = 24
follow = jax.jit(phrases.follow)
Found = list[list[tuple[int, int, int, bool]]]
NOWHERE = (phrases.NOTHING, 0, 0, False)


def walk(events: list[int], beats: list[int], remembered: int) -> Found:
    """For each event and distance what stood there, by writing out who sounds at every beat of the song."""
    found, expected, right = [], [phrases.NOTHING] * len(DISTANCES), [0] * len(DISTANCES)
    sounding: list[int] = []  # which event, at each beat
    for now, (event, length) in enumerate(zip(events, beats, strict=True)):
        sounding += [now] * length
        row = []
        for k, distance in enumerate(DISTANCES):
            if length:
                right[k] = right[k] + 1 if expected[k] == event % 3 else 0
            place = len(sounding) - distance
            expected[k] = phrases.NOTHING
            if place < 0 or sounding[place] <= now - remembered:
                row.append(NOWHERE)
                continue
            there = sounding[place]
            expected[k] = events[there] % 3
            left = sounding[place:].count(there)
            row.append((events[there], left, right[k], left == beats[there]))
        found.append(row)
    return found


def found(events: list[int], beats: list[int], capacity: int, cuts: tuple[int, ...] = ()) -> Found:
    """The same by the kernel, handed over at `cuts`."""
    state, parts = phrases.empty(1, capacity, len(DISTANCES)), []
    for part in zip(*(np.split(np.asarray(x), cuts) for x in (events, beats)), strict=True):
        event, advance = (jnp.asarray(x)[None] for x in part)
        back = jnp.broadcast_to(jnp.asarray(DISTANCES), (*event.shape, len(DISTANCES)))
        state, heard = follow(state, event, event % 3, advance, jnp.zeros(event.shape, bool), back)
        parts.append([np.asarray(x)[0] for x in heard])
    fields = [np.concatenate(x).tolist() for x in zip(*parts, strict=True)]
    return [list(zip(*row, strict=True)) for row in zip(*fields, strict=True)]


_events = st.lists(st.integers(0, 5), min_size=LENGTH, max_size=LENGTH)
_beats = st.lists(st.sampled_from([0, 1, 2, 2, 4]), min_size=LENGTH, max_size=LENGTH)


@given(_events, _beats, st.sampled_from([1, 11, 23]), st.sampled_from([5, 64]))
def test_equals_a_walk_in_one_go_or_in_parts(
    events: list[int], beats: list[int], cut: int, capacity: int
) -> None:
    assert found(events, beats, 64) == found(events, beats, 64, (cut,)) == walk(events, beats, 64)
    # Told event by event, a short memory is one: in one go all events of the call are at hand.
    every = tuple(range(1, LENGTH))
    assert found(events, beats, capacity, every) == walk(events, beats, capacity)


def test_a_song_that_comes_back_is_expected_from_its_first_repeated_chord_on() -> None:
    events, beats = [0, 1, 2, 4, 0, 1, 5, 4, 0], [1] * 9
    assert [row[0] for row in found(events, beats, 16)[3:]] == [
        (0, 1, 0, True),
        (1, 1, 1, True),
        (2, 1, 2, True),
        (4, 1, 3, True),  # the 5 is of the kind of the 2
        (0, 1, 4, True),
        (1, 1, 5, True),
    ]


def test_a_fresh_song_does_not_see_the_one_before() -> None:
    events = jnp.asarray([[1, 2, 3, 4, 5, 1, 2, 3, 4, 5]])
    beats, back = jnp.full((1, 10), 2), jnp.full((1, 10, 1), 4)
    fresh = jnp.zeros((1, 10), bool)
    state = phrases.empty(1, 16, 1)
    _, whole = follow(state, events, events, beats, fresh.at[0, 5].set(True), back)
    _, alone = follow(state, events[:, 5:], events[:, 5:], beats[:, 5:], fresh[:, 5:], back[:, 5:])
    for together, separate in zip(whole, alone, strict=True):
        np.testing.assert_array_equal(together[:, 5:], separate)
    # The same across calls: what an earlier call left is of another song.
    state, _ = follow(state, events[:, :5], events[:, :5], beats[:, :5], fresh[:, :5], back[:, :5])
    _, later = follow(
        state, events[:, 5:], events[:, 5:], beats[:, 5:], fresh[:, 5:].at[0, 0].set(True), back[:, 5:]
    )
    for together, separate in zip(later, alone, strict=True):
        np.testing.assert_array_equal(together, separate)


def test_rows_are_apart_and_no_distance_is_nowhere() -> None:
    events = jnp.asarray([[1, 2, 3, 4], [4, 3, 2, 1]])
    back = jnp.stack([jnp.full((2, 4), 2), jnp.zeros((2, 4), int)], axis=-1)
    _, heard = follow(
        phrases.empty(2, 8, 2), events, events, jnp.ones((2, 4), int), jnp.zeros((2, 4), bool), back
    )
    assert heard.event[..., 0].tolist() == [[-1, 1, 2, 3], [-1, 4, 3, 2]]
    assert heard.event[..., 1].tolist() == [[-1] * 4] * 2
    assert not heard.left[..., 1].any()
