from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.score.score import ChordSpan, Note, Score, ScoreError
from hrpe_jax.theory.chord import Chord, parse_harte
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

SCORE = Score(
    id="tune",
    title="",
    key=Key(0, "major"),
    meter=Meter(4, 4),
    tempo_bpm=120.0,
    melody=(Note(0, 12, 60), Note(12, 6, 64), Note(24, 24, 67)),
    chords=(ChordSpan(0, 48, parse_harte("C:maj")), ChordSpan(60, 36, parse_harte("G:7/3"))),
)


def test_ends_and_bars() -> None:
    assert SCORE.end == 96
    assert SCORE.bar_starts() == (0, 48)
    assert replace(SCORE, chords=()).end == 48
    empty = replace(SCORE, chords=(), melody=())
    assert empty.end == 0
    assert empty.bar_starts() == ()


def test_irregular_bars() -> None:
    pickup = replace(SCORE, bar_resets=(12,))
    assert pickup.bar_starts() == (0, 12, 60)
    # A bar of six beats is written 4 + 2; a reset where a bar begins anyway says nothing and is dropped.
    assert replace(SCORE, bar_resets=(48, 72)).bar_resets == (72,)
    assert replace(SCORE, bar_resets=(48, 72)) == replace(SCORE, bar_resets=(72,))
    assert replace(SCORE, bar_resets=(72,)).bar_starts() == (0, 48, 72)
    assert replace(SCORE, bar_resets=(200,)).bar_starts() == (0, 48)


@given(st.sets(st.integers(1, 400), max_size=8), st.integers(1, 400))
def test_bars_cover_the_score(resets: set[int], end: int) -> None:
    score = replace(
        SCORE,
        melody=(),
        chords=(ChordSpan(0, end, Chord.NONE),),
        bar_resets=tuple(sorted(resets)),
    )
    starts = score.bar_starts()
    assert starts[0] == 0
    assert starts[-1] < end <= starts[-1] + 48
    assert all(0 < b - a <= 48 for a, b in pairwise(starts))
    assert {tick for tick in resets if tick < end} <= set(starts)
    assert replace(score, bar_resets=starts[1:]).bar_starts() == starts


@given(st.integers(-30, 30))
def test_transpose(shift: int) -> None:
    moved = SCORE.transpose(shift)
    assert moved.key == SCORE.key.transpose(shift)
    assert [n.pitch - shift for n in moved.melody] == [n.pitch for n in SCORE.melody]
    assert moved.chords[1].chord.bass == (11 + shift) % 12
    assert moved.transpose(-shift) == SCORE


@given(st.integers(0, 127), st.integers(-140, 140))
def test_transposed_melody_stays_in_range(pitch: int, shift: int) -> None:
    moved = replace(SCORE, melody=(Note(0, 1, pitch),)).transpose(shift).melody[0].pitch
    assert 0 <= moved <= 127
    assert (moved - pitch - shift) % 12 == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"meter": Meter(7, 4)}, "meter 7/4"),
        ({"tempo_bpm": 0.0}, "tempo 0"),
        ({"tempo_bpm": float("nan")}, "tempo nan"),
        ({"melody": (Note(0, 12, 128),)}, "melody note 0: pitch 128"),
        ({"melody": (Note(0, 12, -1),)}, "pitch -1"),
        ({"melody": (Note(0, 12, 60, 0),)}, "velocity 0"),
        ({"melody": (Note(-1, 12, 60),)}, "onset -1: expected 0 or later"),
        ({"melody": (Note(0, 0, 60),)}, "duration 0"),
        ({"melody": (Note(0, 12, 60), Note(11, 12, 62))}, "melody note 1: onset 11: expected 12 or later"),
        ({"melody": (Note(0.5, 12, 60),)}, "whole ticks"),  # type: ignore[arg-type]
        ({"melody": (Note(np.int64(0), 12, 60),)}, "whole ticks"),  # type: ignore[arg-type]
        ({"chords": (ChordSpan(0, 50, Chord.NONE), ChordSpan(48, 1, Chord.NONE))}, "chord 1"),
        ({"bar_resets": (0,)}, "bar reset at tick 0"),
        ({"bar_resets": (50, 50)}, "bar reset at tick 50"),
    ],
)
def test_what_is_wrong_and_where(change: dict[str, object], message: str) -> None:
    with pytest.raises(ScoreError) as caught:
        replace(SCORE, **change)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "'tune'" in str(caught.value)


def test_lists_become_tuples() -> None:
    score = replace(SCORE, melody=list(SCORE.melody), bar_resets=[12])  # type: ignore[arg-type]
    assert score == replace(SCORE, bar_resets=(12,))
    hash(score)
