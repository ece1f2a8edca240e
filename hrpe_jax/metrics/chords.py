"""How the chords of a piece follow each other.

Labels are root and fine quality (32 of them), no bass; no-chord is left out; a chord that is written again
is the same chord still. None of these is better when higher: compare with the same number on real music.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.metrics.arrays import Music, Undefined, piece_of
from hrpe_jax.metrics.bars import bar_ids
from hrpe_jax.theory.tonal_space import tonal_centroid

CENTROIDS = np.stack([tonal_centroid([pitch_class]) for pitch_class in range(12)])
"""Tonal centroid of each pitch class, float64 `[12, 6]`."""


def centroids(tones: np.ndarray) -> np.ndarray:
    """Tonal centroids of pitch-class sets.

    Formula: zeta(S) = 1/|S| sum_p [sin 7 pi p/6, cos 7 pi p/6, sin 3 pi p/2, cos 3 pi p/2,
        (1/2) sin 2 pi p/3, (1/2) cos 2 pi p/3]
    Source: Harte, Sandler and Gasser, "Detecting Harmonic Change in Musical Audio", AMCMM 2006.

    Args:
        tones: bool `[..., 12]`.

    Returns:
        float64 `[..., 6]`.
    """
    return tones @ CENTROIDS / np.maximum(tones.sum(axis=-1, keepdims=True), 1)


def chord_progression_irregularity(music: Music, drop_last: bool = False, as_written: bool = False) -> float:
    """CPI: how many of the chord trigrams of a piece are different ones.

    Formula: unique trigrams of chord changes / trigrams of chord changes
    Range: above 0, to 1 (no progression comes twice); not defined with fewer than three changes.
    Direction: closest to real music.
    Source: Wu and Yang, "The Jazz Transformer on the Front Line", ISMIR 2020.

    Args:
        music: the chords.
        drop_last: leave the last trigram out, as the authors' program does.
        as_written: take every chord as it is written, as that program does, also where it is the one before.
    """
    piece = piece_of(music)
    labels = piece.chord if as_written else piece.chord[piece.changes]
    trigrams = np.stack([labels[:-2], labels[1:-1], labels[2:]], axis=1) if len(labels) > 2 else labels[:0]
    trigrams = trigrams[:-1] if drop_last else trigrams
    if not len(labels):
        raise Undefined(piece.no_chords)
    if not len(trigrams):
        raise Undefined("it has too few chord changes for a trigram")
    return len(np.unique(trigrams @ (384**2, 384, 1))) / len(trigrams)


def chord_coverage(music: Music) -> float:
    """CC: how many different chords a piece has.

    Formula: the number of distinct chords, root and fine quality
    Range: 1 and up; not defined without chords. It grows with the length.
    Direction: closest to real music.
    Source: Yeh et al., "Automatic Melody Harmonization with Triad Chords", Journal of New Music Research
        50(1), 2021.
    """
    piece = piece_of(music)
    if not len(piece.chord):
        raise Undefined(piece.no_chords)
    return float(len(np.unique(piece.chord)))


def chord_tonal_distance(music: Music) -> float:
    """CTD: how far apart adjacent chords are.

    Formula: the mean over adjacent different chords of the Euclidean distance of their tonal centroids
    Range: 0..about 2; not defined with fewer than two different chords in a row.
    Direction: closest to real music.
    Source: Yeh et al., "Automatic Melody Harmonization with Triad Chords", Journal of New Music Research
        50(1), 2021; centroids of Harte et al., 2006 (a public copy of the first takes the cosine twice).
    """
    piece = piece_of(music)
    if not len(piece.chord):
        raise Undefined(piece.no_chords)
    points = centroids(piece.chord_tones[piece.changes])
    if len(points) < 2:
        raise Undefined("it has no two different chords in a row")
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).mean())


def changes_on_bar_line(music: Music) -> float:
    """How many of the chord changes fall on a bar line.

    Formula: changes to another chord at the beginning of a bar / changes to another chord; the first chord is
        no change
    Range: 0..1; not defined without a change.
    Direction: closest to real music of the same meter.
    Source: this project.
    """
    piece = piece_of(music)
    at = piece.chord_onset[piece.changes[1:]]
    if not len(at):
        raise Undefined("its chord never changes" if len(piece.chord) else piece.no_chords)
    return float(np.isin(at, piece.starts).mean())


def chord_return(music: Music, lag: int) -> float:
    """How many bars have the chords of the bar so many bars before.

    Formula: bars b >= lag with the same chord on each beat as bar b - lag / bars b >= lag with chords
    Range: 0..1; not defined where no bar after the first `lag` has chords.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the chords.
        lag: bars.
    """
    ids = bar_ids(piece_of(music), "chords")
    heard = ids[lag:] >= 0
    if not heard.any():
        raise Undefined(f"no bar after the first {lag} has chords")
    return float((ids[lag:] == ids[: max(len(ids) - lag, 0)])[heard].mean())
