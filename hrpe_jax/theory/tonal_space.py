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
from hrpe_jax.theory.lerdahl import least_distance

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
    """Least number of P, L and R steps between two chords, each taken for its nearest triad."""
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
