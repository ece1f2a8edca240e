"""Classifier two-sample test: can a classifier tell generated pieces from real music?

    found = two_sample(generated, reference, bars=16)

An AUC of 0.5: it cannot; 1: it always can. Excerpts of equally many bars (`windows.excerpts`) are described
by the numbers of `features`, in five families; a linear classifier and one of trees are averaged; all
excerpts of a song are in the same of five folds, and each fold is measured by what the other four taught. Two
controls stand beside it: half of the real songs against the other half (0.5), and Markov melodies over the
real chords (1).

Reference: D. Lopez-Paz, M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hrpe_jax.metrics.arrays import Music, Piece, common_meter, piece_of
from hrpe_jax.metrics.bootstrap import LEVEL
from hrpe_jax.metrics.degraded import markov_melodies
from hrpe_jax.metrics.features import FAMILIES, features_of
from hrpe_jax.metrics.learners import BoostedTrees, Logistic
from hrpe_jax.metrics.windows import excerpts

FOLDS = 5
FEWEST = 20
"""Songs of each set without which nothing is learned."""
PARTITIONS = 3
"""How often real songs are parted for the control."""
TELLING = 15
"""How many features are named."""


class Sample(NamedTuple):
    """The excerpts of a set as rows.

    Attributes:
        x: float64 `[excerpts, features]`, NaN where not defined.
        song: int64 `[excerpts]`, 0 and up.
    """

    x: np.ndarray
    song: np.ndarray

    @property
    def songs(self) -> int:
        """How many songs there are."""
        return int(self.song.max(initial=-1)) + 1


def two_sample(
    generated: Sequence[Music],
    reference: Sequence[Music],
    *,
    bars: int = 16,
    meter: str | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """The test, its controls, and what gives generated pieces away.

    Args:
        generated: pieces, as they were written.
        reference: songs of the kind that they should be.
        bars: of the excerpts.
        meter: as of `faults.fault_table`.
        draws: resamples of songs, for intervals.
        seed: of folds, controls and draws.

    Returns:
        "settings"; "songs" and "excerpts" of "generated" and "reference"; "rows": "name", "value", "low",
        "high" of all families, of each alone, and of the controls; "telling": the features that tell most on
        their own: "family", "name", "auc" (above 0.5: larger in generated pieces), means of "generated" and
        "reference"; "reason" where there are too few pieces, and then no rows.
    """
    made, real = [piece_of(item) for item in generated], [piece_of(item) for item in reference]
    meter = meter or common_meter(real, made)
    groups = [_groups(pieces, bars, meter) for pieces in (made, real)]
    found: dict[str, Any] = {
        "settings": {"bars": bars, "meter": meter, "folds": FOLDS, "draws": draws, "seed": seed},
        "songs": {"generated": len(groups[0]), "reference": len(groups[1])},
        "excerpts": {"generated": sum(map(len, groups[0])), "reference": sum(map(len, groups[1]))},
        "rows": [],
        "telling": [],
    }
    if min(map(len, groups)) < FEWEST:
        return {**found, "reason": f"a set has fewer than {FEWEST} pieces of {bars} bars in {meter}"}
    rng = np.random.default_rng(seed)
    groups.append([[piece] for piece in markov_melodies([own[0] for own in groups[1]], rng)])
    samples, names = _samples(groups)
    families = np.array([family for family, _ in names])
    tests = {"all families": np.ones(len(names), np.bool_), **{name: families == name for name in FAMILIES}}
    for name, chosen in tests.items():
        if chosen.any():
            found["rows"].append({"name": name, **_test(samples[0], samples[1], chosen, draws, seed)})
    everything = tests["all families"]
    found["rows"].append({"name": "control: real, real", **_real_real(samples[1], everything, draws, rng)})
    control = _test(samples[2], samples[1], everything, draws, seed)
    found["rows"].append({"name": "control: Markov melodies", **control})
    found["telling"] = _telling(samples[0], samples[1], names)
    return found


def _real_real(real: Sample, chosen: np.ndarray, draws: int, rng: np.random.Generator) -> dict[str, float]:
    """Half of the songs against the other half: the mean over `PARTITIONS`, with the mean interval."""
    tests = []
    for seed in range(PARTITIONS):
        halves = rng.permutation(real.songs) % 2
        parts = [_of_songs(real, np.flatnonzero(halves == half)) for half in (0, 1)]
        tests.append(_test(parts[0], parts[1], chosen, draws, seed))
    return {name: round(float(np.mean([test[name] for test in tests])), 4) for name in tests[0]}


def _groups(pieces: Sequence[Piece], bars: int, meter: str) -> list[list[Piece]]:
    """By song its excerpts that have a melody; songs without any are left out."""
    kept = [piece for piece in pieces if meter in ("all", str(piece.meter)) and len(piece.onset)]
    found = [[cut for cut in excerpts(piece, bars) if len(cut.onset) > 1] for piece in kept]
    return [own for own in found if own]


def _samples(groups: Sequence[Sequence[Sequence[Piece]]]) -> tuple[list[Sample], list[tuple[str, str]]]:
    x, names = features_of([piece for group in groups for own in group for piece in own])
    samples, at = [], 0
    for group in groups:
        song = np.repeat(np.arange(len(group)), [len(own) for own in group])
        samples.append(Sample(x[at : at + len(song)], song))
        at += len(song)
    return samples, names


def _of_songs(sample: Sample, songs: np.ndarray) -> Sample:
    kept = np.isin(sample.song, songs)
    return Sample(sample.x[kept], np.searchsorted(songs, sample.song[kept]))


def _test(made: Sample, real: Sample, chosen: np.ndarray, draws: int, seed: int) -> dict[str, float]:
    """AUC with its interval, on some of the features."""
    x = np.concatenate([made.x, real.x])[:, chosen]
    y = np.repeat([1.0, 0.0], [len(made.x), len(real.x)])
    weight = np.concatenate([1 / np.bincount(own.song)[own.song] / own.songs for own in (made, real)])
    rng = np.random.default_rng([seed, len(y)])
    fold_of_song = [rng.permutation(own.songs) % FOLDS for own in (made, real)]
    fold = np.concatenate([of[own.song] for of, own in zip(fold_of_song, (made, real), strict=True)])
    odds = np.zeros(len(y))
    for number in range(FOLDS):
        odds[fold == number] = _learn(x, y, weight, fold != number)
    return _auc(odds, made, real, fold_of_song, draws, rng)


def _learn(x: np.ndarray, y: np.ndarray, weight: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Log-odds of the other rows, by what some rows teach."""
    known = np.isfinite(x[train])
    counted = np.where(known, x[train], 0)
    usual = counted.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    x = np.where(np.isfinite(x), x, usual)
    learners = [kind.fit(x[train], y[train], weight[train]) for kind in (Logistic, BoostedTrees)]
    return np.mean([learner.predict(x[~train]) for learner in learners], axis=0)


def _auc(
    odds: np.ndarray,
    made: Sample,
    real: Sample,
    fold_of_song: Sequence[np.ndarray],
    draws: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """The share of pairs of a generated piece and a song of the same fold that are in the right order, the
    mean over their excerpts; its interval by drawing pieces and songs again."""
    own, other = odds[: len(made.x)], odds[len(made.x) :]
    right = (own[:, None] > other) + 0.5 * (own[:, None] == other)
    by_song = np.stack([np.bincount(real.song, row) / np.bincount(real.song) for row in right])
    pairs = np.stack(
        [np.bincount(made.song, column) / np.bincount(made.song) for column in by_song.T], axis=1
    )
    same = fold_of_song[0][:, None] == fold_of_song[1]
    pairs = np.where(same, pairs, 0)
    value = float(pairs.sum() / same.sum())
    counts = [rng.multinomial(n, np.full(n, 1 / n), draws).astype(np.float64) for n in pairs.shape]
    top, bottom = (np.einsum("di,di->d", counts[0], counts[1] @ of.T) for of in (pairs, same.astype(float)))
    low, high = np.quantile(top / bottom, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def _telling(made: Sample, real: Sample, names: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The features that tell generated pieces from real ones best, each alone."""
    found: list[dict[str, Any]] = []
    for column, (family, name) in enumerate(names):
        values = [own.x[:, column] for own in (made, real)]
        known = [np.isfinite(value) for value in values]
        if not all(k.any() for k in known):
            continue
        weights = [1 / np.bincount(own.song)[own.song[k]] for own, k in zip((made, real), known, strict=True)]
        values = [value[k] for value, k in zip(values, known, strict=True)]
        means = [float(np.average(v, weights=w)) for v, w in zip(values, weights, strict=True)]
        order = np.argsort(values[1])
        below = np.append(0, np.cumsum(weights[1][order])) / weights[1].sum()
        place = [np.searchsorted(values[1][order], values[0], side) for side in ("left", "right")]
        auc = float(np.average((below[place[0]] + below[place[1]]) / 2, weights=weights[0]))
        about = {"family": family, "name": name, "auc": round(auc, 4)}
        found.append({**about, "generated": round(means[0], 4), "reference": round(means[1], 4)})
    return sorted(found, key=lambda item: -abs(float(item["auc"]) - 0.5))[:TELLING]
