"""What the harmonic tables of a trained backbone have learned, as a figure.

    python experiments/hrpe_demo/draw.py --model=runs/pop909 --output=experiments/hrpe_demo/tables.svg

Layers are rows, heads columns. For each a dial shows the interval table A of one relation: twelve rays, one
for each root of the key event as seen from the query's root, ordered by fifths (up: the same root; to the
right: a fifth above, as G from C). A ray is as long as the entry is far from the mean of its table (which
says nothing between chords), blue where the head looks more, red where it looks less. Prints the strongest
intervals of every table.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.checkpoints.release import load_model

NAMES = ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII")
"""Of the key event's root, above the query's root."""
RADIUS, GAP, LEFT, TOP = 42, 126, 70, 70


def tables(params: Mapping[str, Any], lag: str) -> np.ndarray:
    """[layers, heads, 12] by how far the key's root lies above the query's, less the mean of each table."""
    learned = params["stack"]["blocks"]["attention"]["tables"][f"lag_{lag}_cyclic"]
    table = np.asarray(learned)[..., -np.arange(12) % 12]  # stored by query minus key
    centred: np.ndarray = table - table.mean(axis=-1, keepdims=True)
    return centred


def dial(values: np.ndarray, scale: float, x: float, y: float, label: str) -> list[str]:
    """SVG of one table around (x, y)."""
    parts = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" class="rim"/>']
    for step in range(12):
        interval = 7 * step % 12
        angle = math.tau * step / 12
        length = RADIUS * min(1.0, abs(values[interval]) / scale)
        half = math.tau / 30
        points = [(x, y)] + [
            (x + length * math.sin(angle + side), y - length * math.cos(angle + side))
            for side in (-half, half)
        ]
        kind = "more" if values[interval] > 0 else "less"
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        title = f"{label}: {NAMES[interval]} {values[interval]:+.2f}"
        parts.append(f'<polygon points="{path}" class="{kind}"><title>{title}</title></polygon>')
    return parts


def figure(panels: list[tuple[str, np.ndarray]]) -> str:
    """The SVG of several relations side by side; each is (lag, [layers, heads, 12])."""
    layers, heads = panels[0][1].shape[:2]
    panel = LEFT + heads * GAP
    width, height = len(panels) * panel + 20, TOP + layers * GAP + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="13">',
        "<style>.rim{fill:none;stroke:#bbb;stroke-width:.8}.more{fill:#2166ac}.less{fill:#b2182b}"
        "text{fill:#333}.small{font-size:9px;fill:#777}.head{font-size:15px;font-weight:bold}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for index, (lag, values) in enumerate(panels):
        left = index * panel + LEFT
        scale = float(np.abs(values).max()) or 1.0
        parts.append(f'<text x="{left}" y="22" class="head">lag ({lag})</text>')
        parts.append(
            f'<text x="{left + heads * GAP - 14}" y="22" text-anchor="end">rim: {scale:.2f} nats</text>'
        )
        for head in range(heads):
            x = left + (head + 0.5) * GAP
            parts.append(f'<text x="{x:.0f}" y="46" text-anchor="middle">head {head + 1}</text>')
        for layer in range(layers):
            y = TOP + layer * GAP + RADIUS
            if index == 0:
                parts.append(f'<text x="10" y="{y + 4:.0f}">layer {layer + 1}</text>')
            for head in range(heads):
                x = left + (head + 0.5) * GAP
                name = f"lag ({lag}), layer {layer + 1}, head {head + 1}"
                parts += dial(values[layer, head], scale, x, y, name)
                if layer == 0:
                    parts += _marks(x, y)
    return "\n".join([*parts, "</svg>", ""])


def _marks(x: float, y: float) -> list[str]:
    """Names at some points of the rim."""
    marks = []
    for step in (0, 1, 3, 6, 9, 11):
        angle = math.tau * step / 12
        px, py = x + (RADIUS + 9) * math.sin(angle), y - (RADIUS + 7) * math.cos(angle) + 3
        text = NAMES[7 * step % 12]
        marks.append(f'<text x="{px:.1f}" y="{py:.1f}" class="small" text-anchor="middle">{text}</text>')
    return marks


def main() -> None:
    """Draws the figure and prints the strongest entries."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="pretrained", help="workdir or released model with a backbone")
    parser.add_argument("--output", required=True, metavar="FILE.svg")
    parser.add_argument("--lags", default="0_0,0_1", help="relations to draw, as 0_1 for lag (0, 1)")
    args = parser.parse_args()
    params = load_model(args.model).backbone.params
    rows = [(lag.replace("_", ", "), tables(params, lag)) for lag in args.lags.split(",")]
    Path(args.output).write_text(figure(rows), encoding="utf-8")
    for name, values in rows:
        print(f"lag ({name}): size of the tables {np.abs(values).mean():.3f} on average")
        for layer, head in np.ndindex(values.shape[:2]):
            order = np.argsort(-values[layer, head])
            strong = ", ".join(f"{NAMES[i]} {values[layer, head, i]:+.2f}" for i in [*order[:3], *order[-2:]])
            print(f"  layer {layer + 1}, head {head + 1}: {strong}")


if __name__ == "__main__":
    main()
