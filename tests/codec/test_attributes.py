"""Attributes of a piece: what is measured, what is unknown, and how models read it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.codec import plan as of
from hrpe_jax.codec.plan import Attributes, attributes_from_values, attributes_of
from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def _score(*notes: tuple[int, int, int], meter: str = "4/4", resets: tuple[int, ...] = ()) -> Score:
    melody = tuple(Note(*note) for note in notes)
    return Score("x", "", Key(0, "major"), Meter.parse(meter), 73.26, melody, (), bar_resets=resets)


@pytest.mark.parametrize(
    ("score", "entry"),
    [
        (_score((0, 12, 60), (12, 36, 62)), 0.0),
        (_score((24, 24, 60)), 2.0),
        (_score((192, 24, 60)), 16.0),  # after four bars
        (_score((0, 12, 60), (12, 48, 62), resets=(12,)), -1.0),
        (_score((6, 6, 60), (12, 48, 62), resets=(12,)), -0.5),
        (_score((0, 6, 60), (6, 36, 62), meter="6/8", resets=(6,)), -0.33),
        (_score((18, 18, 60), meter="6/8"), 1.0),
        # A short bar later on is no pickup.
        (_score((0, 48, 60), (48, 24, 60), (72, 48, 60), resets=(72,)), 0.0),
    ],
)
def test_entry_is_counted_from_the_first_bar_line(score: Score, entry: float):
    assert attributes_of(score).entry == entry


def test_density_counts_only_bars_in_which_the_melody_sounds():
    # Four notes in the first bar, the last held over the second; two silent bars; three notes in the fifth.
    notes = [(12 * at, 12, 60 + at) for at in range(3)]
    notes += [(36, 24, 70), (192, 12, 60), (204, 12, 62), (216, 24, 64)]
    assert attributes_of(_score(*notes)).density == round(7 / 3, 2)
    # A pickup of one beat is a quarter of a bar.
    assert attributes_of(_score((0, 12, 60), (12, 48, 62), resets=(12,))).density == round(2 / 1.25, 2)


def test_a_score_has_the_attributes_that_it_can_have():
    found = attributes_of(_score((0, 12, 64), (12, 36, 57)), "folk")
    assert found == Attributes("folk", 73.3, 57, 64, 2.0, 0.0)
    assert attributes_of(_score((0, 12, 64)), tempo_known=False) == Attributes("", None, 64, 64, 1.0, 0.0)
    assert attributes_of(replace(_score(), melody=())) == Attributes(tempo=73.3)


@given(st.integers(-40, 40))
def test_attributes_move_with_the_score(semitones: int):
    score = _score((0, 12, 64), (12, 36, 57))
    assert attributes_of(score).transpose(semitones) == attributes_of(score.transpose(semitones))
    assert Attributes().transpose(semitones) == Attributes()


def test_values_go_through_json():
    found = attributes_of(_score((0, 12, 64), (12, 36, 57)), "folk")
    assert attributes_from_values(json.loads(json.dumps(found.values()))) == found
    assert attributes_from_values({"style": "pop", "later": 1}) == Attributes("pop")
    assert attributes_from_values({}) == Attributes()


def test_codes_keep_unknown_apart_and_lie_in_their_ranges():
    unknown = Attributes().codes()
    assert (unknown.tempo, unknown.density, unknown.entry) == (0, 0, 0)
    assert unknown.lowest == unknown.highest == of.UNKNOWN_PITCH
    low = Attributes("", 1.0, 0, 127, 0.1, -9.0).codes()
    high = Attributes("", 999.0, 0, 127, 99.0, 999.0).codes()
    assert (low.tempo, low.density, low.entry) == (1, 1, 1)
    assert high.tempo == of.TEMPO_CODES - 1
    assert high.density == of.DENSITY_CODES - 1
    assert high.entry == of.ENTRY_CODES - 1
    assert (low.lowest, low.highest) == (0, 127)
    # On the bar line, a pickup of an eighth, of a beat, and a rest of two beats are told apart.
    codes = [Attributes(entry=entry).codes().entry for entry in (-1.0, -0.5, 0.0, 0.5, 2.0, 16.0)]
    assert codes == sorted(set(codes))
