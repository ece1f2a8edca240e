"""What the harmonic tables of a trained backbone have learned, as a figure.

    python experiments/hrpe_demo/draw.py --model=runs/backbone_pop909 --output=tables.svg

For each layer and head a dial shows the interval table A of one relation: twelve rays, one for each root of
the key event as seen from the query's root, ordered by fifths (up: the same root; to the right: a fifth
above, as G from C). A ray is as long as the entry is far from the mean of its table (which says nothing
between chords), blue where the head looks more, red where it looks less. Prints the strongest intervals of
every table.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.sampling.model import load_model

NAMES = ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII")
"""Of the key event's root, above the query's root."""
RADIUS, GAP, LEFT, TOP = 46, 118, 96, 74


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


def figure(rows: list[tuple[str, np.ndarray]]) -> str:
    """The SVG of several relations; each row is (name, [layers, heads, 12])."""
    layers, heads = rows[0][1].shape[:2]
    width = LEFT + layers * heads * GAP
    height = TOP + len(rows) * (GAP + 12)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="13">',
        "<style>.rim{fill:none;stroke:#999;stroke-width:.8}.more{fill:#2166ac}.less{fill:#b2182b}"
        "text{fill:#333}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for column in range(layers * heads):
        x = LEFT + column * GAP + GAP / 2
        text = f"layer {column // heads + 1}, head {column % heads + 1}"
        parts.append(f'<text x="{x:.0f}" y="24" text-anchor="middle">{text}</text>')
    for row, (name, values) in enumerate(rows):
        y = TOP + row * (GAP + 12) + RADIUS
        scale = float(np.abs(values).max()) or 1.0
        parts.append(f'<text x="8" y="{y:.0f}">lag ({name})</text>')
        parts.append(f'<text x="8" y="{y + 18:.0f}">rim {scale:.2f}</text>')
        for column in range(layers * heads):
            x = LEFT + column * GAP + GAP / 2
            one = values[column // heads, column % heads]
            parts += dial(
                one, scale, x, y, f"lag ({name}), layer {column // heads + 1}, head {column % heads + 1}"
            )
            if row == 0:
                for step, place in ((0, "I"), (3, "VI"), (6, "#IV"), (9, "bIII")):
                    angle = math.tau * step / 12
                    px, py = x + (RADIUS + 9) * math.sin(angle), y - (RADIUS + 7) * math.cos(angle) + 4
                    parts.append(
                        f'<text x="{px:.1f}" y="{py:.1f}" font-size="9" text-anchor="middle">{place}</text>'
                    )
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Draws the figure and prints the strongest entries."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="workdir or released model with a backbone")
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
