"""The sections of a report; every figure says its grid, meter, number of pieces and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from hrpe_jax.report import collect, describe, svg
from hrpe_jax.report.svg import Series, number, roll_of
from hrpe_jax.report.tables import (
    GENERATED,
    REAL,
    SHOWN,
    distance_of,
    figure,
    is_distance,
    kind_of,
    meter_of,
    out_of_order,
    rows_of,
    title_of,
    value_of,
    why_not,
)
from hrpe_jax.score.score import Score

Comparison = Mapping[str, Any]


def sources(comparison: Comparison, about: Mapping[str, Mapping[str, Any]]) -> str:
    """What was read, what was used, and what was not."""
    facts: list[tuple[str, Sequence[str]]] = []

    def add(name: str, say: Any) -> None:
        facts.append((name, [say(which) for which in (GENERATED, "reference")]))

    add("read from", lambda which: str(about[which]["name"]))
    add("files", lambda which: _count(about[which]["files"]) if about[which]["files"] else "-")
    add("not read", lambda which: counts(about[which]["left_out"]) or "none")
    add("pieces", lambda which: _count(about[which]["pieces"]))
    add("of them compared", lambda which: _count(comparison["sets"][which]["used"]))
    add("left out of the comparison", lambda which: _reasons(comparison["sets"][which]["reasons"]))
    add(
        "found by analysis, not said by the file",
        lambda which: counts(about[which]["found_by_analysis"]) or "-",
    )
    add("chords found from the melody alone", lambda which: collect.melody_chords_text(about[which]) or "-")
    add("without chords", lambda which: _count(about[which]["without_chords"]))
    add("meters", lambda which: counts(about[which]["meters"], 5))
    add("keys", lambda which: counts(about[which]["modes"]))
    add("bars", lambda which: _bars(about[which]["bars"]))
    add("notes, chords", lambda which: f"{about[which]['notes']:,}, {about[which]['chords']:,}")
    body = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, cells in facts
    )
    head = '<tr><th></th><th class="generated">generated</th><th class="reference">real music</th></tr>'
    notes = "".join(f"<p>{escape(note)}</p>" for note in comparison["notes"])
    examples = "".join(
        f"<dd>{escape(item['name'])}: {escape(item['reason'])}: {escape(item['detail'])}</dd>"
        for which in (GENERATED, "reference")
        for item in about[which]["left_out_examples"]
    )
    more = (
        f"<details><summary>files that were not read</summary><dl>{examples}</dl></details>"
        if examples
        else ""
    )
    return f'<h2>What is compared</h2>{notes}<div class="wide"><table>{head}{body}</table></div>{more}'


def _count(value: int) -> str:
    return f"{value:,}"


def counts(values: Mapping[str, int], most: int = 20) -> str:
    """Counts in words: "4/4 12, 3/4 2"."""
    shown = [f"{name} {count}" for name, count in list(values.items())[:most]]
    return ", ".join([*shown, *([f"and {len(values) - most} more"] if len(values) > most else [])])


def _reasons(values: Mapping[str, int]) -> str:
    return "; ".join(f"{count}: {reason}" for reason, count in values.items()) or "none"


def _bars(values: Mapping[str, float]) -> str:
    return f"{values['median']:g} (from {values['least']} to {values['most']})" if values else "-"


def settings_of(comparison: Comparison) -> str:
    """Grid, meter and settings, for captions."""
    settings = comparison["settings"]
    return (
        f"{settings['bars']} bars, {meter_of(comparison)}, {settings['draws']} draws, seed {settings['seed']}"
    )


def structure(comparison: Comparison) -> str:
    """Structure metrics: where generated music stands among the controls."""
    parts = []
    metrics = [m for m in comparison["metrics"] if m["group"] == "structure"]
    for metric in (m for m in metrics if m["recommended"]):
        rows = rows_of(metric)
        marks = [
            Series(title_of(name), kind_of(name), np.asarray(distance))
            for name in SHOWN
            if name in rows and name != "transposed" and (distance := distance_of(metric, rows[name]))
        ]
        n = rows.get(GENERATED, {}).get("n", 0)
        if not marks or GENERATED not in {mark.kind for mark in marks}:
            parts.append(figure(f"<p>{escape(why_not(metric, rows[GENERATED]))}</p>", "", metric["title"]))
            continue
        sizes = "1 piece" if n == 1 else f"{n} pieces"
        caption = (
            f"By its square root; {sizes} in a set, {settings_of(comparison)}; bars: 95 % intervals. "
            + _order(metric)
        )
        parts.append(figure(svg.ranges(marks, metric["title"]), caption, metric["title"]))
    return (
        "<h2>Structure</h2><p>How far sets of pieces are from as many real ones. Good music of this kind "
        "lies where other real music lies, the floor; a generator whose bars could as well be shuffled lies "
        "where "
        "those are.</p>"
        f'<div class="grid">{"".join(parts)}</div>'
        f"{distance_table(metrics, 'All structure metrics', comparison)}"
    )


def _order(metric: Mapping[str, Any]) -> str:
    wrong = out_of_order(metric)
    if wrong is None:
        return ""
    return (
        f"The controls are out of order: not {', '.join(wrong)}." if wrong else "The controls lie in order."
    )


def distance_table(metrics: Sequence[Mapping[str, Any]], title: str, comparison: Comparison) -> str:
    """Distances from real music, a row for each metric and a column for each set.

    Args:
        metrics: rows of the comparison.
        title: of the table.
        comparison: the whole.
    """
    head = "".join(
        f'<th class="{kind_of(name)}">{escape("real music (floor)" if name == REAL else title_of(name))}</th>'
        for name in SHOWN
    )
    lines = []
    for metric in metrics:
        rows = rows_of(metric)
        name = escape(metric["title"]) + ("" if metric["recommended"] else " *")
        if not distance_of(metric, rows[GENERATED]):
            why = escape(why_not(metric, rows[GENERATED]))
            lines.append(
                f'<tr class="plain"><td>{name}</td><td class="why" colspan="{len(SHOWN)}">{why}</td></tr>'
            )
            continue
        body = "".join(_cell(distance_of(metric, rows.get(s, {})), kind_of(s)) for s in SHOWN)
        lines.append(f"<tr{'' if metric['recommended'] else ' class=plain'}><td>{name}</td>{body}</tr>")
    caption = (
        f"Distances from real music, {settings_of(comparison)}, with 95 % intervals. * is not recommended: "
        "see Definitions."
    )
    table = f'<div class="wide"><table><tr><th></th>{head}</tr>{"".join(lines)}</table></div>'
    return figure(table, caption, title)


def _cell(values: Sequence[float], kind: str) -> str:
    """A value, its interval below in small type."""
    if not values:
        return "<td>-</td>"
    small = f"<br><small>{number(values[1])} to {number(values[2])}</small>" if len(values) == 3 else ""
    return f'<td class="{kind}">{number(values[0])}{small}</td>'


def pictures(comparison: Comparison) -> str:
    """Mean self-similarity matrices, and how similar bars are by their distance."""
    matrices, lags = comparison.get("mean_ssms") or {}, comparison.get("lag_curves") or {}
    shown = [name for name in SHOWN if name in matrices and name != "transposed"]
    if not shown:
        return ""
    settings = comparison["settings"]
    # The diagonal is 1 in all of them; what is beside it is shown in full range.
    beside = [_off_diagonal(np.asarray(matrices[name])) for name in shown if name not in ("loop", "silence")]
    most = max((float(m.max()) for m in beside if m.size), default=1.0) or 1.0
    images = "".join(
        figure(
            svg.picture(np.asarray(matrices[name]) / most, f"mean self-similarity of bars, {title_of(name)}"),
            f"{_pieces(comparison, name)} pieces",
            title_of(name),
        )
        for name in shown
    )
    series = []
    for name in shown:
        if name in lags and name not in ("loop", "silence"):
            curve = lags[name]
            mean, low, high = (np.asarray(curve[part] or (), float) for part in ("mean", "low", "high"))
            banded = name in (GENERATED, REAL) and len(low) == len(high) == len(mean)
            values = np.stack([mean, low, high], axis=1) if banded else mean
            series.append(Series(title_of(name), kind_of(name), values))
    caption = (
        "Mean Jaccard similarity of bars so far apart, as sets of (onset, pitch, duration); two empty bars "
        f"are alike. One bar looped and silence would lie at 1. {settings_of(comparison)}; "
        "bands: 95 % intervals over pieces."
    )
    curves = figure(
        svg.curves(series, "similarity of bars by their distance", "bars apart"), caption, "Lag curves"
    )
    return (
        "<h2>Self-similarity</h2><p>How alike bars i and j are, the mean over pieces; bar 1 is at the top "
        "left. "
        f"{settings['bars']} bars, {escape(meter_of(comparison))}; full colour: {number(most)} and "
        f"more.</p>"
        f'<div class="grid">{images}</div>{curves}'
    )


def _off_diagonal(matrix: np.ndarray) -> np.ndarray:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def _pieces(comparison: Comparison, name: str) -> int:
    """How many pieces a set has: a control has one for each piece of the reference."""
    return int(comparison["sets"][GENERATED if name == GENERATED else "reference"]["used"])


def values(comparison: Comparison) -> str:
    """Metrics that give every piece a number: means, and how far the pieces are from real ones."""
    metrics = [m for m in comparison["metrics"] if not is_distance(m) and m["group"] != "structure"]
    lines = []
    for metric in metrics:
        rows = rows_of(metric)
        name = escape(metric["title"]) + ("" if metric["recommended"] else " *")
        own, real = rows[GENERATED], rows[REAL]
        cells = _cell(value_of(own), GENERATED) + _cell(value_of(real), "reference")
        if not value_of(own):
            cells = f'<td class="why" colspan="2">{escape(why_not(metric, own))}</td>'
        away = "".join(_cell(distance_of(metric, rows.get(s, {})), kind_of(s)) for s in (GENERATED, REAL))
        # Of controls without the interval, or the table would be wider than a screen.
        away += "".join(
            _cell(distance_of(metric, rows.get(s, {}))[:1], kind_of(s))
            for s in ("varied", "shuffled", "random", "loop", "silence")
        )
        used = f"<td><small>{own['used']} / {real['used']}</small></td>"
        lines.append(
            f"<tr{'' if metric['recommended'] else ' class=plain'}><td>{name}</td>{cells}{used}{away}</tr>"
        )
    names = ("generated", "real (floor)", "varied", "shuffled", "random", "loop", "silence")
    kinds = (GENERATED, "reference", *("" for _ in names[2:]))
    heads = "".join(f'<th class="{kind}">{name}</th>' for name, kind in zip(names, kinds, strict=True))
    head = (
        '<tr><th></th><th colspan="2">mean over pieces</th><th></th>'
        f'<th colspan="{len(names)}">distance from real music</th></tr>'
        '<tr><th></th><th class="generated">generated</th><th class="reference">real</th><th>pieces</th>'
        f"{heads}</tr>"
    )
    caption = (
        f"{settings_of(comparison)}. Distance: Wasserstein, between the numbers of equally many pieces; the "
        "floor is that of other real music. Intervals are 95 % over pieces. * is not recommended, see "
        "Definitions."
    )
    table = f'<div class="wide"><table>{head}{"".join(lines)}</table></div>'
    return f"<h2>Rhythm, pitch and harmony</h2>{figure(table, caption)}"


def distributions(comparison: Comparison) -> str:
    """The numbers of single pieces, a box for each set."""
    parts: dict[bool, list[str]] = {True: _typicality(comparison), False: []}
    for metric in comparison["metrics"]:
        per_piece = metric.get("per_piece") or {}
        series = [
            Series(title_of(name), kind_of(name), np.asarray([v for v in per_piece[name] if v is not None]))
            for name in SHOWN
            if name in per_piece and name != "transposed"
        ]
        if any(len(s.values) for s in series):
            missing = sum(v is None for v in per_piece.get(GENERATED, ()))
            caption = f"{sum(len(s.values) for s in series[:1])} generated pieces"
            caption += f"; not defined in {missing}" if missing else ""
            parts[metric["recommended"]].append(
                figure(svg.boxes(series, metric["title"]), caption, metric["title"])
            )
    more = f'<div class="grid">{"".join(parts[False])}</div>'
    return (
        "<h2>Distributions</h2><p>Each piece has one number; boxes hold the middle half, lines reach from "
        "the "
        f"5th to the 95th percentile. {escape(settings_of(comparison))}.</p>"
        f'<div class="grid">{"".join(parts[True])}</div>'
        f"<details><summary>{len(parts[False])} that are not recommended</summary>{more}</details>"
    )


def _typicality(comparison: Comparison) -> list[str]:
    """The figure of how far the SSM of each piece is from those of real music; none where none is known."""
    typicality = comparison.get("typicality") or {}
    series = [
        Series(
            title_of(name), kind_of(name), np.asarray([v for v in typicality.get(of, ()) if v is not None])
        )
        for name, of in ((GENERATED, GENERATED), (REAL, "reference"))
    ]
    if not all(len(s.values) for s in series):
        return []
    title = "distance of a piece's SSM from real ones"
    caption = f"{len(series[0].values)} generated pieces; 100 times the mean over entries and real pieces"
    return [figure(svg.boxes(series, title), caption, title)]


def ingredients(pieces: Mapping[str, Sequence[Score]]) -> str:
    """Pitch classes, durations and chord roots of whole pieces."""
    sets = (GENERATED, "reference")
    names = {GENERATED: "generated", "reference": "real music"}
    n = f"all of {len(pieces[GENERATED])} generated and {len(pieces['reference'])} real pieces"
    classes = [Series(names[s], s, describe.pitch_classes(pieces[s])) for s in sets]
    labels, shares = describe.duration_shares(*(describe.durations(pieces[s]) for s in sets))
    lengths = [Series(names[s], s, share) for s, share in zip(sets, shares, strict=True)]
    parts = [
        figure(
            svg.bars(describe.DEGREES, classes, "pitch classes", "degree of the piece's key"),
            f"Share of melody notes on each semitone above the tonic, by onset; {n}.",
            "Pitch classes",
        ),
        figure(
            svg.bars(labels, lengths, "durations", "quarter notes"),
            f"Share of melody notes that last so many quarter notes (1/4 is a sixteenth, 1/3 a triplet "
            f"eighth); {n}.",
            "Durations",
        ),
    ]
    for s in sets:
        matrix, changes = describe.transitions(pieces[s])
        caption = (
            f"From the root at the left to that above, relative to the key; shares of each row, {changes:,} "
            f"changes "
            "of root in whole pieces."
        )
        picture = svg.cells(describe.ROOTS, describe.ROOTS, matrix, f"chord transitions, {names[s]}")
        parts.append(figure(picture, caption, f"Chord transitions, {names[s]}"))
    return f'<h2>Notes and chords</h2><div class="grid">{"".join(parts)}</div>'


def examples(comparison: Comparison, pieces: Sequence[Score]) -> str:
    """The generated pieces that are nearest to the reference, in the middle, and furthest."""
    ids = comparison["ids"][GENERATED]
    by_id = {score.id: score for score in pieces}

    def of(which: str) -> dict[str, np.ndarray]:
        found = {}
        for metric in comparison["metrics"]:
            per_piece = metric.get("per_piece") or {}
            if metric["recommended"] and not is_distance(metric) and which in per_piece:
                found[metric["name"]] = np.asarray(
                    [np.nan if v is None else v for v in per_piece[which]], float
                )
        return found

    order = describe.typical_order(of(GENERATED), of(REAL))
    shown = describe.places(order) or [(f"piece {n + 1} of {len(ids)}", n) for n in range(min(3, len(ids)))]
    parts = []
    for place, index in shown:
        score = by_id[ids[index]]
        bars, notes = len(score.bar_starts()), len(score.melody)
        why = "there are too few real pieces to say which is near to them"
        if order:
            why = f"place {order.index(index) + 1} of {len(order)} by the mean distance of its metrics from "
            why += "the real median"
        caption = f"{score.id}: {score.key}, {score.meter}, {bars} bars, {notes} notes; {why}"
        parts.append(figure(f'<div class="roll" tabindex="0">{roll_of(score)}</div>', caption, place))
    return f"<h2>Pieces</h2>{''.join(parts)}" if parts else ""


def definitions(comparison: Comparison) -> str:
    """What every number is, and what it is not good for."""
    items = []
    for metric in comparison["metrics"]:
        options = ", ".join(f"{name}={value}" for name, value in metric["options"].items())
        lines = [
            metric["definition"],
            f"Range: {metric['range']} Direction: {metric['direction']}",
            f"Settings: {options}." if options else "",
            f"Source: {metric['source']}",
            ("" if metric["recommended"] else "Not recommended: ") + metric["remark"],
        ]
        body = "".join(f"<dd>{escape(line)}</dd>" for line in lines if line.strip())
        items.append(f"<dt>{escape(metric['title'])} ({escape(metric['name'])})</dt>{body}")
    settings = ", ".join(f"{name}: {value}" for name, value in comparison["settings"].items())
    return (
        f"<h2>Definitions</h2><p>Settings: {escape(settings)}.</p><details><summary>{len(items)} "
        f"metrics</summary>"
        f"<dl>{''.join(items)}</dl></details>"
    )
