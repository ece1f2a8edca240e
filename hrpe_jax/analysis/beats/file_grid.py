"""Whether notes were played to the file's own beats, and where on its grid the beats lie.

A sequencer counts quarters; what was recorded without it, or transcribed from sound, ignores them. On the
unit circle, where a turn is a fraction of a quarter, the onsets of the former lie together and those of the
latter all around. The tempo of a file may be right and its beats still begin anywhere (audio laid under a
sequencer's clock), so the phase is found too: notes that begin on beats are longer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hrpe_jax.analysis.beats.track import MAX_HELD, NoteTable

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
