from __future__ import annotations

import pytest

from hrpe_jax.theory.meter import MAX_BAR_TICKS, Meter


@pytest.mark.parametrize(
    ("text", "bar", "beat", "beats"),
    [
        ("4/4", 48, 12, 4),
        ("3/4", 36, 12, 3),
        ("2/2", 48, 12, 4),
        ("6/8", 36, 18, 2),
        ("9/8", 54, 18, 3),
        ("12/8", 72, 18, 4),
        ("3/8", 18, 6, 3),
        ("5/8", 30, 6, 5),
        ("7/8", 42, 6, 7),
        ("6/16", 18, 3, 6),
    ],
)
def test_bars_and_beats(text: str, bar: int, beat: int, beats: int) -> None:
    meter = Meter.parse(text)
    assert (meter.bar_ticks, meter.beat_ticks, meter.beats_per_bar) == (bar, beat, beats)
    assert str(meter) == text
    assert meter.is_supported


def test_beats_fill_every_supported_bar() -> None:
    supported = [m for n in range(1, 20) for d in (1, 2, 4, 8, 16, 32) if (m := Meter(n, d)).is_supported]
    assert len(supported) == 3 + 6 + 12 + 18
    for meter in supported:
        assert meter.beats_per_bar * meter.beat_ticks == meter.bar_ticks <= MAX_BAR_TICKS


@pytest.mark.parametrize("text", ["5/32", "7/4", "4/1", "19/16"])
def test_unsupported_meters_exist_but_say_so(text: str) -> None:
    assert not Meter.parse(text).is_supported


@pytest.mark.parametrize("text", ["", "4", "4/3", "0/4", "-1/4", "4/4/4", "x/y"])
def test_bad_meters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="meter"):
        Meter.parse(text)


def test_bar_of_fractional_ticks_is_an_error() -> None:
    with pytest.raises(ValueError, match="whole number of ticks"):
        _ = Meter(5, 32).bar_ticks
