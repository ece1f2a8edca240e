"""Chord charts as text: grids of bars, and ChordPro.

Text grids: bars of chords between strokes, as people type them and Band-in-a-Box prints them.

    Title: A song
    Key: Eb   Tempo: 120   Time: 4/4
    [A] | C / / / | Am F | % | G7 . | x2
    |: Dm7 G7 | Cmaj7 :|  |1. Am7 |2. N.C. |

The chords of a bar share it; `/`, `.` and `-` are beats on which the chord goes on, `%` is the bar before
once more. A row may end with `x2`; `|: :|` and numbered endings are played.

`BarChart` holds bars of chords: iReal Pro, ChordPro and text grids are read into one.

ChordPro: words with chords in brackets, directives in braces, and grids of bars.

Chords over words have no length; each is taken as a bar, unless bar lines stand among them. Sections that are
called again (`{chorus}`) are played again.

No kept library was found that is light and gives the chords as values: chordpro-renderer and chordsketch make
pages, pychordpro and python-chordpro have one or two releases each, of 2021.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hrpe_jax.formats.repeat_signs import Signs, play_order
from hrpe_jax.formats.text import TextFileError, read_lines
from hrpe_jax.theory.chord import Chord, ChordError, parse_harte, parse_lead_sheet
from hrpe_jax.theory.chord_parser import Naming, to_english
from hrpe_jax.theory.function import is_nashville, parse_nashville
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

MAX_BARS = 10_000
"""As played."""
MAX_CELLS = 64
"""Of a bar."""


@dataclass
class ChartBar:
    """A bar as written.

    Attributes:
        cells: label of each of its equal parts; empty where the chord before goes on.
        meter: of the bar.
        signs: of repetition.
        section: the name of the section that begins here; empty for none.
    """

    cells: list[str]
    meter: Meter
    signs: Signs = field(default_factory=Signs)
    section: str = ""


@dataclass
class BarChart:
    """A piece of chords.

    Attributes:
        title, composer: may be empty.
        bars: as written.
        key: None where none is named.
        tempo_bpm: quarters a minute; None where none is named.
        meter_named: whether a meter is named before the first bar.
        warnings: codes of what could not be followed to the letter.
    """

    title: str
    composer: str
    bars: list[ChartBar]
    key: Key | None = None
    tempo_bpm: float | None = None
    meter_named: bool = True
    warnings: set[str] = field(default_factory=set)


def read_label(label: str, naming: Naming, key: Key | None) -> Chord | None:
    """The chord of a label: lead-sheet symbol, Harte's label or Nashville number; None where it is none.

    Args:
        label: as written.
        naming: whose note names the piece has.
        key: in which numbers are read.
    """
    try:
        if key is not None and is_nashville(label):
            return parse_nashville(label, key)
        return parse_harte(label) if ":" in label else parse_lead_sheet(to_english(label, naming))
    except ChordError:
        return None


def played_bars(bars: Sequence[ChartBar]) -> list[ChartBar] | None:
    """The bars in the order of playing; None where they would be more than `MAX_BARS`."""
    order = play_order([bar.signs for bar in bars], MAX_BARS)
    return None if order is None else [bars[place] for place in order]


_FIELD = re.compile(
    r"(title|song|key|tempo|bpm|time|meter|metre|composer|artist|by)\s*[:=]\s*(.*?)"
    r"(?=\s{2,}|\s+(?:key|tempo|bpm|time|meter|metre)\s*[:=]|$)",
    re.IGNORECASE,
)
_HELD = ("/", ".", "-", "\\")
_SAME = ("%", "./.", "𝄎")
_TIMES = re.compile(r"^\W*(?:x\s*(\d{1,2})|(\d{1,2})\s*x)\W*$", re.IGNORECASE)
_LINES = re.compile(r"(:?)(\|+)(:?)")
_LABEL = re.compile(r"^\s*(?:\[([^\[\]|]{1,30})\]|([A-Za-z][\w ']{0,20}):(?!\|))\s*(?=.*\|)")
_ENDING = re.compile(r"^\[?(\d(?:[,-]\d)*)[.\])]+$")


def read_grid(path: str | Path) -> BarChart:
    """Read a text grid.

    Raises:
        TextFileError: the file cannot be read, or has no bars ("no_chords").
    """
    fields: dict[str, str] = {}
    bars: list[ChartBar] = []
    meter = Meter(4, 4)
    title = ""
    for number, line in enumerate(read_lines(path)):
        text = line.strip()
        if "|" not in text:
            found = _FIELD.findall(text)
            fields.update({name.lower(): value.strip() for name, value in found})
            time = fields.get("time") or fields.get("meter") or fields.get("metre")
            if time and not bars:
                meter = _meter(time) or meter
            if not found and text and not title and number < 3:
                title = text
            continue
        bars.extend(grid_bars(text, meter, bars))
        if len(bars) > MAX_BARS:
            raise TextFileError("too_long", f"{path}: more than {MAX_BARS} bars")
    if not any(any(bar.cells) for bar in bars):
        raise TextFileError("no_chords", f"{path}: no bars: expected lines such as | C / / / | Am F |")
    tempo = re.match(r"\d{2,3}", fields.get("tempo") or fields.get("bpm") or "")
    return BarChart(
        (fields.get("title") or fields.get("song") or title)[:200],
        (fields.get("composer") or fields.get("artist") or fields.get("by") or "")[:200],
        bars,
        _key(fields.get("key", "")),
        float(tempo[0]) if tempo is not None and 20 <= int(tempo[0]) <= 400 else None,
        any(name in fields for name in ("time", "meter", "metre")),
    )


def grid_bars(line: str, meter: Meter, before: list[ChartBar] | None = None) -> list[ChartBar]:
    """The bars of a line, as often as it says at its end.

    Args:
        line: with strokes between its bars.
        meter: of the bars.
        before: bars above, for a bar that is the one before once more.
    """
    label = _LABEL.match(line)
    section = ""
    if label is not None:
        section, line = (label[1] or label[2]).strip(), line[label.end() :]
    bars: list[ChartBar] = []
    now = ChartBar([], meter)
    times = 1
    place = 0
    endings: frozenset[int] = frozenset()
    for stroke in [*_LINES.finditer(line), None]:
        text = line[place : stroke.start() if stroke is not None else len(line)]
        repeat = _TIMES.match(text)
        if repeat is not None and (stroke is None or not line[stroke.end() :].strip()):
            times = min(int(repeat[1] or repeat[2]), 16)
            text = ""
        words = text.split()
        if words and (ending := _ENDING.match(words[0])) is not None:
            endings = frozenset(int(digit) for digit in re.findall(r"\d", ending[1]))
            now.signs = replace(now.signs, endings=endings, ending_start=True)
            words = words[1:]
        elif endings:
            now.signs = replace(now.signs, endings=endings)
        now.cells = _cells(words, (before or []) + bars)
        if now.cells:
            bars.append(now)
            now = ChartBar([], meter)
        if stroke is None:
            break
        place = stroke.end()
        if stroke[1] and bars:
            bars[-1].signs = replace(bars[-1].signs, backward=2)
            endings = frozenset()
        if stroke[3]:
            now.signs = replace(now.signs, forward=True)
            endings = frozenset()
    if bars and section:
        bars[0].section = section
    return bars * max(1, times)


def _cells(words: list[str], before: list[ChartBar]) -> list[str]:
    """The parts of a bar: labels, and blanks where the chord goes on."""
    if len(words) == 1 and words[0] in _SAME:
        return list(before[-1].cells) if before else []
    cells = []
    for word in words[:MAX_CELLS]:
        for part in word.split(",") if "," in word.strip(",") and "(" not in word else [word.strip(",")]:
            cells.append("" if part in _HELD else part)
    return cells


def _meter(text: str) -> Meter | None:
    try:
        return Meter.parse(text.split()[0])
    except (ValueError, IndexError):
        return None


def _key(text: str) -> Key | None:
    try:
        return Key.parse(" ".join(text.split()[:2])) if text else None
    except ValueError:
        return None


_DIRECTIVE = re.compile(r"\{\s*([A-Za-z_-]+)\s*(?:[: ]\s*(.*?))?\s*\}\s*$")
_CHORD = re.compile(r"\[([^\[\]]{1,60})\]")
_NAMES = {"t": "title", "st": "subtitle", "soc": "start_of_chorus", "eoc": "end_of_chorus", "c": "comment",
          "sog": "start_of_grid", "eog": "end_of_grid", "sot": "start_of_tab", "eot": "end_of_tab",
          "ci": "comment", "cb": "comment", "artist": "composer"}  # fmt: skip
_LINE_TIMES = re.compile(r"[(\[]?\s*(?:x\s*(\d)|(\d)\s*x)\s*[)\]]?\s*$", re.IGNORECASE)


def read_chordpro(path: str | Path) -> BarChart:
    """Read a ChordPro file.

    Raises:
        TextFileError: the file cannot be read, or has no chords ("no_chords").
    """
    song = _Song()
    for line in read_lines(path):
        song.line(line.strip())
        if len(song.bars) > MAX_BARS:
            raise TextFileError("too_long", f"{path}: more than {MAX_BARS} bars")
    if not song.bars:
        raise TextFileError("no_chords", f"{path}: no chords: expected chords such as [C] in its lines")
    warnings = {"bars_assumed"} if song.assumed else set()
    return BarChart(
        song.fields.get("title", "")[:200],
        song.fields.get("composer", "")[:200],
        song.bars,
        song.key(),
        song.tempo(),
        "time" in song.fields,
        warnings,
    )


class _Song:
    """What holds from one line to the next."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.bars: list[ChartBar] = []
        self.meter = Meter(4, 4)
        self.assumed = False
        self.section = ""
        self.inside = ""  # of the environment that has begun
        self.begin = 0
        self.chorus: list[ChartBar] = []

    def line(self, line: str) -> None:
        """Take a line."""
        directive = _DIRECTIVE.match(line)
        if directive is not None:
            self.directive(directive[1].lower(), directive[2] or "")
        elif not line or line[0] == "#" or self.inside == "tab":
            return
        elif self.inside == "grid":
            self.add(grid_bars(line, self.meter))
        else:
            self.words(line)

    def directive(self, name: str, value: str) -> None:
        """Take a directive."""
        name = _NAMES.get(name, name)
        if name == "meta":
            name, _, value = value.partition(" ")
        if name in ("title", "composer", "key", "tempo"):
            self.fields.setdefault(name, value.strip())
        elif name == "time":
            try:
                self.meter = Meter.parse(value)
                self.fields[name] = value
            except ValueError:
                return
        elif name.startswith("start_of_"):
            self.inside = name.removeprefix("start_of_")
            self.section = value or self.inside
            self.begin = len(self.bars)
        elif name.startswith("end_of_"):
            if name.endswith("chorus"):
                self.chorus = self.bars[self.begin :]
            self.inside = ""
        elif name == "chorus":
            self.bars.extend(self.chorus)

    def words(self, line: str) -> None:
        """A line of words and chords, played so often as it says at its end."""
        labels = [label.strip() for label in _CHORD.findall(line)]
        labels = [label for label in labels if label and label[0] != "*"]
        if not labels:
            return
        times = _LINE_TIMES.search(line)
        if "|" in _CHORD.sub("", line) or "|" in labels:
            cells = " ".join(re.findall(r"\|+|(?<=\[)[^\[\]|]+(?=\])", line))
            bars = grid_bars(cells, self.meter)
        else:
            self.assumed = True
            bars = [ChartBar([label], self.meter) for label in labels]
        self.add(bars * (int(times[1] or times[2]) if times else 1))

    def add(self, bars: list[ChartBar]) -> None:
        """Adds bars, the first of which begins the section that was named."""
        if bars and self.section:
            bars[0].section, self.section = self.section, ""
        self.bars.extend(bars)

    def key(self) -> Key | None:
        """The key that is named."""
        try:
            return Key.parse(self.fields["key"]) if "key" in self.fields else None
        except ValueError:
            return None

    def tempo(self) -> float | None:
        """The tempo that is named."""
        match = re.match(r"\d{1,3}(?:\.\d{1,3})?", self.fields.get("tempo", ""))
        return float(match[0]) if match is not None and 20 <= float(match[0]) <= 400 else None
