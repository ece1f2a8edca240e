"""A lead sheet as it is written down: note ends and pickups, repeats, sections, systems and double bars.

What was sung stops a little before the next note, or a sixteenth into a rest. On paper that is noise. The
MIDI file keeps what was sung; only print is made readable.

A repeat is written where the form comes again note for note: the same notes and chords, bar by bar, and
nothing tied over its ends. Where only the last bars differ they become first and second endings. A section
that comes again later (the last A of AABA) is written out, so that nobody has to turn back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from hrpe_jax.score.form import Section
from hrpe_jax.score.notation import Bar, write_bars
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord

_EIGHTH, _SIXTEENTH, _TRIPLET = 6, 3, 4


def make_readable(score: Score) -> Score:
    """The score with its note ends snapped, and an empty beginning made a pickup bar.

    Args:
        score: as played.

    Returns:
        A score with the same notes at the same places, all earlier by `pickup_shift(score)`.
    """
    return cut_pickup(replace(score, melody=snap_ends(score)))


def snap_ends(score: Score) -> tuple[Note, ...]:
    """The melody with ends that can be read.

    A silence shorter than an eighth before the next note or bar line goes; another end moves to the nearest
    eighth, or in a triplet to the nearest third of its beat.
    """
    bars = score.bar_starts()
    notes: list[Note] = []
    for index, note in enumerate(score.melody):
        bar = bisect_right(bars, note.onset) - 1
        line = bars[bar + 1] if bar + 1 < len(bars) else bars[bar] + score.meter.bar_ticks
        after = score.melody[index + 1].onset if index + 1 < len(score.melody) else max(score.end, note.end)
        end = _readable_end(note, bars[bar], line, after)
        notes.append(replace(note, duration=end - note.onset))
    return tuple(notes)


def _readable_end(note: Note, bar: int, line: int, after: int) -> int:
    off = [place for place in (note.onset, after) if bar <= place < line and (place - bar) % _SIXTEENTH]
    unit = _TRIPLET if off else _EIGHTH
    if 0 <= after - note.end < unit:
        return after
    if 0 < line - note.end < unit and line <= after:
        return line
    if line < note.end:  # over bar lines the grid is counted from the last of them
        bar = line + (note.end - line) // _EIGHTH * _EIGHTH
    end = bar + (note.end - bar + unit // 2) // unit * unit
    if end <= note.onset:
        end += unit
    return min(end, after)


def pickup_shift(score: Score) -> int:
    """Ticks of whole beats at the beginning in which nothing sounds: what a pickup bar leaves out.

    Returns:
        0 where the first bar is not a full one, is the last, has a chord, or its first half has a note.
    """
    bars = score.bar_starts()
    length = bars[1] if len(bars) > 1 else score.end
    chord = next((span.onset for span in score.chords if not span.chord.is_none), score.end)
    note = score.melody[0].onset if score.melody else 0
    full = score.meter.bar_ticks
    if length != full or score.end <= full or chord < full or not full // 2 <= note < full:
        return 0
    return note // score.meter.beat_ticks * score.meter.beat_ticks


def cut_pickup(score: Score) -> Score:
    """The score without the silence before its pickup; the very score where it has none."""
    shift = pickup_shift(score)
    if not shift:
        return score
    chords = [_earlier(span, shift) for span in score.chords if span.end > shift]
    resets = [tick - shift for tick in score.bar_resets]
    return replace(
        score,
        melody=tuple(replace(note, onset=note.onset - shift) for note in score.melody),
        chords=tuple(chords),
        bar_resets=(score.meter.bar_ticks - shift, *resets),
    )


def _earlier(span: ChordSpan, shift: int) -> ChordSpan:
    onset = max(0, span.onset - shift)
    return replace(span, onset=onset, duration=span.end - shift - onset)


BARS_PER_SYSTEM = 4
MAX_SYMBOLS = 44
"""Notes, rests and chord symbols that a line of four bars holds; one with more has half as many bars."""
_MAX_UNIT = 6
"""Sections that are looked at as one repeated stretch."""
_MAX_ENDING = 4
"""Bars of an ending."""
_MIN_REPEAT = 2
"""Bars below which a repeat saves nothing."""


@dataclass(frozen=True)
class Measure:
    """A bar on paper.

    Attributes:
        bar: what stands in it; of a repeated one, the first time.
        played: indices of the bars of the piece that it stands for, in order.
        section: letter printed over it; empty where no section begins.
        new_system: whether it begins a line.
        repeat_start: whether a repeat begins before it.
        repeat_end: whether a repeat ends behind it.
        ending: number of the ending that it belongs to; 0 for none.
        ending_start: whether that begins with it.
        ending_stop: whether that ends with it.
        double_bar: whether a double line stands behind it.
        chord: what sounds at its beginning and is printed there, though it began before; None for nothing.
    """

    bar: Bar
    played: tuple[int, ...]
    section: str = ""
    new_system: bool = False
    repeat_start: bool = False
    repeat_end: bool = False
    ending: int = 0
    ending_start: bool = False
    ending_stop: bool = False
    double_bar: bool = False
    chord: Chord | None = None


def lay_out(
    score: Score, split_at_chords: bool = False, repeats: bool = True, bars_per_line: int = BARS_PER_SYSTEM
) -> list[Measure]:
    """The measures of a score as they are written.

    Args:
        score: any; sections come from its form.
        split_at_chords: see `write_bars`.
        repeats: whether what comes again at once is written once; otherwise each bar is a measure.
        bars_per_line: at most, fewer where they are crowded.

    Returns:
        The measures in the order of the page. Those that each stands for, together, are all bars of
        `write_bars`.
    """
    bars = write_bars(score, split_at_chords)
    letters = {section.first_bar: section.letter for section in score.form}
    contents = [_content(score, bar) for bar in bars]
    measures: list[Measure] = []
    sections = list(score.form)
    ends = {section.end_bar for section in sections}
    bar = place = 0
    while bar < len(bars):
        while place < len(sections) and sections[place].first_bar < bar:
            place += 1
        found = _repeat(sections[place:], bar, contents) if repeats else None
        if found is None:
            measures.append(Measure(bars[bar], (bar,), letters.get(bar, ""), double_bar=bar + 1 in ends))
            bar += 1
            continue
        length, ending = found
        measures += _repeated(bars, letters, bar, length, ending, ends)
        bar += 2 * length
    return _numbered(_systems(_restated(measures, contents), bars_per_line))


def _content(score: Score, bar: Bar) -> tuple[Any, ...]:
    """What a reader sees of a bar: two bars with equal contents look the same."""
    chord = Chord.NONE
    for span in score.chords:
        if span.onset <= bar.start < span.end:
            chord = span.chord
    notes = tuple(
        (
            symbol.onset - bar.start,
            symbol.duration,
            None if symbol.note is None else score.melody[symbol.note].pitch,
            symbol.tie_from,
            symbol.tie_to,
            symbol.note is not None and bool(score.melody[symbol.note].lyric),
        )
        for symbol in bar.symbols
    )
    inside = tuple((tick - bar.start, chord) for tick, chord in bar.chords if tick > bar.start)
    return bar.length, bar.meter, chord, notes, inside


def _repeat(
    sections: Sequence[Section], bar: int, contents: Sequence[tuple[Any, ...]]
) -> tuple[int, int] | None:
    """The longest stretch from a bar on that comes twice: (its bars, bars of its endings); None for none."""
    if not sections or sections[0].first_bar != bar:
        return None
    best: tuple[int, int] | None = None
    for unit in range(1, min(_MAX_UNIT, len(sections) // 2) + 1):
        first, second = sections[:unit], sections[unit : 2 * unit]
        whole = [*first, *second]
        if any(a.end_bar != b.first_bar for a, b in pairwise(whole)):
            break
        if [(s.name, s.bars) for s in first] != [(s.name, s.bars) for s in second]:
            continue
        length = sum(section.bars for section in first)
        if bar + 2 * length > len(contents) or length < _MIN_REPEAT:
            continue
        differ = [i for i in range(length) if contents[bar + i] != contents[bar + length + i]]
        ending = length - differ[0] if differ else 0
        if ending > min(_MAX_ENDING, first[-1].bars, length // 2):
            continue
        if not _tied_over(contents, bar, length, ending):
            best = length, ending
    return best


def _tied_over(contents: Sequence[tuple[Any, ...]], bar: int, length: int, ending: int) -> bool:
    """Whether a note is tied into or out of a repeat or one of its endings."""
    begins = [bar, bar + length, bar + 2 * length]
    if ending:
        begins += [bar + length - ending, bar + 2 * length - ending]
    return any(contents[begin][3][0][3] for begin in begins if begin < len(contents))


def _repeated(
    bars: Sequence[Bar], letters: dict[int, str], bar: int, length: int, ending: int, ends: set[int]
) -> list[Measure]:
    """The measures of a stretch that is played twice."""
    measures = []
    common = length - ending
    for i in range(common):
        measures.append(
            Measure(
                bars[bar + i],
                (bar + i, bar + length + i),
                letters.get(bar + i, ""),
                repeat_start=i == 0,
                repeat_end=not ending and i == length - 1,
                double_bar=i + 1 < length and bar + i + 1 in ends,
            )
        )
    for number, begin in ((1, bar + common), (2, bar + length + common)) if ending else ():
        for i in range(ending):
            measures.append(
                Measure(
                    bars[begin + i],
                    (begin + i,),
                    letters.get(begin + i, ""),
                    ending=number,
                    ending_start=i == 0,
                    ending_stop=i == ending - 1,
                    repeat_end=number == 1 and i == ending - 1,
                    double_bar=number == 2 and i == ending - 1,
                )
            )
    return measures


def _restated(measures: list[Measure], contents: Sequence[tuple[Any, ...]]) -> list[Measure]:
    """With the chord that sounds printed where a repeat or an ending is entered from somewhere else."""
    told = []
    has_chords = any(measure.bar.chords for measure in measures)
    for index, measure in enumerate(measures):
        entered = measure.repeat_start or measure.ending_start or (index and measures[index - 1].repeat_end)
        chord: Chord = contents[measure.played[0]][2]
        printed = any(tick == measure.bar.start for tick, _ in measure.bar.chords)
        if entered and not printed and has_chords:
            measure = replace(measure, chord=chord)
        told.append(measure)
    return told


def _systems(measures: list[Measure], bars_per_line: int) -> list[Measure]:
    """With the beginnings of lines: every section begins one, and they have so many bars."""
    broken: list[Measure] = []
    in_line = 0
    for index, measure in enumerate(measures):
        pickup = index == 0 and measure.bar.number == 0
        size = _line_size(measures, index - in_line, bars_per_line)
        new = bool(broken) and (bool(measure.section) or measure.repeat_start or in_line >= size)
        after_pickup = index == 1 and broken[0].bar.number == 0
        if new and not after_pickup:
            measure, in_line = replace(measure, new_system=True), 0
        broken.append(measure)
        in_line += not pickup
    return broken


def _line_size(measures: Sequence[Measure], first: int, most: int) -> int:
    """Bars of the line that begins with this measure."""
    line = measures[first : first + most]
    symbols = sum(len(measure.bar.symbols) + len(measure.bar.chords) for measure in line)
    return most if symbols <= MAX_SYMBOLS * most / BARS_PER_SYSTEM else max(1, most // 2)


def _numbered(measures: list[Measure]) -> list[Measure]:
    """With the numbers as printed: in the order of the page."""
    first = measures[0].bar.number if measures else 0
    return [
        replace(measure, bar=replace(measure.bar, number=first + index))
        for index, measure in enumerate(measures)
    ]
