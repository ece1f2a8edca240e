"""What melodies do with the bars of their form, and how pieces end, as counts of training pieces.

A form says which section a bar is of. The outline is the rest of the plan (`codec.plan`): whether a bar that
comes back equals the first time, whether it uses the rhythm of an earlier bar, whether a phrase ends in it.
Plain counts of training pieces by style, each value given the place in the section and the bar before, with
back-off to shorter contexts (Witten and Bell, 1991).

`outline.json` beside the weights of a model holds the counts.

A model that writes one event after the other knows how songs end, but loses that in its own approach to the
end: too few of its pieces end on the tonic. So an ending is drawn as songs have them, and among several
candidates one that has it is kept. `endings.json` beside the weights of a model holds the counts.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec.plan import (
    BACK,
    BREATH,
    BREATH_NONE,
    BREATH_SILENT,
    COLUMNS,
    HELD,
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


ENDINGS_FILE = "endings.json"
ENDINGS_FORMAT = 1
TONIC, TRIAD, OTHER = 0, 1, 2
"""The last note: the tonic, another note of the tonic triad, any other."""


class Ending(NamedTuple):
    """An ending.

    Attributes:
        over_tonic: 1 where the root of the chord under the last note is the tonic, else 0.
        note: `TONIC`, `TRIAD` or `OTHER`.
        held: 1 where the last note lasts a half note or longer, else 0.
    """

    over_tonic: int
    note: int
    held: int


def ending(root: int, pitch: int, ticks: int, tonic: int, is_minor: bool) -> Ending:
    """The ending of a piece.

    Args:
        root: pitch class of the chord under the last note; anything else where there is no chord.
        pitch: of the last note.
        ticks: how long it lasts.
        tonic: pitch class.
        is_minor: mode of the key.
    """
    degree = (pitch - tonic) % 12
    note = TONIC if degree == 0 else TRIAD if degree in (3 if is_minor else 4, 7) else OTHER
    return Ending(int(root == tonic), note, int(ticks >= HELD))


def record_ending(record: Mapping[str, Any]) -> Ending | None:
    """The ending of a melody record; None where it has no note."""
    ids = np.asarray(record["event_ids"])
    sung = np.flatnonzero(ids < tokens.PITCHES)
    if not len(sung):
        return None
    last = int(sung[-1])
    lengths = ids[last:]
    ticks = int(tokens.DURATION[lengths].sum())
    about = record["metadata"]
    is_minor = about["key_signature_mode"] in ("minor", 1)
    root = int(record["conditioning_root_pc"][last])
    return ending(root, int(ids[last]), ticks, int(about["key_signature_root"]), is_minor)


class EndingModel:
    """Counts of endings by style.

    Args:
        counts: by style, how often each ending came; none of them empty.
    """

    def __init__(self, counts: Mapping[str, Mapping[Ending, int]]) -> None:
        self.counts = {style: dict(seen) for style, seen in counts.items()}

    def draw(self, style: str, rng: np.random.Generator) -> Ending | None:
        """An ending as pieces of a style have them; None for an unknown style."""
        seen = self.counts.get(style)
        if not seen:
            return None
        endings = sorted(seen)
        number = np.array([seen[each] for each in endings], np.float64)
        return endings[int(rng.choice(len(endings), p=number / number.sum()))]

    def to_json(self) -> str:
        """The counts as text."""
        values = {
            style: [[*each, count] for each, count in sorted(seen.items())]
            for style, seen in sorted(self.counts.items())
        }
        return json.dumps({"format": ENDINGS_FORMAT, "counts": values}) + "\n"


def fit_endings(records: Iterable[Mapping[str, Any]]) -> EndingModel:
    """Counts the endings of melody records."""
    counts: dict[str, Counter[Ending]] = {}
    for record in records:
        found = record_ending(record)
        if found is not None:
            counts.setdefault(str(record.get("style", "")), Counter())[found] += 1
    return EndingModel(counts)


def read_ending_model(path: str | Path) -> EndingModel:
    """Reads a file of counts.

    Raises:
        UserError: it cannot be read, or is no such file.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        if values["format"] != ENDINGS_FORMAT:
            raise ValueError(f"format {values['format']}, this program reads {ENDINGS_FORMAT}")
        return EndingModel(
            {
                style: {Ending(int(a), int(b), int(c)): int(count) for a, b, c, count in rows}
                for style, rows in values["counts"].items()
            }
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problem = f"no counts of endings ({error}); take the file of a released model"
        raise UserError(f"{path}: {problem}") from None
