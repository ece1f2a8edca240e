"""Beats behind chord changes that are given in seconds only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hrpe_jax.theory.meter import Meter


class LabelBeats(NamedTuple):
    """How many beats every label lasts.

    Attributes:
        beats: [n] beats of each label, 0 where it is too short to be one.
        period: seconds a beat, the median.
        fit: how regular the changes are, from about 0 (not at all) to 1.
        meter: 4/4 or 3/4.
        pickup: beats before the first bar line.
    """

    beats: np.ndarray
    period: float
    fit: float
    meter: Meter
    pickup: int


_PERIODS = np.geomspace(0.27, 1.3, 500)
_USUAL_PERIOD = 0.62
"""Seconds a beat, in most songs."""
_USUAL_LENGTH = 3.0
"""Beats a chord, in most songs."""
_PERIOD_WEIGHT = 0.25
_LENGTH_WEIGHT = 0.08
_TRIPLE_COST = 0.15
_MOST_PEAKS = 16
_NEAR = 0.2
"""How much worse than the best fit a period may fit to be considered."""


def find_label_beats(seconds: np.ndarray) -> LabelBeats:
    """The beat of which most durations are whole multiples.

    Many periods fit as well (halves, doubles, thirds); among them decide a usual tempo, a usual length of
    chords, and bars of four rather than three. The tempo may drift: what is compared are durations, never
    places, and the beat is followed from label to label.

    Args:
        seconds: [n] durations of the labels, one after the other; n > 0, positive sum.
    """
    fits = _fits(seconds)
    peak = (fits >= np.roll(fits, 1)) & (fits > np.roll(fits, -1)) & (fits > fits.max() - _NEAR)
    peaks = np.flatnonzero(peak) if peak.any() else np.array([int(fits.argmax())])
    peaks = peaks[np.argsort(-fits[peaks], kind="stable")][:_MOST_PEAKS]
    middle = max(1e-6, float(np.median(seconds[seconds > 0])))  # whose logarithm is taken
    best, best_score = None, -np.inf
    for index in peaks.tolist():
        period = float(_PERIODS[index])
        beats = _follow(seconds, period)
        meter, pickup = _bars(beats)
        score = (
            float(fits[index])
            - _PERIOD_WEIGHT * float(np.log2(period / _USUAL_PERIOD)) ** 2
            - _LENGTH_WEIGHT * float(np.log2(middle / period / _USUAL_LENGTH)) ** 2
            - _TRIPLE_COST * (meter.numerator == 3)
        )
        if score > best_score:
            best, best_score = LabelBeats(beats, period, max(0.0, float(fits[index])), meter, pickup), score
    assert best is not None  # there is a peak
    return best


def _follow(seconds: np.ndarray, period: float) -> np.ndarray:
    """[n] beats of each label; what rounding left over goes on to the next."""
    beats = np.zeros(len(seconds), dtype=np.int64)
    local, rest = period, 0.0
    for index, duration in enumerate(seconds.tolist()):
        exact = duration / local
        count = max(0, int(np.floor(exact + rest + 0.5)))
        beats[index] = count
        rest = 0.5 * min(0.5, max(-0.5, rest + exact - count))
        if count > 0 and abs(exact / count - 1) < 0.08:
            local = min(1.25 * period, max(0.8 * period, 0.8 * local + 0.2 * duration / count))
    return beats


def _fits(seconds: np.ndarray) -> np.ndarray:
    """[periods] how well durations are multiples of each period, -1 to 1."""
    used = seconds[(seconds > 0.2) & (seconds < 12)][:2000]
    if not len(used):
        return np.zeros(len(_PERIODS))
    ratio = used[:, None] / _PERIODS[None, :]  # [labels, periods]
    weight = 1 / (1 + ratio / 8)  # the longer, the more a drift of the tempo blurs it
    return np.asarray((weight * np.cos(2 * np.pi * ratio)).sum(axis=0) / weight.sum(axis=0))


def _bars(beats: np.ndarray) -> tuple[Meter, int]:
    """The meter on whose bar lines most chords change, and the beats before the first bar line."""
    changes = np.concatenate([[0], np.cumsum(beats[beats > 0])])[:-1]
    best = (-1.0, 4, 0)
    for numerator, bonus in ((4, 0.08), (3, 0.0)):
        share = np.bincount(changes % numerator, minlength=numerator) / max(1, len(changes))
        share[0] += 0.05  # music that begins with a bar is the usual case
        best = max(best, (float(share.max()) + bonus, numerator, int(share.argmax())))
    return Meter(best[1], 4), best[2]
