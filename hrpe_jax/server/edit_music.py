"""Edits of notes and chords, and the locks on them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from hrpe_jax.errors import UserError
from hrpe_jax.sampling.chord_input import read_chords
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.server.actions import Refused, action
from hrpe_jax.server.bars import BarContent, put_together, take_apart
from hrpe_jax.server.state import MAX_BARS, Locks, State, fill, sounding_chords, with_form
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

Item = TypeVar("Item", Note, ChordSpan)

# ---- Notes


@action("Add a note")
def add_note(state: State, onset: int, duration: int, pitch: int, velocity: int = 80) -> State:
    """Puts a note into the melody; those that it meets are cut."""
    return _placed(state, state.score.melody, _note(state, onset, duration, pitch, velocity))


@action("Change a note")
def change_note(
    state: State,
    onset: int,
    to: int | None = None,
    duration: int | None = None,
    pitch: int | None = None,
) -> State:
    """Moves a note to another tick or pitch, or makes it longer or shorter."""
    note = _find(state.score.melody, onset, "note")
    if onset in state.locks.notes:
        raise Refused(f"this note is locked (bar {state.bar_at(onset)}); unlock it first")
    _unlocked_bars(state, onset, onset if to is None else to)
    new = _note(
        state,
        note.onset if to is None else to,
        note.duration if duration is None else duration,
        note.pitch if pitch is None else pitch,
        note.velocity,
    )
    others = [other for other in state.score.melody if other.onset != onset]
    return _placed(state, others, replace(new, lyric=note.lyric))


@action("Delete notes")
def delete_notes(state: State, onsets: list[int]) -> State:
    """Takes notes out of the melody."""
    for onset in onsets:
        _find(state.score.melody, onset, "note")
        if onset in state.locks.notes:
            raise Refused(f"this note is locked (bar {state.bar_at(onset)}); unlock it first")
        _unlocked_bars(state, onset)
    gone = set(onsets)
    return _with(state, melody=[note for note in state.score.melody if note.onset not in gone])


@action("Transpose notes")
def transpose_notes(state: State, onsets: list[int], semitones: int) -> State:
    """Moves notes up or down."""
    wanted = set(onsets)
    for onset in onsets:
        _find(state.score.melody, onset, "note")
        if onset in state.locks.notes:
            raise Refused(f"this note is locked (bar {state.bar_at(onset)}); unlock it first")
        _unlocked_bars(state, onset)
    moved = [
        _note(state, n.onset, n.duration, n.pitch + semitones, n.velocity, n.lyric)
        if n.onset in wanted
        else n
        for n in state.score.melody
    ]
    return _with(state, melody=moved)


@action("Clear bars")
def clear_bars(state: State, first: int, last: int, what: str = "both") -> State:
    """Empties bars of their melody, their chords or both."""
    if what not in ("melody", "chords", "both"):
        raise Refused(f"clear_bars: what {what!r}: expected melody, chords or both")
    start, end = span_of(state, first, last)
    melody, chords = list(state.score.melody), list(state.score.chords)
    if what != "chords":
        kept = [n for n in melody if not start <= n.onset < end or n.onset in state.locks.notes]
        melody = [_shorter(n, start) if n.onset < start < n.end else n for n in kept]
    if what != "melody":
        chords = _chords_replaced(chords, start, end, ())
        chords += [s for s in state.score.chords if start <= s.onset < end and s.onset in state.locks.chords]
    for number in range(first, last + 1):
        if number in state.locks.bars:
            raise Refused(f"bar {number} is locked; unlock it first")
    return _with(state, melody=melody, chords=sorted(chords, key=lambda span: span.onset))


# ---- Chords


@action("Write chords")
def set_chords(state: State, bar: int, text: str) -> State:
    """Writes the chords of bars, as text: "Am7 D7", "ii V", "Dm7*3 G7"; bar lines go on to the next bar.

    Bars beyond the end are added. "%" repeats the bar before, an empty bar has no chord.
    """
    parts = [part.strip() for part in _bars_of_text(text)]
    if not 1 <= bar <= len(state.bars):
        raise Refused(f"bar {bar}: expected 1 to {len(state.bars)}")
    if bar + len(parts) - 1 > MAX_BARS:
        raise Refused(f"{len(parts)} bars of chords from bar {bar} on; at most {MAX_BARS} bars expected")
    missing = bar + len(parts) - 1 - len(state.bars)
    if missing > 0:
        form = state.score.form
        more = [BarContent(state.score.meter.bar_ticks)] * missing
        grown = put_together(state, [*take_apart(state), *more])
        longer = (*form[:-1], replace(form[-1], bars=form[-1].bars + missing)) if form else form
        state = replace(grown, score=with_form(grown.score, longer))
    spans = sounding_chords(state.score)
    for number, part in enumerate(parts, bar):
        start, length = state.bars[number - 1]
        if number in state.locks.bars:
            raise Refused(f"bar {number} is locked; unlock it first")
        locked = [tick for tick in state.locks.chords if start <= tick < start + length]
        if locked:
            raise Refused(f"a chord of bar {number} is locked; unlock it first")
        if part == "%":
            before = state.bars[number - 2] if number > 1 else (0, 0)
            inside = [(s.onset, s.end, s.chord) for s in spans if s.onset < sum(before) and s.end > before[0]]
            new = [
                ChordSpan(max(on, before[0]) - before[0], min(end, sum(before)) - max(on, before[0]), chord)
                for on, end, chord in inside
            ]
        else:
            new = parse_bar(part, state.score.key, state.score.meter, number)
        placed = [
            ChordSpan(start + s.onset, min(s.duration, length - s.onset), s.chord)
            for s in new
            if s.onset < length
        ]
        spans = _chords_replaced(spans, start, start + length, placed)
    return _with(state, chords=spans)


def _bars_of_text(text: str) -> list[str]:
    inner = text.strip()
    if "|" not in inner:
        return [inner]
    return inner.removeprefix("|").removesuffix("|").split("|")


def parse_bar(text: str, key: Key, meter: Meter, number: int = 1) -> list[ChordSpan]:
    """The chords of one bar, from its beginning; none for an empty text.

    Args:
        text: chord symbols, Harte labels, roman numerals or Nashville numbers, with "*2" for beats.
        key: of numerals.
        meter: whose bar they fill.
        number: of the bar, for messages.

    Raises:
        Refused: a name that is no chord, or chords that do not fill the bar.
    """
    if not text.strip():
        return []
    try:
        timed, _ = read_chords(f"|{text}|", meter, key)
    except UserError as error:
        reason = re.sub(r"^--chords: (bar \d+( \(.*?\))?:? ?)?", "", str(error))
        raise Refused(f"bar {number}: {reason}") from None
    spans, beat = [], 0
    for chord, beats in timed:
        if chord is not None:
            spans.append(ChordSpan(beat * meter.beat_ticks, beats * meter.beat_ticks, chord))
        beat += beats
    return spans


def bar_text(score: Score, start: int, length: int) -> str:
    """The chords of a bar as a person would type them; "?" where none sounds beside others, "" for none."""
    end = start + length
    inside = [s for s in sounding_chords(score) if s.onset < end and s.end > start]
    if not inside:
        return ""
    places: list[tuple[int, int, str]] = []
    now = start
    for span in inside:
        onset = max(span.onset, start)
        if onset > now:
            places.append((now, onset, "?"))
        now = min(span.end, end)
        places.append((onset, now, to_lead_sheet(span.chord, score.key)))
    if now < end:
        places.append((now, end, "?"))
    beat = score.meter.beat_ticks
    beats = [max(1, round((until - place) / beat)) for place, until, _ in places]
    share, rest = divmod(max(1, round(length / beat)), len(places))
    even = beats == [share + (index < rest) for index in range(len(places))]
    named = [name for _, _, name in places]
    return " ".join(n if even else f"{n}*{count}" for n, count in zip(named, beats, strict=True))


@action("Delete a chord")
def delete_chord(state: State, onset: int) -> State:
    """Takes a chord away; the one before it sounds on where it touches it."""
    span = _find(state.score.chords, onset, "chord")
    if onset in state.locks.chords:
        raise Refused(f"this chord is locked (bar {state.bar_at(onset)}); unlock it first")
    _unlocked_bars(state, span.onset, span.end - 1)
    spans = []
    for other in state.score.chords:
        if other.end == span.onset:
            spans.append(replace(other, duration=span.end - other.onset))
        elif other.onset != onset:
            spans.append(other)
    return _with(state, chords=spans)


# ---- Locks


@action("Lock or unlock")
def set_locks(
    state: State,
    locked: bool,
    bars: list[int] | None = None,
    chords: list[int] | None = None,
    notes: list[int] | None = None,
) -> State:
    """Locks bars (by number), chords and notes (by the tick where they begin), or unlocks them."""
    for number in bars or []:
        if not 1 <= number <= len(state.bars):
            raise Refused(f"bar {number}: expected 1 to {len(state.bars)}")
    for tick in notes or []:
        _find(state.score.melody, tick, "note")
    for tick in chords or []:
        _find(state.score.chords, tick, "chord")
    change: Callable[[frozenset[int], frozenset[int]], frozenset[int]] = (
        frozenset.union if locked else frozenset.difference
    )
    old = state.locks
    new = Locks(
        change(old.bars, frozenset(bars or ())),
        change(old.chords, frozenset(chords or ())),
        change(old.notes, frozenset(notes or ())),
    )
    return replace(state, locks=new)


# ---- What they share


def span_of(state: State, first: int, last: int) -> tuple[int, int]:
    """(tick, tick) from the beginning of a bar to the end of another.

    Raises:
        Refused: there are no such bars.
    """
    count = len(state.bars)
    if not 1 <= first <= last <= count:
        raise Refused(f"bars {first} to {last}: expected bars within 1 to {count}")
    start, length = state.bars[last - 1]
    return state.bars[first - 1][0], start + length


def _with(
    state: State, melody: Sequence[Note] | None = None, chords: Sequence[ChordSpan] | None = None
) -> State:
    """The state with another melody or other chords; it stays as long, locks of what is gone go."""
    start, length = state.bars[-1]
    score = replace(
        state.score,
        melody=state.score.melody if melody is None else tuple(melody),
        chords=state.score.chords if chords is None else tuple(chords),
        form=(),
    )
    score = with_form(fill(score, start + length), state.score.form)
    locks = replace(
        state.locks,
        notes=state.locks.notes & {note.onset for note in score.melody},
        chords=state.locks.chords & {span.onset for span in score.chords},
    )
    return replace(state, score=score, locks=locks)


def _placed(state: State, others: Sequence[Note], new: Note) -> State:
    """The melody with one more note, which the others make room for."""
    _unlocked_bars(state, new.onset, new.end - 1)
    melody = [new]
    for other in others:
        meets = other.onset < new.end and other.end > new.onset
        if meets and other.onset in state.locks.notes:
            raise Refused(f"a note of bar {state.bar_at(other.onset)} is locked; unlock it first")
        if not meets:
            melody.append(other)
        elif other.onset < new.onset:
            melody.append(_shorter(other, new.onset))
        elif other.end > new.end and other.onset > new.onset:
            melody.append(replace(other, onset=new.end, duration=other.end - new.end))
    return _with(state, melody=sorted(melody))


def _shorter(note: Note, end: int) -> Note:
    return replace(note, duration=end - note.onset)


def _note(state: State, onset: int, duration: int, pitch: int, velocity: int = 80, lyric: str = "") -> Note:
    start, length = state.bars[-1]
    end = start + length
    if not 0 <= onset < end:
        raise Refused(f"a note at tick {onset}: expected 0 to {end - 1}, inside the piece")
    if duration < 1:
        raise Refused(f"a note of {duration} ticks: expected 1 or more")
    if not 0 <= pitch <= 127:
        raise Refused(f"pitch {pitch}: expected 0 to 127")
    if not 1 <= velocity <= 127:
        raise Refused(f"velocity {velocity}: expected 1 to 127")
    return Note(onset, min(duration, end - onset), pitch, velocity, lyric)


def _find(line: Sequence[Item], onset: int, what: str) -> Item:
    for item in line:
        if item.onset == onset:
            return item
    raise Refused(f"no {what} begins at tick {onset}; it was changed or deleted meanwhile")


def _unlocked_bars(state: State, *ticks: int) -> None:
    """Raises Refused where a bar that one of the ticks lies in, or one between them, is locked."""
    numbers = [state.bar_at(tick) for tick in ticks]
    for number in range(min(numbers), max(numbers) + 1):
        if number in state.locks.bars and (number in numbers or len(set(numbers)) > 1):
            raise Refused(f"bar {number} is locked; unlock it first")


def _chords_replaced(
    spans: Sequence[ChordSpan], start: int, end: int, new: Sequence[ChordSpan]
) -> list[ChordSpan]:
    """Chords with those between two ticks replaced; one that sounds over an end keeps what lies outside."""
    kept = []
    for span in spans:
        if span.onset < start:
            kept.append(replace(span, duration=min(span.end, start) - span.onset))
        if span.end > end:
            onset = max(span.onset, end)
            kept.append(replace(span, onset=onset, duration=span.end - onset))
    return sorted([*kept, *new], key=lambda span: span.onset)
