"""Fitted weights of the chord finder for songs.

Those of `POP` are printed by

    python tools/fit_chords.py --input=POP909 --splits=pop909.json

from 100 training songs. `FULL` adds the qualities that POP909's labels do not have.
"""

from __future__ import annotations

from hrpe_jax.analysis.chords.segments import ROLES, SegmentParams

_QUALITIES = (
    ("maj", -1.16, 1.74),
    ("min", -1.40, 1.21),
    ("dim", -2.25, 0.16),
    ("aug", -0.98, -0.65),
    ("maj6", -2.42, -1.41),
    ("min6", -2.54, -2.43),
    ("7", -2.02, -1.10),
    ("maj7", -1.76, -1.10),
    ("min7", -1.38, -1.61),
    ("minmaj7", -2.64, -2.70),
    ("dim7", -2.49, -2.73),
    ("hdim7", -2.67, -2.06),
    ("sus2", -1.66, 0.80),
    ("sus4", -2.30, 0.98),
    ("7sus4", -1.68, -1.68),
)
_MEMBER = (
    (0.77, 1.99, 0.87, 2.34, 0.77, 0.76, 0.00),  # cover
    (1.16, 0.52, 1.42, 0.93, 1.26, 1.83, 0.00),  # presence
    (1.54, 0.18, -0.39, -0.69, 1.14, -1.80, 0.00),  # bass
    (-1.06, -1.16, -1.42, -1.39, -0.80, -1.45, 0.00),  # first
)
_FOREIGN_MAJOR = (
    (0.00, -1.73, -1.57, -2.50, -1.33, -1.31, -1.74, -1.10, -1.96, -1.67, -1.64, -1.35),  # cover
    (0.00, -2.07, -1.93, -1.55, -1.33, -1.61, -1.72, -1.77, -1.64, -0.98, -1.82, -1.63),  # presence
    (0.00, -1.44, -1.46, -2.00, -1.43, -1.12, -1.50, -0.55, -1.95, -1.35, -0.65, -3.58),  # bass
    (0.00, -0.28, -0.66, -2.45, -2.22, -0.98, -0.53, -0.73, -2.44, -2.03, -0.65, -0.61),  # first
)
_FOREIGN_MINOR = (
    (0.00, -1.54, -1.89, 0.00, -2.24, -0.48, -1.61, -1.55, -0.82, -1.55, -1.45, -1.89),  # cover
    (0.00, -1.37, -1.92, 0.00, -2.91, -1.66, -2.13, -2.01, -0.90, -1.65, -1.26, -2.66),  # presence
    (0.00, -2.13, -1.02, 0.00, -0.99, -2.11, -1.54, -0.50, -3.41, -1.18, -2.04, -1.95),  # bass
    (0.00, -0.44, -0.44, 0.00, -1.08, -2.16, -0.40, -0.49, -0.75, -1.16, -0.84, -0.76),  # first
)
_NONE = (4.00, 1.32, -3.24, -2.48)
_BEGIN = (-0.02, -0.40, -2.99)

POP = SegmentParams(_QUALITIES, _MEMBER, _FOREIGN_MAJOR, _FOREIGN_MINOR, _NONE, _BEGIN)
"""The 15 qualities of POP909."""

_ADDED = (0.9, 1.9, -0.8, -1.0)
"""Weights of an added ninth or higher: by the side of the sixth's, the nearest that was fitted."""

# Quality, the nearest fitted one, and how much rarer it is taken to be, a chord and a slot. A note is worth
# about 6 a slot where it sounds all the time: each added note must be heard in more than half of it, as the
# fitted sevenths must. A power chord needs a whole bar without any third: most bare fifths are of chords
# whose third was heard before.
_RARER = (
    ("5", "maj", 1.2, -0.32), ("add9", "maj", 0.5, 3.6), ("minadd9", "min", 0.5, 3.6), ("9", "7", 0.5, 3.3),
    ("maj9", "maj7", 0.5, 3.3), ("min9", "min7", 0.5, 3.3), ("11", "7", 1.0, 6.6), ("13", "7", 1.0, 6.6),
    ("min11", "min7", 1.0, 6.6), ("maj13", "maj7", 1.0, 6.6), ("7b9", "7", 0.5, 3.6), ("7#9", "7", 0.5, 3.6),
    ("7#11", "7", 0.5, 3.6), ("7#5", "7", 0.5, 2.0), ("6/9", "maj6", 0.5, 3.3), ("maj7#5", "maj7", 0.5, 2.0),
    ("9sus4", "7sus4", 0.5, 3.3),
)  # fmt: skip


def _with_rarer() -> tuple[tuple[str, float, float], ...]:
    known = {name: (chord, slot) for name, chord, slot in _QUALITIES}
    rarer = [(name, known[near][0] - a, known[near][1] - b) for name, near, a, b in _RARER]
    return (*_QUALITIES, *rarer)


FULL = SegmentParams(
    _with_rarer(),
    tuple((*row[: ROLES.index("added")], added) for row, added in zip(_MEMBER, _ADDED, strict=True)),
    _FOREIGN_MAJOR,
    _FOREIGN_MINOR,
    _NONE,
    _BEGIN,
)
"""All 32 qualities of the vocabulary; the rarer ones by hand, where every note of theirs is clear."""
