"""What melodies do with the bars of their form, as counts: phrase ends, what is used again, what varies.

A form says which section a bar is of. This says the rest of the plan (`codec.plan`): whether a bar that comes
back equals the first time, whether it uses the rhythm of an earlier bar, whether a phrase ends in it. Plain
counts of training pieces by style, each value given the place in the section and the bar before, with
back-off to shorter contexts (Witten and Bell, 1991).

`outline.json` beside the weights of a model holds the counts.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.codec.plan import (
    BACK,
    BREATH,
    BREATH_NONE,
    BREATH_SILENT,
    COLUMNS,
    LAGS,
    MELODY_COLUMNS,
    RETURN_EXACT,
    RETURN_FREE,
    RETURN_RHYTHM,
    REUSE_NEW,
    REUSE_RHYTHM,
)
from hrpe_jax.errors import UserError

FILE = "outline.json"
FORMAT = 1
_COLUMN = {name: number for number, name in enumerate(COLUMNS)}
_ANY = ""  # counts of all styles together
_CHOICES = {
    "returns": (RETURN_FREE, RETURN_RHYTHM, RETURN_EXACT),
    "reuse": tuple(range(REUSE_NEW, MELODY_COLUMNS["reuse"])),
    "breath": (BREATH_SILENT, BREATH_NONE, BREATH),
}


class OutlineModel:
    """Counts of what bars do, by style.

    Args:
        counts: by style, column and context: how often each value of the column came. A context is a tuple of
            small numbers, written with commas.
    """

    def __init__(self, counts: Mapping[str, Mapping[str, Mapping[str, Mapping[int, int]]]]) -> None:
        self.counts = counts

    def knows_forms(self, style: str) -> bool:
        """Whether training pieces of a style had forms, so that the models know what returns."""
        return "returns" in self.counts.get(style, {})

    def probabilities(self, style: str, column: str, contexts: Sequence[tuple[int, ...]]) -> np.ndarray:
        """The probabilities of a column's values, in the order in which it lists them.

        Args:
            style: "" or an unknown one for all styles together.
            column: "returns", "reuse" or "breath".
            contexts: from the longest to the shortest.
        """
        choices = _CHOICES[column]
        found = np.full(len(choices), 1 / len(choices))
        levels = [(_ANY, context) for context in reversed(contexts)]
        levels += [(style, context) for context in reversed(contexts)] if style in self.counts else []
        for name, context in levels:
            seen = self.counts.get(name, {}).get(column, {}).get(_key(context), {})
            number = np.array([seen.get(value, 0) for value in choices], np.float64)
            new = np.count_nonzero(number)
            found = (number + new * found) / (number.sum() + new) if new else found
        return found

    def draw(self, plan: np.ndarray, style: str, rng: np.random.Generator) -> np.ndarray:
        """A plan with what its melody does.

        Args:
            plan: from `codec.plan.outline`, `[bars, columns]`.
            style: whose counts are used.
            rng: the same state gives the same plan.

        Returns:
            The plan with `returns`, `reuse` and `breath` drawn. The last bar ends a phrase; sections without
            a melody are silent; a bar that comes back unchanged does what its source did.
        """
        plan = plan.copy()
        for bar in range(len(plan)):
            row = plan[bar]
            if row[_COLUMN["letter"]] == 1:  # no melody
                row[_COLUMN["breath"]], row[_COLUMN["reuse"]] = BREATH_SILENT, REUSE_NEW
                continue
            back = int(row[_COLUMN[BACK]])
            if back:
                row[_COLUMN["returns"]] = self._pick("returns", plan, bar, style, rng)
                if row[_COLUMN["returns"]] != RETURN_FREE:
                    _do_as_source(row, plan[bar - back])
            if not back or row[_COLUMN["returns"]] == RETURN_FREE:
                row[_COLUMN["breath"]] = self._pick("breath", plan, bar, style, rng)
                row[_COLUMN["reuse"]] = self._pick("reuse", plan, bar, style, rng)
        last = np.flatnonzero(plan[:, _COLUMN["letter"]] != 1)
        if len(last):
            plan[last[-1], _COLUMN["breath"]] = BREATH
        return plan

    def _pick(self, column: str, plan: np.ndarray, bar: int, style: str, rng: np.random.Generator) -> int:
        chances = self.probabilities(style, column, _contexts(column, plan, bar)).copy()
        choices = _CHOICES[column]
        silent = plan[bar, _COLUMN["breath"]] == BREATH_SILENT
        if column == "breath" and bar == 0:
            chances[choices.index(BREATH_SILENT)] = 0.0
        for number, value in enumerate(choices) if column == "reuse" else ():
            lag = _lag(value)
            earlier = bar - lag
            if lag and (silent or earlier < 0 or plan[earlier, _COLUMN["breath"]] == BREATH_SILENT):
                chances[number] = 0.0
        return int(rng.choice(choices, p=chances / chances.sum()))

    def to_json(self) -> str:
        """The counts as text."""
        values = {
            style: {
                column: {context: {str(v): n for v, n in seen.items()} for context, seen in contexts.items()}
                for column, contexts in columns.items()
            }
            for style, columns in self.counts.items()
        }
        return json.dumps({"format": FORMAT, "counts": values}, separators=(",", ":")) + "\n"


def outline_model_from_json(text: str, name: str = FILE) -> OutlineModel:
    """Reads what `OutlineModel.to_json` wrote.

    Raises:
        UserError: it is not that; names the file.
    """
    try:
        values = json.loads(text)
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}, this program reads {FORMAT}")
        counts = {
            style: {
                column: {context: {int(v): int(n) for v, n in seen.items()} for context, seen in each.items()}
                for column, each in columns.items()
            }
            for style, columns in values["counts"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{name}: no counts of outlines ({error}); take the file of a released model"
        ) from None
    return OutlineModel(counts)


def read_outline_model(path: str | Path) -> OutlineModel:
    """Reads a file of counts.

    Raises:
        UserError: it cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    return outline_model_from_json(text, str(path))


def fit_outlines(plans: Iterable[tuple[str, np.ndarray]]) -> OutlineModel:
    """Counts the plans of training pieces.

    Args:
        plans: style and plan `[bars, columns]` of each piece, described (`codec.plan.described`).
    """
    counts: Any = defaultdict(lambda: defaultdict(lambda: defaultdict(Counter)))
    for style, plan in plans:
        for bar, row in enumerate(plan):
            if row[_COLUMN["letter"]] == 1:  # no melody
                continue
            for column in _columns_of(row):
                for context in _contexts(column, plan, bar):
                    for name in {_ANY, style}:
                        counts[name][column][_key(context)][int(row[_COLUMN[column]])] += 1
    return OutlineModel({s: {c: dict(x) for c, x in columns.items()} for s, columns in counts.items()})


def _columns_of(row: np.ndarray) -> Iterator[str]:
    """The columns that are drawn for a bar like this one, as `OutlineModel.draw` does."""
    back = row[_COLUMN[BACK]]
    if back:
        yield "returns"
    if not back or row[_COLUMN["returns"]] == RETURN_FREE:
        yield "breath"
        if row[_COLUMN["breath"]] != BREATH_SILENT:
            yield "reuse"


def _contexts(column: str, plan: np.ndarray, bar: int) -> list[tuple[int, ...]]:
    """What a column's value is drawn by, from the longest context to none."""
    row = plan[bar]
    before = plan[bar - 1] if bar else np.zeros_like(row)
    # Without a form the whole piece counts as one section.
    place = int(row[_COLUMN["bar"]]) or bar + 1
    left = int(row[_COLUMN["left"] if row[_COLUMN["left"]] else _COLUMN["piece_left"]])
    if column == "returns":
        again = int(row[_COLUMN["again"]])
        came = int(before[_COLUMN["returns"]]) if place > 1 else 0
        start, end = min(place, 3), min(left, 3)
        return [(came, start, end, again), (came, start, end), (came, end), (came,), ()]
    quarter, last = (place - 1) % 4, int(left == 1)
    if column == "breath":
        came = int(before[_COLUMN["breath"]])
        first = int(bar == 0)
        return [(quarter, last, came, first), (quarter, last, came), (quarter, last), (last,), ()]
    came = int(before[_COLUMN["reuse"]]) if bar else REUSE_NEW
    later = int(place > 4)
    return [(quarter, came, later), (quarter, later), (quarter,), ()]


def _do_as_source(row: np.ndarray, source: np.ndarray) -> None:
    """A bar that comes back does what its source did, as far as that lies in the same section."""
    row[_COLUMN["breath"]] = source[_COLUMN["breath"]]
    reuse = int(source[_COLUMN["reuse"]])
    inside = _lag(reuse) < row[_COLUMN["bar"]] and row[_COLUMN["returns"]] == RETURN_EXACT
    row[_COLUMN["reuse"]] = reuse if inside else 0


def _lag(reuse: int) -> int:
    """How many bars before the bar lies that a value of `reuse` names; 0 for none."""
    return LAGS[(reuse - REUSE_RHYTHM) % len(LAGS)] if reuse >= REUSE_RHYTHM else 0


def _key(context: tuple[int, ...]) -> str:
    return ",".join(map(str, context))
