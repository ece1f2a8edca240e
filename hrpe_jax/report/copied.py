"""What pieces share with a training set, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from hrpe_jax.report import draw
from hrpe_jax.report.draw import Series, number
from hrpe_jax.report.figures import figure

HEAD = ("longest passage shared with training", "", "mean", "median", "largest", "share", "pieces")
NAMES = {"melody": "melody, in notes", "chords": "progression, in chords"}
_SETS = (("generated", "generated", "generated"), ("held_out", "real, not in training", "reference"))


def copying_lines(copying: Mapping[str, Any]) -> list[list[str]]:
    """The lines of a table: melody and chords of generated and of real pieces outside the training set."""
    lines = [list(HEAD)]
    for of, shared in NAMES.items():
        for name, title, _ in _SETS:
            found = copying[of][name]
            if found["mean"] is None:
                cells = ["-"] * 4
            else:
                cells = [number(found["mean"]), f"{found['median']:g}", str(found["largest"])]
                cells.append(f"{found['share']:.1%}")
            lines.append([shared, title, *cells, str(len(found["pieces"]))])
    return lines


def copied(comparison: Mapping[str, Any]) -> str:
    """The section of a report: a table, a figure, and the pieces that share most; "" without a training "
    "set."""
    copying = comparison.get("copying")
    if not copying:
        return ""
    parts = []
    for of, shared in NAMES.items():
        series = [
            Series(
                "real" if name == "held_out" else title,
                kind,
                np.asarray([p["longest"] for p in found], float),
            )
            for name, title, kind in _SETS
            if (found := copying[of][name]["pieces"])
        ]
        caption = (
            "Longest passage of each piece that stands in the training set, in any key; "
            f"{copying['training']} training pieces. Real: the reference outside of the training set."
        )
        parts.append(figure(draw.boxes(series, f"shared {of}"), caption, f"Shared {shared}"))
    head, *lines = copying_lines(copying)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    titles = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    caption = "Share: how much of a piece lies within shared passages of 9 notes, or chords, or more."
    note = copying["held_out_in_training"]
    if note:
        caption += f" {note} real pieces are left out, since they are in the training set."
    worst = sorted(copying["melody"]["generated"]["pieces"], key=lambda piece: -piece["longest"])[:5]
    names = "; ".join(
        f"{piece['id']}: {piece['longest']} of {piece['of']} notes, from {piece['from']}"
        for piece in worst
        if piece["longest"]
    )
    caption += f" Generated pieces that share most: {names}." if names else ""
    table = f'<div class="wide"><table><tr>{titles}</tr>{rows}</table></div>'
    return f'<h2>Copying</h2><div class="grid">{"".join(parts)}</div>{figure(table, caption)}'
