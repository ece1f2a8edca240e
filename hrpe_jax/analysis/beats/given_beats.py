"""Beats that are given, by the file's own grid or by chord changes in seconds, and whether they hold.

A sequencer counts quarters; what was recorded without it, or transcribed from sound, ignores them. On the
unit circle, where a turn is a fraction of a quarter, the onsets of the former lie together and those of the
latter all around. The tempo of a file may be right and its beats still begin anywhere (audio laid under a
sequencer's clock), so the phase is found too: notes that begin on beats are longer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hrpe_jax.analysis.beats.track import MAX_HELD, NoteTable
from hrpe_jax.theory.meter import Meter

_DIVISIONS = (1, 2, 3, 4, 6, 12)
_FEW = 10
"""Distinct onsets below which nothing can be said against a file's grid."""
_LEAST = 0.25
"""Mean resultant length from which on onsets lie on a grid..."""
_CHANCE = 10.0
"""...unless chance makes it: its square times the number of onsets (Rayleigh's statistic) must reach this."""
_NEAR = 0.06
"""Quarters that a grid may lie off the file's own and still be it: players and exports are late..."""
_AT_ZERO = 0.03
"""...up to which the file's own is kept as it is..."""
_EXACT = 0.01
"""...and up to which chance is no likely reason."""

_SHARP, _MOST_SOUND = 0.9, 0.58
"""Mean resultant length of notes put on the file's grid by hand, and share of sound that shows a beat: one of
the two makes sure."""

_RIVAL = 0.5
"""Share of the most sound from which on other quarters are worth asking about."""


class Grid(NamedTuple):
    """Where the quarters of a file may be.

    Attributes:
        offset: ticks from the file's quarters to these.
        own: whether these are the file's own quarters, so that its bar lines may be right too.
        exact: whether the notes lie on the file's grid, not a little beside.
        sound: share of the notes' length that begins on these quarters.
        sure: whether a quarter is what is counted, and not three quarters of a beat: music at 80 or 90 beats
            a minute also lies on some division of 120.
    """

    offset: float
    own: bool = False
    exact: bool = False
    sound: float = 1.0
    sure: bool = True


OWN = Grid(0.0, own=True, exact=True)


def file_grids(notes: NoteTable, ticks_per_quarter: int) -> list[Grid]:
    """Compare the notes with the file's own grid.

    Args:
        notes: one or more, in ticks.
        ticks_per_quarter: of the file.

    Returns:
        Nothing where onsets ignore the file's tempo; else the file's own quarters, where these can be meant,
        then those on which most sound begins and those on which nearly as much does. One to three.
    """
    quarters = notes.onset / ticks_per_quarter
    distinct = 1 + np.count_nonzero(np.diff(notes.onset))
    if distinct < _FEW:
        return [OWN]
    usable = [division for division in _DIVISIONS if ticks_per_quarter >= 2 * division or division == 1]
    once = np.exp(2j * np.pi * (quarters % 1.0))
    twice, thrice = once * once, once * once * once
    powers = {1: once, 2: twice, 3: thrice, 4: twice * twice, 6: thrice * thrice}
    powers[12] = powers[6] * powers[6]
    turns = {division: complex(powers[division].mean()) for division in usable}
    strength = {division: abs(turn) for division, turn in turns.items()}
    strongest = max(strength.values())
    if strongest < _LEAST or distinct * strongest**2 < _CHANCE:
        return []

    fine = _division(strength)
    shift = float(np.angle(turns[fine])) / (2 * np.pi * fine)
    sound = np.bincount(
        np.round((quarters - shift) * fine).astype(np.int64) % fine,
        weights=np.minimum((notes.end - notes.onset) / ticks_per_quarter, MAX_HELD),
        minlength=fine,
    )
    sound = (sound / sound.sum()).tolist()
    most = max(sound)
    sure = (abs(shift) < _EXACT and strongest > _SHARP) or (fine > 2 and most > _MOST_SOUND)
    near = abs(shift) < _NEAR
    grids = []
    if near:
        offset = 0.0 if abs(shift) < _AT_ZERO else shift * ticks_per_quarter
        grids.append(Grid(offset, True, abs(shift) < _EXACT, sound[0], sure))
    for place in sorted(range(fine), key=lambda place: -sound[place])[:2]:
        if sound[place] > _RIVAL * most and not (near and place == 0):
            offset = ((shift + place / fine) % 1.0) * ticks_per_quarter
            grids.append(Grid(offset, sound=sound[place], sure=sure))
    return grids


def _division(strength: dict[int, float]) -> int:
    """The coarsest division of a quarter that shows where the grid lies: sixteenths, else triplets, else
    both."""
    strongest = max(strength.values())
    for division in (4, 3, 6, 12, 2):
        if strength.get(division, 0.0) >= 0.7 * strongest:
            return division
    return 1


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
_AS_GOOD = 0.2
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
    peak = (fits >= np.roll(fits, 1)) & (fits > np.roll(fits, -1)) & (fits > fits.max() - _AS_GOOD)
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
