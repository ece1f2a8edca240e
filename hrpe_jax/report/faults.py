"""The table of faults, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from hrpe_jax.metrics.faults import OPENING, WHOLE_PIECE
from hrpe_jax.report.tables import layout

NAMES = ("generated", "reference")
_BARS = {WHOLE_PIECE: "all", OPENING: "first"}


def fault_lines(table: Mapping[str, Any]) -> list[list[str]]:
    """The lines of the table: measure, bars, generated, real, and whether their intervals lie apart.

    Measures without a value for generated pieces are left out.
    """
    lines = [["measure", "bars", "generated", "real", "apart", "pieces"]]
    for row in table["rows"]:
        made, real = (row[name] for name in NAMES)
        if made["value"] is None:
            continue
        bars = _BARS.get(row["bars"], str(row["bars"]))
        used = f"{made['n']} / {real['n']}" if "n" in made else f"{made['songs']} / {real['songs']}"
        lines.append([row["title"], bars, cell(made), cell(real), apart(made, real), used])
    return lines


def cell(found: Mapping[str, Any]) -> str:
    """A value with its interval."""
    if found["value"] is None:
        return "-"
    places = 3 if abs(found["value"]) < 2 else 1
    if found["low"] is None:
        return f"{found['value']:.{places}f}"
    return f"{found['value']:.{places}f} [{found['low']:.{places}f}, {found['high']:.{places}f}]"


def apart(made: Mapping[str, Any], real: Mapping[str, Any]) -> str:
    """ "low" or "high" where the interval of generated pieces lies below or above that of real music."""
    if made["low"] is None or real["low"] is None:
        return ""
    return "low" if made["high"] < real["low"] else "high" if made["low"] > real["high"] else ""


def left_out(table: Mapping[str, Any]) -> list[str]:
    """Measures without a value, by the reason."""
    reasons: dict[str, list[str]] = {}
    for row in table["rows"]:
        if row["generated"]["value"] is None:
            why = next(iter(row["generated"]["reasons"]), "no piece")
            reasons.setdefault(f"{why} ({row['bars']} bars)" if row["bars"] > 0 else why, []).append(
                row["title"]
            )
    return [f"not measured, since {why}: {', '.join(titles)}" for why, titles in reasons.items()]


def fault_text(table: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    counts = [
        f"{name}: " + ", ".join(
            f"{count['songs']} pieces" if bars == "0" else f"{count['excerpts']} excerpts of {bars} bars"
            for bars, count in table["sets"][name].items()
        )
        for name in NAMES
    ]  # fmt: skip
    settings = table["settings"]
    head = f"faults, {meter_text(settings)}, {settings['draws']} draws, seed {settings['seed']}"
    blocks = ["; ".join([head, *counts]), layout(fault_lines(table)), *left_out(table)]
    return "\n".join(blocks)


def meter_text(settings: Mapping[str, Any]) -> str:
    """The meter of a table in words."""
    return "all meters" if settings["meter"] == "all" else str(settings["meter"])


def fault_section(table: Mapping[str, Any]) -> str:
    """The section of a report."""
    head, *lines = fault_lines(table)
    titles = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    meanings = {row["title"]: row["definition"] for row in table["rows"]}
    terms = "".join(f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in meanings.items())
    missing = "".join(f"<p>{escape(line)}</p>" for line in left_out(table))
    return (
        "<h2>Faults</h2><p>Means over pieces with 95 % intervals over songs; excerpts of songs begin where "
        "phrases begin. No number is better when higher: real music is the yardstick. Apart: the intervals "
        f"of generated and real music do not overlap. {escape(meter_text(table['settings']))}.</p>"
        f'<div class="wide"><table><tr>{titles}</tr>{rows}</table></div>{missing}'
        f"<details><summary>what the measures are</summary><dl>{terms}</dl></details>"
    )
