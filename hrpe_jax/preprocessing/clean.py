"""What makes a score fit for training, stage by stage, and the reason where it is not.

A score serves the melody stage with a line of `LEAST_NOTES` notes on `LEAST_PITCHES` pitches that is not
silent nearly throughout, and the backbone stage with at least two different chords. One that serves neither
is rejected with a reason:

    empty          neither a note nor a chord
    too_short      fewer than `LEAST_NOTES` notes, and no chords
    one_pitch      fewer than `LEAST_PITCHES` different pitches, and no chords
    nearly_silent  notes sound less than `LEAST_SOUNDING` of the time, and no chords
    one_chord      one chord throughout, and no melody
    too_long       more than `MOST_BARS` bars

A song begins with an introduction and fades out; a model that has only seen whole songs begins every piece
with silence and ends none. So training also sees pieces that begin at the border of a sung section and run to
the end of the melody (not of the outro behind it): short ones end as songs do. They are scores of their own,
encoded like any other.

A phrase may begin before its bar line. The notes that lead into a section then stand in a short first bar, as
a pickup is written; which notes these are is found by the longest gap between notes near the bar line.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hrpe_jax.score.form import crop_form
from hrpe_jax.score.score import ChordSpan, Note, Score, bar_spans
from hrpe_jax.theory.key import Key

LEAST_NOTES = 8
LEAST_PITCHES = 3
LEAST_SOUNDING = 0.05
LEAST_CHORDS = 2
MOST_BARS = 4000


def trim(score: Score) -> Score:
    """The score without no-chord spans at its ends, and without silence at its beginning.

    Silent bars are left out. Silence before a pickup is left out too, in whole beats, so that the pickup
    stands in a short bar, as pickups are written: silence of half the first bar or more, and shorter where
    the chords begin in the next bar. Any other rest is meant. The last chord fills its bar.
    """
    spans: list[ChordSpan] = list(score.chords)
    while spans and spans[-1].chord.is_none:
        spans.pop()
    while spans and spans[0].chord.is_none:
        spans.pop(0)
    first = min((line[0].onset for line in (score.melody, spans) if line), default=0)
    form, score = score.form, replace(score, chords=tuple(spans), form=())
    silent = [start for start, _ in bar_spans(score) if start <= first]
    dropped = len(silent) - 1
    if dropped > 0:
        score = _earlier(score, silent[dropped])
        first -= silent[dropped]
    bar = bar_spans(score)[0][1] if first else 0
    waits = bool(score.chords) and score.chords[0].onset >= bar
    if first and (waits or 2 * first >= bar):
        rest = first // score.meter.beat_ticks * score.meter.beat_ticks
        score = _earlier(score, rest, bar - rest)
    score = fill_last_bar(score)
    return replace(score, form=crop_form(form, max(dropped, 0), len(score.bar_starts())))


def fill_last_bar(score: Score) -> Score:
    """The score with its last chord held to the end of its bar, where nothing but silence follows in it.

    A last bar is short where it makes up for a pickup, or where the last chord was played shorter; written as
    a full bar it would end with a chord that is none.
    """
    if not score.chords:
        return score
    *before, last = score.chords
    end = next(
        (start + length for start, length in bar_spans(score) if start < last.end <= start + length), 0
    )
    return replace(score, chords=(*before, replace(last, duration=max(end, last.end) - last.onset)))


def _earlier(score: Score, ticks: int, pickup: int = 0) -> Score:
    """The score so many ticks earlier, its first bar cut short to a pickup where that is not 0."""
    resets = {tick - ticks for tick in score.bar_resets if tick > ticks} | ({pickup} if pickup else set())
    return replace(
        score,
        melody=tuple(replace(note, onset=note.onset - ticks) for note in score.melody),
        chords=tuple(replace(span, onset=span.onset - ticks) for span in score.chords),
        bar_resets=tuple(sorted(resets)),
    )


def stages_of(score: Score) -> tuple[tuple[str, ...], tuple[str, str]]:
    """The stages that a score serves, and the reason code and detail that hold where it serves none."""
    notes, chords = score.melody, [span.chord for span in score.chords if not span.chord.is_none]
    if not notes and not chords:
        return (), ("empty", "neither a melody note nor a chord was found")
    bars = len(bar_spans(score))
    if bars > MOST_BARS:
        return (), ("too_long", f"{bars} bars: expected at most {MOST_BARS}")
    stages, reason = [], ("one_chord", "one chord throughout, and no melody")
    if len(set(chords)) >= LEAST_CHORDS:
        stages.append("backbone")
    pitches, sounding = len({note.pitch for note in notes}), sum(note.duration for note in notes)
    beside = "no chords" if not chords else "one chord throughout"
    if notes and len(notes) < LEAST_NOTES:
        reason = ("too_short", f"{len(notes)} notes and {beside}: expected {LEAST_NOTES} or more")
    elif notes and pitches < LEAST_PITCHES:
        reason = ("one_pitch", f"{pitches} different pitches and {beside}: expected {LEAST_PITCHES} or more")
    elif notes and sounding < LEAST_SOUNDING * score.end:
        reason = ("nearly_silent", f"notes sound {100 * sounding // score.end} % of the time and {beside}")
    elif notes:
        stages.append("melody")
    return tuple(stages), reason


LEAST_BARS = 8
"""Bars of the shortest crop."""
MOST_SHORT_BARS = 32
"""Crops of `LEAST_BARS` to so many bars are preferred: they are as long as what people ask for."""
MOST_CROPS = 4
"""Crops of a song, if not said otherwise."""
_FARTHER = 0.75
"""Ticks that a gap must be longer for every tick that it lies before the bar line."""


def crop_starts(score: Score) -> list[int]:
    """The bars at which a piece may begin, in order.

    The first is where the melody begins, so that its piece is the whole melody. The others are first bars of
    sung sections, with a note in the bar or a pickup to it, and at least `LEAST_BARS` before the end. Of a
    score without a melody all sections count, and the first bar is bar 0. Where the form is not known the
    first is the only one.

    Args:
        score: any score; its form says where sections begin.

    Returns:
        Indices into `Score.bar_starts()`, increasing; none of an empty score.
    """
    if not score.melody:
        sections = [section.first_bar for section in score.form]
        first, end = 0, len(score.bar_starts())
    else:
        sections = [section.first_bar for section in score.form if section.has_melody]
        first, end = _first_sung_bar(score), _end_bar(score)
    if not end:
        return []
    later = [
        bar
        for bar in dict.fromkeys(sections)
        if first < bar <= end - LEAST_BARS and (not score.melody or _begins_in(score, bar))
    ]
    # The labelled border decides where the first note is a long pickup to it.
    if score.melody and later and not _sounds_between(score, first, later[0]):
        first, *later = later
    return [first, *later]


def choose_starts(score: Score, most: int = MOST_CROPS) -> list[int]:
    """The starts to train on: the whole melody, then short ends, then others, each spread over their lengths.

    Args:
        score: see `crop_starts`.
        most: how many, 1 or more.

    Returns:
        Some of `crop_starts(score)`, in order.
    """
    starts = crop_starts(score)
    if len(starts) <= most:
        return starts
    end = _end_bar(score) if score.melody else len(score.bar_starts())
    short = [bar for bar in starts[1:] if end - bar <= MOST_SHORT_BARS]
    long = [bar for bar in starts[1:] if end - bar > MOST_SHORT_BARS]
    chosen = _spread(short, most - 1)
    return sorted([starts[0], *chosen, *_spread(long, most - 1 - len(chosen))])


def crop(score: Score, first_bar: int, keys: Sequence[tuple[int, Key]] = ()) -> Score:
    """The piece from a bar to the end of the melody.

    Args:
        score: any score.
        first_bar: one of `crop_starts(score)`, or any other bar.
        keys: (tick, key) from where each key of the score holds, where it modulates.

    Returns:
        A score with the id `ID#bar=N`. Notes and chords begin at tick 0, a pickup stands in a short first
        bar; chords are cut at its borders, bars and form counted anew; the key is the one that holds longest
        in it.

    Raises:
        IndexError: there is no such bar.
    """
    spans = bar_spans(score)
    line = spans[first_bar][0]
    end_bar = _end_bar(score) if score.melody else len(spans)
    end = sum(spans[max(end_bar, first_bar + 1) - 1])
    pickup = pickup_ticks(score, first_bar) if score.melody else 0
    begin = line - pickup
    key = _longest_key(keys, begin, end) or score.key
    resets = [tick - begin for tick in score.bar_resets if line < tick <= end]
    piece = replace(
        score,
        id=f"{score.id}#bar={first_bar}",
        key=key,
        melody=tuple(replace(note, onset=note.onset - begin) for note in score.melody if note.onset >= begin),
        chords=tuple(_cut(score.chords, begin, end)),
        bar_resets=(*((pickup,) if pickup else ()), *resets),
        form=(),
    )
    piece = fill_last_bar(piece)
    form = crop_form(score.form, first_bar, end_bar - first_bar)
    moved = (replace(section, first_bar=section.first_bar + bool(pickup)) for section in form)
    return replace(piece, form=crop_form(moved, 0, len(piece.bar_starts())))


def pickup_ticks(score: Score, bar: int) -> int:
    """How long before a bar line the phrase of that bar begins, in whole beats; 0 where it is on it.

    The phrase begins behind the longest gap from note to note, silence counting twice, among those that lie
    less than a bar before the line; the farther from the line, the longer it must be. A gap of less than a
    beat is none.

    Args:
        score: any score.
        bar: index into `Score.bar_starts()`.
    """
    line = score.bar_starts()[bar]
    beat, notes = score.meter.beat_ticks, score.melody
    reach = min(score.meter.bar_ticks - beat, line)
    first = bisect_left(notes, line, key=_onset)
    # The first note behind the line is compared too, so that a phrase that begins there has no pickup.
    best, largest = first, float(_gap(notes, first, line)) if first < len(notes) else 0.0
    for index in range(first - 1, -1, -1):
        before = line - notes[index].onset
        if before > reach:
            break
        gap = _gap(notes, index, line)
        if gap >= beat and gap - _FARTHER * before > largest:
            best, largest = index, gap - _FARTHER * before
    if best == first:
        return 0
    return -(-(line - notes[best].onset) // beat) * beat


def _gap(notes: Sequence[Note], index: int, line: int) -> int:
    """Ticks from the note before to a note, and once more the silence between them."""
    before = notes[index - 1] if index else Note(-2 * line - 1, 1, 0)
    return (notes[index].onset - before.onset) + (notes[index].onset - before.end)


def _onset(note: Note) -> int:
    return note.onset


def _end_bar(score: Score) -> int:
    """The bar behind the last in which the melody sounds."""
    return bisect_left(score.bar_starts(), score.melody[-1].end) if score.melody else 0


def _first_sung_bar(score: Score) -> int:
    """The bar in which the melody begins, or the next where it begins in the second half of one."""
    starts, onset = score.bar_starts(), score.melody[0].onset
    bar = bisect_right(starts, onset) - 1
    if (
        bar + 1 < len(starts)
        and 2 * (starts[bar + 1] - onset) <= score.meter.bar_ticks
        and onset > starts[bar]
    ):
        return bar + 1
    return bar


def _begins_in(score: Score, bar: int) -> bool:
    """Whether the melody begins a phrase in a bar, or just before it."""
    line = score.bar_starts()[bar]
    index = bisect_left(score.melody, line, key=_onset)
    in_bar = index < len(score.melody) and score.melody[index].onset < line + score.meter.bar_ticks
    return in_bar or pickup_ticks(score, bar) > 0


def _sounds_between(score: Score, bar: int, later: int) -> bool:
    """Whether a note begins in some bars that is no pickup to the bar behind them."""
    starts = score.bar_starts()
    begin, end = starts[bar], starts[later] - pickup_ticks(score, later)
    return any(begin <= note.onset < end for note in score.melody)


def _cut(chords: Sequence[ChordSpan], begin: int, end: int) -> list[ChordSpan]:
    inside = [(max(span.onset, begin), min(span.end, end), span.chord) for span in chords]
    return [ChordSpan(start - begin, stop - start, chord) for start, stop, chord in inside if start < stop]


def _longest_key(keys: Sequence[tuple[int, Key]], begin: int, end: int) -> Key | None:
    """The key that holds longest between two ticks; None where none is said."""
    held: Counter[Key] = Counter()
    ends = [*(tick for tick, _ in keys[1:]), end]
    for (tick, key), until in zip(keys, ends, strict=False):
        held[key] += max(0, min(until, end) - max(tick, begin))
    return held.most_common(1)[0][0] if held.total() else None


def _spread(values: Sequence[int], count: int) -> list[int]:
    """At most so many of some values, spread evenly, the last among them."""
    if len(values) <= count:
        return list(values)
    return [values[len(values) - 1 - at * len(values) // count] for at in range(count)]


__all__ = [
    "LEAST_BARS",
    "MOST_CROPS",
    "MOST_SHORT_BARS",
    "choose_starts",
    "crop",
    "crop_starts",
    "pickup_ticks",
]
