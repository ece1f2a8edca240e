"""Generated music beside real music and the controls: every metric, as plain data for a report.

    found = compare(generated, reference)      two sequences of Scores
    found.to_dict()                            what `report` tools draw; strict JSON, no NaN

Metrics of kind "piece" have a value, the mean over pieces, and a distance, the Wasserstein distance of the
pieces' values from those of real music. For metrics of kind "set" and "pair" the value is itself a distance.
All distances are taken at the same number of pieces n, stated with each row, beside the same distance for
every control of `hrpe_jax.metrics.degraded`; there is no way to have a structure metric without them.

`copying` measures the longest melody and progression that a piece shares with the training set. A melody is a
sequence of (interval to the next note in semitones, ticks to its onset); a progression of (interval to the
next root, quality, next quality), repeats collapsed. Both are the same in every key. What real pieces share
with the training set, which have not been in it, is the yardstick.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from hrpe_jax.errors import UserError
from hrpe_jax.metrics.arrays import (
    Music,
    Piece,
    Selection,
    common_bars,
    common_meter,
    piece_of,
    quality_of,
    select,
)
from hrpe_jax.metrics.comparison_rows import ROWS, Judge
from hrpe_jax.metrics.distances import GENERATED
from hrpe_jax.metrics.registry import METRICS

Of = Literal["melody", "chords"]

MAX_GAP = 96
"""Ticks from onset to onset beyond which all gaps are the same: two bars of 4/4."""
_LONG = 8
"""So many intervals, or chord changes, in a row make a passage."""


def copying(
    generated: Sequence[Music], training: Sequence[Music], held_out: Sequence[Music]
) -> dict[str, Any]:
    """The longest n-grams that pieces share with a training set, beside the same for real pieces outside it.

    Args:
        generated: what is measured. Pieces without melody, or without chords, are not among those measured.
        training: what the generator has learned from.
        held_out: real pieces that are not in it. Those with the id of a training piece are left out and
            counted.

    Returns:
        For "melody" and "chords", for "generated" and "held_out": the `mean`, `median` and `largest` longest
        shared n-gram in notes or chords, the mean `share` of a piece within shared passages of 9 or more, and
        `pieces`, what `longest_shared` gives. None for what is empty. Also "training", pieces, and
        "held_out_in_training", how many were left out.
    """
    known = [piece_of(item) for item in training]
    names = {piece.id for piece in known}
    others = [piece_of(item) for item in held_out]
    apart = [piece for piece in others if piece.id not in names]
    result: dict[str, Any] = {"training": len(known), "held_out_in_training": len(others) - len(apart)}
    made = [piece_of(item) for item in generated]
    for of in ("melody", "chords"):
        result[of] = {
            name: _summary(longest_shared([piece for piece in pieces if _has(piece, of)], known, of))
            for name, pieces in (("generated", made), ("held_out", apart))
        }
    return result


def _has(piece: Piece, of: Of) -> bool:
    return len(piece.onset if of == "melody" else piece.chord) > 0


def longest_shared(
    pieces: Sequence[Piece], training: Sequence[Piece], of: Of = "melody"
) -> list[dict[str, Any]]:
    """For each piece the longest n-gram that it shares with any training piece, in any key.

    Suffixes of all pieces are sorted by doubling; the longest match of a position is with one of its
    neighbours from the training set. Time n log n in the notes, no matter how long the matches are.

    Args:
        pieces: whose passages are looked for.
        training: where they are looked for.
        of: "melody" or "chords".

    Returns:
        For each piece "id"; "longest": notes or chords of it, 0 where nothing is shared; "of": how many it
        has; "share": how much of it is within shared passages of 9 or more; "from": the training piece, or
        None.
    """
    sequences = [_tokens(piece, of) for piece in (*training, *pieces)]
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    begins = np.cumsum(lengths + 1) - lengths - 1
    match, source = _matches(sequences, begins, len(training))
    result = []
    for piece, begin, length in zip(pieces, begins[len(training) :], lengths[len(training) :], strict=True):
        found = match[begin : begin + length]
        best = int(found.argmax()) if length else 0
        size = int(found[best]) if length else 0
        origin = int(np.searchsorted(begins, source[begin + best], side="right") - 1) if size else -1
        result.append(
            {
                "id": piece.id,
                "longest": size + 1 if size else 0,
                "of": int(length) + 1 if length else 0,
                "share": _covered(found) if length else 0.0,
                "from": training[origin].id if size else None,
            }
        )
    return result


def _tokens(piece: Piece, of: Of) -> np.ndarray:
    if of == "melody":
        gap = np.minimum(np.diff(piece.onset), MAX_GAP)
        return (np.diff(piece.pitch) + 128) * (MAX_GAP + 1) + gap
    chords = piece.chord[piece.changes]
    quality = quality_of(chords)
    return (np.diff(chords % 12) % 12 * 64 + quality[:-1]) * 64 + quality[1:]


def _matches(
    sequences: Sequence[np.ndarray], begins: np.ndarray, training: int
) -> tuple[np.ndarray, np.ndarray]:
    """Length and place of the longest match in the training set of every place of the joined sequences."""
    size = int(sum(map(len, sequences))) + len(sequences)
    tokens = np.full(size, -1, np.int64)
    for sequence, begin in zip(sequences, begins, strict=True):
        tokens[begin : begin + len(sequence)] = sequence
    _, rank = np.unique(tokens, return_inverse=True)
    # Each sequence ends with a token of its own, so that no match runs over an end.
    ends = tokens < 0
    rank[ends] = rank.max(initial=0) + 1 + np.arange(int(ends.sum()))
    ranks = [rank]
    longest = max(map(len, sequences), default=0)
    while (1 << (len(ranks) - 1)) < longest:
        step = 1 << (len(ranks) - 1)
        after = np.zeros(size, np.int64)
        after[: size - step] = ranks[-1][step:] + 1
        _, rank = np.unique(ranks[-1] * (size + 2 * len(sequences) + 2) + after, return_inverse=True)
        ranks.append(rank)
    order = np.argsort(ranks[-1], kind="stable")
    border = begins[training] if training < len(begins) else size
    known = order < border
    at = np.arange(size)
    before = np.maximum.accumulate(np.where(known, at, -1))
    after_ = np.minimum.accumulate(np.where(known, at, size)[::-1])[::-1]
    match, source = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    mine = np.flatnonzero(~known)
    for neighbour in (before[mine], after_[mine]):
        there = (neighbour >= 0) & (neighbour < size)
        here, other = order[mine[there]], order[neighbour[there]]
        length = _common(ranks, here, other, size)
        better = length > match[here]
        match[here[better]], source[here[better]] = length[better], other[better]
    return match, source


def _common(ranks: Sequence[np.ndarray], here: np.ndarray, other: np.ndarray, size: int) -> np.ndarray:
    """How many tokens from two places on are the same."""
    length = np.zeros(len(here), np.int64)
    for level in range(len(ranks) - 1, -1, -1):
        a, b = np.minimum(here + length, size - 1), np.minimum(other + length, size - 1)
        length += np.where(ranks[level][a] == ranks[level][b], 1 << level, 0)
    return length


def _covered(match: np.ndarray) -> float:
    """How much of a piece lies in passages of at least so many tokens, by its notes or chords."""
    edge = np.zeros(len(match) + 2, np.int64)
    begin = np.flatnonzero(match >= _LONG)
    np.add.at(edge, begin, 1)
    np.add.at(edge, begin + match[begin] + 1, -1)
    return float((np.cumsum(edge)[:-1] > 0).mean())


def _summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sizes = [piece["longest"] for piece in found]
    return {
        "mean": float(np.mean(sizes)) if sizes else None,
        "median": float(np.median(sizes)) if sizes else None,
        "largest": max(sizes, default=None),
        "share": float(np.mean([piece["share"] for piece in found])) if sizes else None,
        "pieces": list(found),
    }


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
        copying: see `hrpe_jax.metrics.compare.copying`; None without a training set.
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
