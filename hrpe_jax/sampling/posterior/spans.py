"""Which bars of a score are to be written anew, and what stays inside them; all checks of both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hrpe_jax.codec.backbone import harmony_of_beats
from hrpe_jax.codec.backbone_tokens import chord_id
from hrpe_jax.errors import UserError, cut
from hrpe_jax.sampling.chord_input import read_chords
from hrpe_jax.score.form import section_of_bar
from hrpe_jax.score.score import BeatGrid, ChordSpan, Note, Score, bar_spans

MAX_SPAN = 64
"""Bars of a span, at most."""
WHAT = ("melody", "chords", "both", "rhythm", "pitches", "vary")
Bars = str | tuple[int, int] | Sequence[tuple[int, int]]
"""Bars as they are given: "5-8", "5-8,13-16", (5, 8), or several pairs; from 1, both ends included."""
_PART = re.compile(r"\s*(\d{1,6})\s*(?:[-–:]\s*(\d{1,6})\s*)?")


@dataclass(frozen=True)
class Span:
    """Bars that follow each other.

    Attributes:
        first: index of the first, in `codec.bars.bar_spans`.
        last: index behind the last.
        begin: tick at which they begin.
        end: tick at which they end.
    """

    first: int
    last: int
    begin: int
    end: int

    @property
    def bars(self) -> int:
        """How many."""
        return self.last - self.first


def first_number(score: Score) -> int:
    """The number of a score's first bar: 0 for a pickup (a short first bar), as it is printed, else 1."""
    spans = bar_spans(score)
    return 0 if len(spans) > 1 and spans[0][1] < score.meter.bar_ticks else 1


def read_bars(score: Score, bars: Bars, option: str = "rewrite") -> list[Span]:
    """The spans that are asked for, in order.

    Args:
        score: whose bars they are.
        bars: see `Bars`.
        option: how messages name them.

    Raises:
        UserError: no numbers, bars that the piece does not have, more than `MAX_SPAN` in a row, or spans that
            overlap.
    """
    lines = bar_spans(score)
    low = first_number(score)
    high = low + len(lines) - 1
    found: list[Span] = []
    for first, last in sorted(_pairs(bars, option)):
        if first > last:
            raise UserError(f"--{option}: {first}-{last}: the first bar must not lie behind the last")
        if first < low or last > high:
            raise UserError(f"--{option}: bars {first}-{last}: the piece has bars {low} to {high}")
        if last - first + 1 > MAX_SPAN:
            raise UserError(
                f"--{option}: bars {first}-{last} are {last - first + 1}; at most {MAX_SPAN} bars expected"
            )
        begin, (end, length) = first - low, lines[last - low]
        if found and begin < found[-1].last:
            raise UserError(f"--{option}: bar {first} is asked for twice; give each bar once")
        found.append(Span(begin, last - low + 1, lines[begin][0], end + length))
    return found


def _pairs(bars: Bars, option: str) -> list[tuple[int, int]]:
    """First and last bar of each span."""
    if isinstance(bars, str):
        parts = [_PART.fullmatch(part) for part in bars.split(",")]
        if not all(parts):
            raise UserError(f"--{option}: {cut(bars)!r}: expected bars such as 5-8, or 5-8,13-16")
        return [(int(part[1]), int(part[2] or part[1])) for part in parts if part]
    values = list(bars)
    if len(values) == 2 and all(isinstance(value, (int, np.integer)) for value in values):
        return [(int(str(values[0])), int(str(values[1])))]
    pairs = []
    for value in values:
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise UserError(f"--{option}: {cut(str(bars))!r}: expected bars such as (5, 8)")
        pairs.append((int(value[0]), int(value[1])))
    if not pairs:
        raise UserError(f"--{option}: no bars; expected such as 5-8")
    return pairs


def elsewhere(score: Score, span: Span) -> list[Span]:
    """The same bars of other sections with the same letter, where those have as many bars of equal lengths.

    Args:
        score: with a form.
        span: inside one section; else there are none.
    """
    own = section_of_bar(score.form, span.first)
    if own is None or span.last > own.end_bar or own.name == "X":
        return []
    lines = bar_spans(score)
    lengths = [length for _, length in lines[span.first : span.last]]
    found = []
    for section in score.form:
        first = section.first_bar + span.first - own.first_bar
        last = first + span.bars
        if section is own or section.name != own.name or last > min(section.end_bar, len(lines)):
            continue
        if [length for _, length in lines[first:last]] == lengths:
            begin, (start, length) = lines[first][0], lines[last - 1]
            found.append(Span(first, last, begin, start + length))
    return found


def kept_notes(score: Score, span: Span, keep: Iterable[Note]) -> list[Note]:
    """The notes that must stay inside a span: those of `keep`, and one that is held into it.

    Raises:
        UserError: they overlap, or leave nothing to be written.
    """
    inside = sorted(note for note in keep if note.onset < span.end and note.end > span.begin)
    for before, note in pairwise(inside):
        if note.onset < before.end:
            raise UserError(
                f"--rewrite: two notes that are kept sound at once, at tick {note.onset}; keep one of them"
            )
    for note in inside:
        if note.end > span.end:
            raise UserError(
                f"--rewrite: the kept note at tick {note.onset} lasts beyond its span; rewrite up to its end"
            )
    held = [note for note in score.melody if note.onset < span.begin < note.end]
    for note in held:
        if inside and inside[0].onset < note.end and inside[0] != note:
            raise UserError(
                f"--rewrite: the kept note at tick {inside[0].onset} sounds with one held into the span"
            )
    inside = [*[note for note in held if note not in inside], *inside]
    free = span.end - span.begin
    free -= sum(min(note.end, span.end) - max(note.onset, span.begin) for note in inside)
    if free <= 0:
        raise UserError("--rewrite: all of the span is kept; leave something to be written")
    return inside


def chord_locks(
    score: Score, grid: BeatGrid, spans: Sequence[Span], keep: Sequence[ChordSpan] | str | None
) -> np.ndarray:
    """What must sound on every beat: one-beat tokens, -1 where any chord may.

    Args:
        score: its own chords are locked outside the spans.
        grid: its beats.
        spans: that are asked for.
        keep: chords that stay inside them: spans of ticks, or one text for the whole piece, such as
            "| C | ? | G |", with `?` for what is free.

    Raises:
        UserError: kept chords contradict each other, or none is left to be found.
    """
    _, own = harmony_of_beats(score)
    locks = np.array(own, np.int64)
    ticks = np.asarray(grid.ticks)
    free = np.zeros(len(locks), bool)
    for span in spans:
        free |= (ticks[:-1] >= span.begin) & (ticks[:-1] < span.end)
    locks[free] = -1
    kept = _typed(score, grid, keep) if isinstance(keep, str) else list(keep or ())
    for lock in kept:
        first, last = grid.nearest(np.array([lock.onset, lock.end]))
        token = chord_id(lock.chord.absorb_bass())
        for beat in range(int(first), min(int(last), len(locks))):
            if free[beat] and locks[beat] not in (-1, token):
                raise UserError(f"--chords: two chords are kept at tick {lock.onset}; keep one of them")
            if free[beat]:
                locks[beat] = token
    if not (locks < 0).any():
        raise UserError("--chords: every chord is kept; leave some of them open, such as with ?")
    return locks


def _typed(score: Score, grid: BeatGrid, text: str) -> list[ChordSpan]:
    """Chords of a text that names those of the whole piece, at their ticks."""
    timed, _ = read_chords(text, score.meter, score.key)
    total = sum(beats for _, beats in timed)
    first = 0
    lines = bar_spans(score)
    pickup = first_number(score) == 0
    if pickup:
        first = int(np.searchsorted(np.asarray(grid.ticks), lines[1][0]))
    beats = len(grid.ticks) - 1 - first
    if total > beats:
        per_bar = score.meter.beats_per_bar
        raise UserError(
            f"--chords: {total // per_bar} bars of chords, but the piece has {-(-beats // per_bar)}"
        )
    found, beat = [], first
    for chord, length in timed:
        if chord is not None:
            begin, end = int(grid.ticks[beat]), int(grid.ticks[beat + length])
            found.append(ChordSpan(begin, end - begin, chord))
        beat += length
    return found
