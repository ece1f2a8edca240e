"""The form that a file writes: repeats, orders of parts, and the sections of a chart.

A repeated stretch is a section, and comes again with the same letter. What is not repeated in a file with
repeats are sections of their own. A file without repeats writes no form.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hrpe_jax.score.form import Section
from hrpe_jax.score.score import Score

_LONGEST_ENDING = 4
"""Measures of an ending that is left out the second time; more are a part of their own."""
LONGEST = 16
"""Bars of the longest section that repeats may write."""
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWYZ"


def with_form(score: Score, parts: Sequence[tuple[int, str]]) -> Score:
    """The score with sections that begin at ticks; each with the bar that is nearest.

    Args:
        score: without a form.
        parts: (tick, letter) of each section, in order.
    """
    starts = list(score.bar_starts())
    if not starts or not parts:
        return score
    edges = [*starts, starts[-1] + score.meter.bar_ticks]
    places = [_nearest(edges, tick) for tick, _ in parts] + [len(starts)]
    sections = tuple(
        Section(letter, first, end - first)
        for (_, letter), (first, end) in zip(parts, pairwise(places), strict=True)
        if first < end
    )
    return replace(score, form=sections)


def with_repeats(score: Score, measures: Sequence[tuple[int, int]]) -> Score:
    """The score with the form that its repeats write.

    Args:
        score: without a form.
        measures: (tick, index as written) in the order of playing.

    Returns:
        The score as it is where nothing is repeated, or where a section would be longer than `LONGEST`: such
        sections have sections of their own, which analysis finds.
    """
    parts = repeated_parts([written for _, written in measures])
    formed = with_form(score, [(measures[index][0], letter) for index, letter in parts])
    longest = max((section.bars for section in formed.form), default=0)
    return formed if longest <= LONGEST else score


def repeated_parts(written: Sequence[int]) -> list[tuple[int, str]]:
    """The sections of a piece with repeats.

    Args:
        written: for each measure in the order of playing, its index as written.

    Returns:
        (index among the measures played, letter) of each section; empty where nothing is repeated.
    """
    back = [at for at in range(1, len(written)) if written[at] <= written[at - 1]]
    if not back:
        return []
    last: dict[int, int] = {}
    parts_skipped = [at for at in range(1, len(written)) if written[at] - written[at - 1] > _LONGEST_ENDING]
    borders = {0, *back, *parts_skipped}
    for at, measure in enumerate(written):
        if at in borders and measure in last:
            # Play goes back: what is repeated began where this measure was played before, and ends again
            # after as many measures, in an ending of the same length.
            begun = last[measure]
            following = bisect_left(back, at + 1)
            end = min([2 * at - begun, *back[following : following + 1]])
            borders |= {begun, end}
        last[measure] = at
    letters: dict[int, str] = {}
    parts = []
    for border in sorted(border for border in borders if border < len(written)):
        letter = letters.setdefault(written[border], _LETTERS[min(len(letters), len(_LETTERS) - 1)])
        parts.append((border, letter))
    return parts


def _nearest(places: Sequence[int], value: int) -> int:
    """Index of the nearest of increasing places."""
    index = bisect_left(places, value)
    if index == len(places) or (index and value - places[index - 1] < places[index] - value):
        return index - 1
    return index
