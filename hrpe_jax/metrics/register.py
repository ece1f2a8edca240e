"""How high and how wide a melody lies."""

from __future__ import annotations

import numpy as np

from hrpe_jax.metrics.arrays import Music, sung

OCTAVE = 12


def range_semitones(music: Music) -> float:
    """How many semitones lie between the lowest and the highest note of a melody.

    Formula: max pitch - min pitch
    Range: 0..127 semitones; not defined without melody. It grows with the length.
    Direction: closest to real music.
    Source: the pitch range of Dong et al., "MusPy", ISMIR 2020.
    """
    return float(np.ptp(sung(music).pitch))


def is_wide(music: Music, octaves: int = 2) -> float:
    """Whether a melody spans so many octaves or more.

    Formula: 1 where max pitch - min pitch >= 12 octaves, else 0
    Range: 0 or 1; the mean over pieces is a share. Not defined without melody.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: the melody.
        octaves: few voices have two.
    """
    return float(range_semitones(music) >= OCTAVE * octaves)


def register_drift(music: Music) -> float:
    """How far the register moves from bar to bar.

    Formula: standard deviation over the bars with notes of the mean pitch of their notes
    Range: 0 semitones and up; not defined without melody.
    Direction: closest to real music.
    Source: this project.
    """
    piece = sung(music)
    count = np.bincount(piece.bar, minlength=piece.bars)
    total = np.bincount(piece.bar, piece.pitch, minlength=piece.bars)
    return float((total[count > 0] / count[count > 0]).std())


def median_pitch(music: Music) -> float:
    """The middle of the melody's pitches.

    Formula: median of the MIDI numbers of its notes
    Range: 0..127; not defined without melody.
    Direction: closest to real music.
    Source: this project.
    """
    return float(np.median(sung(music).pitch))
