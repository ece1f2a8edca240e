"""Written measures of an ABC tune in the order of playing, with their places in ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hrpe_jax.formats.abc.book import UNITS_PER_TICK
from hrpe_jax.formats.abc.fields import AbcKey
from hrpe_jax.formats.abc.voice import Measure
from hrpe_jax.formats.repeat_signs import Signs, play_order
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.meter import Meter

MAX_MEASURES = 20_000
MAX_TICKS = 500_000
"""Ten thousand bars of 4/4."""
MAX_NOTES = 100_000
"""Of all voices together, with repeats."""


@dataclass(frozen=True, slots=True)
class AbcNote:
    """A sounding note: ticks from the start, and MIDI pitch."""

    onset: int
    duration: int
    pitch: int

    @property
    def end(self) -> int:
        """The tick at which it stops."""
        return self.onset + self.duration


@dataclass(frozen=True)
class AbcMeasure:
    """A measure in playing order: start and length in ticks, meter (None: free), key, index as written."""

    start: int
    length: int
    meter: Meter | None
    key: AbcKey
    written: int


def measure_order(measures: Sequence[Measure], parts: Sequence[str] | None) -> list[int] | None:
    """Indices of the measures in the order of playing.

    Args:
        measures: as written.
        parts: labels of the sections in the order in which they are played; None for the order of the page.

    Returns:
        None where more than `MAX_MEASURES` would be played.
    """
    if parts is None:
        return play_order([measure.signs for measure in measures], MAX_MEASURES)
    order: list[int] = []
    sections = _sections(measures)
    orders: dict[str, list[int] | None] = {}
    for label in ("", *parts):
        if label not in sections:
            continue
        if label not in orders:
            begin, end = sections[label]
            played = play_order([m.signs for m in measures[begin:end]], MAX_MEASURES)
            orders[label] = None if played is None else [begin + i for i in played]
        section = orders[label]
        if section is None or len(order) + len(section) > MAX_MEASURES:
            return None
        order.extend(section)
    return order


def part_labels(measures: Sequence[Measure]) -> frozenset[str]:
    """Labels of the sections that the tune is divided into."""
    return frozenset(measure.part for measure in measures if measure.part)


def _sections(measures: Sequence[Measure]) -> dict[str, tuple[int, int]]:
    """(first measure, end) of each section, the first of equal labels; "" is what precedes them all."""
    begins = [i for i, measure in enumerate(measures) if measure.part]
    sections = {"": (0, begins[0])} if begins and begins[0] else {}
    for begin, end in zip(begins, [*begins[1:], len(measures)], strict=False):
        sections.setdefault(measures[begin].part, (begin, end))
    return sections


def joint_signs(signs: Sequence[Signs]) -> Signs:
    """Signs of one measure in several voices: they are written in all of them, or in some."""
    if all(sign == signs[0] for sign in signs):
        return signs[0]
    fields = [name for name in Signs.__dataclass_fields__ if name != "endings"]
    merged = {name: max(getattr(sign, name) for sign in signs) for name in fields}
    return Signs(endings=max((sign.endings for sign in signs), key=len), **merged)


def lay_out(
    voices: Sequence[Sequence[Measure]], order: Sequence[int]
) -> tuple[list[int], tuple[AbcMeasure, ...]] | None:
    """Start of every measure played, in units, and the measures in ticks.

    A measure lasts as long as in the voice where it is longest; meter and key are the first voice's.

    Returns:
        None where the piece is longer than `MAX_TICKS`.
    """
    lengths = [max(voice[i].units for voice in voices) for i in range(len(voices[0]))]
    starts: list[int] = []
    measures: list[AbcMeasure] = []
    now = 0
    for i in order:
        starts.append(now)
        start, first = to_tick(now), voices[0][i]
        now += lengths[i]
        if to_tick(now) > MAX_TICKS:
            return None
        meter = first.meter.meter if first.meter is not None else None
        measures.append(AbcMeasure(start, to_tick(now) - start, meter, first.key, i))
    return starts, tuple(measures)


def place_voice(
    voice: Sequence[Measure],
    order: Sequence[int],
    starts: Sequence[int],
    end: int,
    most_notes: int = MAX_NOTES,
) -> tuple[tuple[AbcNote, ...], tuple[ChordSpan, ...]] | None:
    """Notes of one voice in ticks, tied ones joined, and its chord symbols, each until the next.

    Args:
        voice: its measures as written.
        order: numbers of measures in the order of playing.
        starts: ticks at which these begin.
        end: tick at which the last ends.
        most_notes: limit.

    Returns:
        None where there are more notes than `most_notes`.
    """
    notes: list[list[int]] = []  # onset and end in units, pitch
    changes: dict[int, Chord] = {}
    ties: dict[int, int] = {}  # pitch -> the note that goes on where the next event begins
    for i, now in zip(order, starts, strict=True):
        for place, chord in voice[i].overlaid:
            changes.setdefault(to_tick(now + place), chord)
        for event in voice[i].events:
            if event.chord is not None:
                changes[to_tick(now)] = event.chord
            going: dict[int, int] = {}
            for pitch, tied in event.pitches:
                index = ties.get(pitch)
                if index is not None and notes[index][1] == now:
                    notes[index][1] = now + event.units
                else:
                    index = len(notes)
                    notes.append([now, now + event.units, pitch])
                if tied:
                    going[pitch] = index
            ties = going
            now += event.units
        if len(notes) > most_notes:
            return None
    rounded = [(to_tick(onset), to_tick(stop), pitch) for onset, stop, pitch in notes]
    placed = sorted((onset, pitch, stop) for onset, stop, pitch in rounded if stop > onset)
    return tuple(AbcNote(onset, stop - onset, pitch) for onset, pitch, stop in placed), _spans(changes, end)


def _spans(changes: dict[int, Chord], end: int) -> tuple[ChordSpan, ...]:
    """Chords from their first ticks, each until the next; equal neighbours are one."""
    spans: list[ChordSpan] = []
    ticks = sorted(tick for tick in changes if tick < end)
    for tick, until in zip(ticks, [*ticks[1:], end], strict=False):
        if spans and spans[-1].chord.is_same(changes[tick]):
            spans[-1] = replace(spans[-1], duration=until - spans[-1].onset)
        else:
            spans.append(ChordSpan(tick, until - tick, changes[tick]))
    return tuple(spans)


def bar_starts(measures: Sequence[AbcMeasure]) -> tuple[int, ...]:
    """Ticks at which bars begin; a bar that a repeat sign cuts in two counts once."""
    starts: list[int] = []
    filled = 0  # ticks in the bar so far, where it is still short of its meter
    for measure in measures:
        meter = measure.meter
        full = 48 * meter.numerator // meter.denominator if meter is not None else 0
        if filled and filled + measure.length == full:
            filled = 0
            continue
        if measure.length:
            starts.append(measure.start)
        filled = measure.length if measure.length < full else 0
    return tuple(starts)


def to_tick(units: int) -> int:
    """Ticks of a place in units, rounded once."""
    return (units + UNITS_PER_TICK // 2) // UNITS_PER_TICK
