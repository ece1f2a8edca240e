"""Labels that the music contradicts, and models that tell a major key from its relative."""

from __future__ import annotations

import numpy as np
import pytest

from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from tools.fit import keys as fit_keys
from tools.fit.keys import ROWS, Example
from tools.measure import keys as measure_keys

C_MAJOR, A_MINOR = Key(0, "major"), Key(9, "minor")


def song(key: Key, chords: list[tuple[int, str, int]], last: int) -> measure_keys.KeySong:
    """With chords (root, quality, duration)."""
    onset, spans = 0, []
    for root, quality, duration in chords:
        spans.append(ChordSpan(onset, duration, Chord(root, quality)))
        onset += duration
    none = np.zeros(0)
    return measure_keys.KeySong(none, none, none, none, tuple(spans), (), [(0.0, float(onset), key)], last)


@pytest.mark.parametrize("key", [C_MAJOR, A_MINOR, Key(6, "major"), Key(0, "minor")])
def test_relatives_share_their_signature(key: Key) -> None:
    assert measure_keys.relative(key).fifths == key.fifths
    assert measure_keys.relative(key).mode != key.mode
    assert measure_keys.relative(measure_keys.relative(key)) == key


@pytest.mark.parametrize(
    ("chords", "last", "named"),
    [
        ([(9, "min", 48), (5, "maj", 48), (9, "min", 48)], 69, A_MINOR),
        ([(9, "min", 48), (0, "maj", 24), (9, "min", 24)], 60, A_MINOR),  # two of three
        ([(9, "min", 12), (7, "7", 48), (0, "maj", 48)], 60, C_MAJOR),
        ([(9, "maj", 96), (0, "maj", 48), (0, "N", 12)], 69, C_MAJOR),  # A major is not A minor's triad
        ([(9, "min", 48), (0, "maj", 48)], 69, None),
        ([(7, "7", 48)], 62, None),
    ],
)
def test_a_label_is_contradicted_by_more_signs(chords: list, last: int, named: Key | None) -> None:
    for key in (C_MAJOR, A_MINOR):
        assert measure_keys.contradicted(song(key, chords, last)) == (named not in (None, key))


def test_shares_where_there_are_any() -> None:
    assert measure_keys.mean_where([True, False, True], [True, True, False]) == 0.5
    assert measure_keys.mean_where([True], [False]) is None


@pytest.mark.parametrize("same", [True, False])
def test_relatives_are_told_apart_in_any_key(same: bool) -> None:
    """By one pitch class, seen from the major tonic: its sixth in major, the same or the tonic in minor."""
    rng = np.random.default_rng(0)
    examples = []
    for number in range(60):
        minor, major_tonic = bool(number % 2), int(rng.integers(12))
        table = 0.3 * rng.random((ROWS, 12))
        table[0, 9 if same or not minor else 0] += 1.0
        key = (major_tonic + 9) % 12 + 12 if minor else major_tonic
        examples.append(Example("pop909", "notes", str(number), np.roll(table, major_tonic, axis=1), key))
    shares = fit_keys.relatives(examples, np.arange(60) % 5)
    assert set(shares) == {"notes: sound", "notes: chords", "notes: both", "notes: and ends"}
    assert shares["notes: chords"] < 0.8
    assert shares["notes: sound"] < 0.8 if same else shares["notes: sound"] == 1.0


def test_weights_are_in_the_units_of_the_rows() -> None:
    rng = np.random.default_rng(1)
    rows = np.column_stack([1000 + 50 * rng.normal(size=200), rng.normal(size=200), np.ones(200)])
    right = rows[:, 0] > 1010
    weights, bias = fit_keys.logistic(rows, right)
    assert weights[2] == 0
    assert np.mean((rows @ weights + bias > 0) == right) > 0.9
