"""Plans: what a form says of every bar, what notes say, and what events see of both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.codec import melody
from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec.plan import (
    BREATH,
    BREATH_NONE,
    BREATH_SILENT,
    COLUMNS,
    RETURN_EXACT,
    RETURN_FREE,
    RETURN_RHYTHM,
    bars_of,
    by_event,
    described,
    melody_end,
    outline,
)
from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.codec.scores import scores

BAR = 48


def column(plan: np.ndarray, name: str) -> list[int]:
    return plan[:, COLUMNS.index(name)].tolist()


def test_a_form_says_letter_place_and_source_of_every_bar() -> None:
    form = [("i", 0, 1), ("A", 1, 2), ("B", 3, 1), ("A'", 4, 3), ("A", 7, 2)]
    plan = outline(form, 10)
    assert column(plan, "letter") == [1, 2, 2, 3, 2, 2, 2, 2, 2, 0]
    assert column(plan, "again") == [1, 1, 1, 1, 2, 2, 2, 3, 3, 0]
    assert column(plan, "bar") == [1, 1, 2, 1, 1, 2, 3, 1, 2, 0]
    assert column(plan, "left") == [1, 2, 1, 1, 3, 2, 1, 2, 1, 0]
    # The third bar of A' has none to come back to; the last A comes back to A'.
    assert column(plan, "back") == [0, 0, 0, 0, 3, 3, 0, 3, 3, 0]
    assert column(plan, "piece_left") == [6, 6, 5, 5, 5, 5, 4, 3, 2, 1]
    assert column(plan, "returns") == [1, 1, 1, 1, 0, 0, 1, 0, 0, 0]


def test_an_x_comes_back_to_no_x() -> None:
    assert column(outline([("X", 0, 2), ("X", 2, 2)], 4), "back") == [0, 0, 0, 0]


def test_without_a_form_only_the_end_is_known() -> None:
    plan = outline((), 3, end=2)
    assert not plan[:, : COLUMNS.index("piece_left")].any()
    assert column(plan, "piece_left") == [2, 1, 1]


def tune(*bars: list[tuple[int, int, int]]) -> Score:
    """Bars of (onset in the bar, duration, pitch)."""
    notes = [
        Note(number * BAR + onset, length, pitch)
        for number, bar in enumerate(bars)
        for onset, length, pitch in bar
    ]
    return Score("", "", Key(0, "major"), Meter(4, 4), 90.0, tuple(notes), ())


def plan_of(score: Score, form: list[tuple[str, int, int]]) -> np.ndarray:
    record = melody.encode(score)
    ids, clocks = np.array(record["event_ids"]), np.array(record["bar_phase"])
    plan = outline(form, len(score.bar_starts()), melody_end(ids))
    return described(plan, ids, clocks, score.meter.bar_ticks)


FOUR = [(0, 12, 60), (12, 12, 62), (24, 12, 64), (36, 12, 65)]
HIGHER = [(onset, length, pitch + 2) for onset, length, pitch in FOUR]
LONG = [(0, 24, 67), (24, 24, 60)]


def test_notes_say_what_returns_what_is_used_again_and_where_phrases_end() -> None:
    score = tune(FOUR, LONG, FOUR, HIGHER, [], LONG)
    plan = plan_of(score, [("A", 0, 2), ("A", 2, 2), ("B", 4, 2)])
    assert column(plan, "returns") == [1, 1, RETURN_EXACT, RETURN_FREE, 1, 1]
    # The third bar is the first again (two bars back); the fourth has the rhythm of the third; the last is
    # the second again, four bars back.
    assert column(plan, "reuse") == [1, 1, 7, 2, 1, 8]
    assert column(plan, "breath") == [BREATH_NONE, BREATH, BREATH_NONE, BREATH, BREATH_SILENT, BREATH]
    varied = plan_of(tune(FOUR, HIGHER), [("A", 0, 1), ("A", 1, 1)])
    assert column(varied, "returns") == [1, RETURN_RHYTHM]


def test_loudness_makes_no_bar_another() -> None:
    score = tune(FOUR, FOUR)
    louder = replace(
        score, melody=tuple(replace(n, velocity=120) if n.onset < BAR else n for n in score.melody)
    )
    first, second = bars_of(np.array(melody.encode_ids(louder)))
    assert first == second


@given(scores(), st.integers(1, 4), st.text("ABXai", max_size=4), st.integers(-7, 7))
def test_a_plan_is_the_same_in_every_key(score: Score, bars: int, letters: str, semitones: int) -> None:
    form = [(letter, number * bars, bars) for number, letter in enumerate(letters)]
    moved = score.transpose(semitones)
    if [n.pitch for n in moved.melody] == [n.pitch + semitones for n in score.melody]:
        np.testing.assert_array_equal(plan_of(score, form), plan_of(moved, form))


@given(st.lists(st.integers(0, tokens.SIZE - 1), max_size=40))
def test_any_events_have_a_plan(events: list[int]) -> None:
    ids = np.array([tokens.BOS, *events])
    bars = int(np.sum(ids == tokens.BAR))
    plan = described(outline([("A", 0, 2), ("A", 2, 9)], bars), ids, np.zeros(len(ids), int), BAR)
    assert plan.shape == (bars, len(COLUMNS))


def test_events_see_the_bar_that_begins_next_and_look_back_from_their_own() -> None:
    plan = outline([("A", 0, 1), ("A", 1, 1), ("B", 2, 1)], 3)
    rows = by_event(plan, np.array([-1, 0, 1, 2]), np.array([-1, 1, 2, 3]))
    assert rows[COLUMNS.index("letter")].tolist() == [2, 2, 3, 0]
    assert rows[COLUMNS.index("back")].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("bars", [0, 1])
def test_hardly_any_bars(bars: int) -> None:
    assert outline([("A", 0, 4)], bars).shape == (bars, len(COLUMNS))
