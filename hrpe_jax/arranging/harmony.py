"""The chords of a piece as a band sees them: what sounds now, what comes next, how it is voiced."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from hrpe_jax.arranging.voicing import Voicing, voice_progression
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import Chord

GAP = 3
"""Semitones between the melody and the highest voice under it: a third."""
_OPEN_CEILING = 69
"""The highest voice where no melody sounds."""
_LOW_MELODY = 52
"""A melody below has no room under it for chords."""


@dataclass(frozen=True)
class Window:
    """A stretch of a bar with one chord.

    Attributes:
        start: tick.
        end: tick.
        chord: what sounds; never the no-chord.
        span: number of the chord in the piece; windows of one chord that goes over bar lines share it.
        voicing: how it is played.
        span_end: where the chord stops.
    """

    start: int
    end: int
    chord: Chord
    span: int
    voicing: Voicing
    span_end: int


class Harmony:
    """The windows of a piece.

    Args:
        score: whose chords.
        bars: (start, length) of its bars.
        voices: of a chord, at most.

    Attributes:
        windows: in order.
        first: tick at which the first chord begins.
        last: tick at which the last one does.
    """

    def __init__(self, score: Score, bars: Sequence[tuple[int, int]], voices: int) -> None:
        stretches: list[tuple[int, int, Chord, int, int]] = []
        starts = [start for start, _ in bars]
        end = bars[-1][0] + bars[-1][1]
        spans = [span for span in score.chords if not span.chord.is_none]
        for number, span in enumerate(spans):
            # The last chord is held to the bar line, unless the piece says that it stops.
            until = end if span is score.chords[-1] and number == len(spans) - 1 else span.end
            lines = starts[bisect_right(starts, span.onset) : bisect_left(starts, until)]
            for a, b in zip([span.onset, *lines], [*lines, until], strict=True):
                stretches.append((a, b, span.chord, number, until))
        ceilings = _ceilings(score, [(a, b) for a, b, *_ in stretches])
        voicings = voice_progression([stretch[2] for stretch in stretches], ceilings, voices)
        self.windows = [
            Window(a, b, chord, span, voicing, until)
            for (a, b, chord, span, until), voicing in zip(stretches, voicings, strict=True)
            if voicing is not None
        ]
        self._starts = [window.start for window in self.windows]
        self.first = spans[0].onset
        self.last = spans[-1].onset

    def at(self, tick: float) -> Window | None:
        """What sounds at a tick."""
        place = bisect_right(self._starts, tick) - 1
        if place < 0 or tick >= self.windows[place].end:
            return None
        return self.windows[place]

    def after(self, window: Window) -> Window | None:
        """The next window with another chord, if it follows at once."""
        place = bisect_right(self._starts, window.start)
        while place < len(self.windows) and self.windows[place].span == window.span:
            place += 1
        if place == len(self.windows) or self.windows[place].start > window.span_end:
            return None
        return self.windows[place]

    def changes_at(self, tick: int) -> bool:
        """Whether a chord begins at a tick."""
        window = self.at(tick)
        before = self.at(tick - 1)
        return window is not None and (before is None or before.span != window.span)

    def spans(self) -> list[Window]:
        """The first window of every chord."""
        found: list[Window] = []
        for window in self.windows:
            if not found or found[-1].span != window.span:
                found.append(window)
        return found


def _ceilings(score: Score, stretches: Sequence[tuple[int, int]]) -> list[int]:
    """The highest pitch under the melody in each stretch."""
    ends = [note.end for note in score.melody]
    ceilings = []
    for start, end in stretches:
        lowest = _OPEN_CEILING + GAP
        for note in score.melody[bisect_right(ends, start) :]:
            if note.onset >= end:
                break
            lowest = min(lowest, note.pitch)
        # Over a very low melody chords lie where they always do; collisions are left out later.
        ceilings.append(lowest - GAP if lowest >= _LOW_MELODY else _OPEN_CEILING)
    return ceilings
