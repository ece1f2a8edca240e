"""Chord charts as text: bars of chords, and grids of them.

Text grids: bars of chords between strokes, as people type them and Band-in-a-Box prints them.

    Title: A song
    Key: Eb   Tempo: 120   Time: 4/4
    [A] | C / / / | Am F | % | G7 . | x2
    |: Dm7 G7 | Cmaj7 :|  |1. Am7 |2. N.C. |

The chords of a bar share it; `/`, `.` and `-` are beats on which the chord goes on, `%` is the bar before
once more, `%%` the two bars before. A row may end with `x2`; `|: :|`, numbered endings and `D.C. al Fine` are
played. Numbers of bars at the beginning of rows are left out.

`BarChart` holds bars of chords: iReal Pro, ChordPro and text grids are read into one.
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
        two = [*(before or [])[-2:], *bars[-2:]][-2:]
        if words == [_SAME_TWO] and len(two) == 2:
            bars.append(replace(now, cells=list(two[0].cells)))
            now.cells = list(two[1].cells)
            now.signs = replace(now.signs, forward=False, ending_start=False)
        else:
            now.cells = _cells(words, two)
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
