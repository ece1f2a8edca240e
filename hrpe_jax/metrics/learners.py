"""Two classifiers of rows of numbers, small enough to be trained again and again: one linear, one of trees.

Both take features `[rows, features]` without NaN, labels 0 or 1 and weights of rows, and give log-odds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
