"""Text grids: bars of chords between strokes, as people type them and Band-in-a-Box prints them.

    Title: A song
    Key: Eb   Tempo: 120   Time: 4/4
    [A] | C / / / | Am F | % | G7 . | x2
    |: Dm7 G7 | Cmaj7 :|  |1. Am7 |2. N.C. |

The chords of a bar share it; `/`, `.` and `-` are beats on which the chord goes on, `%` is the bar before
once more. A row may end with `x2`; `|: :|` and numbered endings are played.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from hrpe_jax.formats.charts.bars import MAX_BARS, MAX_CELLS, BarChart, ChartBar
from hrpe_jax.formats.text import TextFileError, read_lines
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

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
