"""From rows of a pattern file to strokes: which sign stands where in a bar, and how long it goes on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hrpe_jax.arranging.styles import Row, Style
from hrpe_jax.score.form import Section
from hrpe_jax.score.score import Score

_SECTION_BARS = 8
"""Bars of a section where the form is not known."""
_LEAST_FILL = 4
"""Bars of a section from which its last bar has a fill."""


@dataclass(frozen=True)
class Stroke:
    """A sign of a row: ticks of its place and of where it ends."""

    onset: float
    end: float
    sign: str


@dataclass(frozen=True)
class BarPlan:
    """What a bar is played like.

    Attributes:
        start: tick.
        length: ticks.
        section: number of its section.
        letter: of the section; "" where the form is not known.
        place: number of the bar within the section.
        role: "main", "quiet" or "full".
        fill: whether it ends a section.
        last: whether it ends the piece.
    """

    start: int
    length: int
    section: int
    letter: str
    place: int
    role: str
    fill: bool
    last: bool


def plan_bars(score: Score, bars: Sequence[tuple[int, int]]) -> list[BarPlan]:
    """How each bar is played, by the form of the piece; bars are (start, length)."""
    pickup = len(bars) > 1 and bars[0][1] < score.meter.bar_ticks
    sections = [*score.form] or [
        Section("A", first, min(_SECTION_BARS, len(bars) - first))
        for first in range(int(pickup), len(bars), _SECTION_BARS)
    ]
    letters = [section.name for section in sections if section.has_melody]
    first_letter = letters[0] if letters else ""
    plans = []
    for index, (start, length) in enumerate(bars):
        number = max((n for n, section in enumerate(sections) if section.first_bar <= index), default=0)
        section = sections[number]
        role = "main" if section.name == first_letter else "full"
        if not section.has_melody and section.letter.lower() != "b":
            role = "quiet"
        plans.append(
            BarPlan(
                start,
                length,
                number,
                section.letter,
                max(0, index - section.first_bar),
                role,
                index + 1 == section.end_bar and section.bars >= _LEAST_FILL and index + 1 < len(bars),
                index + 1 == len(bars),
            )
        )
    return plans


def rows_of(style: Style, plan: BarPlan, seed: int) -> dict[str, Row]:
    """The row of each part in a bar; equal letters draw equal rows."""
    roles = style.roles
    chosen = {
        part: _draw(rows, f"{seed} {plan.letter} {plan.role} {part}")
        for part, rows in (roles.get(plan.role) or roles["main"]).items()
    }
    if plan.fill:
        for part, rows in roles.get("fill", {}).items():
            chosen[part] = _draw(rows, f"{seed} fill {plan.section} {part}")
    return chosen


def end_rows(style: Style) -> dict[str, Row]:
    """The rows of the last chord."""
    return {part: rows[0] for part, rows in style.roles.get("end", {}).items()}


def _draw(rows: Sequence[Row], key: str) -> Row:
    return random.Random(key).choices(rows, [row.weight for row in rows])[0]


def strokes(row: Row, bar_ticks: int, place: int, start: int, length: int) -> Iterator[Stroke]:
    """The strokes of a row in one bar.

    Args:
        row: its signs.
        bar_ticks: of the pattern's meter.
        place: number of the bar in its section, which chooses among the row's bars.
        start: of the bar, in ticks.
        length: of the bar. A bar half as long as the pattern's has one half after the other; any other that
            is shorter is cut, one that is longer goes on with the pattern.
    """
    skip = 0
    if 2 * length == bar_ticks:
        place, half = divmod(place, 2)
        skip = half * length
    tick, window = -skip, (0, length)
    while tick < length:
        signs = row.bars[place % len(row.bars)]
        step = bar_ticks / len(signs)
        for number, sign in enumerate(signs):
            onset = tick + number * step
            if sign in ".-" or not window[0] <= onset < window[1]:
                continue
            held = next((n for n in range(number + 1, len(signs)) if signs[n] != "-"), len(signs))
            yield Stroke(start + onset, start + min(tick + held * step, length), sign)
        tick += bar_ticks
        place += 1
