"""Lead sheets as MusicXML 4.0: melody, chord symbols, key, meter and tempo, in one part.

Printed as people print them: title and composer, section letters and double bars, repeats and endings where
the form comes again note for note, four bars a system. Every duration is exact (12 divisions to the quarter).
Chord symbols stand where they begin, within a note by `<offset>`. The bytes depend on the score alone.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from hrpe_jax.formats.musicxml.chord_symbols import harmony_element, text_element
from hrpe_jax.score.notation import Symbol, bar_lengths, beams, chords_at
from hrpe_jax.score.score import Score
from hrpe_jax.score.written import BARS_PER_SYSTEM, Measure, lay_out, make_readable
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import TICKS_PER_QUARTER, Meter
from hrpe_jax.theory.spelling import NoteName, spell_note

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_TYPES = {1: "whole", 2: "half", 4: "quarter", 8: "eighth", 16: "16th", 32: "32nd"}
_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_LOW_MELODY = 55
"""Median pitch below which a bass clef reads better."""
_FORTE = 90
"""The MIDI velocity that MusicXML's `dynamics` is a percentage of."""

_DIRECTIONS = {"Bb": (1, 2), "Eb": (5, 9), "F": (4, 7)}
"""Instruments by the note that sounds where they read C: steps and semitones that their part is higher."""
INSTRUMENTS = tuple(_DIRECTIONS)
CLEFS = ("treble", "bass")
_BASS_CENTRE = 50
"""Median pitch of a part in the bass clef: D3, the middle line."""


@dataclass(frozen=True)
class PrintOptions:
    """How a lead sheet is printed.

    Attributes:
        transpose: "Bb", "Eb" or "F" for the part of an instrument in that pitch, "" for concert pitch.
        clef: "treble" or "bass", "" for the one that fits. In the bass clef the part is written an octave or
            two lower where it is high.
        readable: whether note ends and the pickup are written as people write them, see `score.written`;
            without it the file holds the score exactly.
        repeats: whether what comes again at once is written once, between repeat signs.
        bars_per_line: at most.
    """

    transpose: str = ""
    clef: str = ""
    readable: bool = False
    repeats: bool = True
    bars_per_line: int = BARS_PER_SYSTEM


EXACT, READABLE = PrintOptions(), PrintOptions(readable=True)


def write_musicxml(
    score: Score, path: str | os.PathLike[str], program: int = 0, options: PrintOptions = EXACT
) -> None:
    """Writes a score as an uncompressed MusicXML file.

    Args:
        score: what to write.
        path: the file; its folder must exist.
        program: General MIDI program of the melody, 0 to 127.
        options: how it is printed.
    """
    Path(path).write_bytes(musicxml_bytes(score, program, options))


def musicxml_bytes(score: Score, program: int = 0, options: PrintOptions = EXACT) -> bytes:
    """The MusicXML file of a score; equal arguments, see `write_musicxml`, give equal bytes.

    Args:
        score: the piece.
        program: General MIDI number of the melody, from 0.
        options: how it is printed.
    """
    root = Element("score-partwise", {"version": "4.0"})
    if score.title:
        text_element(SubElement(root, "work"), "work-title", plain_text(score.title))
    about = SubElement(root, "identification")
    if score.composer:
        text_element(about, "creator", plain_text(score.composer)).set("type", "composer")
    if score.license:
        text_element(about, "rights", plain_text(score.license))
    text_element(SubElement(about, "encoding"), "software", "hrpe_jax")
    if score.source:
        text_element(about, "source", plain_text(score.source))
    _credits(root, score, options)
    entry = SubElement(SubElement(root, "part-list"), "score-part", {"id": "P1"})
    text_element(entry, "part-name", "Melody").set("print-object", "no")
    text_element(SubElement(entry, "score-instrument", {"id": "P1-I1"}), "instrument-name", "Melody")
    sound = SubElement(entry, "midi-instrument", {"id": "P1-I1"})
    text_element(sound, "midi-channel", "1")
    text_element(sound, "midi-program", str(program + 1))
    part = SubElement(root, "part", {"id": "P1"})
    _Writer(score, options).write(part)
    indent(root, " ")
    return _HEAD.encode() + tostring(root, encoding="unicode").encode() + b"\n"


def _credits(root: Element, score: Score, options: PrintOptions) -> None:
    """The block over the first line: the title, the composer on the right, on the left whose part it is."""
    part = f"in {options.transpose}" if options.transpose else ""
    lines = (
        ("title", score.title, "center", "22"),
        ("part name", part, "left", "11"),
        ("composer", score.composer, "right", "11"),
    )
    for kind, text, side, size in lines:
        if text:
            credit = SubElement(root, "credit", {"page": "1"})
            text_element(credit, "credit-type", kind)
            height = "top" if kind == "title" else "bottom"
            words = text_element(credit, "credit-words", plain_text(text))
            words.attrib.update({"font-size": size, "halign": side, "justify": side, "valign": height})


def spelled(score: Score) -> list[NoteName]:
    """The names of the melody's notes, each led to the next unless there is a rest of a beat between."""
    names = []
    for index, (note, chord) in enumerate(zip(score.melody, chords_at(score), strict=True)):
        after = score.melody[index + 1] if index + 1 < len(score.melody) else None
        leads = after is not None and after.onset - note.end < TICKS_PER_QUARTER
        names.append(spell_note(note.pitch, score.key, chord, after.pitch if after and leads else None))
    return names


def plain_text(text: str) -> str:
    """Text in one line with nothing in it that XML may not hold."""
    return " ".join(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text).split())


class _Writer:
    """Writes the measures of one part."""

    def __init__(self, score: Score, options: PrintOptions) -> None:
        if options.readable:
            score = make_readable(score)
        self.steps, self.semitones = _DIRECTIONS.get(options.transpose, (0, 0))
        self.bass_clef = _is_low(score, self.semitones) if not options.clef else options.clef == "bass"
        self.octaves = _octaves_down(score, self.semitones) if options.clef == "bass" else 0
        score = score.transpose(self.semitones) if self.semitones else score
        if self.octaves:
            melody = [replace(note, pitch=note.pitch - 12 * self.octaves) for note in score.melody]
            score = replace(score, melody=tuple(melody))
        self.score = score
        self.names = spelled(score)
        self.measures = lay_out(score, repeats=options.repeats, bars_per_line=options.bars_per_line)

    def write(self, part: Element) -> None:
        before: Meter | None = None
        for index, measure in enumerate(self.measures):
            self.measure(SubElement(part, "measure"), measure, before, index)
            before = measure.bar.meter

    def measure(self, element: Element, measure: Measure, before: Meter | None, index: int) -> None:
        bar = measure.bar
        element.set("number", str(bar.number))
        element.set("id", measure_id(measure))
        if bar.irregular:
            element.set("implicit", "yes")
        if measure.new_system:
            SubElement(element, "print", {"new-system": "yes"})
        if (measure.repeat_start and index) or measure.ending_start:
            barline = SubElement(element, "barline", {"location": "left"})
            if measure.repeat_start and index:
                text_element(barline, "bar-style", "heavy-light")
            if measure.ending_start:
                SubElement(barline, "ending", {"number": str(measure.ending), "type": "start"})
            if measure.repeat_start and index:
                SubElement(barline, "repeat", {"direction": "forward"})
        if bar.meter != before:
            self.attributes(element, bar.meter, before is None)
        if measure.section:
            direction = SubElement(element, "direction", {"placement": "above"})
            text_element(SubElement(direction, "direction-type"), "rehearsal", measure.section)
        if before is None:
            _tempo(element, self.score)
        self.notes(element, measure)
        self.right_barline(element, measure, index == len(self.measures) - 1)

    def attributes(self, element: Element, meter: Meter, first: bool) -> None:
        attributes = SubElement(element, "attributes")
        if first:
            text_element(attributes, "divisions", str(TICKS_PER_QUARTER))
            key = SubElement(attributes, "key")
            text_element(key, "fifths", str(self.score.key.fifths))
            text_element(key, "mode", self.score.key.mode)
        time = SubElement(attributes, "time")
        text_element(time, "beats", str(meter.numerator))
        text_element(time, "beat-type", str(meter.denominator))
        if not first:
            return
        clef = SubElement(attributes, "clef")
        text_element(clef, "sign", "F" if self.bass_clef else "G")
        text_element(clef, "line", "4" if self.bass_clef else "2")
        if self.semitones or self.octaves:
            transpose = SubElement(attributes, "transpose")
            text_element(transpose, "diatonic", str(-self.steps))
            text_element(transpose, "chromatic", str(-self.semitones))
            if self.octaves:
                text_element(transpose, "octave-change", str(self.octaves))

    def notes(self, element: Element, measure: Measure) -> None:
        bar, key = measure.bar, self.score.key
        shown: dict[tuple[str, int], int] = {}
        lines = beams(bar)
        chords = list(bar.chords)
        if measure.chord is not None:
            chords.insert(0, (bar.start, measure.chord))
        for place, symbol in enumerate(bar.symbols):
            while chords and chords[0][0] < symbol.onset + symbol.duration:
                tick, chord = chords.pop(0)
                element.append(harmony_element(chord, key, tick - symbol.onset))
            note = _note(element, self.score, symbol, self.names)
            note.set("id", f"{measure_id(measure)}-{place}")
            accidental = _accidental(symbol, key, self.names, shown)
            if accidental:
                behind = [child.tag for child in note].index("type") + 1 + symbol.shape[1]
                note.insert(behind, Element("accidental"))
                note[behind].text = accidental
            for number, beam in enumerate(lines.get(symbol.onset, ()), 1):
                text_element(note, "beam", beam).set("number", str(number))
            _notations(note, symbol)
            self.lyrics(note, measure, symbol)

    def lyrics(self, note: Element, measure: Measure, symbol: Symbol) -> None:
        """The syllables of a note, a verse for each time that it is played.

        Args:
            note: the element.
            measure: in which it stands.
            symbol: the note as written.
        """
        if symbol.note is None or symbol.tie_from:
            return
        verses = self.syllables(measure, symbol)
        for number, syllable in enumerate(verses, 1):
            if not syllable or (number > 1 and verses == [verses[0]] * len(verses)):
                continue
            lyric = SubElement(note, "lyric", {"number": str(number)})
            kind = {(0, 0): "single", (0, 1): "begin", (1, 1): "middle", (1, 0): "end"}
            ends = (int(syllable.startswith("-")), int(syllable.endswith("-")))
            text_element(lyric, "syllabic", kind[ends])
            text_element(lyric, "text", plain_text(syllable.strip("-")))

    def syllables(self, measure: Measure, symbol: Symbol) -> list[str]:
        first = measure.bar.start
        found = []
        for played in measure.played:
            onset = self.starts[played] + symbol.onset - first
            index = bisect_left(self.score.melody, onset, key=lambda note: note.onset)
            found.append(self.score.melody[index].lyric)
        return [""] * (measure.ending - 1) + found if measure.ending else found

    @cached_property
    def starts(self) -> list[int]:
        return [start for start, _ in bar_lengths(self.score)]

    def right_barline(self, element: Element, measure: Measure, last: bool) -> None:
        if not (measure.repeat_end or measure.ending_stop or measure.double_bar or last):
            return
        barline = SubElement(element, "barline", {"location": "right"})
        style = "light-heavy" if measure.repeat_end or last else "light-light"
        text_element(barline, "bar-style", style)
        if measure.ending_stop:
            kind = "stop" if measure.repeat_end else "discontinue"
            SubElement(barline, "ending", {"number": str(measure.ending), "type": kind})
        if measure.repeat_end:
            SubElement(barline, "repeat", {"direction": "backward"})


def measure_id(measure: Measure) -> str:
    """The id of a measure's element; its notes and rests are this with their number behind a hyphen."""
    return f"m{measure.played[0]}"


def _is_low(score: Score, semitones: int) -> bool:
    pitches = [note.pitch for note in score.melody]
    return bool(pitches) and median(pitches) + semitones < _LOW_MELODY


def _octaves_down(score: Score, semitones: int) -> int:
    """Octaves by which a part is written lower to lie in the bass clef."""
    pitches = [note.pitch + semitones for note in score.melody]
    if not pitches:
        return 0
    return max(0, min(round((median(pitches) - _BASS_CENTRE) / 12), (min(pitches)) // 12))


def _tempo(measure: Element, score: Score) -> None:
    direction = SubElement(measure, "direction", {"placement": "above"})
    metronome = SubElement(SubElement(direction, "direction-type"), "metronome")
    text_element(metronome, "beat-unit", "quarter")
    beats = score.tempo_bpm
    if score.meter.is_compound:
        SubElement(metronome, "beat-unit-dot")
        beats = beats * 2 / 3
    text_element(metronome, "per-minute", f"{beats:.6g}")
    SubElement(direction, "sound", {"tempo": f"{score.tempo_bpm:.6g}"})


def _note(measure: Element, score: Score, symbol: Symbol, names: Sequence[NoteName]) -> Element:
    element = SubElement(measure, "note")
    if symbol.note is None:
        rest = SubElement(element, "rest")
        if symbol.whole_bar:
            rest.set("measure", "yes")
    else:
        element.set("dynamics", f"{100 * score.melody[symbol.note].velocity / _FORTE:.2f}")
        pitch, name = SubElement(element, "pitch"), names[symbol.note]
        text_element(pitch, "step", name.step)
        if name.alter:
            text_element(pitch, "alter", str(name.alter))
        text_element(pitch, "octave", str(name.octave))
    text_element(element, "duration", str(symbol.duration))
    for type_, tied in (("stop", symbol.tie_from), ("start", symbol.tie_to)):
        if tied:
            SubElement(element, "tie", {"type": type_})
    text_element(element, "voice", "1")
    if symbol.whole_bar:
        return element
    denominator, dots = symbol.shape
    text_element(element, "type", _TYPES[denominator])
    for _ in range(dots):
        SubElement(element, "dot")
    if symbol.tuplet:
        modification = SubElement(element, "time-modification")
        text_element(modification, "actual-notes", "3")
        text_element(modification, "normal-notes", "2")
    return element


def _notations(element: Element, symbol: Symbol) -> None:
    signs = [("tied", "stop", symbol.tie_from), ("tied", "start", symbol.tie_to)]
    if symbol.tuplet:
        signs += [("tuplet", "start", symbol.tuplet[0]), ("tuplet", "stop", symbol.tuplet[1])]
    signs = [sign for sign in signs if sign[2]]
    if not signs:
        return
    notations = SubElement(element, "notations")
    for tag, type_, _ in signs:
        SubElement(notations, tag, {"type": type_})


def _accidental(
    symbol: Symbol, key: Key, names: Sequence[NoteName], shown: dict[tuple[str, int], int]
) -> str | None:
    """The sign to print, where the signature and the bar so far do not say it; remembers it for the bar."""
    if symbol.note is None or symbol.tie_from:
        return None
    name = names[symbol.note]
    place = (name.step, name.octave)
    if shown.get(place, signature_alter(name.step, key.fifths)) == name.alter:
        return None
    shown[place] = name.alter
    return _ACCIDENTALS[name.alter]


def signature_alter(step: str, fifths: int) -> int:
    """What a key signature does to a letter: 1 sharp, -1 flat."""
    place = "FCGDAEB".index(step)
    return int(place < fifths) - int(place >= 7 + fifths)
