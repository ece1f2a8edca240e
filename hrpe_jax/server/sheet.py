"""The notes of a state as SVG, line by line, with what a page needs to find a bar or a note in them.

Long pieces are engraved in parts of some lines, so that an edit costs one part, and a page need not wait for
bars that it does not show.
"""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from hrpe_jax.formats.engrave import Mark, check_engrave, engrave_lines, marks
from hrpe_jax.formats.musicxml.write import PrintOptions
from hrpe_jax.score.form import crop_form
from hrpe_jax.score.score import ChordSpan, Score, resets_from_bars
from hrpe_jax.score.written import snap_ends
from hrpe_jax.server.state import State, sounding_chords
from hrpe_jax.theory.chord import Chord

PART_BARS = 16
"""Bars that are engraved together, where a section ends near there as many as it has."""
_KEPT = 96
"""Engraved parts that are kept: the longest project three times over."""


class Engraver:
    """Engraves states; what was engraved lately is kept. For use by several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Score, int, int], tuple[list[tuple[str, str]], list[Mark]]] = (
            OrderedDict()
        )
        self._guard = threading.Lock()

    def part(
        self, state: State, number: int, bars_per_line: int, have: Collection[str] = ()
    ) -> dict[str, Any]:
        """Some lines of a state.

        Args:
            state: to be engraved.
            number: of the part, from 0.
            bars_per_line: 1 to 8.
            have: keys of lines that the page holds, whose SVG is left out.

        Returns:
            `part`; `parts`, how many there are; `first` and `bars`, its first bar and how many it has;
            `lines`, objects with `key` and `svg` (None where the page has it); `marks`, `[tick, id of the
            note or rest]` in order. The measure of bar n has the id `mN`, N = n - 1.

        Raises:
            UserError: the extra `engrave` is missing, or the piece cannot be engraved.
        """
        check_engrave("svg")
        borders = part_borders(state)
        number = max(0, min(number, len(borders) - 2))
        first, end = borders[number], borders[number + 1]
        score = _excerpt(_shown(state), state.bars, first, end)
        lines, found = self._engraved(score, first, bars_per_line)
        start = state.bars[first][0]
        return {
            "part": number,
            "parts": len(borders) - 1,
            "first": first + 1,
            "bars": end - first,
            "lines": [{"key": key, "svg": None if key in have else svg} for key, svg in lines],
            "marks": [[mark.tick + start, _renumbered(mark.element, first)] for mark in found],
        }

    def _engraved(
        self, score: Score, before: int, bars_per_line: int
    ) -> tuple[list[tuple[str, str]], list[Mark]]:
        place = (score, before, bars_per_line)
        with self._guard:
            found = self._kept.get(place)
        if found is None:
            options = PrintOptions(repeats=False, bars_per_line=bars_per_line)
            svgs = engrave_lines(score, options, before)
            lines = [(hashlib.sha256(svg.encode()).hexdigest()[:16], svg) for svg in svgs]
            found = lines, marks(score, options)
            with self._guard:
                self._kept[place] = found
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return found


def part_borders(state: State) -> list[int]:
    """Indices of the bars at which parts begin, and the number of bars; at sections if possible."""
    bars = state.bars
    sections = {section.first_bar for section in state.score.form}
    starts = [start for start, _ in bars]
    reach = [(bisect_right(starts, n.onset), bisect_right(starts, n.end - 1)) for n in state.score.melody]
    held = {bar for first, last in reach for bar in range(first, last)}
    borders = [0]
    while len(bars) - borders[-1] > PART_BARS + 4:
        here = borders[-1]
        near = range(here + PART_BARS // 2, min(here + PART_BARS + 8, len(bars)))
        free = [bar for bar in near if bar not in held]
        good = [bar for bar in free if bar in sections] or [b for b in free if (b - here) % 4 == 0] or free
        borders.append(min(good or [here + PART_BARS], key=lambda bar: abs(bar - here - PART_BARS)))
    return [*borders, len(bars)]


def _renumbered(element: str, before: int) -> str:
    bar, hyphen, place = element.removeprefix("m").partition("-")
    return f"m{int(bar) + before}{hyphen}{place}"


def _shown(state: State) -> Score:
    """The score as it is read: ends of notes where a reader expects them, and chords until the next one.

    What has no chord yet is shown without one, not as "no chord".
    """
    spans = sounding_chords(state.score)
    shown: list[ChordSpan] = []
    for index, span in enumerate(spans):
        end = spans[index + 1].onset if index + 1 < len(spans) else state.score.end
        shown.append(replace(span, duration=end - span.onset))
    if not shown:
        shown = [ChordSpan(0, state.score.end, Chord.NONE)]
    score = replace(state.score, chords=tuple(shown), id="piece", title="", composer="")
    return replace(score, melody=snap_ends(score))


def _excerpt(score: Score, bars: list[tuple[int, int]], first: int, end: int) -> Score:
    """Some bars as a score of their own; notes and chords are cut at its ends."""
    start, stop = bars[first][0], sum(bars[end - 1])
    notes = [n for n in score.melody if n.onset < stop and n.end > start]
    spans = [s for s in score.chords if s.onset < stop and s.end > start]
    # A chord that began before is not printed again.
    spans = [s for s in spans if s.onset >= start]
    return replace(
        score,
        melody=tuple(
            replace(n, onset=max(n.onset, start) - start, duration=min(n.end, stop) - max(n.onset, start))
            for n in notes
        ),
        chords=tuple(replace(s, onset=s.onset - start, duration=min(s.end, stop) - s.onset) for s in spans)
        or (ChordSpan(0, stop - start, Chord.NONE),),
        bar_resets=resets_from_bars([bar - start for bar, _ in bars[first:end]], score.meter.bar_ticks),
        form=crop_form(score.form, first, end - first) if len(score.form) > 1 else (),
    )
