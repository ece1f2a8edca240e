"""Tables beside the metrics: faults, the classifier test, and melodies under other chords."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Names "low" or "high" where the interval of generated pieces lies below or above real music's."""
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


Tests = Sequence[Mapping[str, Any]]


def auc_lines(tests: Tests) -> list[list[str]]:
    """AUC by family and length of the excerpts; tests without enough pieces are left out."""
    held = [test for test in tests if test["rows"]]
    if not held:
        return []
    lines = [["classifier AUC", *(f"{test['settings']['bars']} bars" for test in held)]]
    for place, row in enumerate(held[0]["rows"]):
        rows = [test["rows"][place] for test in held]
        cells = [f"{own['value']:.3f} [{own['low']:.3f}, {own['high']:.3f}]" for own in rows]
        lines.append([row["name"], *cells])
    return lines


def telling_lines(test: Mapping[str, Any]) -> list[list[str]]:
    """The features that tell most."""
    lines = [[f"what tells, {test['settings']['bars']} bars", "AUC alone", "generated", "real"]]
    for item in test["telling"]:
        means = [f"{item[name]:.3g}" for name in ("generated", "reference")]
        lines.append([f"{item['family']}: {item['name']}", f"{item['auc']:.3f}", *means])
    return lines


def reasons(tests: Tests) -> list[str]:
    """Why lengths were not tested."""
    return [
        f"classifier, {test['settings']['bars']} bars: {test['reason']}" for test in tests if "reason" in test
    ]


def two_sample_text(tests: Tests) -> str:
    """The tables for a terminal."""
    parts = [layout(auc_lines(tests))] if auc_lines(tests) else []
    parts += [layout(telling_lines(test)) for test in tests if test["telling"]]
    return "\n\n".join([*parts, *(["\n".join(reasons(tests))] if reasons(tests) else [])])


def two_sample_section(tests: Tests) -> str:
    """The section of a report."""
    tables = [auc_lines(tests), *(telling_lines(test) for test in tests if test["telling"])]
    shown = "".join(_table(lines) for lines in tables if lines)
    missing = "".join(f"<p>{escape(line)}</p>" for line in reasons(tests))
    counts = "; ".join(
        f"{test['settings']['bars']} bars in {test['settings']['meter']}: {test['excerpts']['generated']} "
        f"excerpts of {test['songs']['generated']} pieces, {test['excerpts']['reference']} of "
        f"{test['songs']['reference']} songs"
        for test in tests
        if test["rows"]
    )
    return (
        "<h2>Can a classifier tell?</h2><p>AUC of a classifier that is shown excerpts of generated pieces "
        "and of real songs: 0.5 where it cannot tell them apart, 1 where it always can; five folds by song, "
        f"95 % intervals over songs. {escape(counts)}. What tells: single features, with their means; an AUC "
        "above 0.5 says that generated pieces have more of it.</p>"
        f"{shown}{missing}"
    )


def _table(lines: Sequence[Sequence[str]]) -> str:
    head, *rows = lines
    titles = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<figure class="wide"><table><tr>{titles}</tr>{body}</table></figure>'


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
