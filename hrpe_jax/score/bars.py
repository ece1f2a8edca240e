"""From the places where bars begin to the `bar_resets` of a Score, and the regular meter behind irregular
bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def resets_from_bars(bar_starts: Sequence[int], bar_ticks: int) -> tuple[int, ...]:
    """The bar lines that regular counting from the last irregular one would not give.

    A bar of six beats in 4/4 becomes 4 + 2: counting puts a line after four, the reset comes after six.

    Args:
        bar_starts: increasing ticks; the first is where counting begins, and need not be 0 (a pickup
            precedes it).
        bar_ticks: length of a regular bar.

    Returns:
        Ticks above 0, increasing, for `Score.bar_resets`.
    """
    resets: list[int] = []
    begin = 0
    for tick in bar_starts:
        if tick > 0 and (tick - begin) % bar_ticks:
            resets.append(tick)
            begin = tick
    return tuple(resets)


def most_common(lengths: Sequence[int]) -> int:
    """The most frequent length, the larger of equals; 0 of none."""
    return max(Counter(lengths).items(), key=lambda item: (item[1], item[0]), default=(0, 0))[0]
