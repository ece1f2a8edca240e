"""What pieces are made of, worked out by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hrpe_jax.report import describe
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

CHORDS = [
    Chord(2, "maj"), Chord(7, "maj"), Chord.NONE, Chord(9, "7"), Chord(9, "maj"), Chord(2, "maj"),
    Chord(7, "min"),
]  # fmt: skip
NOTES = (Note(0, 12, 62), Note(12, 12, 74), Note(24, 6, 69), Note(30, 4, 64))
SPANS = tuple(ChordSpan(48 * at, 48, chord) for at, chord in enumerate(CHORDS))
D_MAJOR = Score("x", "", Key(2, "major"), Meter(4, 4), 120.0, NOTES, SPANS)


def test_pitch_classes_count_from_the_tonic() -> None:
    found = describe.pitch_classes([D_MAJOR])
    assert {i: v for i, v in enumerate(found) if v} == {0: 0.5, 7: 0.25, 2: 0.25}
    np.testing.assert_allclose(describe.pitch_classes([D_MAJOR.transpose(5)]), found)
    assert not describe.pitch_classes([]).any()


def test_durations_share_their_names() -> None:
    own = describe.durations([D_MAJOR])
    assert own == {12: 2, 6: 1, 4: 1}
    names, (a, b) = describe.duration_shares(own, Counter({12: 1, 18: 3}), most=3)
    assert names == ["1/2", "1", "1 1/2", "other"]
    assert a.tolist() == [0.25, 0.5, 0, 0.25]
    assert b.tolist() == [0, 0.25, 0.75, 0]
    assert describe.duration_shares(Counter(), Counter())[0] == ["other"]


def test_roots_lead_to_roots() -> None:
    matrix, changes = describe.transitions([D_MAJOR])
    assert changes == 4  # the seventh over the same root is no change, and no chord is passed over
    assert matrix[0, 5] == 1
    assert matrix[5, 7] == 1
    assert matrix[7, 0] == 1
    assert matrix.sum() == pytest.approx(3)


def test_pieces_like_the_reference_come_first() -> None:
    reference = {"m": np.arange(11.0), "few": np.array([1.0])}
    own = {"m": np.array([9.0, 5.0, np.nan, 6.0]), "few": np.array([0.0, 9.0, 9.0, 9.0])}
    order = describe.typical_order(own, reference)
    assert order == [1, 3, 0]
    assert describe.places(order) == [("nearest to real music", 1), ("in the middle", 3), ("furthest", 0)]
    assert describe.places([7]) == [("nearest to real music", 7)]
    assert describe.places([]) == []
    assert describe.typical_order({}, {}) == []
