"""How real a piece looks: a linear classifier of songs against a model's own pieces, and choosing by it.

Of several pieces that a model draws one is kept, in proportion to p(song) / p(model) as the classifier gives
it: an importance weight, so that pieces come out as songs are and none is the one that pleases the classifier
most. The features are those of `metrics.two_sample`; the classifier is trained on training songs only. Each
style has one. `critic.json` beside the weights of a model holds them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.errors import UserError
from hrpe_jax.metrics.arrays import Music, Piece, cut, piece_of
from hrpe_jax.metrics.excerpt_features import features_of
from hrpe_jax.metrics.phrasing import excerpts
from hrpe_jax.metrics.two_sample import Logistic

FILE = "critic.json"
FORMAT = 1
BARS = 16
"""Of the excerpts it is trained on. A longer piece has the mean of its excerpts."""
PENALTY = 0.05
"""Of the squared weights."""
LIMIT = 4.0
"""Largest log odds, either way: what is farther was hardly seen."""


@dataclass(frozen=True)
class Critic:
    """A classifier of one style.

    Attributes:
        names: family and name of each feature.
        usual: `[features]`, what stands for a feature that a piece does not have.
        model: of the features.
    """

    names: tuple[tuple[str, str], ...]
    usual: np.ndarray
    model: Logistic

    def log_odds(self, pieces: Sequence[Music]) -> np.ndarray:
        """How much likelier than the model's own each piece is among songs: float64 `[pieces]`, in nats.

        Pieces without two notes have `-LIMIT`.
        """
        windows = [_windows(piece_of(piece)) for piece in pieces]
        flat = [window for own in windows for window in own]
        odds = np.full(len(pieces), -LIMIT)
        if flat:
            x, names = features_of(flat)
            column = {name: number for number, name in enumerate(names)}
            missing = np.full((len(flat), 1), np.nan)
            x = np.concatenate([x, missing], axis=1)[:, [column.get(name, -1) for name in self.names]]
            found = self.model.predict(np.where(np.isfinite(x), x, self.usual))
            owner = np.repeat(np.arange(len(pieces)), [len(own) for own in windows])
            for number in np.unique(owner):
                odds[number] = np.clip(found[owner == number].mean(), -LIMIT, LIMIT)
        return odds


def _windows(piece: Piece) -> list[Piece]:
    """Excerpts of a piece; a shorter one is one itself."""
    found = excerpts(piece, BARS)
    if not found and piece.bars:
        found = [cut(piece, 0, piece.bars)]
    return [window for window in found if len(window.onset) > 1]


def fit_critic(made: Sequence[Music], real: Sequence[Music]) -> Critic:
    """Trains a critic; each piece and each song counts the same, and so do both sets.

    Args:
        made: pieces of the model.
        real: training songs of the same style.
    """
    rows, labels, weights = [], [], []
    for label, pieces in enumerate((made, real)):
        windows = [found for found in (_windows(piece_of(piece)) for piece in pieces) if found]
        for own in windows:
            rows += own
            labels += [label] * len(own)
            weights += [1 / len(own) / len(windows)] * len(own)
    x, names = features_of(rows)
    known = np.isfinite(x)
    usual = np.where(known, x, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    x = np.where(known, x, usual)
    model = Logistic.fit(x, np.asarray(labels, np.float64), np.asarray(weights), PENALTY)
    return Critic(tuple(names), usual, model)


def to_json(critics: Mapping[str, Critic]) -> str:
    """Critics by style as text."""

    def row(values: np.ndarray) -> list[float | None]:
        return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]

    styles = {
        style: {
            "names": [list(name) for name in critic.names],
            "usual": row(critic.usual),
            "centre": row(critic.model.centre),
            "scale": row(critic.model.scale),
            "weights": row(critic.model.weights),
            "bias": critic.model.bias,
        }
        for style, critic in sorted(critics.items())
    }
    return json.dumps({"format": FORMAT, "bars": BARS, "styles": styles}) + "\n"


def read_critics(path: str | Path) -> dict[str, Critic]:
    """Reads a file of critics.

    Raises:
        UserError: it cannot be read, or is no such file.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        if values["format"] != FORMAT or values["bars"] != BARS:
            raise ValueError(f"format {values['format']}, this program reads {FORMAT}")
        return {style: _critic(about) for style, about in values["styles"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problem = f"no critics ({error}); take the file of a released model"
        raise UserError(f"{path}: {problem}") from None


def _critic(about: Mapping[str, Any]) -> Critic:
    names = tuple((str(family), str(name)) for family, name in about["names"])
    columns = [
        np.array([np.inf if value is None else float(value) for value in about[field]])
        for field in ("usual", "centre", "scale", "weights")
    ]
    if any(len(column) != len(names) for column in columns):
        raise ValueError("columns of different lengths")
    usual, centre, scale, weights = columns
    return Critic(names, usual, Logistic(centre, scale, weights, float(about["bias"])))
