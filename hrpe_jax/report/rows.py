"""The numbers of a comparison as cells of tables, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hrpe_jax.report.draw import number

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
    """ "not defined, because ..." of a row without a value."""
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
