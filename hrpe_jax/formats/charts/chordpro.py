"""ChordPro: words with chords in brackets, directives in braces, and grids of bars.

Chords over words have no length; each is taken as a bar, unless bar lines stand among them. Sections that are
called again (`{chorus}`) are played again.

No kept library was found that is light and gives the chords as values: chordpro-renderer and chordsketch make
pages, pychordpro and python-chordpro have one or two releases each, of 2021.
"""

from __future__ import annotations

import re
from pathlib import Path

from hrpe_jax.formats.charts.text_charts import MAX_BARS, MAX_TIMES, BarChart, ChartBar, grid_bars
from hrpe_jax.formats.text import TextFileError, read_lines
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

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
