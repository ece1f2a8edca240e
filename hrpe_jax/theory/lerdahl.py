"""Distances between chords by tonal pitch space (F. Lerdahl, Tonal Pitch Space, Oxford, 2001, ch. 2).

A chord in a key is a *basic space* of five levels, each within the next: root; root and fifth; chord tones;
diatonic collection; all twelve. The distance from chord x in key R to chord y in key S is i + j + k:

    i   steps on the circle of fifths between the diatonic collections of R and S
    j   steps on the circle of fifths *within* a collection (C G D A E B F C) between the roots
    k   pitch classes, level by level, of y's basic space that x's does not have

so that in C major I to V is 0 + 1 + 4 = 5 and I to ii is 0 + 2 + 6 = 8. The rule holds within a key and
between a key and its *pivot* keys, those of its diatonic triads and its parallel; farther chords are reached
through the tonics of pivot keys, by the shortest path.

Where the book leaves a choice: a minor key has the natural collection, with the leading tone in place of the
seventh under a chord that holds the leading tone; seventh chords have all their tones on the third level, so
that a distance to a chord of more tones is larger than the one back.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import MAJOR_SCALE, MINOR_SCALE, Key
from hrpe_jax.theory.quality import INTERVALS

KEYS = tuple(Key.from_index(index) for index in range(24))
# Semitones from the tonic to the tonics of pivot keys: of the same mode, and of the other one.
_PIVOTS = {"major": ((5, 7), (0, 2, 4, 9)), "minor": ((5, 7), (0, 3, 8, 10))}


def collection(chord: Chord, key: Key) -> tuple[int, ...]:
    """The diatonic collection of a key under a chord: seven pitch classes from the tonic up.

    Raises:
        ValueError: the chord is not in the key.
    """
    scale = list(MAJOR_SCALE if key.mode == "major" else MINOR_SCALE)
    if key.mode == "minor" and (key.tonic + 11) % 12 in chord.pitch_classes:
        scale[6] = 11
    pitch_classes = tuple((key.tonic + step) % 12 for step in scale)
    if chord.is_none or not chord.pitch_classes <= set(pitch_classes):
        raise ValueError(f"chord {chord}: not in the key of {key.name}; expected a chord of its scale")
    return pitch_classes


@cache
def basic_space(chord: Chord, key: Key) -> tuple[frozenset[int], ...]:
    """The four levels that differ between chords: root, fifth, chord, diatonic; each holds those before.

    Raises:
        ValueError: the chord is not in the key.
    """
    tones = INTERVALS[chord.quality]
    fifth = next((step for step in (7, 6, 8) if step in tones), 0)
    return (
        frozenset({chord.root}),
        frozenset({chord.root, (chord.root + fifth) % 12}),
        chord.pitch_classes,
        frozenset(collection(chord, key)),
    )


def regional_steps(x: Key, y: Key) -> int:
    """i: steps on the circle of fifths between two keys' signatures, 0 to 6."""
    signatures = [(key.tonic if key.mode == "major" else key.tonic + 3) * 7 for key in (x, y)]
    steps = (signatures[1] - signatures[0]) % 12
    return min(steps, 12 - steps)


def chordal_steps(x: int, y: int, scale: tuple[int, ...]) -> int:
    """j: steps on the circle of fifths within a collection between two of its pitch classes, 0 to 3."""
    # A fifth is four steps of the scale, and 4 * 2 = 1 modulo 7.
    steps = (scale.index(y) - scale.index(x)) * 2 % 7
    return min(steps, 7 - steps)


@cache
def pivots(key: Key) -> tuple[Key, ...]:
    """The keys that the rule reaches from a key in one step: itself, then its pivot keys."""
    same, other = _PIVOTS[key.mode]
    return (
        key,
        *(Key((key.tonic + step) % 12, key.mode) for step in same),
        *(Key((key.tonic + step) % 12, "minor" if key.mode == "major" else "major") for step in other),
    )


@cache
def rule(x: Chord, x_key: Key, y: Chord, y_key: Key) -> int | None:
    """Distance i + j + k by one application of the rule; None where it does not reach.

    It does not reach between keys that are no pivots of each other, nor where neither collection holds both
    roots.

    Raises:
        ValueError: a chord is not in its key.
    """
    before, after = basic_space(x, x_key), basic_space(y, y_key)
    if y_key not in pivots(x_key):
        return None
    scales = [collection(x, x_key), collection(y, y_key)]
    j = [chordal_steps(x.root, y.root, scale) for scale in scales if {x.root, y.root} <= set(scale)]
    if not j:
        return None
    k = sum(len(new - old) for old, new in zip(before, after, strict=True))
    return regional_steps(x_key, y_key) + min(j) + k


def tonic(key: Key) -> Chord:
    """The tonic triad of a key."""
    return Chord(key.tonic, "maj" if key.mode == "major" else "min")


@cache
def key_distances() -> np.ndarray:
    """Distances between the tonics of all keys along the shortest paths of pivot keys: ints `[24, 24]`."""
    table = np.array([[_or_far(rule(tonic(a), a, tonic(b), b)) for b in KEYS] for a in KEYS])
    for via in range(24):
        table = np.minimum(table, table[:, via, None] + table[via])
    table.setflags(write=False)
    return table


def distance(x: Chord, x_key: Key, y: Chord, y_key: Key) -> int:
    """Distance from chord x in one key to chord y in another, near or far.

    Raises:
        ValueError: a chord is not in its key.
    """
    through = _through(_to_tonics(x, (x_key,)), _from_tonics(y, (y_key,)))
    return min(_or_far(rule(x, x_key, y, y_key)), through)


@cache
def keys_of(chord: Chord) -> tuple[Key, ...]:
    """The keys that hold a chord."""
    found = []
    for key in KEYS:
        try:
            collection(chord, key)
        except ValueError:
            continue
        found.append(key)
    return tuple(found)


def least_distance(x: Chord, y: Chord) -> int:
    """Distance from x to y where no key is given: the least over the keys that hold them.

    Lerdahl's principle of the shortest path: a listener takes the interpretation with the least distance.

    Raises:
        ValueError: no key holds one of them.
    """
    for chord in (x, y):
        if not keys_of(chord):
            raise ValueError(f"chord {chord}: no key holds its notes; expected a chord of some scale")
    direct = [rule(x, a, y, b) for a in keys_of(x) for b in keys_of(y) if b in pivots(a)]
    through = _through(_to_tonics(x, keys_of(x)), _from_tonics(y, keys_of(y)))
    return min([through, *map(_or_far, direct)])


_FAR = 1000


def _or_far(steps: int | None) -> int:
    return _FAR if steps is None else steps


def _through(there: np.ndarray, back: np.ndarray) -> int:
    """The least sum of a step to a tonic, the way between tonics, and a step from a tonic."""
    return int((there[:, None] + key_distances() + back).min())


@cache
def _to_tonics(chord: Chord, keys: tuple[Key, ...]) -> np.ndarray:
    """The least distance from a chord in any of some keys to each tonic in one step."""
    steps = np.full(24, _FAR)
    for key in keys:
        for to in pivots(key):
            steps[to.index] = min(steps[to.index], _or_far(rule(chord, key, tonic(to), to)))
    return steps


@cache
def _from_tonics(chord: Chord, keys: tuple[Key, ...]) -> np.ndarray:
    """The same from each tonic to the chord."""
    steps = np.full(24, _FAR)
    for key in keys:
        for start in pivots(key):
            steps[start.index] = min(steps[start.index], _or_far(rule(tonic(start), start, chord, key)))
    return steps
