"""One voice of an ABC tune, from its signs to measures as they are written.

A voice is read one sign after the other, on whatever lines they stand. Lengths are whole numbers of
`UNITS_PER_WHOLE`; onsets come when the order of play is known, so a length may change until then (broken
rhythm lengthens the note before it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction

from hrpe_jax.formats.abc.book import UNITS_PER_WHOLE, is_remark, length_units, read_symbol, symbol_signs
from hrpe_jax.formats.abc.fields import LETTERS, AbcKey, AbcMeter
from hrpe_jax.formats.repeat_signs import MAX_PASSES, Signs
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.chord_parser import Naming

MAX_EVENT_UNITS = 64 * UNITS_PER_WHOLE
_MAX_REST_MEASURES = 500
_MAX_MEASURES = 20_000
_ALTERS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}
_TUPLET_TIME = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
_JUMPS = {
    "segno": "segno", "coda": "coda", "dacoda": "to_coda", "tocoda": "to_coda", "fine": "fine",
    "d.c.": "da_capo", "dacapo": "da_capo", "d.c.alcoda": "da_capo", "d.c.alfine": "da_capo",
    "d.s.": "dal_segno", "d.s.alcoda": "dal_segno", "d.s.alfine": "dal_segno",
}  # fmt: skip
_NO_LENGTH = ("", "", "")

_Written = tuple[str, int, int]
"""A note as written: its letter, octaves above C4's, and the semitones by which it is altered."""


@dataclass(slots=True)
class Event:
    """A note, chord or rest.

    Attributes:
        units: how long it lasts.
        pitches: (MIDI number, whether a tie follows); empty for a rest.
        chord: symbol that begins here.
    """

    units: int
    pitches: list[tuple[int, bool]]
    chord: Chord | None = None


@dataclass(slots=True)
class Measure:
    """What stands between two bar lines, and what was in force at the first of them; `overlaid` are chord
    symbols over a second voice (`&`), with their places in units."""

    meter: AbcMeter | None
    key: AbcKey
    part: str = ""
    tempo: float | None = None
    events: list[Event] = field(default_factory=list)
    overlaid: list[tuple[int, Chord]] = field(default_factory=list)
    signs: Signs = field(default_factory=Signs)

    @property
    def units(self) -> int:
        """How long it lasts."""
        return sum(event.units for event in self.events)


class VoiceWriter:
    """The measures of one voice, while they are read.

    Attributes:
        measures: so far; the last is the one being written.
        warnings: codes of what could not be followed to the letter.
        unit: unit note length in units.
        octaves: semitones that notes lie over what is written, chords and key not.
        transpose: semitones that notes, chords and key lie over what is written.
        written_key: the key as it is on the page.
        naming: whose note names the chord symbols are.
        lyrics: lines of words so far.
        count: events so far.
    """

    def __init__(self, meter: AbcMeter | None, key: AbcKey, unit: Fraction) -> None:
        self.measures: list[Measure] = [Measure(meter, key)]
        self.warnings: set[str] = set()
        self.unit = round(unit * UNITS_PER_WHOLE)
        self.octaves = self.transpose = 0
        self.written_key = key
        self.naming: Naming = "english"
        self.lyrics = 0
        self.count = 0
        self.propagate = "pitch"
        self._alters = dict(key.alters)
        self._accidentals: dict[tuple[str, int], int] = {}
        self._ties: dict[tuple[str, int], int] = {}  # (letter, octave) of tied notes -> their alteration
        self._last: Event | None = None
        self._last_written: list[_Written] = []
        self._chord: Chord | None = None
        self._symbol_given = False  # whether a symbol already waits for the next note
        self._tuplet = (1, 1, 0)  # time of q for p, and notes left
        self._broken = 0
        self._overlay: VoiceWriter | None = None  # a second voice in this bar
        self._line: list[Event | None] = []  # notes of the last line of music; None for a bar line
        self._line_number = -1
        self._inside: list[tuple[int, int, bool]] | None = None  # of [CEG]: pitch, units, tie
        self._inside_written: list[_Written] = []
        self._endings: frozenset[int] = frozenset()
        self._opened = False  # whether a repeat sign has begun the present section

    @property
    def now(self) -> Measure:
        """The measure being written."""
        return self.measures[-1]

    def set_key(self, key: AbcKey) -> None:
        """A new key, from the next note on."""
        self.written_key = key
        self._alters = dict(key.alters)
        self._accidentals.clear()
        self._state(key=key.sounding(self.transpose))

    def set_transpose(self, semitones: int) -> None:
        """Notes, chords and key sound so many semitones over what is written, from the next note on."""
        if semitones != self.transpose:
            self.transpose = semitones
            self._state(key=self.written_key.sounding(semitones))

    def set_meter(self, meter: AbcMeter) -> None:
        """A new meter."""
        self._state(meter=meter)

    def set_part(self, label: str) -> None:
        """A section with this label begins."""
        if self.now.events:
            self._new_measure()
        self.now.part = label

    def set_tempo(self, bpm: float) -> None:
        """A tempo in quarters a minute."""
        self.now.tempo = bpm

    def begin_line(self, number: int) -> None:
        """A line of music, told apart by its number, begins or goes on: what `symbol_line` counts."""
        if number != self._line_number:
            self._line, self._line_number = [], number

    def symbol_line(self, text: str) -> None:
        """Chord symbols under the last line of music, as an `s:` field has them: one for each note, `*` for
        none, `|` for the next bar."""
        place = 0
        for symbol in symbol_signs(text):
            if symbol == "|":
                while place < len(self._line) and self._line[place] is not None:
                    place += 1
                place += 1
                continue
            while place < len(self._line) and self._line[place] is None:
                place += 1
            event = self._line[place] if place < len(self._line) else None
            if event is not None and symbol is not None and event.chord is None:
                event.chord = self._read_symbol(symbol)
            place += 1

    def _state(self, key: AbcKey | None = None, meter: AbcMeter | None = None) -> None:
        """Key and meter belong to measures: of one with notes already, what follows is another."""
        if self.now.events:
            self._new_measure()
        self.now.key = key or self.now.key
        self.now.meter = meter or self.now.meter

    def sign(self, kind: str, parts: tuple[str, ...]) -> None:
        """Take one sign, as `abc_tokens.tokens` gives it (but for fields)."""
        if kind == "bar":
            self._bar(*parts)
        elif kind == "double":
            colons = ":" * (len(parts[0]) // 2)
            self._bar(colons, "||", colons, "")
        elif kind == "overlay":
            self._end_overlay()
            self._overlay = VoiceWriter(self.now.meter, self.now.key, Fraction(self.unit, UNITS_PER_WHOLE))
            self._overlay.naming, self._overlay.transpose = self.naming, self.transpose
        elif self._overlay is not None:
            before = self._overlay.count
            self._overlay.sign(kind, parts)
            self.count += self._overlay.count - before
        elif kind == "note":
            self._note(parts[0], parts[1], parts[2], length_units(self.unit, parts[3:]))
        elif kind == "rest":
            self._rest(parts)
        elif kind == "text":
            self._symbol(parts[0])
        elif kind == "ending":
            if self.now.events:
                self._new_measure()
            self._ending(parts[0])
        elif kind == "tuplet":
            self._begin_tuplet(*parts)
        elif kind == "broken":
            sign = 1 if parts[0][0] == ">" else -1
            self._broken = sign * min(len(parts[0]), 3)
        elif kind == "tie":
            self._tie()
        elif kind == "open":
            self._inside, self._inside_written = [], []
        elif kind == "close":
            self._close(parts)
        elif kind == "decoration":
            self._jump((parts[0] or parts[-1]).strip().lower().replace(" ", ""))

    # Notes

    def _note(self, accidental: str, letter: str, marks: str, units: int) -> None:
        octave = letter.islower() + marks.count("'") - marks.count(",")
        place = (letter.upper(), octave)
        shared = place if self.propagate == "octave" else (place[0], 0)
        if accidental:
            alter = _ALTERS[accidental]
            if self.propagate != "not":
                self._accidentals[shared] = alter
        elif place in self._ties:  # a tie carries the accidental over the bar line
            alter = self._ties[place]
        else:
            alter = self._accidentals.get(shared, self._alters.get(place[0], 0))
        pitch = 60 + LETTERS[place[0]] + 12 * octave + alter + self.octaves + self.transpose
        while pitch < 0:
            pitch += 12
        while pitch > 127:
            pitch -= 12
        if self._inside is not None:
            self._inside.append((pitch, units, False))
            self._inside_written.append((*place, alter))
            return
        self._add(units, [(pitch, False)])
        self._last_written = [(*place, alter)]

    def _close(self, parts: tuple[str, ...]) -> None:
        """A chord [CEG] ends: it lasts as long as its first note."""
        inside, self._inside = self._inside, None
        if not inside:
            return
        units = length_units(inside[0][1], parts)
        self._add(units, [(pitch, tie) for pitch, _, tie in inside[:32]])
        self._last_written = self._inside_written[:32]
        for (_, _, tie), written in zip(inside, self._last_written, strict=False):
            if tie:
                self._remember_tie(written)

    def _rest(self, parts: tuple[str, ...]) -> None:
        letter, length = parts[0], parts[1:]
        if letter in "zx":
            if self._inside is None:
                self._add(length_units(self.unit, length), [])
            return
        meter = self.now.meter
        whole = round((meter.whole if meter else Fraction(1)) * UNITS_PER_WHOLE)
        count = int(length[0] or 1)
        for _ in range(min(count, _MAX_REST_MEASURES)):
            if self.now.events:
                self._new_measure()
            self._add(whole, [])

    def _add(self, units: int, pitches: list[tuple[int, bool]]) -> None:
        p, q, left = self._tuplet
        if left:
            units = (2 * units * q + p) // (2 * p)
            self._tuplet = (p, q, left - 1)
        if self._broken and self._last is not None:
            part = 1 << abs(self._broken)
            long, short = 2 * part - 1, 1
            before, after = (long, short) if self._broken > 0 else (short, long)
            self._last.units = (2 * self._last.units * before + part) // (2 * part)
            units = (2 * units * after + part) // (2 * part)
        self._broken = 0
        units = min(units, MAX_EVENT_UNITS)
        self._ties = {}
        self._last_written = []
        if not units:  # a length of nothing: the symbol over it goes to what follows
            return
        self._last = Event(units, pitches, self._chord)
        self._chord, self._symbol_given = None, False
        self.now.events.append(self._last)
        if pitches:
            self._line.append(self._last)
        self.count += 1

    def _begin_tuplet(self, p: str, q: str, r: str) -> None:
        notes = int(p)
        if not notes:
            return
        meter = self.now.meter.meter if self.now.meter is not None else None
        usual = 3 if meter is not None and meter.is_compound else 2
        time = int(q) if q and int(q) else _TUPLET_TIME.get(notes, usual)
        self._tuplet = (notes, time, int(r) if r and int(r) else notes)

    def _tie(self) -> None:
        if self._inside is not None:
            if self._inside:
                pitch, units, _ = self._inside[-1]
                self._inside[-1] = (pitch, units, True)
            return
        if self._last is not None and self._last.pitches:
            self._last.pitches = [(pitch, True) for pitch, _ in self._last.pitches]
            for written in self._last_written:
                self._remember_tie(written)

    def _remember_tie(self, written: _Written) -> None:
        letter, octave, alter = written
        self._ties[letter, octave] = alter

    # Chord symbols

    def _symbol(self, text: str) -> None:
        """A chord symbol before a note; of several before one note the first counts, the rest are for other
        times through."""
        if self._symbol_given or is_remark(text):
            return
        text = text.split(";")[0].split("\n")[0].strip()
        if not text:  # nothing the first time, something the next
            self._symbol_given = True
            return
        chord = self._read_symbol(text)
        if chord is not None:
            self._chord, self._symbol_given = chord, True

    def _read_symbol(self, text: str) -> Chord | None:
        """A chord at sounding pitch; of one that cannot be read a warning is kept."""
        chord = read_symbol(text, self.naming)
        if chord is None:
            self.warnings.add("chord_symbol_unread")  # the chord before it goes on
        return chord and chord.transpose(self.transpose)

    # Bar lines, repeats and jumps

    def _new_measure(self) -> None:
        last = self.now
        self.measures.append(Measure(last.meter, last.key, signs=Signs(endings=self._endings)))

    def _end_overlay(self) -> None:
        """The second voice of a bar is over: its chords are kept, its notes are not."""
        over, self._overlay = self._overlay, None
        if over is None:
            return
        place = 0
        for event in (event for measure in over.measures for event in measure.events):
            if event.chord is not None and place < self.now.units:
                self.now.overlaid.append((place, event.chord))
            if event.pitches:
                self.warnings.add("overlay_skipped")
            place += event.units
        self.warnings |= over.warnings

    def _bar(self, left: str, strokes: str, right: str, passes: str) -> None:
        self._end_overlay()
        self._line.append(None)
        self._accidentals.clear()
        if self._inside:  # "[CE|": the bracket was never closed
            self._close(_NO_LENGTH)
        self._inside = None
        if len(self.measures) > _MAX_MEASURES:
            return
        if self.now.events:
            self._new_measure()
        done = self.measures[-2] if len(self.measures) > 1 else None
        if left and done is not None:
            done.signs = replace(done.signs, backward=min(len(left) + 1, MAX_PASSES))
            self._opened = False
        if left or right or len(strokes) > 1:
            self._end_endings()
        if right:
            self._opened = True
            self.now.signs = replace(self.now.signs, forward=True)
        elif len(strokes) > 1 and not self._opened and not passes:
            # A repeat that nobody opened goes back to the last double bar.
            self.now.signs = replace(self.now.signs, forward=True)
        if passes:
            self._ending(passes)

    def _ending(self, passes: str) -> None:
        numbers: set[int] = set()
        for low, high in re.findall(r"(\d{1,2})(?:-(\d{1,2}))?", passes[:60]):
            numbers.update(range(int(low), min(int(high or low), MAX_PASSES) + 1))
        self._endings = frozenset(n for n in numbers if 1 <= n <= MAX_PASSES)
        self.now.signs = replace(self.now.signs, endings=self._endings, ending_start=True, forward=False)

    def _end_endings(self) -> None:
        self._endings = frozenset()
        if not self.now.signs.ending_start:
            self.now.signs = replace(self.now.signs, endings=frozenset())

    def _jump(self, name: str) -> None:
        sign = _JUMPS.get(name)
        if sign is None:
            return
        # Signs at a bar line belong to the measure before it, but for the two that one jumps to.
        at_end = sign not in ("segno", "coda") and not self.now.events and len(self.measures) > 1
        measure = self.measures[-2] if at_end else self.now
        measure.signs = replace(measure.signs, **{sign: True})  # type: ignore[arg-type]
