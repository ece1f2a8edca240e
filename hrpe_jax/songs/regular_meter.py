"""The one regular meter behind bars of many lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hrpe_jax.theory.meter import Meter


def regular_meter(bars: Iterable[tuple[Meter, int]]) -> Meter:
    """The meter of most of the time, as one that a Score can have.

    Bars of any other length stay whole through `Score.bar_resets`, so a 7/4 bar is 4/4 with every bar cut off
    by the next.

    Args:
        bars: (meter, ticks that the bar really lasts).

    Returns:
        A supported meter; 4/4 for no bars.
    """
    time: Counter[Meter] = Counter()
    for meter, ticks in bars:
        time[meter] += ticks
    return _supported(time.most_common(1)[0][0]) if time else Meter(4, 4)


def _supported(meter: Meter) -> Meter:
    """The meter, or one that divides its bar: 4/4 for 7/4 and 4/2, 3/4 for 9/4, 9/8 for 15/8."""
    if meter.is_supported:
        return meter
    numerator, denominator = meter.numerator, meter.denominator
    if denominator == 1:
        numerator, denominator = 2 * numerator, 2
    while denominator > 16 and numerator % 2 == 0:
        numerator, denominator = numerator // 2, denominator // 2
    if denominator > 16:
        return Meter(4, 4)
    if not _fits(numerator, denominator) and denominator == 8 and numerator % 3 == 0:
        return Meter(9, 8) if numerator % 9 == 0 or numerator == 15 else Meter(6, 8)
    while not _fits(numerator, denominator):
        numerator = numerator // 3 if numerator % 3 == 0 and numerator % 4 else (numerator + 1) // 2
    return Meter(4, 4) if (numerator, denominator) == (2, 2) else Meter(numerator, denominator)


def _fits(numerator: int, denominator: int) -> bool:
    return Meter(numerator, denominator).is_supported
