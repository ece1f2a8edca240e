"""Figures as text tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from hrpe_jax.baselines.measure import with_perplexities
from hrpe_jax.report import svg
from hrpe_jax.report.svg import Series, number


def figure(picture: str, caption: str, title: str = "") -> str:
    """A figure with its caption; `picture` is HTML, the rest is text.

    Args:
        picture: HTML.
        caption: text.
        title: text, or none.
    """
    head = f"<h3>{escape(title)}</h3>" if title else ""
    return f"<figure>{head}{picture}<figcaption>{escape(caption)}</figcaption></figure>"


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
        parts.append(figure(svg.boxes(series, f"shared {of}"), caption, f"Shared {shared}"))
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


GENERATED, REAL = "generated", "real"
SHOWN = ("generated", "real", "varied", "shuffled", "random", "loop", "silence", "transposed")
"""The sets of a comparison in the order of columns."""


def title_of(name: str) -> str:
    """What a set is called in a table."""
    return {"real": "real music"}.get(name, name)


def kind_of(name: str) -> str:
    """The class that colours a set (see `style`)."""
    return {"generated": "generated", "real": "reference"}.get(name, f"c-{name}")


def is_distance(metric: Mapping[str, Any]) -> bool:
    """Whether the metric's value is itself a distance from real music."""
    return metric["kind"] != "piece"


def rows_of(metric: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of a metric by set."""
    return {row["set"]: row for row in metric["rows"]}


def distance_of(metric: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[float, ...]:
    """(distance from real music, low, high) of a row, () where it is not defined."""
    names = ("value", "low", "high")
    if not is_distance(metric):
        names = ("distance", "distance_low", "distance_high")
    found = [row.get(name) for name in names]
    if found[0] is None:
        return ()
    return (found[0],) if None in found else tuple(found)  # type: ignore[arg-type]


def value_of(row: Mapping[str, Any]) -> tuple[float, ...]:
    """(value, low, high) of a row, or (value,) without an interval, or ()."""
    found = [row.get(name) for name in ("value", "low", "high")]
    if found[0] is None:
        return ()
    return (found[0],) if None in found else tuple(found)  # type: ignore[arg-type]


def why_not(metric: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """The words "not defined, because ..." of a row without a value."""
    reason = row.get("reason") or row.get("distance_reason") or "there is no piece"
    return f"not defined, because {reason}"


def meter_of(comparison: Mapping[str, Any]) -> str:
    """The meter of the windows, in words."""
    meter = str(comparison["settings"]["meter"])
    return "all meters" if meter == "all" else meter


def interval(values: Sequence[float]) -> str:
    """A value with its interval, as text; "-" for none."""
    if not values:
        return "-"
    first = number(values[0])
    return first if len(values) < 3 else f"{first} [{number(values[1])}, {number(values[2])}]"


def out_of_order(metric: Mapping[str, Any]) -> list[str] | None:
    """Which controls are out of order, as "real < varied (40 % of draws)"; None where that is not known."""
    order = metric.get("order")
    if not order:
        return None
    return [
        f"{title_of(step['nearer'])} < {title_of(step['farther'])} ({100 * step['share']:.0f} % of draws)"
        for step in order
        if not step["holds"]
    ]


MODEL_COLUMNS = {
    "backbone": (
        "nll", "perplexity", "accuracy", "top3", "top5", "nll_per_bar", "perplexity_per_bar", "chord_nll",
        "chord_perplexity", "chord_accuracy", "chord_top3", "chord_top5", "root_nll", "root_accuracy",
    ),
    "melody": (
        "nll", "perplexity", "accuracy", "top3", "top5", "nll_per_note", "nll_per_bar", "perplexity_per_bar",
        "pitch_nll", "pitch_perplexity", "pitch_accuracy", "pitch_top3", "pitch_top5",
    ),
}  # fmt: skip
"""What of a model is shown, by stage: nats and shares, see `metrics.prediction`."""


def model_rows(found: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float]]]:
    """(name, figures) of the model and what stands beside it, of one stage."""
    return [(name, figures) for name, figures in found.items() if isinstance(figures, Mapping)]


def model_table(stage: str, rows: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """Predictions of one stage: a row for each figure, a column for each model."""
    return layout(model_lines(stage, rows))


def model_lines(stage: str, rows: Sequence[tuple[str, Mapping[str, float]]]) -> list[list[str]]:
    """The cells of `model_table`, the names of the models first."""
    columns = [(name, with_perplexities(metrics)) for name, metrics in rows if metrics]
    lines = [[stage, *(name for name, _ in columns)]]
    for figure in MODEL_COLUMNS[stage]:
        values = [number(metrics[figure]) if figure in metrics else "-" for _, metrics in columns]
        lines.append([figure.replace("_", " "), *values])
    return lines


def _reasons(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {why}" for why, count in left_out.items() if why != "other_rendering")


CONTROLS = ("varied", "shuffled", "random", "loop", "silence")


def comparison_table(comparison: Mapping[str, Any], about: Mapping[str, Mapping[str, Any]]) -> str:
    """What `metrics.compare` found, as text: structure beside its controls, then all metrics of single "
    "pieces.

    Args:
        comparison: from `Comparison.to_dict`.
        about: "generated" and "reference": see `collect.Collection.about`.
    """
    settings, sets = comparison["settings"], comparison["sets"]
    blocks = []
    for name in (GENERATED, "reference"):
        counts, used = about[name], sets[name]["used"]
        again = counts["left_out"].get("other_rendering", 0)
        left = sum(counts["left_out"].values()) - again
        analysed = counts["found_by_analysis"].get("chords", 0)
        blocks.append(
            f"{name}: {counts['name']}: {counts['pieces']} read"
            + (f" ({again} files are the same pieces in other formats)" if again else "")
            + (f", {left} could not be read ({_reasons(counts['left_out'])})" if left else "")
            + f", {used} compared"
            + (f"; chords of {analysed} found by analysis" if analysed else "")
        )
    blocks += [f"note: {note}" for note in comparison["notes"]]
    blocks.append(
        f"{settings['bars']} bars in {meter_of(comparison)}, {settings['draws']} draws, seed "
        f"{settings['seed']}; "
        "[95 % intervals]; closest to real music is best; * not recommended"
    )
    structure = [["distance from real music", "generated", "real (floor)", *CONTROLS, "n"]]
    values = [["mean over pieces", "generated", "real", "distance", "floor", "pieces"]]
    undefined: dict[str, list[str]] = {}
    reasons = []
    for metric in comparison["metrics"]:
        rows, title = rows_of(metric), metric["title"] + ("" if metric["recommended"] else " *")
        own = rows[GENERATED]
        if metric["group"] == "structure":
            if not distance_of(metric, own):
                undefined.setdefault(why_not(metric, own), []).append(title)
                continue
            cells = [
                interval(distance_of(metric, rows[GENERATED])),
                interval(distance_of(metric, rows[REAL])),
            ]
            cells += [interval(distance_of(metric, rows[name])[:1]) for name in CONTROLS]
            structure.append([title, *cells, str(own["n"])])
            if metric["recommended"] and (wrong := out_of_order(metric)):
                reasons.append(f"{title}: its controls are out of order: not {', '.join(wrong)}")
        elif not is_distance(metric):
            if not value_of(own):
                undefined.setdefault(why_not(metric, own), []).append(title)
                continue
            real = rows[REAL]
            away = [interval(distance_of(metric, row)[:1]) for row in (own, real)]
            used = f"{own['used']} / {real['used']}"
            values.append([title, interval(value_of(own)), interval(value_of(real)), *away, used])
    reasons += [f"{why}: {', '.join(titles)}" for why, titles in undefined.items()]
    copying = copying_lines(comparison["copying"]) if comparison.get("copying") else []
    tables = [layout(table) for table in (structure, values, copying) if len(table) > 1]
    return "\n\n".join(["\n".join(blocks), *tables, *(["\n".join(reasons)] if reasons else [])])


def layout(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns: the first is flush left, the others flush right."""
    count = max(len(line) for line in lines)
    widths = [max(len(line[i]) for line in lines if i < len(line)) for i in range(count)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=False))
        ).rstrip()
        for line in lines
    )


_WHAT = {
    "backbone": "Chord events and the end of the song; root and chord: where the chord changes.",
    "melody": "Events of the melody; pitch: where a note begins. The counts do not see the chords.",
}


def predictions(stages: Mapping[str, Any], split: str) -> str:
    """The section of a report: a table for each stage, the model beside tables of counts."""
    parts = []
    for stage, found in stages.items():
        head, *lines = model_lines(stage, model_rows(found))
        titles = "".join(f"<th>{escape(cell)}</th>" for cell in ("", *head[1:]))
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>"
            for line in lines
            if any(cell != "-" for cell in line[1:])
        )
        table = f'<div class="wide"><table><tr>{titles}</tr>{rows}</table></div>'
        caption = (
            f"{found['songs']} songs of the {split} split, every song once, as written. nll: nats an event, "
            f"lower is better; accuracy, top 3, top 5: shares. {_WHAT[stage]}"
        )
        parts.append(figure(table, caption, stage))
    return (
        "<h2>Predictions</h2><p>What comes next in real songs, said by the model and by tables of counts on "
        "the same tokens: a Kneser-Ney 5-gram of the training songs, and (as last time) what followed the "
        "last time in the song itself, with the 5-gram for the rest.</p>"
        f'<div class="grid">{"".join(parts)}</div>'
    )
