"""The meter behind bars of many lengths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.readers.written_music import regular_meter
from hrpe_jax.theory.meter import Meter


def test_the_most_time_wins_not_the_most_bars() -> None:
    assert regular_meter([(Meter(2, 4), 24)] * 3 + [(Meter(4, 4), 48)] * 2) == Meter(4, 4)
    assert regular_meter([]) == Meter(4, 4)


@pytest.mark.parametrize(
    ("said", "regular"),
    [("7/4", "4/4"), ("9/4", "3/4"), ("4/2", "4/4"), ("15/8", "9/8"), ("8/32", "4/16"), ("3/32", "4/4")],
)
def test_what_a_score_cannot_say(said: str, regular: str) -> None:
    assert str(regular_meter([(Meter.parse(said), 84)])) == regular


@given(st.integers(1, 999), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
def test_always_supported(numerator: int, denominator: int) -> None:
    meter = Meter(numerator, denominator)
    regular = regular_meter([(meter, 10)])
    assert regular.is_supported
    assert regular == meter or not (denominator <= 16 and meter.is_supported)
