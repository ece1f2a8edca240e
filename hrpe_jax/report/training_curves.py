"""A training as a picture: what `metrics.jsonl` holds, as one SVG that needs no library and no page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from hrpe_jax.report.svg import line, number, text

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 430, 46, 92, 34, 36  # of one panel, pixels
HEIGHT, MARGIN, HEAD = 250, 16, 58
KINDS = {"train": "training", "valid": "validation", "reference": "counting"}

STYLE = """
:root{--paper:#fbfaf7;--ink:#22252b;--soft:#6b7280;--line:#e2dfd8;--train:#8fb4d3;--valid:#1f6fb2;--reference:#b4460f}
@media(prefers-color-scheme:dark){:root{--paper:#16181c;--ink:#e6e3dc;--soft:#9aa0aa;--line:#2c3037;
--train:#4d7596;--valid:#6fb3e8;--reference:#f0945c}}
text{font:12px system-ui,sans-serif;fill:var(--ink)}
text.title{font-size:17px;font-weight:600}text.head{font-size:13px;font-weight:600}
text.small{font-size:11px;fill:var(--soft)}
text.valid{fill:var(--valid);font-weight:600}text.train{fill:var(--soft)}text.reference{fill:var(--reference)}
.paper{fill:var(--paper)}.line{stroke:var(--line)}
.curve{fill:none;stroke-linejoin:round}
.curve.train{stroke:var(--train);stroke-width:1.6}.curve.valid{stroke:var(--valid);stroke-width:2.2}
.curve.reference{stroke:var(--reference);stroke-width:1.4;stroke-dasharray:5 4}
.dot{fill:var(--valid)}.best{fill:var(--paper);stroke:var(--valid);stroke-width:2.2}
"""

_Name = tuple[float, str, str]  # y, text, class


class Panel(NamedTuple):
    """One metric of one stage.

    Attributes:
        stage: whose.
        title: what is shown, and its unit.
        train: (step, value) of training.
        valid: (step, value) of validation.
        reference: what counting reaches on the validation songs, None where that is not known.
        best: the step whose checkpoint is kept.
    """

    stage: str
    title: str
    train: list[tuple[int, float]]
    valid: list[tuple[int, float]]
    reference: float | None
    best: int | None


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a `metrics.jsonl`; one that was cut short is left out."""
    lines = []
    for row in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(row))
        except ValueError:
            continue
    return lines


def panels(
    lines: Iterable[Mapping[str, Any]],
    references: Mapping[str, Mapping[str, float]],
    best: Mapping[str, int],
) -> list[Panel]:
    """Loss and accuracy of every stage.

    Args:
        lines: of `metrics.jsonl`.
        references: by stage, the figures of a model that counts: "nll", "accuracy".
        best: by stage, the step of its best validation.
    """
    lines = list(lines)
    found = []
    for stage in dict.fromkeys(row["stage"] for row in lines):
        own = [row for row in lines if row["stage"] == stage]
        loss = "nll" if any("nll" in row for row in own) else "loss"
        for name, title in ((loss, "NLL, nats per token"), ("accuracy", "accuracy")):
            train, valid = (
                [(int(row["step"]), float(row[name])) for row in own if row["split"] == split and name in row]
                for split in ("train", "valid")
            )
            if train or valid:
                reference = references.get(stage, {}).get(name)
                found.append(Panel(stage, title, train, valid, reference, best.get(stage)))
    return found


def draw_curves(title: str, shown: Sequence[Panel]) -> str:
    """The picture: a row for each stage, a panel for each metric."""
    rows = list(dict.fromkeys(panel.stage for panel in shown))
    columns = max((sum(p.stage == stage for p in shown) for stage in rows), default=1)
    width, height = MARGIN + columns * (WIDTH + MARGIN), HEAD + len(rows) * (HEIGHT + MARGIN)
    inside = f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - RIGHT - LEFT}" height="{HEIGHT - BOTTOM - TOP}"/>'
    parts = [f'<clipPath id="inside">{inside}</clipPath>']
    parts += [f'<rect class="paper" width="{width}" height="{height}"/>', text(MARGIN, 26, title, "title")]
    parts += _legend(MARGIN, 46, any(panel.reference is not None for panel in shown))
    for row, stage in enumerate(rows):
        for column, panel in enumerate(p for p in shown if p.stage == stage):
            x, y = MARGIN + column * (WIDTH + MARGIN), HEAD + row * (HEIGHT + MARGIN)
            parts.append(f'<g transform="translate({x} {y})">{"".join(_panel(panel))}</g>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
    label = escape(f"Training curves: {title}", quote=True)
    body = "\n".join(parts)
    return (
        f'{head} height="{height}" role="img" aria-label="{label}">\n<style>{STYLE}</style>\n{body}\n</svg>\n'
    )


def _legend(x: float, y: float, counting: bool) -> list[str]:
    parts = []
    for kind, name in KINDS.items():
        if kind == "reference" and not counting:
            continue
        name = "5-gram on the validation songs" if kind == "reference" else name
        parts += [
            f'<line class="curve {kind}" x1="{x}" y1="{y - 4}" x2="{x + 24}" y2="{y - 4}"/>',
            text(x + 30, y, name, "small"),
        ]
        x += 48 + 6.2 * len(name)
    return parts


def _panel(panel: Panel) -> list[str]:
    points = [*panel.train, *panel.valid]
    last = max(step for step, _ in points)
    low, high = value_range(panel)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(step: float) -> float:
        return LEFT + (right - LEFT) * step / last

    def y(value: float) -> float:
        return TOP + (bottom - TOP) * (high - value) / (high - low)

    def curve(kind: str, values: Sequence[tuple[int, float]]) -> str:
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in values)
        return f'<polyline class="curve {kind}" clip-path="url(#inside)" points="{path}"/>'

    parts = [text(LEFT, 16, f"{panel.stage}: {panel.title}", "head")]
    for tick in ticks(low, high):
        parts += [
            line(LEFT, y(tick), right, y(tick)),
            text(LEFT - 6, y(tick) + 4, f"{tick:g}", "small", "end"),
        ]
    for tick in ticks(0, last, min(6, last)):
        parts.append(text(x(tick), bottom + 16, f"{tick:,.0f}", "small", "middle"))
    parts.append(text((LEFT + right) / 2, bottom + 30, "step", "small", "middle"))
    names: list[_Name] = []
    if panel.reference is not None:
        parts.append(curve("reference", [(0, panel.reference), (last, panel.reference)]))
        names.append((y(panel.reference), f"{number(panel.reference)} 5-gram", "reference"))
    if panel.train:
        parts.append(curve("train", panel.train))
        names.append((y(panel.train[-1][1]), f"{number(panel.train[-1][1])} training", "train"))
    if panel.valid:
        parts.append(curve("valid", panel.valid))
        parts += [_dot(x(step), y(value), 2.4, "dot", step, value) for step, value in panel.valid]
        step, value = next((p for p in panel.valid if p[0] == panel.best), panel.valid[-1])
        parts.append(_dot(x(step), y(value), 4.5, "best", step, value))
        names.append((y(value), f"{number(value)} best" if step == panel.best else number(value), "valid"))
    for place, name, kind in _apart(names, bottom):
        parts.append(text(right + 8, place + 4, name, kind))
    return parts


def value_range(panel: Panel) -> tuple[float, float]:
    """The values an axis shows: everything but the first steps of training, which would squash the rest."""
    kept = [value for _, value in panel.valid] + ([] if panel.reference is None else [panel.reference])
    later = [value for _, value in panel.train[len(panel.train) // 5 :]]
    kept = [value for value in kept + later if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(kept), max(kept)
    room = 0.06 * (high - low) or 0.05 * max(abs(high), 1.0)
    return max(low - room, 0.0) if low >= 0 else low - room, high + room


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between two, at most so many; their step is 1, 2 or 5 times a power of ten.

    Args:
        low: the lower end.
        high: the upper end.
        most: how many at most.
    """
    span = high - low
    size = 10.0 ** math.floor(math.log10(span / most))
    step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= most)
    return [
        round(n * step, 10) for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def _dot(x: float, y: float, radius: float, kind: str, step: int, value: float) -> str:
    title = f"<title>step {step}: {number(value)}</title>"
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{title}</circle>'


def _apart(
    names: list[tuple[float, str, str]], lowest: float, least: float = 14
) -> list[tuple[float, str, str]]:
    """Names at the ends of curves, moved apart where they would touch, and up where they would leave."""
    placed: list[tuple[float, str, str]] = []
    for y, name, kind in sorted(names):
        placed.append((max(y, placed[-1][0] + least) if placed else max(y, TOP), name, kind))
    for index in range(len(placed) - 1, -1, -1):
        y, name, kind = placed[index]
        placed[index] = (min(y, lowest), name, kind)
        lowest = placed[index][0] - least
    return placed
