"""Meters and the tick grid.

All musical time in this package is counted in integer ticks, 12 to the quarter note: sixteenths (3 ticks) and
eighth triplets (4 ticks) are both exact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TICKS_PER_QUARTER = 12
TICKS_PER_WHOLE = 4 * TICKS_PER_QUARTER
MAX_BAR_TICKS = 72
"""The longest bar the codecs can count: 6/4 or 12/8."""

_DENOMINATORS = (2, 4, 8, 16)


@dataclass(frozen=True)
class Meter:
    """A time signature.

    Attributes:
        numerator: notes to the bar, 1 or more.
        denominator: value of that note, a power of two from 1 to 64.

    Raises:
        ValueError: if either is outside its range.
    """

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if self.numerator < 1:
            raise ValueError(f"meter {self}: the numerator must be 1 or more")
        if self.denominator not in (1, 2, 4, 8, 16, 32, 64):
            raise ValueError(f"meter {self}: the denominator must be a power of two from 1 to 64")

    @classmethod
    def parse(cls, text: str) -> Meter:
        """Read "3/4"; blanks around the parts are ignored.

        Example:
            >>> meter = Meter.parse("6/8")
            >>> meter.bar_ticks, meter.beats_per_bar
            (36, 2)
        """
        match = re.fullmatch(r"\s*(\d{1,3})\s*/\s*(\d{1,2})\s*", text)
        if match is None:
            raise ValueError(f"meter {text!r}: expected two numbers with a slash, such as 4/4 or 6/8")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"

    @property
    def bar_ticks(self) -> int:
        """Length of a bar in ticks; ValueError where it is not a whole number (5/32)."""
        ticks, rest = divmod(self.numerator * TICKS_PER_WHOLE, self.denominator)
        if rest:
            raise ValueError(
                f"meter {self}: a bar is not a whole number of ticks ({TICKS_PER_QUARTER} a quarter)"
            )
        return ticks

    @property
    def is_compound(self) -> bool:
        """Whether three eighths make one beat: 6/8, 9/8, 12/8 (but not 3/8, whose beat is the eighth)."""
        return self.denominator == 8 and self.numerator > 3 and self.numerator % 3 == 0

    @property
    def beat_ticks(self) -> int:
        """Length of a beat: a quarter up to x/4, a dotted quarter in compound meters, else 1/denominator.

        The quarter stays the beat in 2/2, so that a chord a half note long lasts two beats in 2/2 and in 4/4
        alike.
        """
        if self.denominator <= 4:
            return TICKS_PER_QUARTER
        return 18 if self.is_compound else max(1, TICKS_PER_WHOLE // self.denominator)

    @property
    def beats_per_bar(self) -> int:
        """How many beats (see `beat_ticks`) a bar has."""
        return self.bar_ticks // self.beat_ticks

    @property
    def is_supported(self) -> bool:
        """Whether the codecs can say it: numerator <= 18, denominator 2-16, bar <= `MAX_BAR_TICKS`."""
        return self.denominator in _DENOMINATORS and self.numerator <= 18 and self.bar_ticks <= MAX_BAR_TICKS
