"""The classifier two-sample test, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from hrpe_jax.report.tables import layout

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
