"""Chord charts in the syntax of the McGill Billboard annotations: bars of Harte labels in timed lines.

J. A. Burgoyne, J. Wild and I. Fujinaga, "An Expert Ground Truth Set for Audio Chord Recognition and Music
Analysis", ISMIR 2011.

    # title: ...            artist, metre and tonic alike; the last two may change between lines
    7.35	A, intro, | A:maj | D:maj E:7 | (2/4) A:maj . | x2, (voice

A line is a phrase: seconds, letter and section, bars, what plays. One chord fills its bar; several share it
in equal parts; a dot holds the chord before it; xN plays the line's bars N times.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hrpe_jax.formats.text import TextFileError, read_lines
from hrpe_jax.theory.chord import Chord, ChordError, parse_harte
from hrpe_jax.theory.meter import TICKS_PER_WHOLE, Meter
from hrpe_jax.theory.pitch import parse_pitch_class

MAX_BARS = 5_000
_LINE = re.compile(r"(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?)\s+)?(\S.*)")
_HEADER = re.compile(r"#\s*([A-Za-z]+)\s*:\s*(.*)")
_LETTER = re.compile(r"[A-Z]'*")
_METER = re.compile(r"\((\d{1,2}/\d{1,2})\)")
_REPEATS = re.compile(r"\s*x\s?(\d{1,3})\b")
_UNKNOWN = ("*", "X", "?")
_PAUSE = "&pause"


@dataclass(frozen=True)
class ChartBar:
    """A bar.

    Attributes:
        meter: its own.
        labels: as written, dots included.
        chords: (tick in the bar, ticks, chord); equal neighbours apart, as written.
        tonic: pitch class that holds here; None where none is named.
    """

    meter: Meter
    labels: tuple[str, ...]
    chords: tuple[tuple[int, int, Chord], ...]
    tonic: int | None

    @property
    def ticks(self) -> int:
        """Its length."""
        return sum(ticks for _, ticks, _ in self.chords)


@dataclass(frozen=True)
class ChartLine:
    """A line: a phrase of bars, repeats written out; or a stretch without bars (silence, noise, the end).

    Attributes:
        seconds: where it begins; None where the file does not say.
        bars: empty for silence.
        section: what stands before the bars where a section begins: its letter and a word, such as
            ("A", "intro"), either of them may be empty; None where the section goes on.
    """

    seconds: float | None
    bars: tuple[ChartBar, ...]
    section: tuple[str, str] | None = None


@dataclass(frozen=True)
class Chart:
    """A chart as written.

    Attributes:
        title: empty where not given.
        artist: empty where not given.
        lines: in order.
        unknown: how many labels say no chord: "*", "X" and the unreadable.
        has_meter: whether a metre is named before the first bar; 4/4 is assumed where not.
    """

    title: str
    artist: str
    lines: tuple[ChartLine, ...]
    unknown: int
    has_meter: bool


def read_chart(path: str | Path) -> Chart:
    """Read a chart.

    Raises:
        TextFileError: names file and line.
    """
    return _Reader(str(path)).read(read_lines(path))


class _Reader:
    """What holds from one line to the next."""

    def __init__(self, where: str) -> None:
        self.file = where
        self.where = where
        self.fields: dict[str, str] = {}
        self.meter = Meter(4, 4)
        self.has_meter = False
        self.tonic: int | None = None
        self.bars = 0
        self.labels = 0
        self.unknown = 0
        self.first_unknown = ""
        self.chord = Chord.NONE  # the last one, for a bar that begins with a dot
        self.known: dict[str, Chord] = {}

    def read(self, lines: list[str]) -> Chart:
        chart: list[ChartLine] = []
        for number, text in enumerate(lines, start=1):
            self.where = f"{self.file}:{number}"
            text = text.strip()
            if text.startswith("#"):
                self.header(text)
            elif text:
                chart.append(self.line(text))
        if not any(line.bars for line in chart):
            raise TextFileError("no_chords", f"{self.file}: no bars: expected lines such as  | C:maj | N |")
        if self.unknown > 0.5 * self.labels and self.first_unknown:
            raise TextFileError(
                "bad_chord",
                f"{self.first_unknown}: expected Harte's syntax, such as C:maj7; {self.unknown} of "
                f"{self.labels} labels cannot be read",
            )
        title, artist = self.fields.get("title", ""), self.fields.get("artist", "")
        return Chart(title, artist, tuple(chart), self.unknown, self.has_meter)

    def header(self, text: str) -> None:
        match = _HEADER.fullmatch(text)
        if match is None:
            return
        name, value = match[1].lower(), match[2].strip()[:200]
        if name in ("metre", "meter"):
            self.meter = self.parse_meter(value)
            self.has_meter = self.has_meter or not self.bars
        elif name == "tonic":
            try:
                self.tonic = parse_pitch_class(value)
            except ValueError:
                self.tonic = None
        else:
            self.fields.setdefault(name, value)

    def parse_meter(self, text: str) -> Meter:
        try:
            meter = Meter.parse(text)
        except ValueError:
            raise TextFileError(
                "bad_meter", f"{self.where}: meter {text[:20]!r}: expected one such as 4/4"
            ) from None
        ticks = meter.numerator * TICKS_PER_WHOLE / meter.denominator
        if ticks != int(ticks) or not 3 <= ticks <= 240:
            raise TextFileError("bad_meter", f"{self.where}: meter {meter}: expected up to 20 quarters a bar")
        return meter

    def line(self, text: str) -> ChartLine:
        match = _LINE.fullmatch(text)
        assert match is not None  # the text is not blank
        seconds = float(match[1]) if match[1] else None
        if seconds is not None and not (math.isfinite(seconds) and seconds < 1e6):
            raise TextFileError(
                "bad_number", f"{self.where}: {match[1][:20]} s: expected seconds below 1000000"
            )
        section, bar_line, rest = match[2].partition("|")
        if not bar_line:
            return ChartLine(seconds, ())
        cells = rest.split("|")
        last = cells.pop()  # what follows the last bar line, and no bar
        repeats = _REPEATS.match(last)
        count = max(1, int(repeats[1])) if repeats else 1
        cells = [cell for cell in cells if cell.strip()]
        self.bars += len(cells) * count
        if self.bars > MAX_BARS:
            raise TextFileError("too_long", f"{self.where}: more than {MAX_BARS} bars")
        bars = tuple(self.bar(cell) for cell in cells)
        return ChartLine(seconds, bars * count, _section(section))

    def bar(self, cell: str) -> ChartBar:
        labels = cell.split()
        meter = self.meter
        if (own := _METER.fullmatch(labels[0])) is not None:
            meter = self.parse_meter(own[1])
            labels = labels[1:] or ["."]
        ticks = int(meter.numerator * TICKS_PER_WHOLE / meter.denominator)
        if len(labels) > 1:  # a pause has no length of its own beside chords
            labels = [label for label in labels if label != _PAUSE] or ["N"]
        if len(labels) > ticks:
            raise TextFileError("bad_line", f"{self.where}: {len(labels)} chords in a bar of {meter}")
        self.labels += len(labels)
        edges = [index * ticks // len(labels) for index in range(len(labels) + 1)]
        chords = []
        for (begin, end), label in zip(pairwise(edges), labels, strict=True):
            self.chord = self.chord if label == "." else self.parse(label)
            chords.append((begin, end - begin, self.chord))
        return ChartBar(meter, tuple(labels), tuple(chords), self.tonic)

    def parse(self, label: str) -> Chord:
        """The chord of a label; no chord where it is unknown, which is counted."""
        if label in _UNKNOWN:
            self.unknown += 1
            return Chord.NONE
        if label == _PAUSE:
            return Chord.NONE
        chord = self.known.get(label)
        if chord is None:
            try:
                chord = parse_harte(label)
            except ChordError:
                self.unknown += 1
                self.first_unknown = self.first_unknown or f"{self.where}: chord {label[:30]!r}"
                return Chord.NONE
            self.known[label] = chord
        return chord


def _section(text: str) -> tuple[str, str] | None:
    """The letter and the word before the first bar line: "A', pre-chorus," is ("A'", "pre-chorus")."""
    fields = [field.strip() for field in text.split(",") if field.strip()]
    if not fields:
        return None
    letter = fields.pop(0) if _LETTER.fullmatch(fields[0]) else ""
    return letter, fields[0].lower() if fields else ""
