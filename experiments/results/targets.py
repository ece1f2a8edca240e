"""The figures as tables, and the targets: each with what was reached, and inside or outside.

Where a target is the middle half of the real songs (their interquartile range), the median of the generated
pieces must lie in it. A mean would not do: where most songs have the same value and a few another, as with
notes out of key, not even the mean of the real songs lies in their middle half.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from hrpe_jax.report.svg import number
from hrpe_jax.report.tables import copying_lines, layout

TIMES_FLOOR = 3.0
START_SECONDS = 25.0
THEORY = {
    "ctr": "chord-tone ratio",
    "ook": "out-of-key share",
    "gs16": "GS, 16 positions",
    "h1": "pitch-class entropy of a bar",
    "cpi": "chord progression irregularity",
}
CONTROLS = ("real", "varied", "shuffled", "random", "loop", "silence")


class Target(NamedTuple):
    """One target: what was to be reached, what was, and whether it is inside."""

    what: str
    wanted: str
    reached: str
    inside: bool


def print_tables(results: Mapping[str, Any]) -> None:
    """Everything on stdout."""
    blocks = [
        layout(prediction_lines(results["prediction"])),
        layout(structure_lines(results["music"])),
        layout(theory_lines(results["music"])),
        layout(copying_lines(results["music"]["copying"])),
        layout([["target", "to reach", "reached", ""], *target_lines(results)]),
    ]
    print("\n\n".join(blocks), flush=True)


def target_lines(results: Mapping[str, Any]) -> list[list[str]]:
    """The lines of a table of targets."""
    return [[*found[:3], "inside" if found.inside else "OUTSIDE"] for found in targets(results)]


def targets(results: Mapping[str, Any]) -> Iterator[Target]:
    """Yields every target."""
    music = results["music"]
    rows = rows_of(music, "ssmd_silence")
    own, floor = rows["generated"], value_of(rows["real"])
    most = TIMES_FLOOR * floor
    yield Target(
        f"statistical SSMD, {results['about']['bars']} bars, {own['used']} pieces",
        f"at most {most:.3g} ({TIMES_FLOOR:g} times the floor {floor:.3g})",
        spell(own),
        value_of(own) <= most,
    )
    for name, title in THEORY.items():
        low, high = quartiles(music, name)
        middle = median(music, name)
        wanted = f"median in {low:.3g} to {high:.3g} (middle half of real songs)"
        yield Target(title, wanted, spell(middle), low <= middle["value"] <= high)
    shared = music["copying"]["melody"]
    most_notes, notes = shared["held_out"]["largest"], shared["generated"]["largest"]
    wanted = f"at most {most_notes} notes (held-out real songs)"
    yield Target("longest copied melody n-gram", wanted, f"{notes} notes", notes <= most_notes)
    made, asked = results["pieces"], results["controls"]
    total, failed = made["pieces"] + asked["pieces"], made["failed"] + asked["failed"]
    yield Target(
        "pieces that decode and keep every control",
        "100 %",
        f"{total - failed} of {total} ({1 - failed / total:.2%})",
        not failed,
    )
    start = results["start"]
    yield Target(
        "start to pieces written, empty caches",
        f"under {START_SECONDS:g} s",
        f"{start['seconds']} s ({start['cores']} cores, load {start['load']})",
        start["seconds"] < START_SECONDS,
    )


def prediction_lines(prediction: Mapping[str, Any]) -> list[list[str]]:
    """By stage, split and method: NLL, perplexity, accuracy."""
    lines = [["stage", "split", "songs", "", "nll", "perplexity", "accuracy", "chord or pitch accuracy"]]
    for stage in ("backbone", "melody"):
        for split, stages in prediction.items():
            rows = stages.get(stage, {})
            for name, row in rows.items():
                if name == "songs":
                    continue
                detail = row.get("chord_accuracy", row.get("pitch_accuracy"))
                figures = [row["nll"], math.exp(row["nll"]), row["accuracy"], detail]
                lines.append(
                    [stage, split, str(rows["songs"]), name]
                    + ["-" if value is None else f"{value:.4g}" for value in figures]
                )
    return lines


def structure_lines(music: Mapping[str, Any]) -> list[list[str]]:
    """The recommended metrics of structure beside the floor and the controls."""
    lines = [["distance from real music", "generated", *CONTROLS, "n"]]
    for metric in music["metrics"]:
        if metric["group"] == "structure" and metric["recommended"]:
            rows = rows_of(music, metric["name"])
            others = [number(value_of(rows[name])) for name in CONTROLS]
            lines.append([metric["name"], spell(rows["generated"]), *others, str(rows["generated"]["n"])])
    return lines


def theory_lines(music: Mapping[str, Any]) -> list[list[str]]:
    """All other recommended metrics: mean and interval, real songs, and their middle half."""
    lines = [["", "mean, generated", "mean, real", "median, generated", "middle half of real songs", ""]]
    for metric in music["metrics"]:
        if metric["kind"] == "piece" and metric["recommended"]:
            rows = rows_of(music, metric["name"])
            low, high = quartiles(music, metric["name"])
            middle = median(music, metric["name"])
            inside = "inside" if low <= middle["value"] <= high else "outside"
            means = [spell(rows[name]) for name in ("generated", "real")]
            half = f"{number(low)} to {number(high)}"
            lines.append([metric["name"], *means, spell(middle), half, inside])
    return lines


def rows_of(music: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The rows of a metric by set."""
    metric = next(metric for metric in music["metrics"] if metric["name"] == name)
    return {row["set"]: row for row in metric["rows"]}


def quartiles(music: Mapping[str, Any], name: str) -> tuple[float, float]:
    """Between these the middle half of the real songs lies."""
    known = known_values(music, name, "real")
    low, high = np.quantile(known, [0.25, 0.75]) if len(known) else (math.nan, math.nan)
    return float(low), float(high)


def median(music: Mapping[str, Any], name: str, draws: int = 1000) -> dict[str, float]:
    """The median of the generated pieces, with its interval: 95 % of resamples of the pieces."""
    known = known_values(music, name, "generated")
    if not len(known):
        return {"value": math.nan, "low": math.nan, "high": math.nan}
    again = np.random.default_rng(0).choice(known, (draws, len(known)))
    low, high = np.quantile(np.median(again, axis=1), [0.025, 0.975])
    return {"value": float(np.median(known)), "low": float(low), "high": float(high)}


def known_values(music: Mapping[str, Any], name: str, of: str) -> np.ndarray:
    """The values of a metric of the pieces of a set that have one."""
    metric = next(metric for metric in music["metrics"] if metric["name"] == name)
    return np.array([value for value in metric["per_piece"][of] if value is not None], np.float64)


def value_of(row: Mapping[str, Any]) -> float:
    """A row's value, not a number where it has none."""
    return math.nan if row["value"] is None else float(row["value"])


def spell(row: Mapping[str, Any]) -> str:
    """A value with its interval."""
    if row["value"] is None:
        return "-"
    within = "" if row.get("low") is None else f" [{number(row['low'])}, {number(row['high'])}]"
    return number(row["value"]) + within
