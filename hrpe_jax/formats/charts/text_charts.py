"""Chord charts as text: grids of bars, and ChordPro.

Text grids: bars of chords between strokes, as people type them and Band-in-a-Box prints them.

    Title: A song
    Key: Eb   Tempo: 120   Time: 4/4
    [A] | C / / / | Am F | % | G7 . | x2
    |: Dm7 G7 | Cmaj7 :|  |1. Am7 |2. N.C. |

The chords of a bar share it; `/`, `.` and `-` are beats on which the chord goes on, `%` is the bar before
once more, `%%` the two bars before. A row may end with `x2`; `|: :|`, numbered endings and `D.C. al Fine` are
played. Numbers of bars at the beginning of rows are left out.

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

from hrpe_jax.formats.repeat_signs import Signs, play_order, sign_of_words, with_sign
from hrpe_jax.formats.text import TextFileError, read_lines
from hrpe_jax.theory.chord import Chord, ChordError, parse_harte, parse_lead_sheet
from hrpe_jax.theory.chord_parser import Naming, to_english
from hrpe_jax.theory.function import is_nashville, parse_nashville
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

MAX_BARS = 10_000
"""As played."""
MAX_TIMES = 32
"""That a line is played."""
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
        steps: semitones by which chords and key sound higher than they are written.
    """

    title: str
    composer: str
    bars: list[ChartBar]
    key: Key | None = None
    tempo_bpm: float | None = None
    meter_named: bool = True
    warnings: set[str] = field(default_factory=set)
    steps: int = 0


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
_SAME_TWO = "%%"
ORDER_WORDS = re.compile(
    r"(?:\bD\.\s?[CS]\b\.?|\bD[CS]\b(?= al )|\bda capo\b|\bdal segno\b)(?: al (?:fine|coda)\b)?"
    r"|\bto coda\b|\bfine\b|\bcoda\b",
    re.IGNORECASE,
)
"""Words about the order of play."""
_LETTERS = re.compile(r"(?<![A-Za-z])[A-H](?![a-ln-z])")
_TIMES = re.compile(r"^\W*(?:x\s*(\d{1,2})|(\d{1,2})\s*x)\W*$", re.IGNORECASE)
_LINES = re.compile(r"(:?)(\|+)(:?)")
_LABEL = re.compile(r"^\s*(?:\[([^\[\]|]{1,30})\]|([A-Za-z][\w ']{0,20}):(?!\|))\s*(?=.*\|)")
_HEADING = re.compile(
    r"[\[(]?((?:pre.?)?(?:intro|verse|chorus|bridge|outro|solo|refrain|coda|ending|interlude|part)\b"
    r"[\w ]{0,12})[\])]?:?",
    re.IGNORECASE,
)
_ENDING = re.compile(r"^\[?(\d(?:[,-]\d)*)[.\])]+$")


def read_grid(path: str | Path) -> BarChart:
    """Read a text grid.

    Raises:
        TextFileError: the file cannot be read, or has no bars ("no_chords").
    """
    fields: dict[str, str] = {}
    bars: list[ChartBar] = []
    meter = Meter(4, 4)
    title = section = ""
    for number, line in enumerate(read_lines(path)):
        text = line.strip()
        if (heading := _HEADING.fullmatch(text)) is not None:
            section = heading[1].strip()
            continue
        if "|" not in text:
            found = _FIELD.findall(text)
            fields.update({name.lower(): value.strip() for name, value in found})
            time = fields.get("time") or fields.get("meter") or fields.get("metre")
            if time and not bars:
                meter = _meter(time) or meter
            if not found and text and not title and number < 3:
                title = text
            continue
        row = grid_bars(text, meter, bars)
        if row and section:
            row[0].section, section = row[0].section or section, ""
        bars.extend(row)
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
        if repeat is not None:
            count = min(int(repeat[1] or repeat[2]), MAX_TIMES)
            if bars and bars[-1].signs.backward:
                bars[-1].signs = replace(bars[-1].signs, backward=count)
                text = ""
            elif stroke is None or not line[stroke.end() :].strip():
                times, text = count, ""
        if (order := ORDER_WORDS.search(text)) is not None:
            name = sign_of_words(order[0])
            now.signs = with_sign(now.signs, name)
            text = text[: order.start()] + text[order.end() :]
        words = text.split()
        if not bars and _is_line_number(words, line, len(before or [])):
            words = words[1:]
        ending = _ending(words, glued=place > 0 and text[:1].isdigit())
        if ending:
            endings, words = ending, words[1:]
            now.signs = replace(now.signs, endings=endings, ending_start=True)
        elif endings:
            now.signs = replace(now.signs, endings=endings)
        two = [*(before or []), *bars][-2:]
        if words == [_SAME_TWO] and len(two) == 2:
            bars.append(replace(now, cells=list(two[0].cells)))
            now.cells = list(two[1].cells)
            now.signs = replace(now.signs, forward=False, ending_start=False)
        else:
            now.cells = _cells(words, [*(before or []), *bars])
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


def _is_line_number(words: list[str], line: str, before: int) -> bool:
    """Whether the first word of a line is the number of its first bar, before chords by letters."""
    return bool(words) and words[0] == str(before + 1) and _LETTERS.search(line) is not None


def _ending(words: list[str], *, glued: bool) -> frozenset[int]:
    """The passes that a bar is for: "1.", "[2]", or a number right behind the stroke and before a chord."""
    if not words:
        return frozenset()
    match = _ENDING.match(words[0])
    if match is None and glued and len(words) > 1 and _LETTERS.match(words[1]):
        match = re.match(r"(\d(?:[,-]\d)*)$", words[0])
    return frozenset() if match is None else frozenset(int(digit) for digit in re.findall(r"\d", match[1]))


def _cells(words: list[str], before: list[ChartBar]) -> list[str]:
    """The parts of a bar: labels, and blanks where the chord goes on."""
    if words and words[0] in _SAME and all(word in _HELD for word in words[1:]):
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


_DIRECTIVE = re.compile(r"([A-Za-z_]+)[A-Za-z_!-]*\s*:?")
_CHORD = re.compile(r"\[([^\[\]]{1,60})\]")
_NAMES = {"t": "title", "st": "subtitle", "soc": "start_of_chorus", "eoc": "end_of_chorus", "c": "comment",
          "sog": "start_of_grid", "eog": "end_of_grid", "sot": "start_of_tab", "eot": "end_of_tab",
          "ci": "comment", "cb": "comment", "artist": "composer"}  # fmt: skip
_LINE_TIMES = re.compile(r"[(\[]?\s*(?:x\s*(\d{1,2})|(\d{1,2})\s*x)\s*[)\]]?\s*$", re.IGNORECASE)
_REPEAT = re.compile(r"repeat (\d{1,2}) times", re.IGNORECASE)
_NEW_SONG = re.compile(r"\s*\{\s*(?:new_song|ns)\b", re.IGNORECASE)
_TIMES_LENGTH = 20
"""Characters at the end of a line in which it may say how often it is played."""


def read_chordpro(path: str | Path) -> list[BarChart]:
    """Read the songs of a ChordPro file.

    Raises:
        TextFileError: the file cannot be read, or has no chords ("no_chords").
    """
    songs = [_Song()]
    for line in read_lines(path):
        if _NEW_SONG.match(line):
            songs.append(_Song())
            continue
        songs[-1].line(line.strip())
        if sum(len(song.bars) for song in songs) > MAX_BARS:
            raise TextFileError("too_long", f"{path}: more than {MAX_BARS} bars")
    charts = [song.chart() for song in songs if song.bars]
    if not charts:
        raise TextFileError("no_chords", f"{path}: no chords: expected chords such as [C] in its lines")
    return charts


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
        self.steps = 0  # semitones up

    def chart(self) -> BarChart:
        """What was read."""
        return BarChart(
            self.fields.get("title", "")[:200],
            self.fields.get("composer", "")[:200],
            self.bars,
            self.key(),
            self.tempo(),
            "time" in self.fields,
            {"bars_assumed"} if self.assumed else set(),
            self.steps,
        )

    def line(self, line: str) -> None:
        """Take a line."""
        inside = line[1:-1].strip() if line[:1] == "{" and line[-1:] == "}" else ""
        directive = _DIRECTIVE.match(inside)
        if directive is not None:
            self.directive(directive[1].lower(), inside[directive.end() :].strip())
        elif not line or line[0] == "#" or self.inside == "tab":
            return
        elif self.inside == "grid":
            self.grid(line)
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
        elif name == "transpose" and re.fullmatch(r"[+-]?\d{1,2}", value):
            self.steps = int(value)
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

    def grid(self, line: str) -> None:
        """A line of a grid: what stands before the first stroke is its margin, behind the last its remark."""
        first, last = line.find("|"), line.rfind("|")
        if first < 0:
            return
        signs = line[last + 1 :].strip()
        times = _LINE_TIMES.match(signs) or _REPEAT.match(signs)
        begin = first - (line[:first][-1:] == ":")
        bars = grid_bars(line[begin : last + 1] + (":" if signs[:1] == ":" else ""), self.meter, self.bars)
        self.add(bars * (min(int(next(filter(None, times.groups()))), MAX_TIMES) if times else 1))

    def words(self, line: str) -> None:
        """A line of words and chords, played so often as it says at its end."""
        labels = [label.strip() for label in _CHORD.findall(line)]
        labels = [label for label in labels if label and label[0] != "*"]
        if not labels:
            return
        times = _LINE_TIMES.search(line[-_TIMES_LENGTH:])
        if "|" in _CHORD.sub("", line) or "|" in labels:
            cells = " ".join(re.findall(r"\|+|(?<=\[)[^\[\]|]+(?=\])", line))
            bars = grid_bars(cells, self.meter)
        else:
            self.assumed = True
            bars = [ChartBar([label], self.meter) for label in labels]
        self.add(bars * (min(int(times[1] or times[2]), MAX_TIMES) if times else 1))

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
