"""The plan of a piece, bar by bar: its form, and what its melody does with it.

Both stages see the same plan, in training (read off the music) and in sampling (drawn, or given). A bar has
nine columns. In each of the first eight, 0 is "unknown", which training shows at random.

    letter       1 no melody, 2 the first letter of the piece, 3 the second, 4 the third, 5 any later one
    again        1 the letter is new, 2 it is heard again, 3 a third time or later
    bar          1 the section's first bar, 2 its second, ...
    left         1 the section's last bar, 2 the one before, ...
    piece_left   1 the piece's last bar, 2, 3, 4 the ones before; then at most 8, 16, 32, more bars left
    returns      1 the bar has no source, 2 differs from it, 3 has its rhythm, 4 equals it
    reuse        1 new; 2 to 5 the rhythm of the bar 1, 2, 4 or 8 before; 6 to 9 that whole bar again
    breath       1 silent, 2 the melody runs on, 3 a phrase ends in it
    back         bars to the *source*: the aligned bar where the letter was last heard; 0 for none

`returns`, `reuse` and `breath` describe a melody; the chord stage does not see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from hrpe_jax.codec import melody_tokens as tokens

FORM_COLUMNS = {"letter": 6, "again": 4, "bar": 17, "left": 17, "piece_left": 9}
"""Columns that both stages see, and how many values each has."""
MELODY_COLUMNS = {"returns": 5, "reuse": 10, "breath": 4}
"""Columns that only the melody stage sees."""
BACK = "back"
COLUMNS = (*FORM_COLUMNS, *MELODY_COLUMNS, BACK)

LAGS = (1, 2, 4, 8)
"""Bars between a bar and the earlier one whose rhythm, or all of which, it uses again."""
RETURN_NONE, RETURN_FREE, RETURN_RHYTHM, RETURN_EXACT = 1, 2, 3, 4
REUSE_NEW, REUSE_RHYTHM, REUSE_EXACT = 1, 2, 6  # the last two are the first of four, in the order of LAGS
BREATH_SILENT, BREATH_NONE, BREATH = 1, 2, 3
RESTED, HELD = 12, 24
"""A phrase ends where a quarter rest follows a note, or the next note comes a half note later (ticks)."""

UNLIKE = "X"
"""The letter of sections that are like no other, however often it comes."""
_LONGEST_SECTION = 16
_LEFT_EDGES = np.array([2, 3, 4, 5, 9, 17, 33])  # bars left, the present one included: 1, 2, 3, 4, 5-8, ...


class Section(NamedTuple):
    """A section as records store it: letter (lower case or empty: no melody), first bar from 0, bars."""

    letter: str
    first_bar: int
    bars: int


def outline(sections: Sequence[Sequence[object]], bars: int, end: int | None = None) -> np.ndarray:
    """The plan that a form gives.

    Args:
        sections: `(letter, first bar, bars)` each, in order; bars that none covers have no letter.
        bars: of the piece.
        end: bars up to the melody's last; `bars` where not given.

    Returns:
        int32 `[bars, columns]` in the order of `COLUMNS`. What needs the notes is unknown, and all of the
        form is, where there are no sections.
    """
    plan = np.zeros((bars, len(COLUMNS)), np.int32)
    left = np.maximum((bars if end is None else end) - np.arange(bars), 1)
    plan[:, COLUMNS.index("piece_left")] = 1 + np.searchsorted(_LEFT_EDGES, left, side="right")
    letters: list[str] = []
    heard: dict[str, tuple[int, int, int]] = {}  # how often, first bar and bars of the latest
    for entry in sections:
        section = Section(str(entry[0]), int(str(entry[1])), int(str(entry[2])))
        name = section.letter.rstrip("'’")
        sung = name.isupper()
        times, source, length = heard.get(name, (0, 0, 0)) if name != UNLIKE else (0, 0, 0)
        if sung and name not in letters:
            letters.append(name)
        for place in range(section.bars):
            at = section.first_bar + place
            if not 0 <= at < bars:
                continue
            known = place < length and at > source + place
            plan[at, : len(FORM_COLUMNS) - 1] = (
                2 + min(letters.index(name), 3) if sung else 1,
                1 + min(times, 2),
                min(place + 1, _LONGEST_SECTION),
                min(section.bars - place, _LONGEST_SECTION),
            )
            plan[at, COLUMNS.index("returns")] = 0 if known else RETURN_NONE
            plan[at, -1] = at - source - place if known else 0
        heard[name] = (times + 1, section.first_bar, section.bars)
    return plan


def described(plan: np.ndarray, ids: np.ndarray, clocks: np.ndarray, bar_ticks: int) -> np.ndarray:
    """The plan with what the notes of a melody say of each bar.

    Args:
        plan: from `outline`, `[bars, columns]`.
        ids: the melody's tokens, BOS to EOS, `[events]`.
        clocks: ticks since the bar began, after each event, `[events]`.
        bar_ticks: of a full bar.
    """
    plan = plan.copy()
    bars = bars_of(ids)
    rhythms = [tuple(-1 if event < tokens.PITCHES else event for event in bar) for bar in bars]
    returns, reuse, breath = (COLUMNS.index(name) for name in MELODY_COLUMNS)
    plan[: len(bars), breath] = _breaths(ids, clocks, bar_ticks, len(bars))[: len(plan)]
    silent = [not any(event < tokens.PITCHES for event in bar) for bar in bars]
    for at in range(min(len(bars), len(plan))):
        back = int(plan[at, -1])
        if back:
            same = bars[at] == bars[at - back]
            alike = rhythms[at] == rhythms[at - back]
            plan[at, returns] = RETURN_EXACT if same else RETURN_RHYTHM if alike else RETURN_FREE
        plan[at, reuse] = REUSE_NEW
        for first, all_of in ((REUSE_RHYTHM, rhythms), (REUSE_EXACT, bars)):
            lags = [k for k, lag in enumerate(LAGS) if lag <= at and all_of[at] == all_of[at - lag]]
            if lags and not silent[at]:
                plan[at, reuse] = first + lags[0]
    return plan


def bars_of(ids: np.ndarray) -> list[tuple[int, ...]]:
    """The events of each bar, without BAR and loudness: equal where two bars sound the same."""
    ids = np.asarray(ids)
    begins = np.append(np.flatnonzero(ids == tokens.BAR), np.flatnonzero(ids == tokens.EOS)[:1])
    if len(begins) and begins[-1] < len(ids) and ids[begins[-1]] == tokens.BAR:
        begins = np.append(begins, len(ids))  # it breaks off
    loud = (ids >= tokens.VEL0) & (ids < tokens.DUR0)
    return [
        tuple(ids[first + 1 : last][~loud[first + 1 : last]].tolist())
        for first, last in pairwise(begins.tolist())
    ]


def _breaths(ids: np.ndarray, clocks: np.ndarray, bar_ticks: int, bars: int) -> np.ndarray:
    """The column `breath` of each bar."""
    ids, clocks = np.asarray(ids), np.asarray(clocks)
    found = np.full(bars, BREATH_SILENT, np.int32)
    number = np.cumsum(ids == tokens.BAR) - 1
    sung = np.flatnonzero((ids < tokens.PITCHES) & (number >= 0))
    if not len(sung):
        return found
    closing = np.flatnonzero(((ids[1:] == tokens.BAR) | (ids[1:] == tokens.EOS)) & (number[:-1] >= 0))
    lengths = np.full(bars, bar_ticks)
    lengths[number[closing]] = np.where(ids[closing] == tokens.REST, bar_ticks, clocks[closing])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ticks = starts[np.maximum(number, 0)] + clocks
    onsets = np.append(ticks[sung], starts[-1] + HELD)  # the piece's end ends a phrase
    lasts = (ids >= tokens.DUR0) & (ids < tokens.POS0)
    latest = np.maximum.accumulate(np.where(lasts, np.arange(len(ids)), 0))
    ends = ticks[latest[np.append(sung[1:] - 1, len(ids) - 1)]]
    over = (onsets[1:] - ends >= RESTED) | (onsets[1:] - onsets[:-1] >= HELD)
    np.maximum.at(found, number[sung], np.where(over, BREATH, BREATH_NONE))
    return found


def melody_end(ids: np.ndarray) -> int:
    """Bars up to and with the last in which a note begins."""
    ids = np.asarray(ids)
    sung = np.flatnonzero(ids < tokens.PITCHES)
    return int(np.count_nonzero(ids[: sung[-1]] == tokens.BAR)) if len(sung) else 0


def by_event(plan: np.ndarray, bar: np.ndarray, next_bar: np.ndarray) -> np.ndarray:
    """What the plan says at events.

    Args:
        plan: `[bars, columns]`.
        bar: int `[events]`, the bar in which each stands; it gives `back`.
        next_bar: int `[events]`, the bar in which the event after it begins; it gives all else.

    Returns:
        int32 `[columns, events]`; behind the last bar all is unknown.
    """
    padded = np.pad(plan, ((0, 1), (0, 0)))
    last = len(plan)
    rows = padded[np.clip(next_bar, 0, last)].T
    rows[-1] = padded[np.clip(bar, 0, last), -1]
    return rows
