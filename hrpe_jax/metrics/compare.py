"""Generated music beside real music and the controls: every metric, as plain data for a report.

    found = compare(generated, reference)      two sequences of Scores
    found.to_dict()                            what `report` tools draw; strict JSON, no NaN

Metrics of kind "piece" have a value, the mean over pieces, and a distance, the Wasserstein distance of the
pieces' values from those of real music. For metrics of kind "set" and "pair" the value is itself a distance.
All distances are taken at the same number of pieces n, stated with each row, beside the same distance for
every control of `hrpe_jax.metrics.degraded`; there is no way to have a structure metric without them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hrpe_jax.errors import UserError
from hrpe_jax.metrics.arrays import Music, Selection, common_bars, common_meter, piece_of, select
from hrpe_jax.metrics.comparison_rows import ROWS, Judge
from hrpe_jax.metrics.copying import copying
from hrpe_jax.metrics.distances import GENERATED
from hrpe_jax.metrics.registry import METRICS

__all__ = ["ROWS", "Comparison", "compare"]

FORMAT = 1


@dataclass(frozen=True)
class Comparison:
    """What was found; everything in it is plain data.

    Attributes:
        settings: bars, meter, seed, draws, most pieces in a distance, pairing.
        sets: "generated" and "reference": pieces given, used, left out, and why.
        notes: lines that a reader must see.
        metrics: one dict each: what `Metric.describe` says; "rows", one for each of `ROWS`; "per_piece", by
            row the values of the pieces (None where there is none); for structure metrics "order". A row has
            "set", "used", "left_out" (reason -> pieces), "n" (pieces in each set of a distance), "value",
            "low", "high" (95 %); of kind "piece" also "distance", "distance_low", "distance_high"; "reason"
            where the value, and "distance_reason" where the distance is None. "order" has for each
            neighbours of `controls.ORDER` whether the farther one is farther, and in which share of draws.
        ids: "generated" and "reference": names of the pieces, in the order of "per_piece"; all controls have
            those of the reference.
        lag_curves: by set "mean", "low" and "high" at lags 1 to bars - 1.
        mean_ssms: by set the mean bar SSM, `[bars][bars]`.
        typicality: "generated" and "reference": mean distance of each piece's SSM from those of the
            other pieces of the reference.
        copying: see `hrpe_jax.metrics.copying.copying`; None without a training set.
    """

    settings: dict[str, Any]
    sets: dict[str, Any]
    notes: list[str]
    metrics: list[dict[str, Any]]
    ids: dict[str, list[str]]
    lag_curves: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    mean_ssms: dict[str, list[list[float]]] = field(default_factory=dict)
    typicality: dict[str, list[float | None]] = field(default_factory=dict)
    copying: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """All of it, numbers rounded to 6 decimals."""
        result: dict[str, Any] = _plain({"format": FORMAT, **self.__dict__})
        json.dumps(result, allow_nan=False)  # a promise, kept here rather than found broken by a reader
        return result

    def metric(self, name: str) -> dict[str, Any]:
        """One metric by name."""
        return next(metric for metric in self.metrics if metric["name"] == name)

    def row(self, name: str, of: str) -> dict[str, Any]:
        """One row of one metric."""
        return next(row for row in self.metric(name)["rows"] if row["set"] == of)


def compare(
    generated: Sequence[Music],
    reference: Sequence[Music],
    *,
    bars: int | None = None,
    meter: str | None = None,
    seed: int = 0,
    draws: int = 1000,
    limit: int = 1000,
    training: Sequence[Music] | None = None,
    workers: int = 2,
) -> Comparison:
    """All metrics of generated pieces beside those of real music and controls.

    Time is linear in the pieces: distances are taken between at most `limit` pieces of each set, drawn by
        the seed.

    Args:
        generated: what is measured.
        reference: real music of the kind it should be.
        bars: length of the windows that are compared; None: 32, 16, 8 or 4, the most that nine in ten pieces
            of both sets have.
        meter: such as "4/4", or "all"; None: the commonest one of the reference that is also in the
            generated pieces.
        seed: of controls and draws. The result depends on nothing else.
        draws: how often sets are drawn for distances and intervals.
        limit: most pieces of a set in a distance.
        training: pieces that the generator has learned from, for the copying check.
        workers: threads.

    Returns:
        The comparison. Where something is not defined it says why; too few pieces are no error.

    Raises:
        UserError: a setting is out of its range.
    """
    if bars is not None and bars < 2:
        raise UserError(f"bars {bars}: expected 2 or more bars to a window")
    if draws < 2 or limit < 2:
        raise UserError(f"draws {draws}, limit {limit}: expected 2 or more of each")
    made, real = [piece_of(item) for item in generated], [piece_of(item) for item in reference]
    meter = meter or common_meter(real, made)
    in_meter = [[p for p in pieces if meter in ("all", str(p.meter))] for pieces in (made, real)]
    bars = bars or common_bars(*in_meter)
    chosen = {GENERATED: select(made, bars, meter), "reference": select(real, bars, meter)}
    work = Judge(chosen, seed, draws, limit, workers)
    settings = {
        "bars": bars,
        "meter": meter,
        "window": "from the first full bar with melody",
        "seed": seed,
        "draws": draws,
        "limit": limit,
        "interval": 0.95,
        "pairing": work.pairing,
    }
    metrics = [work.compare(metric) for metric in METRICS]
    return Comparison(
        settings=settings,
        sets={name: selection.account() for name, selection in chosen.items()},
        notes=_notes(chosen, bars, meter),
        metrics=metrics,
        ids={name: [piece.id for piece in selection.pieces] for name, selection in chosen.items()},
        lag_curves=work.lag_curves(),
        mean_ssms=work.mean_ssms(),
        typicality=work.typicality(),
        copying=copying(made, training, real) if training is not None else None,
    )


def _notes(chosen: Mapping[str, Selection], bars: int, meter: str) -> list[str]:
    """What a reader must know before the numbers."""
    notes = []
    for name, selection in chosen.items():
        left_out = len(selection.left_out)
        if left_out:
            reasons = selection.account()["reasons"]
            assert isinstance(reasons, dict)
            why = "; ".join(f"{count}: {reason}" for reason, count in reasons.items())
            notes.append(f"{name}: {left_out} of {selection.given} pieces are left out ({why})")
        elif not selection.given:
            notes.append(f"{name}: no pieces were given")
        silent = sum(not len(piece.onset) for piece in selection.pieces)
        if silent:
            notes.append(f"{name}: {silent} pieces have no melody; rhythm and structure leave them out")
        bare = sum(not len(piece.chord) for piece in selection.pieces)
        if bare:
            notes.append(f"{name}: {bare} pieces have no chords; chords and harmony leave them out")
        if len(selection.pieces) == 1:
            notes.append(f"{name}: one single piece; its values have no interval")
    return notes


def _plain(value: Any) -> Any:
    """Lists, dicts, strings and finite numbers only."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a number in the comparison is not finite: this is an error of the program")
    return round(number, 6)
