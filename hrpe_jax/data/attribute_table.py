"""The attributes of training pieces, together: what goes with what, by style.

A ballad of pop is slow, a jig is dense, a short piece has few notes in its last bars. A model that is told an
unlikely combination (every piece at 120) writes unlikely music. So what a person does not ask for is drawn
from the training pieces that agree with what they do ask for.

A table holds one row a piece: style, meter, key, bars and `codec.plan`. It is made of the training
split alone and stands as `attributes.json` beside the weights of a model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.codec.melody_tokens import BAR
from hrpe_jax.codec.plan import NUMBERS, Attributes, attributes_from_values
from hrpe_jax.data.batches import is_minor
from hrpe_jax.errors import UserError
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

FILE = "attributes.json"
FORMAT = 1
ROWS_PER_STYLE = 1000
"""Rows that a table keeps of each style, spread evenly over the lengths of its pieces."""
ENOUGH = 12
"""Rows that a draw chooses among, at least: the nearest where fewer agree."""

_COLUMNS = ("style", "meter", "key", "bars", *NUMBERS)
# How far from what is asked a row may lie and still agree, and whether that is counted in octaves.
_REACH = {
    "bars": (0.26, True),
    "tempo": (0.12, True),
    "lowest": (2.0, False),
    "highest": (2.0, False),
    "density": (0.26, True),
    "entry": (0.3, False),
}
_WORDS = {"bars": "bars", "tempo": "quarters a minute", "density": "notes a bar", "entry": "beats of entry"}


@dataclass(frozen=True)
class Row:
    """A training piece.

    Attributes:
        meter: its meter.
        key: its key.
        bars: how many it has.
        attributes: its attributes.
    """

    meter: Meter
    key: Key
    bars: int
    attributes: Attributes


@dataclass(frozen=True)
class Draw:
    """What `AttributeTable.draw` gives.

    Attributes:
        attributes: as asked where they were asked for; else of one training piece, in the key that was asked
            for. The tempo is unknown where training pieces of the style have none.
        tempo: quarter notes a minute to play at: that of `attributes`, or what is usual for the style.
        row: the training piece.
        notes: what a person should know, one sentence each, such as that no training piece agrees.
    """

    attributes: Attributes
    tempo: float
    row: Row
    notes: tuple[str, ...] = ()


class AttributeTable:
    """Training pieces by their attributes.

    Args:
        rows: the pieces, at least one.
        default_tempo: by style, quarter notes a minute to play at where the tempo is not known.
    """

    def __init__(self, rows: Iterable[Row], default_tempo: Mapping[str, float]) -> None:
        self.rows = tuple(rows)
        if not self.rows:
            raise ValueError("an attribute table needs one row at least")
        self.default_tempo = dict(default_tempo)
        self.styles = tuple(sorted({row.attributes.style for row in self.rows}))
        self._style = np.array([row.attributes.style for row in self.rows])
        self._meter = np.array([str(row.meter) for row in self.rows])
        self._minor = np.array([row.key.mode == "minor" for row in self.rows])
        self._numbers = {
            name: np.array([getattr(row.attributes, name) for row in self.rows], np.float64)
            for name in NUMBERS
        } | {"bars": np.array([row.bars for row in self.rows], np.float64)}

    def meters(self, style: str) -> dict[str, int]:
        """How many pieces of a style each meter has, the most frequent first."""
        return dict(Counter(self._meter[self._style == style].tolist()).most_common())

    def tempo_range(self, style: str) -> tuple[float, float] | None:
        """The slowest and the fastest tempo of a style; None where no piece of it has a known one."""
        tempos = self._numbers["tempo"][self._style == style]
        tempos = tempos[np.isfinite(tempos)]
        return (float(tempos.min()), float(tempos.max())) if len(tempos) else None

    def draw(
        self,
        asked: Attributes,
        rng: np.random.Generator,
        *,
        meter: Meter | None = None,
        key: Key | None = None,
        bars: int | None = None,
    ) -> Draw:
        """Draws what is not asked for, given what is.

        Args:
            asked: what must be; unknown values are drawn. Without a style one is drawn, each with equal
                chance.
            rng: the same state gives the same draw.
            meter: of the piece, where it is known.
            key: of the piece, where it is known: the range moves with it, so that the tonic lies in it as in
                the training piece.
            bars: of the piece, where they are known.

        Returns:
            A training piece that agrees with all that is asked; one of the `ENOUGH` nearest where too few do,
            which a note says.

        Raises:
            UserError: the table has no piece of this style.
        """
        style = asked.style or str(rng.choice(self.styles))
        if style not in self.styles:
            raise UserError(f"style {style!r}: this model has {', '.join(filter(None, self.styles))}")
        notes: list[str] = []
        among = np.flatnonzero(self._style == style)
        if meter is not None:
            among = self._of_meter(among, meter, style, notes)
        if key is not None:
            same = among[self._minor[among] == (key.mode == "minor")]
            among = same if len(same) >= ENOUGH else among
        low, high = self._moved_range(among, key)
        row = self._near(
            among, {**vars(asked), "bars": bars}, {"lowest": low, "highest": high}, style, notes, rng
        )
        place = int(np.flatnonzero(among == row)[0])
        found = replace(
            self.rows[row].attributes,
            style=style,
            lowest=None if np.isnan(low[place]) else int(low[place]),
            highest=None if np.isnan(high[place]) else int(high[place]),
        )
        if meter is not None and found.density is not None:  # a longer bar has more notes
            ratio = meter.bar_ticks / self.rows[row].meter.bar_ticks
            found = replace(found, density=round(found.density * ratio, 2))
        attributes = _with_asked(found, asked)
        usual = self.default_tempo.get(style, 120.0)
        return Draw(attributes, attributes.tempo or usual, self.rows[row], tuple(notes))

    def _of_meter(self, among: np.ndarray, meter: Meter, style: str, notes: list[str]) -> np.ndarray:
        same = among[self._meter[among] == str(meter)]
        if len(same) >= ENOUGH:
            return same
        notes.append(
            f"style {style} has {len(same) or 'no'} training pieces in {meter}; attributes are those of its "
            "other meters"
        )
        return among

    def _moved_range(self, among: np.ndarray, key: Key | None) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest pitch of some rows, moved to a key by the way that stays nearest to the middle
        of their ranges."""
        low, high = self._numbers["lowest"][among], self._numbers["highest"][among]
        if key is None or not np.isfinite(low).any():
            return low, high
        up = np.array([(key.tonic - self.rows[row].key.tonic) % 12 for row in among])
        middle = np.nanmedian(low + high) / 2
        shift = np.where(
            np.abs((low + high) / 2 + up - middle) <= np.abs((low + high) / 2 + up - 12 - middle), up, up - 12
        )
        return low + shift, high + shift

    def _near(
        self,
        among: np.ndarray,
        asked: Mapping[str, Any],
        moved: Mapping[str, np.ndarray],
        style: str,
        notes: list[str],
        rng: np.random.Generator,
    ) -> int:
        """One of the rows that agree with what is asked, or of the nearest."""
        distance = np.zeros(len(among))  # the largest, in units of what still agrees
        for name, (reach, is_ratio) in _REACH.items():
            if asked.get(name) is None:
                continue
            values = moved.get(name, self._numbers[name][among])
            wanted = float(asked[name])
            if is_ratio:
                off = np.abs(np.log2(np.maximum(values, 1e-3)) - np.log2(max(wanted, 1e-3)))
            else:
                off = np.abs(values - wanted)
            # A row that does not know says nothing against it.
            off = np.where(np.isnan(values), 0.0, off / reach)
            if off.min() > 1:
                span = f"{np.nanmin(values):g} to {np.nanmax(values):g}"
                what = _WORDS.get(name, f"as {name} pitch")
                notes.append(
                    f"{wanted:g} {what} is far from the training pieces of style {style} ({span}); the "
                    "nearest were used"
                )
            distance = np.maximum(distance, off)
        agree = np.flatnonzero(distance <= 1)
        if len(agree) < min(ENOUGH, len(among)):
            agree = np.argsort(distance, kind="stable")[:ENOUGH]
            if not notes:
                notes.append(
                    f"few training pieces of style {style} have all that was asked for; the nearest were used"
                )
        return int(among[rng.choice(agree)])

    def to_json(self) -> str:
        """The table as text: columns' names, then one row a line."""
        head = {"format": FORMAT, "default_tempo": self.default_tempo, "columns": list(_COLUMNS)}
        lines = [json.dumps(_values(row), separators=(",", ":")) for row in self.rows]
        text = json.dumps(head)[:-1]
        return f'{text}, "rows": [\n' + ",\n".join(lines) + "\n]}\n"


def table_from_json(text: str, name: str = FILE) -> AttributeTable:
    """The table of `AttributeTable.to_json`.

    Args:
        text: what it gave.
        name: of the file, for errors.

    Raises:
        UserError: it is no such table.
    """
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise UserError(f"{name}: format {content['format']}: this program reads {FORMAT}")
        rows = [_row(dict(zip(content["columns"], values, strict=True))) for values in content["rows"]]
        return AttributeTable(rows, {str(k): float(v) for k, v in content["default_tempo"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{name}: no table of attributes ({error}); release the model again") from None


def read_table(path: str | Path) -> AttributeTable:
    """Reads `attributes.json` of a model folder, or the file itself.

    Raises:
        UserError: it cannot be read.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot read the table of attributes: {error.strerror}") from None
    return table_from_json(text, str(path))


def table_of_records(records: Iterable[Mapping[str, Any]], per_style: int = ROWS_PER_STYLE) -> AttributeTable:
    """The table of training pieces.

    Args:
        records: melody records of the training split, crops among them.
        per_style: rows to keep of each style.

    Raises:
        UserError: there is no record with attributes.
    """
    rows: dict[str, list[Row]] = {}
    tempos: dict[str, list[float]] = {}
    for record in records:
        if "attributes" not in record:
            raise UserError("the data set has no attributes; prepare it again (preprocess --overwrite)")
        about = record["metadata"]
        attributes = attributes_from_values(record["attributes"])
        row = Row(
            Meter(int(about["time_signature_num"]), int(about["time_signature_den"])),
            Key(int(about["key_signature_root"]), "minor" if is_minor(about) else "major"),
            sum(event == BAR for event in record["event_ids"]),
            attributes,
        )
        rows.setdefault(attributes.style, []).append(row)
        tempos.setdefault(attributes.style, []).append(float(about["tempo_bpm"]))
    if not rows:
        raise UserError("the data set has no training piece with a melody, so no table of attributes")
    kept = [row for style in sorted(rows) for row in _thinned(rows[style], per_style)]
    usual = {style: round(float(np.median(tempos[style])), 1) for style in sorted(tempos)}
    return AttributeTable(kept, usual)


def _thinned(rows: Sequence[Row], count: int) -> list[Row]:
    """At most so many rows, in the order of their lengths and spread evenly over it."""
    ordered = sorted(rows, key=lambda row: row.bars)
    if len(ordered) <= count:
        return ordered
    return [ordered[at * len(ordered) // count] for at in range(count)]


def _values(row: Row) -> list[Any]:
    numbers = [getattr(row.attributes, name) for name in NUMBERS]
    return [row.attributes.style, str(row.meter), row.key.index, row.bars, *numbers]


def _row(values: Mapping[str, Any]) -> Row:
    return Row(
        Meter.parse(values["meter"]),
        Key.from_index(int(values["key"])),
        int(values["bars"]),
        attributes_from_values(values),
    )


def _with_asked(found: Attributes, asked: Attributes) -> Attributes:
    """What was found, with what was asked for in its place; a range asked for by one end keeps its width."""
    values = {name: getattr(asked, name) for name in NUMBERS if getattr(asked, name) is not None}
    if found.lowest is not None and found.highest is not None:
        width = found.highest - found.lowest
        if "lowest" in values and "highest" not in values and found.highest < values["lowest"] + width // 2:
            values["highest"] = values["lowest"] + width
        if "highest" in values and "lowest" not in values and found.lowest > values["highest"] - width // 2:
            values["lowest"] = values["highest"] - width
    return replace(found, **values)


__all__ = ["FILE", "AttributeTable", "Draw", "Row", "read_table", "table_from_json", "table_of_records"]
