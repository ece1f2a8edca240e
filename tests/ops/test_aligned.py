"""Aligned bars: a walk along the song finds the same; states hand over; what is forgotten is gone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.ops import aligned

STRIDE, LENGTH = 5, 20
follow = jax.jit(aligned.follow, static_argnames="stride")
Row = tuple[int, int, int, int, bool]


def walk(
    events: list[int],
    places: list[int],
    context: list[int],
    back: list[list[int]],
    restart: list[list[bool]],
) -> list[list[Row]]:
    """For each event and distance what came there, and the runs, one event after the other."""
    came: dict[int, tuple[int, int]] = {}
    found, place, within = [], None, -1
    expected, right, alike = [-1] * 2, [0] * 2, [0] * 2
    for event, now, here, far, anew in zip(events, places, context, back, restart, strict=True):
        if event >= 0:
            for k in range(2):
                right[k] = right[k] + 1 if expected[k] == event else 0
                alike[k] = alike[k] + 1 if expected[k] >= 0 and expected[k] % 2 == event % 2 else 0
            if place is not None:
                came[place] = event, within
        row = []
        for k in range(2):
            right[k], alike[k] = (0, 0) if anew[k] else (right[k], alike[k])
            wanted = now - far[k] * STRIDE
            expected[k], over = came.get(wanted, (-1, -1)) if far[k] and wanted >= 0 else (-1, -1)
            kind = expected[k] % 2 if expected[k] >= 0 else -1
            row.append((expected[k], kind, right[k], alike[k], over == here))
        found.append(row)
        place, within = now, here
    return found


def kernel(
    events: list[int],
    places: list[int],
    context: list[int],
    back: list[list[int]],
    restart: list[list[bool]],
    cuts: tuple[int, ...] = (),
) -> list[list[Row]]:
    """The same by the kernel, handed over at `cuts`."""
    state, parts = aligned.empty(1, 64, 2), []
    columns = [np.asarray(x) for x in (events, places, context, back, restart)]
    for part in zip(*(np.split(x, cuts) for x in columns), strict=True):
        event, place, here, far, anew = (jnp.asarray(x)[None] for x in part)
        state, heard = follow(state, event, event % 2, place, here, far, STRIDE, anew)
        parts.append([np.asarray(x)[0] for x in heard])
    fields = [np.concatenate(x).tolist() for x in zip(*parts, strict=True)]
    return [list(zip(*row, strict=True)) for row in zip(*fields, strict=True)]


@st.composite
def songs(draw: st.DrawFn) -> tuple[list[int], list[int], list[int], list[list[int]], list[list[bool]]]:
    """Events at places that go on, some of them silent, with distances and new beginnings."""
    events = draw(st.lists(st.integers(-1, 5), min_size=LENGTH, max_size=LENGTH))
    steps = draw(st.lists(st.integers(1, 3), min_size=LENGTH, max_size=LENGTH))
    back = draw(
        st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=LENGTH, max_size=LENGTH)
    )
    anew = draw(st.lists(st.lists(st.booleans(), min_size=2, max_size=2), min_size=LENGTH, max_size=LENGTH))
    context = draw(st.lists(st.integers(0, 1), min_size=LENGTH, max_size=LENGTH))
    return events, np.cumsum(steps).tolist(), context, back, anew


@settings(max_examples=40)
@given(songs(), st.sampled_from([1, 7, 19]))
def test_equals_a_walk_in_one_go_or_in_parts(song: tuple[list[int], ...], cut: int) -> None:
    expected = walk(*song)  # type: ignore[arg-type]
    assert kernel(*song) == expected  # type: ignore[arg-type]
    assert kernel(*song, cuts=(cut,)) == expected  # type: ignore[arg-type]


def test_rows_that_are_reset_remember_nothing() -> None:
    events, places = jnp.array([[1, 2], [1, 2]]), jnp.array([[0, 1], [0, 1]])
    ones, never = jnp.ones((2, 2, 1), jnp.int32), jnp.zeros((2, 2, 1), bool)
    state, _ = follow(aligned.empty(2, 8, 1), events, events, places, events, ones, STRIDE, never)
    state = aligned.forget(state, jnp.array([True, False]))
    _, found = follow(state, events, events, places + STRIDE - 1, events, ones, STRIDE, never)
    assert (found.event[0] == aligned.NOTHING).all()
    assert found.event[1, 1, 0] == 2
