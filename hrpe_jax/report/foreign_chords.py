"""The NLL of melodies under other chords than their own, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from hrpe_jax.report.tables import layout


def foreign_lines(found: Mapping[str, Any]) -> list[list[str]]:
    """The lines of the table: NLL, and how much it is above that under the own chords."""
    lines = [["melody under", "nll an event", "above own", "nll a note", "above own"]]
    rows = found["rows"]
    own = next(iter(rows.values()))
    for name, row in rows.items():
        cells = []
        for figure in ("nll", "nll_per_note"):
            above = row[figure] - own[figure]
            cells += [f"{row[figure]:.3f}", f"{above:+.3f}" if row is not own else ""]
        lines.append([name, *cells])
    return lines


def foreign_text(found: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    return layout(foreign_lines(found))


def foreign_section(found: Mapping[str, Any]) -> str:
    """The section of a report; "" where nothing was measured."""
    if not found.get("rows"):
        return ""
    head, *lines = foreign_lines(found)
    titles = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return (
        "<h2>Foreign chords</h2><p>What the model makes of real melodies under their own chords and under "
        f"others, in nats; {found['songs']} songs. A model that does not follow its chords has the same "
        f'figures in all rows.</p><div class="wide"><table><tr>{titles}</tr>{rows}</table></div>'
    )
