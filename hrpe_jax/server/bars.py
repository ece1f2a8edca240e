"""A state taken apart into bars and put together again: how bars are inserted, deleted, moved and copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from hrpe_jax.score.score import ChordSpan, Note, resets_from_bars
from hrpe_jax.server.state import Locks, State, fill, sounding_chords
from hrpe_jax.theory.meter import Meter


@dataclass(frozen=True)
class BarContent:
    """What one bar holds; ticks count from its beginning.

    Attributes:
        length: ticks.
        notes: that begin in it; the last may reach beyond its end.
        chords: that sound in it, cut at its ends.
        goes_on: whether the first chord began before the bar.
        origin: number of the bar that it was taken from, from 1; 0 for a new one.
        locked: whether the whole bar is.
        locked_notes: ticks of notes.
        locked_chords: ticks of chords.
    """

    length: int
    notes: tuple[Note, ...] = ()
    chords: tuple[ChordSpan, ...] = ()
    goes_on: bool = False
    origin: int = 0
    locked: bool = False
    locked_notes: frozenset[int] = frozenset()
    locked_chords: frozenset[int] = frozenset()


def take_apart(state: State) -> list[BarContent]:
    """The bars of a state, in order."""
    contents = []
    score, locks = state.score, state.locks
    spans = sounding_chords(score)
    for number, (start, length) in enumerate(state.bars, 1):
        end = start + length
        notes = tuple(replace(n, onset=n.onset - start) for n in score.melody if start <= n.onset < end)
        inside = [span for span in spans if span.onset < end and span.end > start]
        chords = tuple(_cut(span, start, end) for span in inside)
        contents.append(
            BarContent(
                length,
                notes,
                chords,
                bool(inside) and inside[0].onset < start,
                number,
                number in locks.bars,
                frozenset(tick - start for tick in locks.notes if start <= tick < end),
                frozenset(tick - start for tick in locks.chords if start <= tick < end),
            )
        )
    return contents


def _cut(span: ChordSpan, start: int, end: int) -> ChordSpan:
    onset = max(span.onset, start)
    return ChordSpan(onset - start, min(span.end, end) - onset, span.chord)


def put_together(state: State, contents: Sequence[BarContent], meter: Meter | None = None) -> State:
    """A state of these bars; title, key, tempo and settings are those of `state`, it has no sections.

    A note that reaches beyond its bar goes on only where the bar behind is the one it had, and a chord that
    began before its bar is one with the chord before only there.

    Args:
        state: where the rest comes from.
        contents: the bars, one or more.
        meter: a new one, whose bars these are.
    """
    meter = meter or state.score.meter
    starts = [0, *accumulate(content.length for content in contents)]
    notes: list[Note] = []
    spans: list[ChordSpan] = []
    bars: set[int] = set()
    locked_notes: set[int] = set()
    locked_chords: set[int] = set()
    for index, (content, (start, end)) in enumerate(zip(contents, pairwise(starts), strict=True)):
        after = contents[index + 1].origin if index + 1 < len(contents) else 0
        joined = content.origin > 0 and after == content.origin + 1
        for note in content.notes:
            onset = note.onset + start
            until = note.onset + start + note.duration if joined else min(onset + note.duration, end)
            if notes and notes[-1].end > onset:
                notes[-1] = replace(notes[-1], duration=onset - notes[-1].onset)
            notes.append(replace(note, onset=onset, duration=until - onset))
        before = contents[index - 1].origin if index else 0
        for place, span in enumerate(content.chords):
            moved = replace(span, onset=span.onset + start)
            whole = content.goes_on and place == 0 and before > 0 and before + 1 == content.origin
            if whole and spans and spans[-1].end == moved.onset and spans[-1].chord.is_same(moved.chord):
                spans[-1] = replace(spans[-1], duration=moved.end - spans[-1].onset)
            else:
                spans.append(moved)
        if content.locked:
            bars.add(index + 1)
        locked_notes |= {tick + start for tick in content.locked_notes}
        locked_chords |= {tick + start for tick in content.locked_chords}
    resets = resets_from_bars(starts[:-1], meter.bar_ticks)
    score = replace(
        state.score, meter=meter, melody=tuple(notes), chords=tuple(spans), bar_resets=resets, form=()
    )
    locks = Locks(frozenset(bars), frozenset(locked_chords), frozenset(locked_notes))
    return replace(state, score=fill(score, starts[-1]), locks=locks)
