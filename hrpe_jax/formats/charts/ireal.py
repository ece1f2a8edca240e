"""iReal Pro: the songs of `irealb://` and `irealbook://` links, alone, in a text or in an exported page.

A link holds songs, each of fields between equals signs; the music of the newer kind of link is shuffled in
blocks of fifty characters. Music is a row of cells, four to a bar of 4/4: chords and blanks, with bar lines
and signs between them.

No kept library was found: pyRealParser (one release, 2018) flattens repeats and loses where in a bar a chord
stands, pyrealpro only writes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from hrpe_jax.formats.charts.text_charts import MAX_CELLS, BarChart, ChartBar
from hrpe_jax.formats.repeat_signs import sign_of_words
from hrpe_jax.formats.text import TextFileError, read_lines
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

MAX_SONGS = 10_000
MAX_MUSIC = 20_000
"""Characters of a song's music."""
_LINK = re.compile(r"ireal(b|book)://([^\"'<>\s]+)")
_MUSIC = "1r34LbKcu7"
_BLOCK = 50
_METERS = {"44": (4, 4), "34": (3, 4), "24": (2, 4), "54": (5, 4), "64": (6, 4), "74": (7, 4), "22": (2, 2),
           "32": (3, 2), "58": (5, 8), "68": (6, 8), "78": (7, 8), "98": (9, 8), "12": (12, 8)}  # fmt: skip
_CHORD = r"(?:[A-G][#b]?|W)(?:[-+^oh#b0-9]|sus|alt|add|\*[^*]*\*)*(?:/[A-G][#b]?)?"
_TOKEN = re.compile(
    rf"""
    (?P<comment><[^>]*>?)
  | (?P<section>\*[A-Za-z])
  | (?P<meter>T\d\d)
  | (?P<ending>N[0-3])
  | (?P<alternate>\([^)]*\)?)
  | (?P<nochord>n)
  | (?P<low>/[A-G][#b]?)
  | (?P<chord>{_CHORD})
  | (?P<bar>[|\[\]{{}}Z])
  | (?P<sign>[SQUf])
  | (?P<again>[xrp])
  | (?P<cell>[ ])
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def read_ireal(path: str | Path) -> list[BarChart]:
    """The songs of all links of a file.

    Raises:
        TextFileError: the file cannot be read, or no link in it has a song ("no_chords").
    """
    text = "\n".join(read_lines(path))
    charts: list[BarChart] = []
    for kind, link in _LINK.findall(text):
        songs = unquote(link.replace("&amp;", "&"), errors="replace").split("===")
        for song in songs[:MAX_SONGS]:
            chart = _song(song, shuffled=kind == "b")
            if chart is not None:
                charts.append(chart)
            if len(charts) > MAX_SONGS:
                raise TextFileError("too_long", f"{path}: more than {MAX_SONGS} songs")
    if not charts:
        raise TextFileError("no_chords", f"{path}: no song in its iReal Pro links: expected irealb://...")
    return charts


def _song(text: str, shuffled: bool) -> BarChart | None:
    """One song of a link; None where it has no music."""
    fields = text.split("=")
    if shuffled:
        place = next((i for i, value in enumerate(fields) if value.startswith(_MUSIC)), -1)
        if place < 0:
            return None
        music = _unshuffle(fields[place][len(_MUSIC) : len(_MUSIC) + MAX_MUSIC])
        about = [value for value in fields[:place] if value]
        tempo = next((value for value in fields[place + 1 :] if re.fullmatch(r"\d{2,3}", value)), "")
    else:
        fields = [value for value in fields if value]
        if len(fields) < 5:
            return None
        about, music, tempo = fields[:4], fields[-1][:MAX_MUSIC], ""
    title, composer = [*about, "", ""][:2]
    key = next((_key(value) for value in about[2:] if _key(value) is not None), None)
    bars, warnings, meter_named = _bars(music)
    if not any(any(bar.cells) for bar in bars):
        return None
    bpm = float(tempo) if tempo and 20 <= int(tempo) <= 400 else None
    return BarChart(title[:200], composer[:200], bars, key, bpm, meter_named, warnings)


def _key(text: str) -> Key | None:
    match = re.fullmatch(r"([A-G][#b]?)(-?)", text.strip())
    return None if match is None else Key.parse(match[1] + (" minor" if match[2] else " major"))


def _unshuffle(music: str) -> str:
    """The music of a newer link as it was typed."""
    blocks = []
    while len(music) > _BLOCK + 1:
        block = list(music[:_BLOCK])
        for place in (*range(5), *range(10, 24)):
            block[place], block[_BLOCK - 1 - place] = block[_BLOCK - 1 - place], block[place]
        blocks.append("".join(block))
        music = music[_BLOCK:]
    text = "".join(blocks) + music
    return text.replace("XyQ", "   ").replace("LZ", " |").replace("Kcl", "| x").replace("K", "| ")


class _Row:
    """The bars while the music is read."""

    def __init__(self) -> None:
        self.bars: list[ChartBar] = []
        self.meter = Meter(4, 4)
        self.meter_named = False
        self.now = ChartBar([], self.meter)
        self.endings: frozenset[int] = frozenset()
        self.warnings: set[str] = set()
        self.last = ""
        self.full = False  # by a sign that says a bar again

    def close(self) -> None:
        """A bar line."""
        self.full = False
        if any(self.now.cells):
            self.bars.append(self.now)
        else:  # signs between two bar lines belong to the bar that follows
            waiting = self.now
            self.now = ChartBar([], self.meter, replace(waiting.signs), waiting.section)
            return
        self.now = ChartBar([], self.meter)
        if self.endings:
            self.mark(endings=self.endings)

    def mark(self, **signs: object) -> None:
        """Signs of the present bar."""
        self.now.signs = replace(self.now.signs, **signs)  # type: ignore[arg-type]

    def mark_last(self, **signs: object) -> None:
        """Signs of the bar that was closed last."""
        if self.bars:
            self.bars[-1].signs = replace(self.bars[-1].signs, **signs)  # type: ignore[arg-type]


def _bars(music: str) -> tuple[list[ChartBar], set[str], bool]:
    """The bars of a song, warnings, and whether a meter is named before the first."""
    row = _Row()
    for token in _TOKEN.finditer(music):
        kind, text = token.lastgroup, token[0]
        if kind == "bar":
            row.close()
            if text == "{":
                row.endings = frozenset()
                row.mark(forward=True, endings=frozenset())
            elif text == "}":
                said = row.bars[-1].signs.backward if row.bars else 0
                row.mark_last(backward=max(2, said))
                row.endings = frozenset()
                row.mark(endings=frozenset())
            elif text in "[]Z" and row.endings and 1 not in row.endings:
                row.endings = frozenset()
                row.mark(endings=frozenset())
        elif kind == "ending":
            numbers = frozenset({int(text[1])} if text[1] != "0" else {1})
            row.endings = numbers
            row.mark(endings=numbers, ending_start=True)
        elif kind == "meter":
            numerator, denominator = _METERS.get(text[1:], (4, 4))
            row.meter = row.now.meter = Meter(numerator, denominator)
            row.meter_named = row.meter_named or not row.bars
        elif kind == "section":
            row.now.section = text[1:]
        elif kind == "sign" and text == "S":
            row.mark(segno=True)
        elif kind == "sign" and text == "U":
            row.mark(fine=True)
        elif kind == "sign" and text == "Q":
            empty = not any(row.now.cells)
            row.mark(coda=True) if empty else row.mark(to_coda=True)
        elif kind == "comment":
            name = sign_of_words(text.strip("<>"))
            times = re.search(r"\b(\d)\s*x\b", text)
            if name:
                row.mark(**{name: True})
            elif times:
                row.mark(backward=int(times[1]))
        elif not row.full and len(row.now.cells) < MAX_CELLS:
            _cell(row, kind or "", text)
    row.close()
    return row.bars, row.warnings, row.meter_named


def _cell(row: _Row, kind: str, text: str) -> None:
    """A sign that takes a place in the bar."""
    cells = row.now.cells
    if kind == "low":  # as W/B
        kind, text = "chord", f"W{text}"
    if kind == "chord":
        if text.startswith("W"):  # the chord before over another bass
            text = row.last.partition("/")[0] + text[1:]
        text = _plain(text)
        row.last = text
        cells.append(text)
    elif kind == "nochord":
        cells.append("N.C.")
    elif kind == "again" and text == "x" and row.bars:
        row.now.cells, row.full = list(row.bars[-1].cells), True
    elif kind == "again" and text == "r" and len(row.bars) > 1:
        row.now.cells = list(row.bars[-2].cells)
        again, signs = ChartBar(list(row.bars[-1].cells), row.meter), row.now.signs
        row.bars.append(ChartBar(row.now.cells, row.meter, signs))
        row.now, row.full = again, True
    elif (kind == "again" and text == "p") or (kind == "cell" and any(cells)):
        cells.append("")


def _plain(chord: str) -> str:
    """A chord with what stands in stars, a quality of the user's own, as plain text."""
    return chord.replace("*", "")
