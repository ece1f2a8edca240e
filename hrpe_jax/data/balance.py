"""How often each training piece is played in an epoch, so that no style drowns another.

A style has a share of the events of training. By nature it is the style's part of the data set. It can be
made equal for all styles, or proportional to the square root of their events, in between. A piece of a style
whose share is twice its part of the data is then played twice in an epoch, a piece of another perhaps only in
every third. An epoch has about as many events as before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from hrpe_jax.data.batches import PLAY, epoch_generator
from hrpe_jax.errors import UserError

NATURAL, SQRT, EQUAL = "", "sqrt", "equal"
_SHARES = re.compile(r"[a-z][a-z0-9_-]*=\d+(\.\d+)?(,[a-z][a-z0-9_-]*=\d+(\.\d+)?)*")


def style_shares(styles: Sequence[str], lengths: np.ndarray, balance: str) -> dict[str, float]:
    """The share of events that each style has in training.

    Args:
        styles: of the pieces, "" for one that has none.
        lengths: events of each piece, int `[pieces]`.
        balance: "" as in the data, "sqrt", "equal", or weights such as "pop=2,folk=1"; styles that weights
            leave out are not played.

    Returns:
        By style, in order of name; they add up to 1.

    Raises:
        UserError: `balance` is none of these, or names no style of the data.
    """
    names = sorted(set(styles))
    events = dict.fromkeys(names, 0)
    for style, length in zip(styles, np.asarray(lengths).tolist(), strict=True):
        events[style] += length
    if balance == NATURAL:
        weights: dict[str, float] = dict(events)
    elif balance == SQRT:
        weights = {name: count**0.5 for name, count in events.items()}
    elif balance == EQUAL:
        weights = {name: float(count > 0) for name, count in events.items()}
    else:
        weights = _weights(balance, names)
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _weights(balance: str, names: Sequence[str]) -> dict[str, float]:
    if not _SHARES.fullmatch(balance):
        raise UserError(
            f'data.balance={balance}: expected "sqrt", "equal", weights such as pop=2,folk=1, or nothing'
        )
    given = {name: float(weight) for name, _, weight in (part.partition("=") for part in balance.split(","))}
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise UserError(
            f"data.balance={balance}: the data set has no training piece of style {', '.join(unknown)}; its "
            f"styles are {', '.join(filter(None, names)) or 'none: give preprocess --style'}"
        )
    if not sum(given.values()):
        raise UserError(f"data.balance={balance}: expected one weight above 0")
    return {name: given.get(name, 0.0) for name in names}


def times_per_epoch(styles: Sequence[str], lengths: np.ndarray, balance: str) -> np.ndarray:
    """How often each piece is played in an epoch on average: float64 `[pieces]`; see `style_shares`.

    Args:
        styles: of each piece.
        lengths: int [pieces], tokens of each.
        balance: how styles are weighted, see `style_shares`.
    """
    if balance == NATURAL:
        return np.ones(len(styles))
    shares, natural = (style_shares(styles, lengths, asked) for asked in (balance, NATURAL))
    return np.array([shares[style] / natural[style] if natural[style] else 0.0 for style in styles])


class Plays:
    """Which pieces each epoch plays: a pure function of the epoch.

    A piece that is to be played 2.3 times an epoch is played two or three times in each, and 23 times in ten.

    Args:
        times: how often each piece is played in an epoch on average, float `[pieces]`.
        seed: decides in which epochs a piece is played once more.

    Raises:
        UserError: nothing would be played.
    """

    def __init__(self, times: np.ndarray, seed: int) -> None:
        self._times = np.asarray(times, np.float64)
        if not self._times.sum() > 0:
            raise UserError("there is no song to train on")
        # Where all are played once, nothing is drawn.
        self._phases = epoch_generator(seed, 0, PLAY).random(len(self._times))

    def of(self, epoch: int) -> np.ndarray:
        """The pieces of an epoch, in their order; one that is played twice stands there twice.

        Args:
            epoch: from 0.

        Returns:
            Indices of pieces, int64 `[plays]`.
        """
        if (self._times == 1).all():
            return np.arange(len(self._times))
        until = [np.floor((epoch + more) * self._times + self._phases).astype(np.int64) for more in (0, 1)]
        return np.repeat(np.arange(len(self._times)), until[1] - until[0])


__all__ = ["EQUAL", "NATURAL", "SQRT", "Plays", "style_shares", "times_per_epoch"]
