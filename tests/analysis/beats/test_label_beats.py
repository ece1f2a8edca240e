"""Beats behind the durations of chords."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hrpe_jax.analysis.beats.given_beats import find_label_beats

SONG = np.array([4, 4, 2, 2, 4, 8, 4, 4, 2, 1, 1, 8] * 3)
WALTZ = np.array([3, 3, 6, 3, 3, 2, 1, 3, 12, 3, 6, 3] * 3)


@pytest.mark.parametrize("period", [0.5, 0.62, 0.73])
@pytest.mark.parametrize(("beats", "meter"), [(SONG, "4/4"), (WALTZ, "3/4")])
def test_exact_durations(beats: np.ndarray, meter: str, period: float) -> None:
    found = find_label_beats(beats * period)
    assert found.beats.tolist() == beats.tolist()
    assert found.period == pytest.approx(period, rel=0.01)
    assert (str(found.meter), found.pickup) == (meter, 0)
    assert found.fit > 0.95


def test_a_tempo_that_drifts() -> None:
    rng = np.random.default_rng(0)
    drift = np.linspace(0.94, 1.06, len(SONG)) + rng.normal(0, 0.01, len(SONG))
    assert find_label_beats(SONG * 0.6 * drift).beats.tolist() == SONG.tolist()


def test_a_pickup() -> None:
    found = find_label_beats(np.array([1, *SONG]) * 0.6)
    assert found.pickup == 1


def test_chords_too_short_to_be_a_beat() -> None:
    seconds = np.array([2.4, 0.02, 2.38, 2.4, 2.4, 0.0, 2.4, 1.2, 1.2])
    found = find_label_beats(seconds)
    assert found.beats[1] == found.beats[5] == 0
    assert found.beats[0] == found.beats[2] == 2 * found.beats[7]


@settings(max_examples=40)
@example([1.0, 5e-324, 5e-324])
@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=30).filter(lambda values: sum(values) > 0))
def test_any_durations(values: list[float]) -> None:
    found = find_label_beats(np.array(values))
    assert (found.beats >= 0).all()
    assert 0 <= found.pickup < found.meter.numerator
    assert 0.2 < found.period < 1.4
