"""The chord that a set of notes struck together spells."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.quality import INTERVALS, NO_CHORD, QUALITIES

_RANK = {INTERVALS[quality]: rank for rank, quality in enumerate(QUALITIES) if quality != NO_CHORD}


def exact_chord(pitches: Collection[int]) -> Chord | None:
    """The chord of the vocabulary with exactly these notes, or these and a foreign bass; None without one.

    Where several chords have the same notes (C6 and Am7), the one on the bass wins, then the simpler one;
    a bass foreign to every reading is a slash.

    Args:
        pitches: MIDI numbers of the notes, in any order.
    """
    if not pitches:
        return None
    bass = min(pitches) % 12
    return _exact(frozenset(pitch % 12 for pitch in pitches), bass)


def name_block(pitches: Collection[int]) -> Chord:
    """As `exact_chord`, or the nearest chord on the bass where there is none; at least one note."""
    chord = exact_chord(pitches)
    if chord is not None:
        return chord
    bass = min(pitches)
    return Chord.from_intervals(bass % 12, [pitch - bass for pitch in pitches])


@lru_cache(maxsize=4096)
def _exact(classes: frozenset[int], bass: int) -> Chord | None:
    return _with_bass(classes, bass) or (_with_bass(classes - {bass}, bass) if len(classes) > 3 else None)


def _with_bass(classes: frozenset[int], bass: int) -> Chord | None:
    """The best reading of some pitch classes over a bass that need not be one of them."""
    readings: list[tuple[bool, int, int]] = []
    for root in classes:
        rank = _RANK.get(frozenset((pitch - root) % 12 for pitch in classes))
        if rank is not None:
            readings.append((root != bass, rank, root))
    if not readings:
        return None
    _, rank, root = min(readings)
    return Chord(root, QUALITIES[rank], bass)
