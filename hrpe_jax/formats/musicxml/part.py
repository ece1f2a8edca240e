"""One <part> of a MusicXML file, measure by measure, as written: places are whole units, so many to the
quarter that every place in the document is exact."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import lcm
from xml.etree.ElementTree import Element

from hrpe_jax.formats.musicxml.chord_symbols import STEPS, parse_harmony, signature_key
from hrpe_jax.formats.musicxml.document import MusicXmlError, read_meter, read_metronome, text_of, words_tempo
from hrpe_jax.formats.repeat_signs import Signs, sign_of_words, with_sign
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.meter import Meter

MAX_QUARTERS = 1_000
"""Longest note, rest or measure believed."""
MAX_NOTES = 200_000
"""Of one part."""

MAX_SYLLABLE = 100
"""Characters kept of one syllable."""

_LEAST_UNITS = 16
"""A 64th, the smallest beat of a meter, is one unit."""
_MOST_UNITS = 10**12
_ROUNDED_UNITS = 10080 * 16
_SLASHES = ("slash", "slashed")


@dataclass(frozen=True)
class RawNote:
    """A note within its measure, in units, at sounding pitch; `lyrics` are its syllables, a verse each."""

    onset: int
    duration: int
    pitch: int
    voice: str
    staff: int
    tie_start: bool
    tie_stop: bool
    lyrics: tuple[str, ...] = ()


@dataclass
class RawMeasure:
    """A measure as one part has it, in units.

    `lyrics` counts the notes with words under them, `unread` the symbols that are no chord, and `tempo_place`
    says where `tempo` begins. An empty measure under a sign of repetition is a copy of the one so many
    measures before it (`copy_of`, else 0)."""

    number: str
    implicit: bool
    meter: Meter | None
    fifths: int | None
    length: int = 0
    notes: list[RawNote] = field(default_factory=list)
    harmonies: list[tuple[int, Chord]] = field(default_factory=list)
    signs: Signs = field(default_factory=Signs)
    tempo: float | None = None
    mode: str = ""
    lyrics: int = 0
    tempo_place: int = 0
    copy_of: int = 0
    unread: int = 0


@dataclass
class _State:
    """What holds from one measure to the next."""

    units: int
    divisions: int = 1
    meter: Meter | None = None
    fifths: int | None = None
    mode: str = ""
    transpose: int = 0
    endings: frozenset[int] = frozenset()
    notes: int = 0
    repeated: int = 0


def units_per_quarter(root: Element) -> int:
    """The least number of units to the quarter that makes every duration and every bar whole.

    Where a document has too many kinds of <divisions> to be true, places are rounded.
    """
    units = _LEAST_UNITS
    for element in root.iter("divisions"):
        text = text_of(element)
        if text.isdecimal() and 1 <= len(text) <= 7 and int(text):
            units = lcm(units, int(text))
            if units > _MOST_UNITS:
                return _ROUNDED_UNITS
    return units


def read_part(part: Element, where: str, units: int) -> list[RawMeasure]:
    """Read the measures of a <part>.

    Args:
        part: the element.
        units: to the quarter, as `units_per_quarter` says.
        where: file and part for messages.

    Raises:
        MusicXmlError: "bad_value" on numbers that cannot be, "too_long" on too many notes.
    """
    state = _State(units)
    return [_Measure(element, state, where).read() for element in part if element.tag == "measure"]


class _Measure:
    """Reads one measure; the cursor is the place, in units from the bar line, where the next note goes."""

    def __init__(self, element: Element, state: _State, where: str) -> None:
        number = element.get("number", "")[:12]
        self.where = f"{where}, measure {number}"
        self.element = element
        self.state = state
        self.raw = RawMeasure(number, element.get("implicit") == "yes", state.meter, state.fifths)
        self.cursor = 0
        self.last_onset = 0
        self.stacked: list[int] = []  # chord symbols at the cursor, by index

    def read(self) -> RawMeasure:
        handlers: dict[str, Callable[[Element], None]] = {
            "note": self.note, "backup": self.backup, "forward": self.forward, "attributes": self.attributes,
            "harmony": self.harmony, "barline": self.barline, "direction": self.direction,
            "sound": self.sound,
        }  # fmt: skip
        state, raw = self.state, self.raw
        raw.signs = Signs(endings=state.endings)
        for child in self.element:
            handler = handlers.get(child.tag)
            if handler is not None:
                handler(child)
        raw.meter, raw.fifths, raw.mode = state.meter, state.fifths, state.mode
        raw.copy_of = state.repeated if not raw.notes else 0
        return raw

    def note(self, element: Element) -> None:
        """A note or rest; grace and cue notes take no time and are left out, as are slashes: rhythm without
        pitch, whatever pitch the program has put there."""
        fields = {child.tag: child for child in element}
        if "grace" in fields:
            return
        duration = self.duration(fields.get("duration"))
        onset = self.last_onset if "chord" in fields else self.cursor
        if "chord" not in fields:
            self.last_onset = onset
            self.spread_symbols(duration)
            self.advance(duration)
        if "pitch" not in fields or "cue" in fields or not duration:
            return
        if text_of(fields.get("notehead")) in _SLASHES:
            return
        self.raw.lyrics += "lyric" in fields
        ties = {child.get("type") for child in element if child.tag == "tie"}
        if not ties and "notations" in fields:
            ties = {tied.get("type") for tied in fields["notations"].findall("tied")}
        self.raw.notes.append(
            RawNote(
                onset=onset,
                duration=duration,
                pitch=self.pitch(fields["pitch"]),
                voice=(text_of(fields.get("voice")) or "1")[:12],
                staff=self.integer(fields.get("staff"), 1),
                tie_start="start" in ties,
                tie_stop="stop" in ties,
                lyrics=_syllables(element) if "lyric" in fields else (),
            )
        )
        self.state.notes += 1
        if self.state.notes > MAX_NOTES:
            raise MusicXmlError("too_long", f"{self.where}: more than {MAX_NOTES} notes")

    def pitch(self, element: Element) -> int:
        """MIDI number at sounding pitch."""
        fields = {child.tag: child for child in element}
        step = STEPS.get(text_of(fields.get("step")).upper())
        if step is None:
            raise MusicXmlError(
                "bad_value", f"{self.where}: note step {text_of(fields.get('step'))[:20]!r}: expected A-G"
            )
        octave = self.integer(fields.get("octave"), 4)
        pitch = 12 * (octave + 1) + step + round(self.number(fields.get("alter"), 0.0)) + self.state.transpose
        if not 0 <= pitch <= 127:
            raise MusicXmlError("bad_value", f"{self.where}: pitch {pitch}: expected 0 to 127")
        return pitch

    def advance(self, units: int) -> None:
        self.cursor = max(0, self.cursor + units)
        self.raw.length = max(self.raw.length, self.cursor)
        if self.raw.length > MAX_QUARTERS * self.state.units:
            raise MusicXmlError("bad_value", f"{self.where}: longer than {MAX_QUARTERS} quarters")

    def backup(self, element: Element) -> None:
        self.stacked = []
        self.advance(-self.duration(element.find("duration")))

    def forward(self, element: Element) -> None:
        duration = self.duration(element.find("duration"))
        self.spread_symbols(duration)
        self.advance(duration)

    def attributes(self, element: Element) -> None:
        state = self.state
        for child in element:
            if child.tag == "divisions":
                state.divisions = self.integer(child, 1)
                if not 1 <= state.divisions <= 10**6:
                    raise MusicXmlError(
                        "bad_value", f"{self.where}: divisions {state.divisions}: expected 1 to 1000000"
                    )
            elif child.tag == "time":
                state.meter = read_meter(child) or state.meter
            elif child.tag == "key" and child.find("fifths") is not None:
                fifths = self.integer(child.find("fifths"), 0)
                # The transposing part's own signature, as the others have it.
                fifths = fifths if not state.transpose else (fifths + 7 * state.transpose + 6) % 12 - 6
                state.fifths = max(-7, min(7, fifths))
                state.mode = text_of(child.find("mode")).lower()[:12]
            elif child.tag == "measure-style":
                self.measure_style(child)
            elif child.tag == "transpose":
                before = state.transpose
                octave = self.integer(child.find("octave-change"), 0)
                state.transpose = round(self.number(child.find("chromatic"), 0.0)) + 12 * octave
                # <key> stands before <transpose>, so it has been read as if nothing changed.
                if state.fifths is not None and element.find("key") is not None:
                    state.fifths = (state.fifths + 7 * (state.transpose - before) + 6) % 12 - 6

    def measure_style(self, element: Element) -> None:
        """A sign that says to play the last measures again begins or ends."""
        sign = element.find("measure-repeat")
        if sign is None:
            return
        count = text_of(sign)
        begins = sign.get("type") != "stop"
        self.state.repeated = int(count) if begins and re.fullmatch(r"[1-8]", count) else int(begins)

    def harmony(self, element: Element) -> None:
        if element.get("type") == "alternate":  # for players who want another one
            return
        chord = parse_harmony(element, signature_key(self.state.fifths, self.state.mode))
        if chord is None:
            self.raw.unread += 1
            return
        offset = element.find("offset")
        limit = MAX_QUARTERS * self.state.divisions
        shift = self.units(max(-limit, min(limit, round(self.number(offset, 0.0)))))
        place = max(0, self.cursor + shift)
        if offset is None:
            self.stacked.append(len(self.raw.harmonies))
        self.raw.harmonies.append((place, chord.transpose(self.state.transpose)))

    def spread_symbols(self, duration: int) -> None:
        """Share the note that follows among the chord symbols written over its beginning.

        Programs that cannot place a symbol between notes stack them so. Each begins on a quarter where there
        are enough of them: two symbols over three quarters have two and one.
        """
        count, quarter = len(self.stacked), self.state.units
        if not duration:
            return
        if 1 < count <= 2 * duration // quarter:
            for rank, index in enumerate(self.stacked):
                place = rank * duration // count
                if duration >= count * quarter:
                    place = -(-place // quarter) * quarter
                self.raw.harmonies[index] = (self.cursor + place, self.raw.harmonies[index][1])
        self.stacked = []

    def barline(self, element: Element) -> None:
        signs = self.raw.signs
        for child in element:
            if child.tag == "repeat":
                if child.get("direction") == "forward":
                    signs = replace(signs, forward=True)
                else:
                    times = child.get("times", "2")
                    count = int(times) if times.isdecimal() and len(times) < 3 else 2
                    signs = replace(signs, backward=count, after_jump=child.get("after-jump") == "yes")
            elif child.tag == "ending":
                numbers = frozenset(int(n) for n in re.findall(r"\d{1,2}", child.get("number", "")))
                if child.get("type") == "start":
                    self.state.endings = numbers or frozenset({1})
                    signs = replace(signs, endings=self.state.endings, ending_start=True)
                else:
                    self.state.endings = frozenset()
        self.raw.signs = signs

    def direction(self, element: Element) -> None:
        for child in element:
            if child.tag == "sound":
                self.sound(child)
            elif child.tag == "direction-type":
                self.printed_signs(child)
                metronome = child.find("metronome")
                # What is to be played outranks what is printed.
                if metronome is not None and not element.findall("sound[@tempo]"):
                    self.metronome(metronome)

    def printed_signs(self, element: Element) -> None:
        """Signs and words about the order of play, which many programs print without a <sound>."""
        texts = ["".join(words.itertext()) for words in element.findall("words")]
        for text in texts:
            quarters = words_tempo(text)
            if quarters is not None:
                self.tempo(quarters)
        names = [sign_of_words(text) for text in texts]
        names += [name for name in ("segno", "coda") if element.find(name) is not None]
        for name in filter(None, names):
            # A coda sign after the notes says where to leave, one before them where to arrive.
            name = "to_coda" if name == "coda" and self.cursor > 0 else name
            self.raw.signs = with_sign(self.raw.signs, name)

    def metronome(self, element: Element) -> None:
        """A printed tempo."""
        quarters = read_metronome(element)
        if quarters is not None:
            self.tempo(quarters)

    def tempo(self, quarters: float) -> None:
        if self.raw.tempo is None and 10 <= quarters <= 1000:
            self.raw.tempo, self.raw.tempo_place = quarters, self.cursor

    def sound(self, element: Element) -> None:
        signs = self.raw.signs
        self.raw.signs = replace(
            signs,
            da_capo=signs.da_capo or element.get("dacapo") == "yes",
            dal_segno=signs.dal_segno or "dalsegno" in element.attrib,
            to_coda=signs.to_coda or "tocoda" in element.attrib,
            fine=signs.fine or "fine" in element.attrib,
            segno=signs.segno or "segno" in element.attrib,
            coda=signs.coda or "coda" in element.attrib,
        )
        if element.get("tempo"):
            try:
                self.tempo(float(element.get("tempo", "")))
            except ValueError:
                return

    def duration(self, element: Element | None) -> int:
        """Units; 0 where nothing is said."""
        value = self.number(element, 0.0)
        if not 0 <= value <= MAX_QUARTERS * self.state.divisions:
            raise MusicXmlError(
                "bad_value", f"{self.where}: duration {value:g}: expected 0 to {MAX_QUARTERS} quarters"
            )
        return self.units(round(value))

    def units(self, divisions: int) -> int:
        """So many of the present divisions in units."""
        exact, rest = divmod(divisions * self.state.units, self.state.divisions)
        return exact + (2 * rest >= self.state.divisions)

    def integer(self, element: Element | None, default: int) -> int:
        return round(self.number(element, default))

    def number(self, element: Element | None, default: float) -> float:
        text = text_of(element)
        if element is None or not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) < 1e9:
            raise MusicXmlError(
                "bad_value", f"{self.where}: <{element.tag}> {text[:20]!r}: expected a number"
            )
        return value


def _syllables(element: Element) -> tuple[str, ...]:
    """The syllables under a note, a verse each, with hyphens where a word goes on; a blank where a verse has
    none."""
    verses: dict[int, str] = {}
    for place, lyric in enumerate(element.findall("lyric")):
        number = lyric.get("number", "")
        words = " ".join(" ".join((text.text or "").split()) for text in lyric.findall("text")).strip()
        syllabic = text_of(lyric.find("syllabic"))
        words = words.strip("-")[:MAX_SYLLABLE]
        if words:
            before = "-" if syllabic in ("middle", "end") else ""
            after = "-" if syllabic in ("begin", "middle") else ""
            words = f"{before}{words}{after}"
        verse = int(number) - 1 if number.isdecimal() and 0 < len(number) < 3 else place
        verses.setdefault(max(0, verse), words or " ")
    return tuple(verses.get(verse, " ") for verse in range(max(verses) + 1))
