"""Chords under a melody that has none: the obvious ones are found, in any key, at the right places."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.analysis.harmony_hmm import beats, find_melody_chords, harmonies, melody_chroma, too_little
from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.metrics.music import tune


def sung(bars: list[list[int]], key: Key = Key(0, "major"), meter: str = "4/4") -> Score:  # noqa: B008
    """Bars of equally long notes."""
    meter_ = Meter.parse(meter)
    notes = [
        Note(bar * meter_.bar_ticks + at * length, length, pitch + key.tonic)
        for bar, row in enumerate(bars)
        for length in (meter_.bar_ticks // len(row),)
        for at, pitch in enumerate(row)
    ]
    return Score("sung", "", key, meter_, 120.0, tuple(notes), ())


ARPEGGIOS = [[60, 64, 67, 64], [65, 69, 72, 69], [67, 71, 74, 71], [60, 67, 64, 60]] * 2


def test_arpeggios_are_their_chords() -> None:
    found = find_melody_chords(sung(ARPEGGIOS))
    names = [(span.onset // 48, span.chord.root) for span in found]
    # The last bar and the fifth are one chord.
    expected = ((0, 0), (1, 5), (2, 7), (3, 0), (5, 5), (6, 7), (7, 0))
    assert tuple(names) == expected
    assert {span.chord.quality for span in found} <= {"maj", "7"}
    assert found[-1].end == 8 * 48


def test_minor_has_chords_of_its_own() -> None:
    bars = [[69, 72, 76, 72], [65, 69, 72, 69], [67, 71, 74, 71], [69, 76, 72, 69]]
    score = sung([[pitch - 9 for pitch in bar] for bar in bars], Key(9, "minor"))
    roots = [(span.chord.root, span.chord.quality) for span in find_melody_chords(score)]
    assert roots == [(9, "min"), (5, "maj"), (7, "maj"), (9, "min")]


@given(st.integers(0, 2**32 - 1), st.sampled_from(["4/4", "3/4", "6/8", "2/2", "5/4"]), st.integers(-5, 6))
@settings(max_examples=25, deadline=None)
def test_what_is_found_covers_the_melody_in_any_key(seed: int, meter: str, steps: int) -> None:
    score = tune(seed, 8, Meter.parse(meter), chords=False)
    found = find_melody_chords(score)
    assert [span.end for span in found[:-1]] == [span.onset for span in found[1:]]
    assert found[0].onset == 0
    assert max(note.end for note in score.melody) <= found[-1].end <= 8 * score.meter.bar_ticks
    assert all(a.chord != b.chord for a, b in pairwise(found))
    assert {span.onset % score.meter.beat_ticks for span in found} == {0}
    moved = find_melody_chords(score.transpose(steps))
    assert [(s.onset, s.duration, s.chord.quality) for s in moved] == [
        (s.onset, s.duration, s.chord.quality) for s in found
    ]
    assert all((a.chord.root + steps) % 12 == b.chord.root for a, b in zip(found, moved, strict=True))
    replace(score, chords=found)  # a score of it checks itself


def test_all_that_sounds_is_counted_where_it_sounds() -> None:
    score = tune(3, 4, chords=False)
    grid, place = beats(score)
    chroma = melody_chroma(score, grid)
    expected = np.zeros_like(chroma)
    for note in score.melody:
        for tick in range(note.onset, note.end):
            beat = tick // 12
            struck = 1.5 if note.onset == 12 * beat else 1.0
            expected[beat, (note.pitch - score.key.tonic) % 12] += struck / 12
    np.testing.assert_allclose(chroma, expected, atol=1e-9)
    assert place.tolist() == [0, 2, 1, 2] * 4


def test_beats_count_from_every_bar_line() -> None:
    score = replace(sung(ARPEGGIOS), bar_resets=(36,))  # the first bar has three beats
    grid, place = beats(score)
    assert grid[:6].tolist() == [0, 12, 24, 36, 48, 60]
    assert place[:6].tolist() == [0, 2, 2, 0, 2, 1]


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        ([[60, 62, 64]], "fewer than 8 notes"),
        ([[60, 62]] * 4, "fewer than 3 different pitch classes"),
    ],
)
def test_too_little_says_so(bars: list[list[int]], said: str) -> None:
    assert said in too_little(sung(bars).melody)
    assert find_melody_chords(sung(bars)) == ()


def test_tables_are_probabilities() -> None:
    for harmony in harmonies().values():
        states = len(harmony.chords)
        np.testing.assert_allclose(np.exp(harmony.begin).sum(), 1, atol=0.03)
        np.testing.assert_allclose(np.exp(harmony.sound).sum(axis=1), 1, atol=0.03)
        moves = np.exp(harmony.follow) * (1 - np.eye(states))
        np.testing.assert_allclose(moves.sum(axis=1), 1, atol=0.03)
        bar, middle, elsewhere = harmony.change
        assert bar > middle > elsewhere
