"""Figures and piano rolls as SVG; a page colours the classes "generated", "reference" and "c-NAME"."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from hrpe_jax.score.score import Score, bar_spans
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.function import roman_numeral
from hrpe_jax.theory.pitch import midi_name

TICK, ROW, TOP, LEFT = 2.5, 7, 44, 4
"""Pixels of a tick and of a semitone, and of the room above the notes and at the left."""

STYLE = """
svg{display:block}svg text{font:12px system-ui,sans-serif;fill:var(--ink)}
svg .small{font-size:10px;fill:var(--soft)}svg .chord{fill:var(--chord);font-weight:600}
svg .line{stroke:var(--line)}svg .row{fill:var(--row)}svg .note{fill:var(--note)}
"""
"""Needs the colours --ink, --soft, --line, --row, --note and --chord of the page."""


def roll_of(score: Score) -> str:
    """Bars, chord names with numerals, and the melody as an SVG; a scale of pitches at the left."""
    spans, pitches = bar_spans(score), [note.pitch for note in score.melody]
    low, high = (min(pitches) - 2, max(pitches) + 2) if pitches else (60, 59)
    width = round(LEFT + (spans[-1][0] + spans[-1][1] if spans else 1) * TICK + 8)
    height = TOP + (high - low + 1) * ROW + 4
    parts = [
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(_plain(score.id))}: {len(spans)} bars, {len(pitches)} notes">'
    ]
    for pitch in range(low, high + 1):
        if (pitch - score.key.tonic) % 12 in (0, 7):  # tonic and fifth, to see degrees by
            parts.append(f'<rect class="row" x="0" y="{_y(pitch, high)}" width="{width}" height="{ROW}"/>')
    for at, (start, length) in enumerate(spans, 1):
        x = _x(start)
        parts.append(f'<line class="line" x1="{x}" y1="0" x2="{x}" y2="{height}"/>')
        short = "*" if length < score.meter.bar_ticks else ""
        parts.append(f'<text class="small" x="{x + 3:.1f}" y="11">{at}{short}</text>')
    for span in score.chords:
        if span.chord.is_none:
            continue
        x, name = _x(span.onset) + 3, escape(to_lead_sheet(span.chord, score.key))
        fit = f' textLength="{span.duration * TICK - 4:.0f}" lengthAdjust="spacingAndGlyphs"'
        squeeze = fit if 7.5 * len(name) > span.duration * TICK else ""
        numeral = escape(roman_numeral(span.chord, score.key))
        squeeze2 = fit if 6 * len(numeral) > span.duration * TICK else ""
        parts.append(f'<text class="chord" x="{x:.1f}" y="26"{squeeze}>{name}</text>')
        parts.append(f'<text class="small" x="{x:.1f}" y="38"{squeeze2}>{numeral}</text>')
    for note in score.melody:
        beats = f"{note.duration / score.meter.beat_ticks:.3g}"
        label = f"{midi_name(note.pitch, score.key.fifths)}, {beats} beats"
        wide = max(1.5, note.duration * TICK - 1)
        parts.append(
            f'<rect class="note" x="{_x(note.onset)}" y="{_y(note.pitch, high)}" width="{wide:.1f}" '
            f'height="{ROW}" rx="2"><title>{label}</title></rect>'
        )
    for pitch in range(low, high + 1):
        if pitch % 12 == score.key.tonic:
            name = midi_name(pitch, score.key.fifths)
            parts.append(f'<text class="small" x="{LEFT + 2}" y="{_y(pitch, high) + ROW - 1}">{name}</text>')
    return "".join([*parts, "</svg>"])


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _x(tick: int) -> float:
    return round(LEFT + tick * TICK, 1)


def _y(pitch: int, high: int) -> int:
    return TOP + (high - pitch) * ROW


INK = (47, 111, 159)
"""Colour of pictures; their transparency is the value, so they stand on light and dark pages."""


class Series(NamedTuple):
    """Numbers of one set of pieces: what it is called, the class that colours it, and the numbers."""

    name: str
    kind: str
    values: np.ndarray


def number(value: float) -> str:
    """A number in as few digits as say something."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "-"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    digits = 3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0
    return f"{value:.2g}" if size < 0.001 else f"{value:.{digits}f}"


def figure(width: int, height: int, label: str, parts: Sequence[str]) -> str:
    """An SVG of so many pixels.

    Args:
        width: in pixels.
        height: in pixels.
        label: the description, for those who do not see it.
        parts: SVG elements.
    """
    head = f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
    return f'{head} aria-label="{escape(label, quote=True)}">{"".join(parts)}</svg>'


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """Text at a point; `anchor` is "start", "middle" or "end".

    Args:
        x: in pixels.
        y: in pixels.
        content: plain text.
        kind: CSS class.
        anchor: "start", "middle" or "end".
    """
    attributes = (f' class="{kind}"' if kind else "") + (
        f' text-anchor="{anchor}"' if anchor != "start" else ""
    )
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(content)}</text>'


def line(x0: float, y0: float, x1: float, y1: float, kind: str = "line") -> str:
    """A straight line.

    Args:
        x0: in pixels, of the start.
        y0: likewise.
        x1: in pixels, of the end.
        y1: likewise.
        kind: CSS class.
    """
    return f'<line class="{kind}" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>'


def rect(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:
    """A rectangle; `title` is shown where the pointer rests on it.

    Args:
        x: in pixels, of the left edge.
        y: in pixels, of the upper edge.
        width: in pixels.
        height: in pixels.
        kind: CSS class.
        title: shown where the pointer rests on it.
    """
    head = f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"'
    return f"{head}><title>{escape(title)}</title></rect>" if title else f"{head}/>"


def picture(matrix: np.ndarray, label: str, size: int = 132) -> str:
    """A matrix of numbers in 0..1 as a picture, darker for more: `[rows, columns]`.

    Args:
        matrix: float [rows, columns] in 0 to 1.
        label: the description.
        size: in pixels.
    """
    values = np.clip(np.nan_to_num(np.asarray(matrix, float)), 0, 1)
    rows, columns = values.shape
    pixels = np.empty((rows, columns, 4), np.uint8)
    pixels[..., :3] = INK
    pixels[..., 3] = np.rint(255 * values)
    data = base64.b64encode(_png(pixels)).decode()
    alt = escape(label, quote=True)
    return f'<img alt="{alt}" width="{size}" height="{size}" src="data:image/png;base64,{data}">'


def _png(pixels: np.ndarray) -> bytes:
    """An RGBA picture, uint8 `[rows, columns, 4]`, as a PNG file."""
    rows, columns, _ = pixels.shape
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def curves(series: Sequence[Series], label: str, across: str, width: int = 660, height: int = 240) -> str:
    """Curves over 1, 2, 3 ..., from 0 up, each with its name at its end.

    Args:
        series: `[points]`, or `[points, 3]` with an interval: value, low, high.
        label: what is shown.
        across: what the horizontal axis counts.
        width: pixels.
        height: pixels.
    """
    left, right, top, bottom = 38, 92, 10, 34
    found = [s for s in series if len(s.values)]
    points = max((len(s.values) for s in found), default=1)
    high = max((float(np.max(s.values)) for s in found), default=1.0) or 1.0

    def at(index: int, value: float) -> str:
        x = left + (width - left - right) * index / max(points - 1, 1)
        return f"{x:.1f},{y(value):.1f}"

    def y(value: float) -> float:
        return top + (height - top - bottom) * (1 - value / high)

    parts = _ticks(high, y, left, width - right)
    step = next((step for step in (1, 2, 4, 8) if points / step < 9), points // 8)
    for index in range(step - 1, points, step):
        x = left + (width - left - right) * index / max(points - 1, 1)
        parts.append(text(x, height - 18, str(index + 1), "small", "middle"))
    parts.append(text((left + width - right) / 2, height - 3, across, "small", "middle"))
    ends: list[tuple[float, Series]] = []
    for s in found:
        values = s.values if s.values.ndim == 2 else s.values[:, None]
        if values.shape[1] == 3:
            around = [at(i, low) for i, low in enumerate(values[:, 1])]
            around += [at(i, up) for i, up in reversed(list(enumerate(values[:, 2])))]
            parts.append(f'<polygon class="band {s.kind}" points="{" ".join(around)}"/>')
        path = " ".join(at(i, value) for i, value in enumerate(values[:, 0]))
        parts.append(f'<polyline class="curve {s.kind}" points="{path}"/>')
        ends.append((y(values[-1, 0]), s))
    for place, s in _apart(ends, height - bottom):
        parts.append(text(width - right + 6, place + 4, s.name, f"name {s.kind}"))
    return figure(width, height, label, parts)


def boxes(series: Sequence[Series], label: str, width: int = 330) -> str:
    """A box for each set: middle half, median, lines to the 5th and 95th percentile; dots if few.

    Args:
        series: one a set.
        label: the description.
        width: in pixels.
    """
    rows = [s._replace(values=s.values[np.isfinite(s.values)]) for s in series]
    rows = [s for s in rows if len(s.values)]
    left, right, row, top = 78, 12, 19, 4
    everything = np.concatenate([s.values for s in rows]) if rows else np.zeros(1)
    low, high = float(everything.min()), float(everything.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5

    def x(value: float) -> float:
        return left + (width - left - right) * (float(value) - low) / (high - low)

    height = top + row * len(rows) + 18
    parts = []
    for value in (low, (low + high) / 2, high):
        anchor = {low: "start", high: "end"}.get(value, "middle")
        parts += [
            line(x(value), top, x(value), height - 16),
            text(x(value), height - 3, number(value), "small", anchor),
        ]
    for index, s in enumerate(rows):
        y = top + row * index + row / 2
        p5, q1, middle, q3, p95 = np.quantile(s.values, [0.05, 0.25, 0.5, 0.75, 0.95])
        title = f"{s.name}: median {number(middle)}, quartiles {number(q1)} and {number(q3)}, {len(s.values)}"
        parts.append(text(left - 6, y + 4, s.name, f"name {s.kind}", "end"))
        if len(s.values) <= 40:
            parts += [f'<circle class="dot {s.kind}" cx="{x(v):.1f}" cy="{y:.1f}" r="2"/>' for v in s.values]
        parts.append(line(x(p5), y, x(p95), y, f"whisker {s.kind}"))
        parts.append(rect(x(q1), y - 5, max(x(q3) - x(q1), 1.5), 10, f"box {s.kind}", f"{title} pieces"))
        parts.append(line(x(middle), y - 6, x(middle), y + 6, f"median {s.kind}"))
    return figure(width, height, label, parts)


def bars(labels: Sequence[str], series: Sequence[Series], label: str, across: str, width: int = 555) -> str:
    """Bars side by side, one of each set over each label; numbers are shares.

    Args:
        labels: one a group of bars.
        series: one a set.
        label: the description.
        across: title of the horizontal axis.
        width: in pixels.
    """
    left, top, bottom, height = 34, 20, 34, 190
    high = max((float(s.values.max()) for s in series if len(s.values)), default=1.0) or 1.0
    step = (width - left - 6) / max(len(labels), 1)
    wide = min(14.0, 0.8 * step / max(len(series), 1))

    def y(value: float) -> float:
        return top + (height - top - bottom) * (1 - value / high)

    parts = _ticks(high, y, left, width - 6, share=True)
    for n, s in enumerate(series):
        parts.append(text(width - 6 - 80 * (len(series) - 1 - n), 12, s.name, f"name {s.kind}", "end"))
    for index, name in enumerate(labels):
        middle = left + step * (index + 0.5)
        for n, s in enumerate(series):
            value = float(s.values[index])
            x = middle + (n - len(series) / 2) * wide
            parts.append(
                rect(
                    x, y(value), wide - 1, y(0) - y(value), f"fill {s.kind}", f"{s.name}, {name}: {value:.1%}"
                )
            )
        parts.append(text(middle, height - 20, name, "small", "middle"))
    parts.append(text((left + width) / 2, height - 4, across, "small", "middle"))
    return figure(width, height, label, parts)


def cells(rows: Sequence[str], columns: Sequence[str], values: np.ndarray, label: str, cell: int = 19) -> str:
    """A matrix with its row and column names; transparency is the share of the row, shown at the pointer.

    Args:
        rows: names.
        columns: names.
        values: float [rows, columns].
        label: the description.
        cell: in pixels.
    """
    left, top = 34, 18
    high = float(values.max()) or 1.0
    parts = [
        text(left + cell * (j + 0.5), top - 5, name, "small", "middle") for j, name in enumerate(columns)
    ]
    for i, row in enumerate(rows):
        parts.append(text(left - 4, top + cell * (i + 0.5) + 4, row, "small", "end"))
        for j, column in enumerate(columns):
            value = float(values[i, j])
            x, y = left + cell * j, top + cell * i
            share = f' fill-opacity="{value / high:.2f}"'
            title = f"<title>{escape(f'{row} to {column}: {value:.1%}')}</title>"
            size = f'width="{cell - 1}" height="{cell - 1}"'
            parts.append(f'<rect class="cell" x="{x}" y="{y}" {size}{share}>{title}</rect>')
    width, height = left + cell * len(columns) + 2, top + cell * len(rows) + 2
    return figure(width, height, label, parts)


def ranges(series: Sequence[Series], label: str, width: int = 352) -> str:
    """Distances from 0, a row for each set: a tick for its value, a bar for its interval, and the number.

    They are drawn by their square root, so that small ones are told apart.

    Args:
        series: values are (value,) or (value, low, high).
        label: what is shown.
        width: pixels.
    """
    left, right, row, top = 78, 50, 19, 4
    high = max((float(np.max(s.values)) for s in series), default=1.0) or 1.0

    def x(value: float) -> float:
        return left + (width - left - right) * math.sqrt(max(value, 0) / high)

    height = top + row * len(series) + 18
    parts = []
    for share in (0, 0.01, 0.1, 0.4, 1):
        parts.append(line(x(share * high), top, x(share * high), height - 16))
        parts.append(text(x(share * high), height - 3, number(share * high), "small", "middle"))
    for index, s in enumerate(series):
        y = top + row * index + row / 2
        value = float(s.values[0])
        parts.append(text(left - 6, y + 4, s.name, f"name {s.kind}", "end"))
        if len(s.values) == 3:
            low, up = x(float(s.values[1])), x(float(s.values[2]))
            title = f"{s.name}: {number(value)}, {number(s.values[1])} to {number(s.values[2])}"
            parts.append(rect(low, y - 4, max(up - low, 1.5), 8, f"box {s.kind}", title))
        parts.append(line(x(value), y - 6, x(value), y + 6, f"median {s.kind}"))
        parts.append(text(width - 2, y + 4, number(value), f"name {s.kind}", "end"))
    return figure(width, height, label, parts)


def _ticks(
    high: float, y: Callable[[float], float], left: float, right: float, share: bool = False
) -> list[str]:
    step = 10 ** math.floor(math.log10(high))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if high / s <= 5)
    parts = []
    for n in range(int(high / step + 1e-9) + 1):
        value = n * step
        name = f"{100 * value:.3g}%" if share else f"{value:.3g}"
        parts += [line(left, y(value), right, y(value)), text(left - 4, y(value) + 4, name, "small", "end")]
    return parts


def _apart(ends: list[tuple[float, Series]], lowest: float, least: float = 13) -> list[tuple[float, Series]]:
    """Names at the ends of curves, moved apart where they would touch, and up where they would leave."""
    placed: list[tuple[float, Series]] = []
    for y, s in sorted(ends, key=lambda end: end[0]):
        placed.append((max(y, placed[-1][0] + least) if placed else y, s))
    for index in range(len(placed) - 1, -1, -1):
        y, s = placed[index]
        placed[index] = (min(y, lowest), s)
        lowest = placed[index][0] - least
    return placed
