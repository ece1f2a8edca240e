"""From ticks to what is written: bars of notes and rests with values that exist, ties, and tuplets.

A note is split at bar lines and wherever its value could not be read: one symbol does not hide a stronger
place of the bar than both its ends, but for the plain syncopations (eighth, quarter, eighth). Places that are
no sixteenths lie in tuplets, three in the time of two, of the largest note values that fit: a half note in
quarters, a quarter in eighths, an eighth in sixteenths.

Beams are those of MusicXML: which notes of a bar hang together, and how each of their beams continues.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.meter import TICKS_PER_WHOLE, Meter

SHAPES = {96: 1, 48: 2, 24: 4, 12: 8, 6: 16, 3: 32}
"""Denominators of the plain values (see `Symbol.value`)."""

_SIXTEENTH = 3
_PLAIN = (3, 6, 9, 12, 18, 24, 36, 48, 72)
"""Ticks of plain and dotted notes, sixteenth to dotted whole."""
_RESTS = (3, 6, 12, 24, 48)
_COMPOUND_RESTS = (*_RESTS, 18, 36)
_SYNCOPATIONS = {2: 6, 3: 12, 4: 24}
"""Ticks of a note that may lie evenly over a place of this weight (see `_weight`)."""


@dataclass(frozen=True)
class Symbol:
    """One note or rest as it is written.

    Attributes:
        onset: tick.
        duration: ticks that it really lasts.
        value: its note value, dots included, in 96ths of a whole note: 12 for an eighth, in a triplet too.
        note: index in the melody; None for a rest.
        tie_from: whether it goes on from the symbol before.
        tie_to: whether it goes on in the next.
        tuplet: (first, last) where it lies in one: whether it begins it and whether it ends it.
        whole_bar: a rest that fills its bar.
    """

    onset: int
    duration: int
    value: int
    note: int | None = None
    tie_from: bool = False
    tie_to: bool = False
    tuplet: tuple[bool, bool] | None = None
    whole_bar: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """(denominator, dots): (8, 1) for a dotted eighth."""
        dots = int(self.value not in SHAPES)
        return SHAPES[self.value * 2 // 3 if dots else self.value], dots


@dataclass(frozen=True)
class Bar:
    """A bar as it is written.

    Attributes:
        start: tick.
        length: ticks.
        number: as printed: 0 for a pickup.
        meter: that of its time signature; a short bar that no meter can say keeps the one before.
        irregular: whether it is shorter than its meter says: a pickup, the bar that completes it, or one of
            the kind just named.
        symbols: what fills it.
        chords: (tick, chord) of the symbols over it; `Chord.NONE` where the harmony stops.
    """

    start: int
    length: int
    number: int
    meter: Meter
    irregular: bool
    symbols: tuple[Symbol, ...]
    chords: tuple[tuple[int, Chord], ...]

    @property
    def end(self) -> int:
        """The tick at which it ends."""
        return self.start + self.length


def write_bars(score: Score, split_at_chords: bool = False) -> list[Bar]:
    """The bars of a score.

    Args:
        score: any; one without anything has one empty bar.
        split_at_chords: whether notes are also split where chords change, for notations that can put a symbol
            only over a note.
    """
    places = chord_places(score)
    changes = [tick for tick, _ in places]
    bars = []
    lengths = bar_lengths(score)
    pickup = len(lengths) > 1 and lengths[0][1] < score.meter.bar_ticks
    last = len(lengths) - 1
    for index, (start, length) in enumerate(lengths):
        meter, irregular = score.meter, False
        if length != score.meter.bar_ticks:
            irregular = (pickup and index in (0, last)) or meter_of(length) is None
            meter = score.meter if irregular else meter_of(length) or score.meter
        inside = places[bisect_left(changes, start) : bisect_left(changes, start + length)]
        cuts = [tick for tick, _ in inside] if split_at_chords else []
        symbols = tuple(_symbols(score.melody, start, length, meter, cuts))
        number = index + (0 if pickup else 1)
        bars.append(Bar(start, length, number, meter, irregular, symbols, tuple(inside)))
    return bars


def bar_lengths(score: Score) -> list[tuple[int, int]]:
    """(start, length) of every bar; the last is whole unless it and a pickup make one bar together."""
    starts = score.bar_starts() or (0,)
    full = score.meter.bar_ticks
    lengths = [(start, after - start) for start, after in pairwise(starts)]
    rest = score.end - starts[-1]
    completes = bool(lengths) and lengths[0][1] < full and lengths[0][1] + rest == full
    return [*lengths, (starts[-1], rest if completes else full)]


def chord_places(score: Score) -> list[tuple[int, Chord]]:
    """(tick, chord) where symbols stand: each chord, and "no chord" where one ends and no other begins."""
    places: list[tuple[int, Chord]] = []
    now = 0
    for span in score.chords:
        if span.onset > now and places and not places[-1][1].is_none:
            places.append((now, Chord.NONE))
        if not span.chord.is_none or (places and not places[-1][1].is_none):
            places.append((span.onset, span.chord))
        now = span.end
    start, length = bar_lengths(score)[-1]
    if places and not places[-1][1].is_none and now < start + length:
        places.append((now, Chord.NONE))
    return places


def chords_at(score: Score) -> Iterator[Chord]:
    """For every melody note the chord that sounds where it begins."""
    onsets = [span.onset for span in score.chords]
    for note in score.melody:
        index = bisect_right(onsets, note.onset) - 1
        sounding = index >= 0 and note.onset < score.chords[index].end
        yield score.chords[index].chord if sounding else Chord.NONE


def meter_of(ticks: int) -> Meter | None:
    """The meter with the longest beats that fills so many ticks."""
    for denominator in (4, 8, 16, 32):
        numerator, rest = divmod(ticks * denominator, TICKS_PER_WHOLE)
        if not rest:
            return Meter(numerator, denominator)
    return None


@dataclass(frozen=True)
class _Piece:
    """A stretch of a bar with one note or silence, in ticks from the bar line."""

    start: int
    end: int
    note: int | None


def _symbols(
    melody: Sequence[Note], bar: int, length: int, meter: Meter, cuts: Sequence[int]
) -> Iterator[Symbol]:
    pieces = [piece for part in _pieces(melody, bar, length) for piece in _cut(part, bar, cuts)]
    if len(pieces) == 1 and pieces[0].note is None:
        yield Symbol(bar, length, 2 * length, whole_bar=True)
        return
    places = [piece.start for piece in pieces[1:]]
    size = 6 if meter.is_compound or meter.denominator > 4 else 24
    for start, end, in_tuplet in _stretches(places, length, size):
        inside = [
            _Piece(max(piece.start, start), min(piece.end, end), piece.note)
            for piece in pieces
            if piece.start < end and piece.end > start
        ]
        for piece in inside:
            plain = [(piece.start, piece.end)]
            if not in_tuplet:
                plain = list(_values(piece.start, piece.end, length, meter, piece.note is None))
            for left, right in plain:
                note, duration = piece.note, right - left
                yield Symbol(
                    bar + left,
                    duration,
                    duration * (3 if in_tuplet else 2),
                    note,
                    tie_from=note is not None and melody[note].onset < bar + left,
                    tie_to=note is not None and melody[note].end > bar + right,
                    tuplet=(left == start, right == end) if in_tuplet else None,
                )


def _pieces(melody: Sequence[Note], bar: int, length: int) -> Iterator[_Piece]:
    """The notes and silences of a bar."""
    now, end = bar, bar + length
    index = bisect_right(melody, bar, key=lambda note: note.end)
    while index < len(melody) and melody[index].onset < end:
        note = melody[index]
        if note.onset > now:
            yield _Piece(now - bar, note.onset - bar, None)
        yield _Piece(max(note.onset, bar) - bar, min(note.end, end) - bar, index)
        now = min(note.end, end)
        index += 1
    if now < end:
        yield _Piece(now - bar, length, None)


def _cut(piece: _Piece, bar: int, cuts: Sequence[int]) -> Iterator[_Piece]:
    places = [tick - bar for tick in cuts if piece.start < tick - bar < piece.end]
    for start, end in pairwise([piece.start, *places, piece.end]):
        yield _Piece(start, end, piece.note)


def _stretches(places: Sequence[int], length: int, size: int) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether it is a tuplet) of the tuplets of a bar and of what lies between.

    Args:
        places: ticks from the bar line at which something begins.
        length: of the bar.
        size: of the largest tuplet.
    """
    begin = 0
    for start, end in _tuplets(places, 0, length, size):
        if begin < start:
            yield begin, start, False
        yield start, end, True
        begin = end
    if begin < length:
        yield begin, length, False


def _tuplets(places: Sequence[int], start: int, length: int, size: int) -> Iterator[tuple[int, int]]:
    """The tuplets from a place on: the largest that fit, halves where they do not."""
    while start < length:
        end = min(start + size, length)
        inside = [
            place - start for place in (*places, length) if start < place <= end and place != start + size
        ]
        if any(place % _SIXTEENTH for place in inside):
            if all(place % (size // 3) == 0 for place in inside):
                yield start, end
            else:
                yield from _tuplets(places, start, end, size // 2)
        start = end


def _values(start: int, end: int, bar: int, meter: Meter, rest: bool) -> Iterator[tuple[int, int]]:
    """A stretch of sixteenths as note values that can be read."""
    length = end - start
    inside = {place: _weight(place, bar, meter) for place in range(start + 3 - start % 3, end, 3)}
    if not inside:
        yield start, end
        return
    most = max(inside.values())
    before, after = _weight(start, bar, meter), _weight(end, bar, meter)
    if meter.is_compound and most >= 3 and (start % meter.beat_ticks or end % meter.beat_ticks):
        allowed = False  # what crosses a beat of three eighths begins and ends with one
    elif rest:
        allowed = length in (_COMPOUND_RESTS if meter.is_compound else _RESTS) and most < before
    else:
        middle = start + length // 2
        evenly = inside.get(middle) == most and length == _SYNCOPATIONS.get(most) and not meter.is_compound
        clear = most <= before or (most <= after and most < 4)
        allowed = length in _PLAIN and (clear or evenly)
    if allowed:
        yield start, end
        return
    strongest = [place for place, weight in inside.items() if weight == most]
    readable = [place for place in strongest if place - start in _PLAIN]
    place = readable[-1] if readable else strongest[0]
    yield from _values(start, place, bar, meter, rest)
    yield from _values(place, end, bar, meter, rest)


def _weight(place: int, bar: int, meter: Meter) -> int:
    """How strong a place of the bar is: 5 bar line, 4 half a bar, 3 beat, 2 eighth, 1 sixteenth, 0 none."""
    if place in (0, bar):
        return 5
    half = {48: 24, 72: 24 if meter.denominator == 2 else 36}.get(bar, 0)
    for weight, ticks in ((4, half), (3, meter.beat_ticks), (2, 6), (1, _SIXTEENTH)):
        if ticks and place % ticks == 0:
            return weight
    return 0


_BEAMS = {8: 1, 16: 2, 32: 3}


def beams(bar: Bar) -> dict[int, tuple[str, ...]]:
    """What MusicXML says of the beams of a bar.

    Returns:
        Tick of a beamed note -> for each of its beams "begin", "continue", "end", "forward hook" or
        "backward hook".
    """
    found: dict[int, tuple[str, ...]] = {}
    for group in _groups(bar):
        counts = [_BEAMS[symbol.shape[0]] for symbol in group]
        for place, symbol in enumerate(group):
            found[symbol.onset] = tuple(_beam(counts, place, level) for level in range(1, counts[place] + 1))
    return found


def _groups(bar: Bar) -> list[list[Symbol]]:
    groups: list[list[Symbol]] = []
    for _, window in groupby(bar.symbols, key=lambda symbol: _window(bar, symbol)):
        for beamed, run in groupby(window, key=lambda s: s.note is not None and s.shape[0] in _BEAMS):
            symbols = list(run)
            if beamed and len(symbols) > 1:
                groups.append(symbols)
    return groups


def _window(bar: Bar, symbol: Symbol) -> tuple[int, int]:
    """(size, number) of the stretch of the bar in which beams hold together."""
    place = symbol.onset - bar.start
    if bar.meter.is_compound:
        return 18, place // 18
    if bar.meter.denominator > 4:
        size = 18 if bar.length == 18 else 12
        return size, place // size
    half = [s for s in bar.symbols if (s.onset - bar.start) // 24 == place // 24]
    eighths = all(s.duration == 6 and s.note is not None for s in half)
    size = 24 if bar.length == 48 and eighths else 12
    return size, place // size


def _beam(counts: Sequence[int], place: int, level: int) -> str:
    before = place > 0 and counts[place - 1] >= level
    after = place + 1 < len(counts) and counts[place + 1] >= level
    if before and after:
        return "continue"
    if before or after:
        return "end" if before else "begin"
    return "forward hook" if place == 0 else "backward hook"
