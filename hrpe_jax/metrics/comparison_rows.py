"""The rows of a comparison: one metric on the generated pieces and on every control, at the same number of
pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from hrpe_jax.metrics.arrays import Piece, Selection
from hrpe_jax.metrics.degraded import CONTROLS, ORDER, make_control
from hrpe_jax.metrics.distances import (
    GENERATED,
    Distance,
    Draws,
    PairSums,
    SsmDistances,
    mean_interval,
    summary,
    value_distances,
)
from hrpe_jax.metrics.recurrence import structureness
from hrpe_jax.metrics.registry import NO_MELODY, Metric, PairedSsmds, Scapes, Values, measure
from hrpe_jax.metrics.rhythm import gs_histogram
from hrpe_jax.metrics.structure import bar_ssm, energy_distance, lag_curve, paired_ssmd, similarity_error

ROWS = (GENERATED, *CONTROLS)
"""The sets of a comparison, in the order of its rows."""

_TOO_FEW = "real music has {} pieces to measure, and the floor, real against real, needs 2"


class Judge:
    """Measures metrics; what several of them need is computed once.

    Args:
        chosen: "generated" and "reference".
        seed: of the draws, as of `compare.compare`.
        draws: for the intervals.
        limit: most pieces of a set.
        workers: threads.

    Attributes:
        pairing: how targets were found for metrics of kind "pair".
    """

    def __init__(
        self, chosen: Mapping[str, Selection], seed: int, draws: int, limit: int, workers: int
    ) -> None:
        self._seed, self._draws, self._limit, self._workers = seed, draws, limit, workers
        rng = np.random.default_rng(seed)
        reference = chosen["reference"].pieces
        self._sets: dict[str, Sequence[Piece]] = {GENERATED: chosen[GENERATED].pieces}
        for name in CONTROLS:
            self._sets[name] = make_control(name, reference, rng)
        self._scapes = Scapes(workers)
        self._paired_ssmds = PairedSsmds()
        self._made: dict[tuple[int, int], Draws] = {}
        self.pairing, self._targets = self._pair(rng)
        self._ssms, self._ssm_ids = self._bar_ssms(rng)
        self._tools: dict[bool, SsmDistances] = {}
        self._sums: PairSums | None = None
        self._away: dict[str, np.ndarray] = {}

    def compare(self, metric: Metric) -> dict[str, Any]:
        """One metric: its description, rows, values of pieces and, for structure, the order of the
        controls."""
        values: dict[str, Values] = {}
        if metric.kind == "set":
            rows, distances = self._compare_set(metric)
        else:
            values = {name: self._measure(metric, name) for name in ROWS}
            rows, distances = (self._compare_pair if metric.kind == "pair" else self._compare_piece)(
                metric, values
            )
        result: dict[str, Any] = {**metric.describe(), "rows": rows}
        if metric.group == "structure":
            result["order"] = _order(distances)
        result["per_piece"] = {
            name: [number if known else None for number, known in zip(own.number, own.defined, strict=True)]
            for name, own in values.items()
        }
        return result

    def lag_curves(self) -> dict[str, dict[str, list[float]]]:
        """Mean similarity of bars at each lag, with its interval, of every set."""
        curves = {}
        for name, ssms in self._ssms.items():
            if not len(ssms):
                continue
            lags = lag_curve(ssms[:, :-1, :-1]).astype(np.float64)
            spread = [mean_interval(lag, self._draws, self._seed) for lag in lags.T] if len(lags) > 1 else []
            low, high = np.array(spread).T.tolist() if spread else ([], [])
            curves[name] = {"mean": lags.mean(axis=0).tolist(), "low": low, "high": high}
        return curves

    def mean_ssms(self) -> dict[str, list[list[float]]]:
        """The mean bar SSM of every set."""
        return {
            name: np.round(ssms[:, :-1, :-1].mean(axis=0, dtype=np.float64), 4).tolist()
            for name, ssms in self._ssms.items()
            if len(ssms)
        }

    def typicality(self) -> dict[str, list[float | None]]:
        """How far each piece's SSM is from those of the reference, itself left out, on average; None where it
        was not measured."""
        found: dict[str, list[float | None]] = {}
        for name, of in ((GENERATED, GENERATED), ("reference", "real")):
            away: list[float | None] = [None] * len(self._sets[of])
            for index, distance in zip(self._ssm_ids.get(of, ()), self._away.get(of, ()), strict=False):
                away[int(index)] = float(distance)
            found[name] = away
        return found

    # Kind "set"

    def _compare_set(self, metric: Metric) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        real, made = len(self._ssms["real"]), len(self._ssms[GENERATED])
        reason = "" if real >= 2 else _TOO_FEW.format(real)
        found = {} if reason else self._set_distances(metric)
        rows = []
        for name in ROWS:
            row = {"set": name, "used": len(self._ssms[name]), "left_out": self._without_ssm(name)}
            if name in found:
                row |= {
                    "n": self._draws_of(real, made).n,
                    **summary(found[name].values, found[name].resampled),
                }
                if name == GENERATED and made < 2:
                    row |= {"low": None, "high": None}
            else:
                silent = "no generated piece has a melody"
                why = reason or (silent if self._sets[GENERATED] else "no generated piece is left to measure")
                row |= {"n": 0, "value": None, "low": None, "high": None, "reason": why}
            rows.append(row)
        return rows, {name: distance.values for name, distance in found.items()}

    def _set_distances(self, metric: Metric) -> dict[str, Distance]:
        silence = bool(metric.options["silence"])
        known = {name: ssms for name, ssms in self._ssms.items() if len(ssms)}
        if silence not in self._tools:
            draws = self._draws_of(len(self._ssms["real"]), len(self._ssms[GENERATED]))
            self._tools[silence] = SsmDistances(draws, known, silence)
        tool = self._tools[silence]
        if metric.function is energy_distance:
            self._sums = self._sums or PairSums(known, self._workers)
            found, away = tool.energy(self._sums)
            if not silence:
                self._away = away
            return found
        return tool.similarity_error() if metric.function is similarity_error else tool.ssmd()

    def _bar_ssms(self, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """SSMs with the empty bar of at most `limit` pieces of every set that have a melody, and which they
        are."""
        ids: dict[str, np.ndarray] = {}
        for name in (GENERATED, "real"):
            heard = np.flatnonzero([len(piece.onset) > 0 for piece in self._sets[name]])
            ids[name] = np.sort(rng.permutation(heard)[: self._limit])
        ids |= dict.fromkeys(CONTROLS, ids["real"])
        ssms = {}
        for name in ROWS:
            found = [bar_ssm(self._sets[name][index], silence=True) for index in ids[name]]
            ssms[name] = np.stack(found) if found else np.zeros((0, 1, 1), np.float32)
        return ssms, ids

    def _without_ssm(self, name: str) -> dict[str, int]:
        pieces = self._sets["real" if name in CONTROLS else name]
        silent = sum(not len(piece.onset) for piece in pieces)
        beyond = len(pieces) - silent - len(self._ssms[name])
        counts = {NO_MELODY: silent, self._beyond: beyond}
        return {reason: count for reason, count in counts.items() if count}

    # Kind "piece"

    def _compare_piece(
        self, metric: Metric, values: Mapping[str, Values]
    ) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        rows = []
        distances: dict[str, np.ndarray] = {}
        for name in ROWS:
            row = self._mean_row(name, values[name])
            found, n, why = self._wasserstein(values, name)
            row["n"] = n
            if found is None:
                row |= {"distance": None, "distance_low": None, "distance_high": None, "distance_reason": why}
                if metric.group == "structure" and len(values["real"].known) < 2:
                    row |= {"value": None, "low": None, "high": None, "reason": why}
            else:
                distances[name] = found.values
                spread = summary(found.values, found.resampled)
                row |= {"distance": spread["value"], "distance_low": spread["low"]}
                row |= {"distance_high": spread["high"]}
                if name == GENERATED and row["used"] < 2:
                    row |= {"distance_low": None, "distance_high": None}
            rows.append(row)
        return rows, distances

    def _wasserstein(self, values: Mapping[str, Values], name: str) -> tuple[Distance | None, int, str]:
        """The distance of a set's values from real ones, the pieces in each set, and why there is none."""
        real, own = values["real"], values[name]
        if not len(own.known):
            return None, 0, _main_reason(own)
        both = real.defined if name == GENERATED else real.defined & own.defined
        if both.sum() < 2:
            return None, 0, _TOO_FEW.format(int(both.sum()))
        sample = self._sample(int(both.sum()))
        usual, made = real.number[both][sample], values[GENERATED].known
        made = made[self._sample(len(made))]
        draws = self._draws_of(len(usual), len(made))
        measured = made if name == GENERATED else own.number[both][sample]
        return value_distances(draws, usual, measured, name == GENERATED), draws.n, ""

    # Kind "pair"

    def _compare_pair(
        self, metric: Metric, values: Mapping[str, Values]
    ) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        real = len(values["real"].known)
        rows = []
        for name in ROWS:
            row = {**self._mean_row(name, values[name]), "n": len(values[name].known)}
            if real < 2:
                row |= {"n": 0, "value": None, "low": None, "high": None, "reason": _TOO_FEW.format(real)}
            rows.append(row)
        if real < 2:
            return rows, {}
        both = np.logical_and.reduce([values[name].defined for name in ORDER])
        index = np.random.default_rng(self._seed).integers(0, int(both.sum()), (self._draws, int(both.sum())))
        away = {name: values[name].number[both] for name in ORDER}
        if metric.function is gs_histogram:  # a similarity
            away = {name: 1 - number for name, number in away.items()}
        return rows, {name: number[index].mean(axis=1) for name, number in away.items()}

    def _pair(self, rng: np.random.Generator) -> tuple[str, dict[str, list[Piece]]]:
        """For each piece of each set the real piece that it is measured against."""
        real = list(self._sets["real"])
        targets = dict.fromkeys(CONTROLS, real)
        if not real:
            return "none", targets
        # Real music against other real music: each piece against the next in a random circle.
        circle = rng.permutation(len(real))
        after = np.empty(len(real), np.int64)
        after[circle] = np.roll(circle, -1)
        targets["real"] = [real[index] for index in after]
        by_id = {piece.id: piece for piece in real}
        made = self._sets[GENERATED]
        if made and all(piece.id in by_id for piece in made):
            return "each generated piece with the real piece of its id", {
                **targets,
                GENERATED: [by_id[piece.id] for piece in made],
            }
        chance = rng.integers(0, len(real), len(made))
        return "each generated piece with a random real piece", {
            **targets,
            GENERATED: [real[i] for i in chance],
        }

    # All kinds

    def _measure(self, metric: Metric, name: str) -> Values:
        pieces = self._sets[name]
        silent = name == "silence"
        if metric.kind == "pair":
            targets = self._targets.get(name, [])
            if metric.function is paired_ssmd:
                metric = replace(metric, function=self._paired_ssmds)
            sample = self._sample(len(pieces)).tolist() if targets else []
            chosen, wanted = [pieces[index] for index in sample], [targets[index] for index in sample]
            others = self._beyond if targets else "there is no real piece to pair it with"
            return measure(metric, chosen, wanted, silent).among(sample, len(pieces), others)
        if metric.function is structureness:
            return self._scapes.measure(metric, pieces, silent)
        return measure(metric, pieces, silent=silent)

    @property
    def _beyond(self) -> str:
        return f"{self._limit} others are enough for a distance"

    def _sample(self, pieces: int) -> np.ndarray:
        """Which of so many pieces distances are taken between: all, or `limit` of them by the seed."""
        return np.sort(np.random.default_rng([self._seed, pieces]).permutation(pieces)[: self._limit])

    def _mean_row(self, name: str, own: Values) -> dict[str, Any]:
        known = own.known
        row: dict[str, Any] = {"set": name, "used": len(known), "left_out": dict(own.reasons)}
        if not len(known):
            return row | {"value": None, "low": None, "high": None, "reason": _main_reason(own)}
        low, high = mean_interval(known, self._draws, self._seed) if len(known) > 1 else (None, None)
        return row | {"value": float(known.mean()), "low": low, "high": high}

    def _draws_of(self, reference: int, generated: int) -> Draws:
        sizes = reference, generated
        if sizes not in self._made:
            self._made[sizes] = Draws.make(reference, generated, self._draws, self._seed)
        return self._made[sizes]


def _main_reason(own: Values) -> str:
    """Why no piece has a value, in the words of the reason most of them have."""
    if not own.reasons:
        return "no piece is left to measure"
    return max(own.reasons, key=lambda reason: own.reasons[reason])


def _order(distances: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Of each two neighbours of `controls.ORDER`, whether the farther is farther on average, and in how many
    draws."""
    order = []
    for nearer, farther in pairwise(ORDER):
        entry: dict[str, Any] = {"nearer": nearer, "farther": farther, "holds": None, "share": None}
        if nearer in distances and farther in distances:
            near, far = distances[nearer], distances[farther]
            # Rounded: sums of equal numbers in another order differ in the last digits.
            gap = np.round(far[: len(near)] - near[: len(far)], 6)
            entry |= {"holds": bool(gap.mean() > 0), "share": float((gap > 0).mean())}
        order.append(entry)
    return order
