"""From the rows of a pattern to strokes, and comping: chords in rhythm, under the melody."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hrpe_jax.arranging.arrangement import PlayedNote
from hrpe_jax.arranging.styles import Row, Style
from hrpe_jax.arranging.voicing import GAP, Harmony, Window
from hrpe_jax.score.form import Section
from hrpe_jax.score.notation import bar_lengths
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
    """The row of each part in a bar; equal letters draw equal rows.

    Args:
        style: whose patterns are used.
        plan: the bar's role and letter.
        seed: of the piece.
    """
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


_LOUDNESS = {"X": 76, "o": 44, "u": 54, "d": 64}
_PLAIN, _SINGLE = 62, 58
ROLE_LOUDNESS = {"quiet": -9, "main": 0, "full": 6}
_STRUM = 0.011
"""Seconds from string to string."""
_BLOCK_CHORD, _BLOCK_BASS = 48, 60


def comp_notes(row: Sequence[tuple[Stroke, BarPlan]], harmony: Harmony, score: Score) -> list[PlayedNote]:
    """The notes of a comping row; every chord is struck in its first half at the latest.

    Args:
        row: strokes in order, with their bars.
        harmony: of the piece.
        score: the piece.
    """
    second = score.tempo_bpm * 12 / 60  # ticks
    struck = _with_missing(row, harmony, score.meter.beat_ticks)
    notes: list[PlayedNote] = []
    for index, (stroke, plan) in enumerate(struck):
        window = harmony.at(stroke.onset)
        if stroke.sign == ">" or (window is not None and stroke.onset < plan.start):
            window = _next(harmony, stroke)
        if window is None:
            continue
        after = struck[index + 1][0].onset if index + 1 < len(struck) else stroke.end
        limit = window.span_end
        end = min(max(stroke.end, stroke.onset + 1), limit if limit > stroke.onset else stroke.end)
        if stroke.sign not in "1234":
            end = min(end, max(after, stroke.onset + 1))
        voices = list(window.voicing.upper)
        if stroke.sign in "1234" and voices:
            number = min(int(stroke.sign), len(voices)) - 1
            if int(stroke.sign) > len(voices):
                number = len(voices) - 1 - (int(stroke.sign) - len(voices))
            voices = [voices[max(0, number)]]
        loud = _LOUDNESS.get(stroke.sign, _SINGLE if len(voices) == 1 else _PLAIN)
        loud += ROLE_LOUDNESS[plan.role] + 3 * (stroke.onset == plan.start)
        order = voices if stroke.sign != "u" else voices[::-1]
        for place, pitch in enumerate(order):
            late = place * _STRUM * second if stroke.sign in "du" else 0.0
            notes.append(PlayedNote(stroke.onset + late, max(end, stroke.onset + late + 1), pitch, loud))
    return notes


def _next(harmony: Harmony, stroke: Stroke) -> Window | None:
    """The chord that a stroke anticipates: the next, where it begins within a beat."""
    now = harmony.at(stroke.onset)
    if now is None:
        return harmony.at(stroke.onset + 6)
    following = harmony.after(now)
    return following if following is not None and following.start - stroke.onset <= 12 else now


def _with_missing(
    row: Sequence[tuple[Stroke, BarPlan]], harmony: Harmony, beat: int
) -> list[tuple[Stroke, BarPlan]]:
    """The row with a stroke at the beginning of every chord that it would leave out, or tell late."""
    struck = list(row)
    if not struck:
        return []
    onsets = [stroke.onset for stroke, _ in struck]
    early = {stroke.onset for stroke, plan in struck if stroke.sign == ">" or stroke.onset < plan.start}
    added = []
    for window in harmony.spans():
        place = bisect_right(onsets, window.start - 7)
        latest = window.start + max(beat, (window.span_end - window.start) / 2)
        told = onsets[place : bisect_right(onsets, latest - 1)]
        heard = any(onset >= window.start or onset in early for onset in told)
        if not heard:
            after = bisect_right(onsets, window.start)
            until = min(window.span_end, onsets[after] if after < len(onsets) else window.span_end)
            plan = struck[max(0, after - 1)][1]
            added.append((Stroke(window.start, until, "x"), plan))
    return sorted([*struck, *added], key=lambda item: item[0].onset)


def under_melody(notes: Sequence[PlayedNote], score: Score) -> list[PlayedNote]:
    """The notes without those that the melody meets: at its pitch, over it, or nearer than a third under it.

    A note that the melody comes down to later is cut off before.
    """
    kept: list[PlayedNote] = []
    ends = [note.end for note in score.melody]
    for note in notes:
        end = note.end
        for sung in score.melody[bisect_right(ends, note.onset) :]:
            if sung.onset >= end:
                break
            if sung.pitch - GAP < note.pitch:
                end = sung.onset
                break
        if end - note.onset >= min(2.0, note.end - note.onset):
            kept.append(PlayedNote(note.onset, end, note.pitch, note.velocity))
    return kept


def block_notes(score: Score) -> tuple[list[PlayedNote], list[PlayedNote]]:
    """Chords and bass: each chord as a block under the melody, struck again on every bar line it crosses."""
    bars = bar_lengths(score)
    harmony = Harmony(score, bars, 4)
    chords: list[PlayedNote] = []
    basses: list[PlayedNote] = []
    for window in harmony.windows:
        end = min(window.end, score.end)
        basses.append(PlayedNote(window.start, end, window.voicing.bass, _BLOCK_BASS))
        chords.extend(PlayedNote(window.start, end, pitch, _BLOCK_CHORD) for pitch in window.voicing.upper)
    return under_melody(chords, score), basses
