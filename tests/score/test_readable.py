from __future__ import annotations

from dataclasses import replace

import pytest

from hrpe_jax.score.notation import write_bars
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.score.written import cut_pickup, make_readable, pickup_shift, snap_ends
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

SCORE = Score(
    "sung",
    "",
    Key.parse("C major"),
    Meter(4, 4),
    120,
    (Note(36, 5, 67), Note(42, 5, 67), Note(48, 21, 72), Note(84, 7, 71)),
    (ChordSpan(48, 48, Chord(0, "maj")),),
)


def test_an_empty_beginning_is_a_pickup_bar():
    assert pickup_shift(SCORE) == 36
    score = cut_pickup(SCORE)
    assert [bar.number for bar in write_bars(score)] == [0, 1]
    assert [note.onset for note in score.melody] == [0, 6, 12, 48]
    assert score.chords[0].onset == 12
    assert make_readable(score) == replace(score, melody=snap_ends(score))


@pytest.mark.parametrize(
    "changed",
    [
        replace(SCORE, chords=(ChordSpan(0, 96, Chord(0, "maj")),)),
        replace(SCORE, melody=(Note(12, 12, 60), *SCORE.melody)),
        replace(SCORE, melody=(), chords=()),
        replace(SCORE, melody=(Note(36, 5, 67),), chords=()),  # no bar that it would lead to
    ],
)
def test_other_beginnings_stay(changed: Score):
    assert cut_pickup(changed) == changed


def test_ends_go_where_a_reader_expects_them():
    assert [note.duration for note in snap_ends(SCORE)] == [6, 6, 24, 12]


@pytest.mark.parametrize(
    ("note", "after", "duration"),
    [
        (Note(0, 7, 60), 24, 6),
        (Note(0, 2, 60), 24, 6),
        (Note(0, 21, 60), 24, 24),
        (Note(3, 9, 60), 24, 9),
        (Note(4, 3, 60), 12, 4),  # in a triplet
        (Note(0, 4, 60), 8, 4),  # before the last of one
        (Note(36, 23, 60), 84, 24),  # over the bar line
        (Note(40, 5, 60), 72, 8),  # to the bar line
        (Note(36, 2, 60), 38, 2),  # never into the next
    ],
)
def test_one_end(note: Note, after: int, duration: int):
    score = replace(SCORE, melody=(note, Note(after, 12, 62)))
    assert snap_ends(score)[0].duration == duration


def test_what_is_written_stays():
    melody = tuple(Note(onset, 6, 60 + onset // 12) for onset in range(0, 96, 12))
    assert snap_ends(replace(SCORE, melody=melody)) == melody
