"""The 32 chord qualities of the vocabulary, and the nearest of them to any set of intervals.

The 15 qualities of POP909 come first among those in use there; the rest are what lead sheets ask for. No two
qualities have the same notes, so that a quality and its set of intervals name each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

_TONES: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "maj6": (0, 4, 7, 9),
    "min6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "minmaj7": (0, 3, 7, 11),
    "dim7": (0, 3, 6, 9),
    "hdim7": (0, 3, 6, 10),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "7sus4": (0, 5, 7, 10),
    "5": (0, 7),
    "add9": (0, 4, 7, 14),
    "minadd9": (0, 3, 7, 14),
    "9": (0, 4, 7, 10, 14),
    "maj9": (0, 4, 7, 11, 14),
    "min9": (0, 3, 7, 10, 14),
    "11": (0, 4, 7, 10, 14, 17),
    "13": (0, 4, 7, 10, 14, 21),
    "min11": (0, 3, 7, 10, 14, 17),
    "maj13": (0, 4, 7, 11, 14, 21),
    "7b9": (0, 4, 7, 10, 13),
    "7#9": (0, 4, 7, 10, 15),
    "7#11": (0, 4, 7, 10, 18),
    "7#5": (0, 4, 8, 10),
    "6/9": (0, 4, 7, 9, 14),
    "maj7#5": (0, 4, 8, 11),
    "9sus4": (0, 5, 7, 10, 14),
}

QUALITIES: tuple[str, ...] = tuple(_TONES)
"""Fine qualities in vocabulary order. The order is part of every stored token id: never reorder."""

NO_CHORD = "N"
"""Quality of the chord that is not there."""

CHORD_TONES: dict[str, tuple[int, ...]] = {**_TONES, NO_CHORD: ()}
"""Semitones over the root in stacking order: root, third or suspension, fifth, seventh, ninth (14) ..."""

INTERVALS: dict[str, frozenset[int]] = {
    quality: frozenset(tone % 12 for tone in tones) for quality, tones in CHORD_TONES.items()
}
"""The same folded into one octave."""

COARSE_NAMES = (
    "major", "minor", "diminished", "augmented", "dominant 7th", "major 7th", "minor 7th",
    "half- or fully diminished 7th", "suspended or other", "no chord",
)  # fmt: skip
"""What the ten values of `coarse_quality` mean."""

_FAMILIES = (
    ("maj", "maj6", "add9", "6/9"),
    ("min", "min6", "minadd9"),
    ("dim",),
    ("aug",),
    ("7", "9", "11", "13", "7b9", "7#9", "7#11", "7#5"),
    ("maj7", "maj9", "maj13", "maj7#5"),
    ("min7", "min9", "min11", "minmaj7"),
    ("dim7", "hdim7"),
    ("sus2", "sus4", "7sus4", "5", "9sus4"),
    (NO_CHORD,),
)
_COARSE = {quality: code for code, family in enumerate(_FAMILIES) for quality in family}


def coarse_quality(quality: str) -> int:
    """The `quality_code` of a fine quality: 0-8 by `COARSE_NAMES`, 9 for no chord.

    Raises:
        ValueError: if there is no such quality.
    """
    try:
        return _COARSE[quality]
    except KeyError:
        raise ValueError(f"chord quality {quality!r}: expected one of {', '.join(QUALITIES)} or N") from None


# How much it matters that a note of the label is missing from the quality, by interval: the third and seventh
# make the chord what it is, altered fifths nearly as much, sixths and ninths are colour.
_MISSING = {0: 9.0, 1: 1.5, 2: 1.0, 3: 4.0, 4: 4.0, 5: 1.1, 6: 1.5, 7: 2.0, 8: 1.5, 9: 1.6, 10: 3.0, 11: 3.0}
# ... and that the quality has a note that the label does not: a fifth is left out freely, a seventh changes
# the chord.
_ADDED = {0: 9.0, 1: 2.0, 2: 0.8, 3: 4.0, 4: 4.0, 5: 1.5, 6: 2.0, 7: 0.5, 8: 2.0, 9: 1.8, 10: 3.6, 11: 3.6}


def nearest_quality(intervals: Iterable[int]) -> str:
    """The fine quality whose notes come nearest to a set of intervals over the root.

    Missing and added notes are weighed by their part in the chord, so that an unknown label loses colour
    before it loses its family: C7(b9,#11) -> 7b9, C:min13 -> min11, C:(1,4,b7) -> 7sus4. A bare root is a
    power chord.

    Args:
        intervals: semitones over the root, any octave; the root itself is understood.

    Returns:
        One of `QUALITIES`; exact wherever the notes are those of a quality.

    Example:
        >>> nearest_quality([0, 4, 7, 10])
        '7'
    """
    return _nearest(frozenset(interval % 12 for interval in intervals) | {0})


@cache  # at most 2^11 answers
def _nearest(wanted: frozenset[int]) -> str:
    third = wanted & {3, 4}
    # With both thirds the minor one is a sharp ninth; without the perfect fifth a tritone or minor sixth is
    # the fifth.
    if third == {3, 4}:
        third = frozenset({4})

    def cost(quality: str) -> tuple[float, int]:
        notes = INTERVALS[quality]
        total = sum(_MISSING[i] for i in wanted - notes) + sum(_ADDED[i] for i in notes - wanted)
        if third and not third <= notes:
            total += 6.0  # never trade major for minor or for a suspension
        if 7 not in wanted:
            total += 2.0 * len({6, 8} & (wanted - notes))
        return total, QUALITIES.index(quality)

    return min(QUALITIES, key=cost)
