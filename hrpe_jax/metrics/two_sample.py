"""Classifier two-sample test: can a classifier tell generated pieces from real music?

    found = two_sample(generated, reference, bars=16)

An AUC of 0.5: it cannot; 1: it always can. Excerpts of equally many bars (`phrasing.excerpts`) are described
by the numbers of `excerpt_features`, in five families; a linear classifier and one of trees are averaged; all
excerpts of a song are in the same of five folds, and each fold is measured by what the other four taught. Two
controls stand beside it: half of the real songs against the other half (0.5), and Markov melodies over the
real chords (1).

Reference: D. Lopez-Paz, M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017.

The two classifiers are small enough to be trained again and again. Both take features `[rows, features]`
without NaN, labels 0 or 1 and weights of rows, and give log-odds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hrpe_jax.metrics.arrays import Music, Piece, common_meter, piece_of
from hrpe_jax.metrics.degraded import markov_melodies
from hrpe_jax.metrics.distances import LEVEL
from hrpe_jax.metrics.excerpt_features import FAMILIES, features_of
from hrpe_jax.metrics.phrasing import excerpts


@dataclass(frozen=True)
class Logistic:
    """Logistic regression with an l2 penalty, on standardised features.

    Attributes:
        centre, scale: `[features]`.
        weights: `[features]`.
        bias: log-odds at the centre.
    """

    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, row_weights: np.ndarray, penalty: float = 0.03) -> Logistic:
        """Minimises mean log loss + penalty / 2 |w|^2 by Newton's method, each step by conjugate gradients.

        Products are sums by einsum, not by BLAS: for so little it spends its time on waking threads.

        Args:
            x: features.
            y: labels.
            row_weights: `[rows]`, how much each counts.
            penalty: of the squared weights.
        """
        share = row_weights / row_weights.sum()
        centre = np.einsum("i,ij->j", share, x)
        scale = np.sqrt(np.einsum("i,ij->j", share, (x - centre) ** 2))
        scale = np.where(scale > 1e-9, scale, np.inf)
        z = np.column_stack([(x - centre) / scale, np.ones(len(x))])
        ridge = np.append(np.full(x.shape[1], penalty), 1e-6)
        theta = np.zeros(z.shape[1])
        for _ in range(25):
            p = 1 / (1 + np.exp(-np.clip(_times(z, theta), -30, 30)))
            slope = _times(z.T, share * (p - y)) + ridge * theta
            move = _conjugate_gradients(z, share * p * (1 - p), ridge, slope)
            theta -= move
            if np.abs(move).max() < 1e-5:
                break
        return cls(centre, scale, theta[:-1], float(theta[-1]))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Log-odds of label 1, `[rows]`."""
        return _times((x - self.centre) / self.scale, self.weights) + self.bias


def _times(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.einsum("ij,j->i", matrix, vector)


def _conjugate_gradients(
    z: np.ndarray, curve: np.ndarray, ridge: np.ndarray, slope: np.ndarray
) -> np.ndarray:
    """The solution v of (Z' diag(curve) Z + diag(ridge)) v = slope."""
    v = np.zeros_like(slope)
    rest, way = slope.copy(), slope.copy()
    size = float((rest**2).sum())
    enough = 1e-12 * max(size, 1e-12)
    for _ in range(len(slope)):
        if size <= enough:
            break
        turned = _times(z.T, curve * _times(z, way)) + ridge * way
        step = size / float((way * turned).sum())
        v += step * way
        rest -= step * turned
        before, size = size, float((rest**2).sum())
        way = rest + size / before * way
    return v


BINS = 16


@dataclass(frozen=True)
class BoostedTrees:
    """Gradient boosting of trees with four leaves, on features cut into `BINS` classes by their quantiles.

    Reference: J. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics
    29, 2001; leaves by Newton's step as in T. Chen, C. Guestrin, "XGBoost", KDD 2016.

    Attributes:
        edges: `[features, BINS - 1]`.
        trees: of each tree three splits (feature, class) and four leaves.
    """

    edges: np.ndarray
    trees: list[tuple[list[tuple[int, int]], np.ndarray]]

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        y: np.ndarray,
        row_weights: np.ndarray,
        trees: int = 80,
        rate: float = 0.1,
        penalty: float = 3.0,
    ) -> BoostedTrees:
        """Adds trees one by one, each to the gradient of the log loss.

        Args:
            x: features.
            y: labels.
            row_weights: `[rows]`, how much each counts.
            trees: how many.
            rate: share of each tree's step that is taken.
            penalty: added to the curvature of each leaf, in rows.
        """
        edges = np.quantile(x, np.linspace(0, 1, BINS + 1)[1:-1], axis=0).T
        made = cls(edges, [])
        binned = made._bin(x)
        flat = (binned + np.arange(x.shape[1]) * BINS).astype(np.int64)
        weight = row_weights * len(y) / row_weights.sum()
        odds = np.zeros(len(y))
        for _ in range(trees):
            p = 1 / (1 + np.exp(-odds))
            slope, curve = weight * (p - y), weight * p * (1 - p)
            everything = np.arange(len(y))
            splits = [_best_split(flat, slope, curve, everything, penalty)]
            right = binned[:, splits[0][0]] > splits[0][1]
            leaf = right * 2
            for side in (False, True):
                rows = np.flatnonzero(right == side)
                split = _best_split(flat, slope, curve, rows, penalty)
                splits.append(split)
                leaf[rows] += binned[rows, split[0]] > split[1]
            step = -np.bincount(leaf, slope, 4) / (np.bincount(leaf, curve, 4) + penalty) * rate
            odds += step[leaf]
            made.trees.append((splits, step))
        return made

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Log-odds of label 1, `[rows]`."""
        binned = self._bin(x)
        odds = np.zeros(len(x))
        for splits, step in self.trees:
            (first, cut), *below = splits
            right = binned[:, first] > cut
            leaf = right * 2
            for side, (feature, at) in enumerate(below):
                leaf += (right == bool(side)) & (binned[:, feature] > at)
            odds += step[leaf]
        return odds

    def _bin(self, x: np.ndarray) -> np.ndarray:
        columns = [np.searchsorted(edges, column) for edges, column in zip(self.edges, x.T, strict=True)]
        return np.stack(columns, axis=1).astype(np.uint8)


def _best_split(
    flat: np.ndarray, slope: np.ndarray, curve: np.ndarray, rows: np.ndarray, penalty: float
) -> tuple[int, int]:
    """The feature and class after which to part rows, by the gain of Newton's step."""
    features = flat.shape[1]
    if not len(rows):
        return 0, BINS
    cells = flat[rows].ravel()
    g = np.bincount(cells, np.repeat(slope[rows], features), features * BINS).reshape(features, BINS)
    h = np.bincount(cells, np.repeat(curve[rows], features), features * BINS).reshape(features, BINS)
    left, below = np.cumsum(g, axis=1)[:, :-1], np.cumsum(h, axis=1)[:, :-1]
    total, whole = g[0].sum(), h[0].sum()
    gain = left**2 / (below + penalty) + (total - left) ** 2 / (whole - below + penalty)
    best = int(np.argmax(gain))
    return best // (BINS - 1), best % (BINS - 1)


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
