"""Figures as text tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hrpe_jax.metrics.prediction import with_perplexities
from hrpe_jax.report.copied import copying_lines
from hrpe_jax.report.draw import number
from hrpe_jax.report.rows import (
    GENERATED,
    REAL,
    distance_of,
    interval,
    is_distance,
    meter_of,
    out_of_order,
    rows_of,
    value_of,
    why_not,
)

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
