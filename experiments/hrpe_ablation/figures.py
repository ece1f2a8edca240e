"""The figures of this folder's README as SVG, from the records."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
from grid import BACKBONE, WRITING
from rows import Record, difference, looked_into, select

from hrpe_jax.theory.tonal_space import chord_distances

DIALS = Path(__file__).parents[1] / "hrpe_demo" / "draw.py"
TEXT = "text{fill:#333}.small{font-size:11px;fill:#666}"
COLOURS = (
    "#222",
    "#2166ac",
    "#b2182b",
    "#1b7837",
    "#e08214",
    "#762a83",
    "#999",
    "#35978f",
    "#c51b7d",
    "#8c510a",
)


def figures(records: Sequence[Record]) -> dict[str, str]:
    """File name to SVG; those there is something to draw for."""
    drawn = {
        "differences.svg": differences(records),
        "curves.svg": curves(records),
        "tables.svg": dials(records),
    }
    return {name: svg for name, svg in drawn.items() if svg}


def differences(records: Sequence[Record]) -> str:
    """The nll at chord changes of every rung less the control's, with intervals."""
    control = select(records, "backbone", "control", "full")
    found = []
    for rung, (title, _) in BACKBONE.items():
        runs = select(records, "backbone", rung, "full")
        apart = difference(runs, control, "chord_nll") if runs and control and rung != "control" else None
        if apart:
            found.append((title, apart))
    if not found:
        return ""
    low, high = min(0.0, *(d.low for _, d in found)), max(0.0, *(d.high for _, d in found))
    left, width, line = 390, 420, 26

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * width

    height = 60 + line * len(found)
    parts = _begin(left + width + 40, height)
    parts.append(f'<line x1="{x(0):.1f}" y1="24" x2="{x(0):.1f}" y2="{height - 30}" stroke="#999"/>')
    for row, (title, d) in enumerate(found):
        y = 40 + row * line
        colour = "#2166ac" if d.high < 0 else "#b2182b" if d.low > 0 else "#777"
        parts += [
            f'<text x="{left - 14}" y="{y + 4}" text-anchor="end">{title} ({len(d.seeds)})</text>',
            f'<line x1="{x(d.low):.1f}" y1="{y}" x2="{x(d.high):.1f}" y2="{y}" stroke="{colour}" '
            'stroke-width="3"/>',
            f'<circle cx="{x(d.value):.1f}" cy="{y}" r="5" fill="{colour}"/>',
        ]
    for value in sorted({low, 0.0, high}):
        parts.append(f'<text x="{x(value):.1f}" y="{height - 12}" text-anchor="middle">{value:+.2f}</text>')
    return "\n".join([*parts, "</svg>", ""])


def curves(records: Sequence[Record]) -> str:
    """Validation nll by step, mean over seeds at the steps that all of them have."""
    lines = []
    for rung in (*WRITING, "lag1", "lag4_shift"):
        runs = select(records, "backbone", rung, "full")
        if runs:
            title, length = BACKBONE[rung][0].replace("*", ""), min(len(run["curve"]["step"]) for run in runs)
            nll = np.mean([run["curve"]["nll"][:length] for run in runs], axis=0)
            lines.append((title, runs[0]["curve"]["step"][:length], nll))
    if not lines:
        return ""
    # The first point is far above all others: from the second on.
    lines = [(title, steps[1:], nll[1:]) for title, steps, nll in lines if len(steps) > 2]
    low, high = min(float(nll.min()) for _, _, nll in lines), max(float(nll.max()) for _, _, nll in lines)
    last = max(steps[-1] for _, steps, _ in lines)
    left, top, width, height = 60, 20, 420, 300

    def point(step: float, nll: float) -> str:
        return f"{left + step / last * width:.1f},{top + (high - nll) / (high - low) * height:.1f}"

    parts = _begin(left + width + 400, top + height + 50)
    for index, (title, steps, nll) in enumerate(lines):
        colour = COLOURS[index % len(COLOURS)]
        points = " ".join(point(*pair) for pair in zip(steps, nll, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(
            f'<text x="{left + width + 20}" y="{top + 20 + 22 * index}" style="fill:{colour}">{title}</text>'
        )
    for value in (low, high):
        y = float(point(0, value).split(",")[1])
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    bottom = top + height + 22
    parts.append(f'<text x="{left + width}" y="{bottom}" text-anchor="end">step {last:,}</text>')
    parts.append(f'<text x="{left}" y="{bottom}">validation nll per event</text>')
    return "\n".join([*parts, "</svg>", ""])


def dials(records: Sequence[Record]) -> str:
    """The interval tables of every head of the first run with four lags, on the circle of fifths."""
    runs = looked_into(records, "lag4")
    if not runs:
        return ""
    panels = [(lag.replace("_", ", "), intervals(runs[0], lag)) for lag in ("0_0", "0_1")]
    svg: str = _draw().figure(panels)
    return svg


def intervals(record: Record, lag: str) -> np.ndarray:
    """[layers, heads, 12] by how far the key's root lies above the query's, less the mean of each table."""
    table = np.asarray(record["tables"][f"lag_{lag}_cyclic"])[..., -np.arange(12) % 12]
    centred: np.ndarray = table - table.mean(axis=-1, keepdims=True)
    return centred


def nearest_distances(runs: Sequence[Record]) -> dict[str, tuple[float, float]]:
    """How like the published distances the learned relations at lag (0, 0) are.

    Returns:
      By distance: the mean over heads, layers and runs of the correlation of minus the distance with
      A[n] + C[q, k] over all pairs of chords of major, minor and seventh qualities; and the share of heads in
      which this distance has the highest one. What points the other way is negative.
    """
    kept = np.ix_([0, 1, 4, 5, 6], [0, 1, 4, 5, 6], range(12))
    published = {name: -table[kept].ravel() for name, table in chord_distances().items()}
    rows = []
    for run in runs:
        cyclic = np.asarray(run["tables"]["lag_0_0_cyclic"])
        quality = np.asarray(run["tables"]["lag_0_0_category_0"])
        joint = cyclic[:, :, None, None, :] + quality[..., None]
        for head in joint.reshape(-1, *joint.shape[2:]):
            values = head[kept].ravel()
            if values.std() > 0:
                rows.append([np.corrcoef(values, table)[0, 1] for table in published.values()])
    found = np.asarray(rows)
    best = found.argmax(axis=1)
    return {name: (float(found[:, i].mean()), float((best == i).mean())) for i, name in enumerate(published)}


def _begin(width: float, height: float) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'font-family="sans-serif" font-size="13"><style>{TEXT}</style>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
    ]


def _draw() -> ModuleType:
    """The module that draws dials."""
    spec = importlib.util.spec_from_file_location("hrpe_demo_draw", DIALS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
