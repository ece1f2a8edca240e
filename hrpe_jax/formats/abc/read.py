"""Tunes in ABC notation (standard 2.1) as notes, chord symbols and measures in playing order.

Times are ticks (12 to the quarter), rounded once from the exact place in the piece. Repeats, endings, jumps
and an order of parts are played out, tied notes are one note; grace notes, lyrics and the notes of second
voices inside a voice (`&`) are left out. Notes, chords and keys are at sounding pitch. What a tune means as a
Score is for `hrpe_jax.readers.abc` to decide.

Reference: abcnotation.com/wiki/abc:standard:v2.1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hrpe_jax.formats.abc.book import (
    MAX_VALUE,
    UNITS_PER_WHOLE,
    AbcError,
    AbcText,
    find_tune_naming,
    looks_like_text,
    split_field,
    tokens,
)
from hrpe_jax.formats.abc.fields import (
    AbcKey,
    AbcMeter,
    AbcShift,
    AbcVoiceField,
    default_unit,
    parse_key,
    parse_meter,
    parse_midi_transpose,
    parse_part_order,
    parse_shift,
    parse_tempo,
    parse_unit,
    parse_voice,
)
from hrpe_jax.formats.abc.layout import (
    MAX_NOTES,
    AbcMeasure,
    AbcNote,
    bar_starts,
    joint_signs,
    lay_out,
    measure_order,
    part_labels,
    place_voice,
)
from hrpe_jax.formats.abc.voice import Measure, VoiceWriter
from hrpe_jax.formats.repeat_signs import main_tempo
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord_parser import Naming

__all__ = ["AbcMeasure", "AbcNote", "AbcTune", "AbcVoice", "read_abc_tune"]

MAX_VOICES = 64
MAX_SIGNS = 400_000
MAX_CHARACTERS = 1_000_000
MAX_EVENTS = 100_000
"""Notes and rests as written, of all voices together."""


@dataclass(frozen=True)
class AbcVoice:
    """One voice.

    Attributes:
        name: its id.
        notes: sorted by onset and pitch, several at once in chords.
        chords: symbols, each lasting until the next.
        label: its name for people; may be empty.
        clef: "treble", "bass" ...; empty where none is said.
        lyrics: how many lines of words stand under it.
    """

    name: str
    notes: tuple[AbcNote, ...]
    chords: tuple[ChordSpan, ...]
    label: str = ""
    clef: str = ""
    lyrics: int = 0


@dataclass(frozen=True)
class AbcTune:
    """What a tune says, in playing order.

    Attributes:
        number: of its `X:` field; may be empty.
        title: may be empty.
        composer: may be empty.
        voices: in the order in which they are named; each has notes or chord symbols.
        measures: of the first voice.
        tempo_bpm: quarters a minute; None where the tune names none, or only for a lesser part of it.
        naming: whose note names its chord symbols are.
        warnings: codes of what could not be followed to the letter; sorted.
    """

    number: str
    title: str
    composer: str
    voices: tuple[AbcVoice, ...]
    measures: tuple[AbcMeasure, ...]
    tempo_bpm: float | None
    warnings: tuple[str, ...]
    naming: Naming = "english"

    @property
    def end(self) -> int:
        """Tick at which the last measure ends."""
        return self.measures[-1].start + self.measures[-1].length if self.measures else 0

    def bar_starts(self) -> tuple[int, ...]:
        """Ticks at which bars begin; a bar that a repeat sign cuts in two counts once."""
        return bar_starts(self.measures)


def read_abc_tune(text: AbcText, where: str) -> AbcTune:
    """Read one tune.

    Args:
        text: its lines.
        where: names it in errors.

    Raises:
        AbcError: if it has no notes, or too many (has `.reason`).
    """
    if sum(map(len, text.lines)) > MAX_CHARACTERS:
        raise AbcError("abc_too_long", f"{where}: expected at most {MAX_CHARACTERS} characters")
    reader = _TuneReader(where, find_tune_naming(text.lines))
    for line in text.lines[: text.header]:
        reader.header_line(line)
    reader.begin_music()
    for line in text.lines[text.header :]:
        reader.music_line(line)
    writers = {name: writer for name, writer in reader.voices.items() if writer.count}
    if not writers:
        raise AbcError("abc_no_notes", f"{where}: no notes: expected music after the K: field")
    warnings = reader.warnings.union(*(writer.warnings for writer in writers.values()))
    voices, measures = _play(writers, reader.parts, warnings, where)
    voices = tuple(replace(voice, **reader.about(voice.name)) for voice in voices)
    tempo = reader.tempo if reader.tempo is not None else _inline_tempo(writers, measures)
    return AbcTune(
        number=text.number,
        title=text.field("T").replace("\\%", "%").replace("\\\\", "\\"),
        composer=text.field("C"),
        voices=voices,
        measures=measures,
        tempo_bpm=tempo,
        warnings=tuple(sorted(warnings)),
        naming=reader.naming,
    )


def _inline_tempo(writers: dict[str, VoiceWriter], measures: Sequence[AbcMeasure]) -> float | None:
    """The tempo by marks among the notes, at their measures."""
    marks: dict[int, float] = {}
    for measure in measures:
        for writer in writers.values():
            tempo = writer.measures[measure.written].tempo if measure.written < len(writer.measures) else None
            if tempo is not None:
                marks.setdefault(measure.start, tempo)
    if not marks:
        return None
    first = measures[0]
    full = 48 * first.meter.numerator // first.meter.denominator if first.meter is not None else 0
    opening = first.length if first.length < full else 0
    return main_tempo(sorted(marks.items()), opening, measures[-1].start + measures[-1].length)


class _TuneReader:
    """Fields and voices of one tune while its lines are read."""

    def __init__(self, where: str, naming: Naming) -> None:
        self.where = where
        self.naming = naming
        self.voices: dict[str, VoiceWriter] = {}
        self.warnings: set[str] = set()
        self.parts: tuple[str, ...] | None = None
        self.tempo: float | None = None
        self._key = AbcKey()
        self._meter: AbcMeter | None = None
        self._unit: Fraction | None = None
        self._shift = AbcShift()
        self._shifts: dict[str, AbcShift] = {}  # by voice
        self._about: dict[str, AbcVoiceField] = {}
        self._midi_transpose = 0
        self._line = 0
        self._propagate = "pitch"
        self._tempo_text = ""
        self._declared: list[str] = []
        self._signs = self._events = 0
        self._current: VoiceWriter | None = None

    def header_line(self, line: str) -> None:
        """Take a line of the header."""
        letter, value = split_field(line)
        if letter == "V":
            self._declare(value)
        elif letter == "P":
            self.parts = parse_part_order(value)
        elif letter == "Y" and self.parts is None:
            # The Nottingham collection keeps the order of its parts here. The standard has no such field.
            order = parse_part_order(value)
            self.parts = order if order is not None and value.replace(" ", "").isupper() else None
        elif letter == "Q":
            self._tempo_text = value
        else:
            self._set(letter, value)

    def begin_music(self) -> None:
        """The header is over: what it leaves open gets its default."""
        if self._unit is None:
            self._unit = default_unit(self._meter)
        if self._tempo_text:
            self.tempo = parse_tempo(self._tempo_text, self._unit)

    def music_line(self, line: str) -> None:
        """Take a line of the tune's body."""
        letter, value = split_field(line)
        if letter:
            self._field(letter, value)
            return
        if looks_like_text(line):
            self.warnings.add("text_skipped")
            return
        self._line += 1
        for kind, parts in tokens(line):
            self._signs += 1
            if self._signs > MAX_SIGNS:
                raise AbcError("abc_too_long", f"{self.where}: expected at most {MAX_SIGNS} signs")
            if kind == "field":
                self._field(parts[0], parts[1][:MAX_VALUE].strip())
                continue
            voice = self._voice()
            voice.begin_line(self._line)
            before = voice.count
            voice.sign(kind, parts)
            self._events += voice.count - before
            if self._events > MAX_EVENTS:
                raise AbcError("abc_too_long", f"{self.where}: expected at most {MAX_EVENTS} notes")

    def _voice(self) -> VoiceWriter:
        """The voice that music is for."""
        if self._current is None:
            self._select(self._declared[0] if self._declared else "1")
        assert self._current is not None
        return self._current

    def _declare(self, value: str) -> str:
        """Take note of a voice's name and clef; returns its id."""
        name = value.split()[0][:40] if value.split() else "1"
        said, known = parse_voice(value), self._about.get(name)
        if known is not None:
            said = AbcVoiceField(said.name or known.name, said.clef or known.clef)
        self._about[name] = said
        shift = parse_shift(value)
        if shift is not None:
            self._shifts[name] = shift
            if name in self.voices:
                self._move(self.voices[name], shift)
        if name not in self._declared and len(self._declared) < MAX_VOICES:
            self._declared.append(name)
        return name

    def _select(self, name: str) -> None:
        """Go on with this voice."""
        if name not in self.voices:
            if len(self.voices) >= MAX_VOICES:
                raise AbcError("abc_too_long", f"{self.where}: expected at most {MAX_VOICES} voices")
            writer = VoiceWriter(self._meter, self._key, self._unit or Fraction(1, 8))
            writer.propagate, writer.naming = self._propagate, self.naming
            self._move(writer, self._shifts.get(name, self._shift))
            self.voices[name] = writer
        self._current = self.voices[name]

    def _move(self, voice: VoiceWriter, shift: AbcShift) -> None:
        """Gives a voice its octaves and its transposition: its own, or what holds for the tune."""
        own = shift.transpose if shift.transpose is not None else self._shift.transpose
        voice.octaves = shift.octaves
        voice.set_transpose((own or 0) + self._midi_transpose)

    def about(self, name: str) -> dict[str, Any]:
        """What is known of a voice besides its music, as fields of `AbcVoice`."""
        said = self._about.get(name, AbcVoiceField("", ""))
        return {"label": said.name, "clef": said.clef, "lyrics": self.voices[name].lyrics}

    def _field(self, letter: str, value: str) -> None:
        """A field in the body: for the present voice, or for all of them where none has begun."""
        voice = self._current
        if letter == "V":
            self._select(self._declare(value))
        elif letter == "P":
            self._voice().set_part(value[:40])
        elif letter == "Q":
            unit = Fraction(voice.unit, UNITS_PER_WHOLE) if voice else self._unit or Fraction(1, 8)
            bpm = parse_tempo(value, unit)
            if bpm is not None:
                self._voice().set_tempo(bpm)
        elif voice is None:
            self._set(letter, value)
        elif letter == "K":
            key, shift = parse_key(value), parse_shift(value)
            if shift is not None:
                self._move(voice, shift)
            if key is not None:
                voice.set_key(key)
        elif letter == "M":
            meter = parse_meter(value)
            if meter is not None:
                voice.set_meter(meter)
        elif letter == "L":
            unit_length = parse_unit(value)
            if unit_length is not None:
                voice.unit = round(unit_length * UNITS_PER_WHOLE)
        elif letter == "s":
            voice.symbol_line(value)
        elif letter == "w":
            voice.lyrics += 1
        elif letter == "I":
            self._directive(value)
            voice.propagate = self._propagate
            semitones = parse_midi_transpose(value)
            if semitones is not None:  # in the body it is for this voice
                voice.set_transpose(semitones)

    def _set(self, letter: str, value: str) -> None:
        """A field that holds for every voice."""
        if letter == "K":
            self._key = parse_key(value) or self._key
            self._shift = parse_shift(value) or AbcShift()
        elif letter == "M":
            self._meter = parse_meter(value) or self._meter
        elif letter == "L":
            self._unit = parse_unit(value) or self._unit
        elif letter == "I":
            self._directive(value)
            self._midi_transpose = parse_midi_transpose(value) or self._midi_transpose

    def _directive(self, value: str) -> None:
        match = re.match(r"propagate-accidentals\s+(not|octave|pitch)\b", value)
        if match is not None:
            self._propagate = match[1]


def _play(
    writers: dict[str, VoiceWriter], parts: tuple[str, ...] | None, warnings: set[str], where: str
) -> tuple[tuple[AbcVoice, ...], tuple[AbcMeasure, ...]]:
    """The voices in ticks, and the measures of the first.

    Voices with as many measures as the first share its measures, so that a slip in one bar does not shift
    those after it; others are laid out alone.
    """
    written: dict[str, list[Measure]] = {name: _closed(writer.measures) for name, writer in writers.items()}
    first = next(iter(written.values()))
    together = [name for name, measures in written.items() if len(measures) == len(first)]
    groups = [together, *([name] for name in written if name not in together)]
    if len(groups) > 1:
        warnings.add("voices_uneven")
    placed: dict[str, AbcVoice] = {}
    all_measures: list[tuple[AbcMeasure, ...]] = []
    notes_left = MAX_NOTES
    for group in groups:
        voices = [written[name] for name in group]
        for i, measure in enumerate(voices[0]):
            measure.signs = joint_signs([voice[i].signs for voice in voices])
            measure.part = next((voice[i].part for voice in voices if voice[i].part), "")
        order_of_parts = parts if parts and part_labels(voices[0]).issuperset(parts) else None
        if parts and order_of_parts is None:
            warnings.add("part_order_ignored")
        order = measure_order(voices[0], order_of_parts)
        laid_out = lay_out(voices, order) if order is not None else None
        if order is None or laid_out is None:
            raise AbcError("abc_too_long", f"{where}: too long with its repeats")
        starts, measures = laid_out
        all_measures.append(measures)
        end = measures[-1].start + measures[-1].length if measures else 0
        for name, voice in zip(group, voices, strict=True):
            music = place_voice(voice, order, starts, end, notes_left)
            if music is None:
                raise AbcError("abc_too_long", f"{where}: more than {MAX_NOTES} notes with its repeats")
            notes_left -= len(music[0])
            if music[0] or music[1]:
                placed[name] = AbcVoice(name, *music)
    if not any(voice.notes for voice in placed.values()):
        raise AbcError("abc_no_notes", f"{where}: rests only: expected notes")
    return tuple(placed[name] for name in written if name in placed), all_measures[0]


def _closed(measures: list[Measure]) -> list[Measure]:
    """The measures without the one that the last bar line began, if nothing is in it."""
    return measures[:-1] if len(measures) > 1 and not measures[-1].events else measures
