"""Lead sheets as MusicXML 4.0: melody, chord symbols, key, meter and tempo, in one part.

Every duration is exact (12 divisions to the quarter). Chord symbols stand where they begin, within a note by
`<offset>`. The bytes depend on the score alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from hrpe_jax.score.notation import Bar, Symbol, chords_at, write_bars
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import Chord, bass_name, lead_sheet_suffix, root_name
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import TICKS_PER_QUARTER, Meter
from hrpe_jax.theory.spelling import NoteName, spell_note

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


_HEAD = (
    '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_TYPES = {1: "whole", 2: "half", 4: "quarter", 8: "eighth", 16: "16th", 32: "32nd"}
_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_SAID_BY_DEGREE = {"7b9": "7", "7#9": "7", "7#11": "7", "add9": "", "minadd9": "m", "maj7#5": "maj7"}
"""Qualities whose degrees are printed behind what the kind's text says; elsewhere the text says all."""
_LOW_MELODY = 55
"""Median pitch below which a bass clef reads better."""
_FORTE = 90
"""The MIDI velocity that MusicXML's `dynamics` is a percentage of."""

# A quality as MusicXML's kind and (degree, alteration, type). Degrees are those of the major scale; sevenths
# are never added, since programs do not agree on which seventh that is.
_KINDS: dict[str, tuple[str, tuple[tuple[int, int, str], ...]]] = {
    "maj": ("major", ()),
    "min": ("minor", ()),
    "dim": ("diminished", ()),
    "aug": ("augmented", ()),
    "maj6": ("major-sixth", ()),
    "min6": ("minor-sixth", ()),
    "7": ("dominant", ()),
    "maj7": ("major-seventh", ()),
    "min7": ("minor-seventh", ()),
    "minmaj7": ("major-minor", ()),
    "dim7": ("diminished-seventh", ()),
    "hdim7": ("half-diminished", ()),
    "sus2": ("suspended-second", ()),
    "sus4": ("suspended-fourth", ()),
    "7sus4": ("dominant", ((4, 0, "add"), (3, 0, "subtract"))),
    "5": ("power", ()),
    "add9": ("major", ((9, 0, "add"),)),
    "minadd9": ("minor", ((9, 0, "add"),)),
    "9": ("dominant-ninth", ()),
    "maj9": ("major-ninth", ()),
    "min9": ("minor-ninth", ()),
    "11": ("dominant-11th", ()),
    "13": ("dominant-13th", ()),
    "min11": ("minor-11th", ()),
    "maj13": ("major-13th", ()),
    "7b9": ("dominant", ((9, -1, "add"),)),
    "7#9": ("dominant", ((9, 1, "add"),)),
    "7#11": ("dominant", ((11, 1, "add"),)),
    "7#5": ("augmented-seventh", ()),
    "6/9": ("major-sixth", ((9, 0, "add"),)),
    "maj7#5": ("major-seventh", ((5, 1, "alter"),)),
    "9sus4": ("dominant-ninth", ((4, 0, "add"), (3, 0, "subtract"))),
}


def write_musicxml(score: Score, path: str | os.PathLike[str], program: int = 0) -> None:
    """Writes a score as an uncompressed MusicXML file.

    Args:
        score: what to write.
        path: the file; its folder must exist.
        program: General MIDI program of the melody, 0 to 127.
    """
    Path(path).write_bytes(musicxml_bytes(score, program))


def musicxml_bytes(score: Score, program: int = 0) -> bytes:
    """The MusicXML file of a score; equal scores give equal bytes."""
    root = Element("score-partwise", {"version": "4.0"})
    if score.title:
        _text(SubElement(root, "work"), "work-title", plain_text(score.title))
    about = SubElement(root, "identification")
    if score.license:
        _text(about, "rights", plain_text(score.license))
    _text(SubElement(about, "encoding"), "software", "hrpe_jax")
    if score.source:
        _text(about, "source", plain_text(score.source))
    entry = SubElement(SubElement(root, "part-list"), "score-part", {"id": "P1"})
    _text(entry, "part-name", "Melody")
    _text(SubElement(entry, "score-instrument", {"id": "P1-I1"}), "instrument-name", "Melody")
    sound = SubElement(entry, "midi-instrument", {"id": "P1-I1"})
    _text(sound, "midi-channel", "1")
    _text(sound, "midi-program", str(program + 1))
    part = SubElement(root, "part", {"id": "P1"})
    names = spelled(score)
    bars = write_bars(score)
    for index, bar in enumerate(bars):
        _measure(part, score, bar, bars[index - 1].meter if index else None, names)
    barline = SubElement(part[-1], "barline", {"location": "right"})
    _text(barline, "bar-style", "light-heavy")
    indent(root, " ")
    return _HEAD.encode() + tostring(root, encoding="unicode").encode() + b"\n"


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


def _text(parent: Element, tag: str, text: str) -> Element:
    element = SubElement(parent, tag)
    element.text = text
    return element


def _measure(
    part: Element, score: Score, bar: Bar, meter_before: Meter | None, names: Sequence[NoteName]
) -> None:
    measure = SubElement(part, "measure", {"number": str(bar.number)})
    if bar.irregular:
        measure.set("implicit", "yes")
    if bar.meter != meter_before:
        attributes = SubElement(measure, "attributes")
        if meter_before is None:
            _text(attributes, "divisions", str(TICKS_PER_QUARTER))
            key = SubElement(attributes, "key")
            _text(key, "fifths", str(score.key.fifths))
            _text(key, "mode", score.key.mode)
        time = SubElement(attributes, "time")
        _text(time, "beats", str(bar.meter.numerator))
        _text(time, "beat-type", str(bar.meter.denominator))
        if meter_before is None:
            low = bool(score.melody) and median(note.pitch for note in score.melody) < _LOW_MELODY
            clef = SubElement(attributes, "clef")
            _text(clef, "sign", "F" if low else "G")
            _text(clef, "line", "4" if low else "2")
    if meter_before is None:
        _tempo(measure, score)
    shown: dict[tuple[str, int], int] = {}
    lines = beams(bar)
    chords = list(bar.chords)
    for symbol in bar.symbols:
        while chords and chords[0][0] < symbol.onset + symbol.duration:
            tick, chord = chords.pop(0)
            _harmony(measure, chord, score.key, tick - symbol.onset)
        element = _note(measure, score, symbol, names)
        accidental = _accidental(symbol, score.key, names, shown)
        if accidental:
            place = [child.tag for child in element].index("type") + 1 + symbol.shape[1]
            element.insert(place, Element("accidental"))
            element[place].text = accidental
        for number, beam in enumerate(lines.get(symbol.onset, ()), 1):
            _text(element, "beam", beam).set("number", str(number))
        _notations(element, symbol)


def _tempo(measure: Element, score: Score) -> None:
    direction = SubElement(measure, "direction", {"placement": "above"})
    metronome = SubElement(SubElement(direction, "direction-type"), "metronome")
    _text(metronome, "beat-unit", "quarter")
    beats = score.tempo_bpm
    if score.meter.is_compound:
        SubElement(metronome, "beat-unit-dot")
        beats = beats * 2 / 3
    _text(metronome, "per-minute", f"{beats:.6g}")
    SubElement(direction, "sound", {"tempo": f"{score.tempo_bpm:.6g}"})


def _harmony(measure: Element, chord: Chord, key: Key, offset: int) -> None:
    harmony = SubElement(measure, "harmony")
    root = SubElement(harmony, "root")
    if chord.is_none:
        _text(root, "root-step", "C").set("text", "")
        _text(harmony, "kind", "none").set("text", "N.C.")
    else:
        name = root_name(chord, key)
        _text(root, "root-step", name[0])
        _alter(root, "root-alter", name)
        kind, degrees = _KINDS[chord.quality]
        suffix = _SAID_BY_DEGREE.get(chord.quality, lead_sheet_suffix(chord.quality))
        _text(harmony, "kind", kind).set("text", suffix)
        if chord.bass != chord.root:
            bass, low = SubElement(harmony, "bass"), bass_name(chord, key)
            _text(bass, "bass-step", low[0])
            _alter(bass, "bass-alter", low)
        for value, alter, change in degrees:
            degree = SubElement(harmony, "degree")
            if chord.quality not in _SAID_BY_DEGREE:
                degree.set("print-object", "no")
            _text(degree, "degree-value", str(value))
            _text(degree, "degree-alter", str(alter))
            _text(degree, "degree-type", change).set("text", "" if alter else change)
    if offset:
        _text(harmony, "offset", str(offset))


def _alter(parent: Element, tag: str, name: str) -> None:
    if len(name) > 1:
        _text(parent, tag, str(name.count("#") - name.count("b")))


def _note(measure: Element, score: Score, symbol: Symbol, names: Sequence[NoteName]) -> Element:
    element = SubElement(measure, "note")
    if symbol.note is None:
        rest = SubElement(element, "rest")
        if symbol.whole_bar:
            rest.set("measure", "yes")
    else:
        element.set("dynamics", f"{100 * score.melody[symbol.note].velocity / _FORTE:.2f}")
        pitch, name = SubElement(element, "pitch"), names[symbol.note]
        _text(pitch, "step", name.step)
        if name.alter:
            _text(pitch, "alter", str(name.alter))
        _text(pitch, "octave", str(name.octave))
    _text(element, "duration", str(symbol.duration))
    for type_, tied in (("stop", symbol.tie_from), ("start", symbol.tie_to)):
        if tied:
            SubElement(element, "tie", {"type": type_})
    _text(element, "voice", "1")
    if symbol.whole_bar:
        return element
    denominator, dots = symbol.shape
    _text(element, "type", _TYPES[denominator])
    for _ in range(dots):
        SubElement(element, "dot")
    if symbol.tuplet:
        modification = SubElement(element, "time-modification")
        _text(modification, "actual-notes", "3")
        _text(modification, "normal-notes", "2")
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
