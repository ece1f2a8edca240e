"""The chords of a piece as notes to play: what sounds now, what comes next, and how it is voiced.

The right hand leaves out what the ear does not miss (the root of a five-note chord, the fifth of an
eleventh), since the bass has the root or the player's left hand implies it, and it does not double the third
that lies in the bass (a leading tone, in G/B), nor a seventh there. Of all ways to play a progression the one
is taken in which the voices move least in all (Viterbi): common tones stay, the top voice leaps seldom, bass
and top do not run in parallel fifths or octaves. Under a melody the hand stays below a ceiling, with fewer
notes where there is little room.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.quality import CHORD_TONES

BASS_LOW, BASS_HIGH = 36, 52
"""C2 to E3: above the mud, below the right hand."""

_HAND_LOW, _HAND_HIGH, _HAND_CENTRE = 53, 76, 64
_UNDER_LOW, _SHELL_LOW = 48, 41
"""C3 and F2: how low a hand goes under a ceiling, with three notes or more and with two."""
_GOAL = 67
"""G4: where the top of a hand under a ceiling lies best."""
_BASS_CENTRE = 43
_SEMITONE_ON_TOP, _PARALLEL, _TOP_LEAP, _OFF_CENTRE, _DOUBLED_FIFTH = 3.0, 2.0, 0.7, 0.35, 1.0
"""Costs, in semitones of movement."""


@dataclass(frozen=True)
class Voicing:
    """MIDI pitches of one chord: the bass, and the upper notes from low to high."""

    bass: int
    upper: tuple[int, ...]

    @property
    def pitches(self) -> tuple[int, ...]:
        """All notes, bass first."""
        return (self.bass, *self.upper)


def voice_chord(chord: Chord, previous: Voicing | None = None) -> Voicing:
    """The voicing of a chord nearest to the one before it.

    Args:
        chord: any chord but the no-chord.
        previous: what was played before; None at the start.

    Returns:
        A bass in C2..E3 and two to four upper notes within an octave in F3..E5.
    """
    bass = _bass(chord.bass, previous.bass if previous else _BASS_CENTRE)
    options = [Voicing(bass, hand) for hand in _hands(chord)]
    return min(
        options, key=lambda voicing: _place_cost(voicing) + (_move(previous, voicing) if previous else 0)
    )


def voice_progression(
    chords: Sequence[Chord], ceilings: Sequence[int] | None = None, voices: int = 4
) -> list[Voicing | None]:
    """Voicings of a progression that move least in all.

    Args:
        chords: one after the other.
        ceilings: the highest pitch that the hand may have, for each chord; None for no limits.
        voices: of the hand, at most.

    Returns:
        A voicing of each chord; None for no-chords, the leading goes on over them. Where nothing lies under
        a ceiling, the hand is empty.
    """
    limits = [None] * len(chords) if ceilings is None else ceilings
    layers: list[list[Voicing]] = []
    bass = _BASS_CENTRE
    for chord, ceiling in zip(chords, limits, strict=True):
        if chord.is_none:
            continue
        bass = _bass(chord.bass, bass)
        hands = (
            _hands(chord) if ceiling is None and voices == 4 else _hands_under(chord, ceiling or 127, voices)
        )
        layers.append([Voicing(bass, hand) for hand in hands])
    best = _cheapest(layers)
    return [None if chord.is_none else next(best) for chord in chords]


def _cheapest(layers: Sequence[Sequence[Voicing]]) -> Iterator[Voicing]:
    """Yields one voicing of each layer, so that places and moves cost least in all."""
    costs = [[_place_cost(voicing) for voicing in layer] for layer in layers]
    came_from: list[list[int]] = []
    for before, now, cost in zip(layers, layers[1:], range(1, len(layers)), strict=False):
        step = []
        for place, voicing in enumerate(now):
            ways = [costs[cost - 1][i] + _move(old, voicing) for i, old in enumerate(before)]
            least = min(range(len(ways)), key=ways.__getitem__)
            costs[cost][place] += ways[least]
            step.append(least)
        came_from.append(step)
    path: list[int] = []
    if layers:
        path = [min(range(len(costs[-1])), key=costs[-1].__getitem__)]
        for step in reversed(came_from):
            path.append(step[path[-1]])
    yield from (layer[place] for layer, place in zip(layers, reversed(path), strict=True))


def _bass(pitch_class: int, last: int) -> int:
    """Of the octaves in range, the nearest to the last bass, with a pull to the middle against drift."""
    options = [pitch for pitch in range(BASS_LOW, BASS_HIGH + 1) if pitch % 12 == pitch_class]
    return min(options, key=lambda pitch: (abs(pitch - last) + 0.5 * abs(pitch - _BASS_CENTRE), pitch))


def _place_cost(voicing: Voicing) -> float:
    """What a voicing costs by itself."""
    hand = voicing.upper
    if not hand:
        return 0.0
    cost = _OFF_CENTRE * abs(sum(hand) / len(hand) - _HAND_CENTRE)
    cost += _SEMITONE_ON_TOP * (len(hand) > 2 and hand[-1] - hand[-2] == 1)
    doubled = {pitch % 12 for pitch in hand if [other % 12 for other in hand].count(pitch % 12) > 1}
    return cost + _DOUBLED_FIFTH * (bool(doubled) and (min(doubled) - voicing.bass) % 12 != 8)


@lru_cache(maxsize=1 << 16)
def _move(old: Voicing, new: Voicing) -> float:
    """How far the voices of the hand go, and how badly."""
    a, b = old.upper, new.upper
    if not a or not b:
        return 0.0
    if len(a) == len(b):
        moved = float(sum(abs(x - y) for x, y in zip(a, b, strict=True)))
    else:
        few, many = sorted((a, b), key=len)
        moved = sum(min(abs(x - y) for y in few) for x in many) + 0.5 * (len(many) - len(few))
    moved += _TOP_LEAP * max(0, abs(b[-1] - a[-1]) - 2)
    before, after = (a[-1] - old.bass) % 12, (b[-1] - new.bass) % 12
    same_way = (b[-1] - a[-1]) * (new.bass - old.bass) > 0
    return moved + _PARALLEL * (before == after and before in (0, 7) and same_way)


@lru_cache(maxsize=1 << 12)
def _hands_under(chord: Chord, ceiling: int, voices: int) -> tuple[tuple[int, ...], ...]:
    """The ways to play the upper notes at or under a ceiling; one empty hand where there are none."""
    for count in range(min(voices, 4), 0, -1):
        low = max(_SHELL_LOW, min(_UNDER_LOW if count > 2 else _SHELL_LOW, ceiling - 12))
        ways: list[tuple[int, ...]] = []
        for tones in _fewer_tones(chord, count):
            for lowest in range(low, min(ceiling, _HAND_HIGH) + 1):
                if lowest % 12 in tones:
                    others = [tone for tone in tones if tone != lowest % 12]
                    notes = tuple(sorted([lowest, *(lowest + (tone - lowest) % 12 for tone in others)]))
                    if notes[-1] <= min(ceiling, _HAND_HIGH):
                        ways.append(notes)
        if ways:  # the highest are nearest to the melody without touching it
            return tuple(
                sorted(dict.fromkeys(ways), key=lambda notes: abs(notes[-1] - min(ceiling, 67)))[:12]
            )
    return ((),)


def _fewer_tones(chord: Chord, count: int) -> list[tuple[int, ...]]:
    """So many pitch classes of a hand, those kept that make the chord what it is."""
    classes = list(dict.fromkeys(tone for tones in _hand_tones(chord) for tone in tones))
    order = (4, 3, 10, 11, 9, 5, 2, 6, 8, 1, 0, 7)
    rank = {(chord.root + interval) % 12: place for place, interval in enumerate(order)}
    kept = sorted(classes, key=lambda tone: rank[tone])[:count]
    return [tuple(kept)]


@lru_cache(maxsize=1 << 12)
def _hands(chord: Chord) -> tuple[tuple[int, ...], ...]:
    """The ways to play the upper notes: within an octave, in range."""
    ways = []
    for tones in _hand_tones(chord):
        for lowest in range(_HAND_LOW, _HAND_HIGH):
            if lowest % 12 not in tones:
                continue
            others = list(tones)
            others.remove(lowest % 12)
            # A tone that the hand has twice lies an octave above the lowest note.
            notes = tuple(sorted([lowest, *(lowest + ((tone - lowest) % 12 or 12) for tone in others)]))
            if notes[-1] <= _HAND_HIGH and len(set(notes)) == len(notes):
                ways.append(notes)
    return tuple(dict.fromkeys(ways))


def _hand_tones(chord: Chord) -> list[tuple[int, ...]]:
    """The pitch classes of the hand, in one or several ways; at most four."""
    tones = CHORD_TONES[chord.quality]
    for spare in (0, 7, 14) if chord.bass == chord.root else (7, 0, 14):
        if len(tones) > 4:
            tones = tuple(tone for tone in tones if tone != spare)
    low = (chord.bass - chord.root) % 12
    if low in (3, 4, 10, 11) and low in {tone % 12 for tone in tones}:
        tones = tuple(tone for tone in tones if tone % 12 != low)
    classes = tuple((chord.root + tone) % 12 for tone in tones)
    if len(classes) > 2 or chord.quality == "5":
        return [classes]
    return [(*classes, tone) for tone in classes]  # two are left of a triad: one of them twice


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
