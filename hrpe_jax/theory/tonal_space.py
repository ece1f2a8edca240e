"""Published distances between chords, and one table of each for attention to be compared with.

    lerdahl    tonal pitch space, see `lerdahl`
    tonnetz    least number of neo-Riemannian steps P, L and R between triads (R. Cohn, "Neo-Riemannian
               Operations, Parsimonious Trichords, and Their Tonnetz Representations", J. Music Theory 41,
               1997)
    centroid   Euclidean distance of tonal centroids (C. Harte, M. Sandler and M. Gasser, "Detecting Harmonic
               Change in Musical Audio", ACM AMCMM 2006)
    fourier    distance on the torus of phases of the third and fifth Fourier coefficients of pitch-class sets
               (E. Amiot, "The Torii of Phases", MCM 2013; J. Yust, "Schubert's Harmonic Language and Fourier
               Phase Space", J. Music Theory 59, 2015)
    fifths     steps between the roots on the circle of fifths

All are blind to direction but Lerdahl's towards chords of other sizes, and that is the point: they are what
learned, directed tables are measured against. All depend on the interval between the roots only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
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
    """j: steps on the circle of fifths within a collection between two of its pitch classes, 0 to 3.

    Args:
        x: pitch class.
        y: pitch class.
        scale: pitch classes of the collection.
    """
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

    Args:
        x: the first chord.
        x_key: in which it stands.
        y: the second chord.
        y_key: in which it stands.

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

    Args:
        x: the first chord.
        x_key: in which it stands.
        y: the second chord.
        y_key: in which it stands.

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


REPRESENTATIVES = ("maj", "min", "dim", "aug", "7", "maj7", "min7", "hdim7", "sus4")
"""The fine quality that stands for each coarse quality code 0-8 (`quality.coarse_quality`): the commonest."""

TRIADS = tuple(Chord(root, quality) for quality in ("maj", "min") for root in range(12))
"""The consonant triads: index = root, plus 12 where minor."""

_UNDEFINED_PHASE = math.pi**2 / 3  # mean square of a phase difference of which nothing is known


def tonnetz_neighbours(triad: Chord) -> dict[str, Chord]:
    """The triads that share two notes with a triad, by operation.

    Args:
        triad: major or minor.

    Returns:
        "P": the parallel (C and Cm), "L": the leading-tone exchange (C and Em), "R": the relative (C and Am).
    """
    major = triad.quality == "maj"
    other = "min" if major else "maj"
    roots = {"P": 0, "L": 4 if major else -4, "R": -3 if major else 3}
    return {name: Chord((triad.root + step) % 12, other) for name, step in roots.items()}


@cache
def triad_distances() -> np.ndarray:
    """Least number of P, L and R steps between all consonant triads, by index in `TRIADS`: `[24, 24]`."""
    table = np.full((24, 24), -1)
    for start in range(24):
        table[start, start] = 0
        edge = [start]
        while edge:
            edge = [
                TRIADS.index(near) for index in edge for near in tonnetz_neighbours(TRIADS[index]).values()
                if table[start, TRIADS.index(near)] < 0
            ]  # fmt: skip
            table[start, edge] = table[start].max() + 1
    table.setflags(write=False)
    return table


def nearest_triads(chord: Chord) -> tuple[Chord, ...]:
    """The consonant triads that share most notes with a chord; of several, those on its own root.

    Csus4 has both C and Cm; Cm7 has Cm, not Eb; Cm7b5 has Ebm, whose three notes it holds.
    """
    shared = [len(triad.pitch_classes & chord.pitch_classes) for triad in TRIADS]
    nearest = [triad for triad, count in zip(TRIADS, shared, strict=True) if count == max(shared)]
    return tuple(triad for triad in nearest if triad.root == chord.root) or tuple(nearest)


def tonnetz_distance(x: Chord, y: Chord) -> int:
    """Least number of P, L and R steps between two chords, each taken for its nearest triad.

    Example:
        >>> from hrpe_jax.theory.chord import parse_lead_sheet
        >>> tonnetz_distance(parse_lead_sheet("C"), parse_lead_sheet("Am"))
        1
    """
    pairs = [(TRIADS.index(a), TRIADS.index(b)) for a in nearest_triads(x) for b in nearest_triads(y)]
    return int(min(triad_distances()[pair] for pair in pairs))


def fourier(pitch_classes: Iterable[int]) -> np.ndarray:
    """Fourier coefficients of a pitch-class set: complex `[7]`, k = 0 to 6.

    The magnitude says how well a set fits k equal parts of the octave (5: how diatonic; 3: how much like an
    augmented triad), the phase which one; transposing by t turns it by -2 pi k t / 12. See I. Quinn, "General
    Equal-Tempered Harmony", Perspectives of New Music 44-45, 2006-07.
    """
    notes = np.array(sorted({note % 12 for note in pitch_classes}), int)
    return np.exp(-2j * np.pi * np.outer(np.arange(7), notes) / 12).sum(axis=1)


def phase_distance(x: Chord, y: Chord) -> float:
    """Distance on the torus of phases of coefficients 3 and 5, in radians, 0 to pi sqrt(2).

    A phase that one of them has not (the fifth of an augmented triad) counts as one of which nothing is
    known: the root mean square over the circle, pi / sqrt(3).
    """
    if x.pitch_classes == y.pitch_classes:
        return 0.0
    total = 0.0
    for a, b in zip(fourier(x.pitch_classes)[[3, 5]], fourier(y.pitch_classes)[[3, 5]], strict=True):
        known = min(abs(a), abs(b)) > 1e-9
        total += np.angle(a * np.conj(b)) ** 2 if known else _UNDEFINED_PHASE
    return math.sqrt(total)


def tonal_centroid(pitch_classes: Iterable[int]) -> np.ndarray:
    """The mean of a set's notes on three circles: fifths, minor thirds, and major thirds at half the radius.

    Returns:
        float64 `[6]`, (sine, cosine) on each circle; zeros for no notes. The circles are the Fourier
        coefficients 5, 3 and 4 over the number of notes.
    """
    notes = np.array(sorted({note % 12 for note in pitch_classes}), float)
    if not len(notes):
        return np.zeros(6)
    turns = np.outer(notes, np.array([7 / 6, 3 / 2, 2 / 3]) * np.pi)
    points = np.stack([np.sin(turns), np.cos(turns)], axis=-1) * np.array([1.0, 1.0, 0.5])[:, None]
    return points.mean(axis=0).reshape(6)


def centroid_distance(x: Chord, y: Chord) -> float:
    """Euclidean distance of two chords' tonal centroids."""
    return float(np.linalg.norm(tonal_centroid(x.pitch_classes) - tonal_centroid(y.pitch_classes)))


def fifths_distance(x: Chord, y: Chord) -> int:
    """Steps between two chords' roots on the circle of fifths, 0 to 6."""
    steps = (y.root - x.root) * 7 % 12
    return min(steps, 12 - steps)


DISTANCES = {
    "lerdahl": least_distance,
    "tonnetz": tonnetz_distance,
    "centroid": centroid_distance,
    "fourier": phase_distance,
    "fifths": fifths_distance,
}
"""Each distance by name: (earlier chord, later chord) -> number, in its own unit."""


@cache
def chord_distances() -> dict[str, np.ndarray]:
    """Every distance as a table for attention, divided by its largest entry.

    Returns:
        By name, float32 `[9, 9, 12]` within [0, 1], read-only: entry `[q, k, n]` is the distance from the
        key's chord, of quality code k, to the query's chord, of code q, whose root lies n semitones above the
        key's. Chords have their quality's `REPRESENTATIVES`.
    """
    tables = {}
    for name, distance in DISTANCES.items():
        table = np.array(
            [
                [[distance(Chord(0, key), Chord(n, query)) for n in range(12)] for key in REPRESENTATIVES]
                for query in REPRESENTATIVES
            ],
            np.float32,
        )
        table /= table.max()
        table.setflags(write=False)
        tables[name] = table
    return tables
