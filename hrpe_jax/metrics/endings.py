"""How a piece begins and ends, and the chords on which its phrases end."""

from __future__ import annotations

from typing import Literal

import numpy as np

from hrpe_jax.metrics.arrays import Music, Piece, Undefined, sung
from hrpe_jax.metrics.bars import chord_at
from hrpe_jax.metrics.phrases import ending_notes, first_notes

_TRIAD = {"major": (0, 4, 7), "minor": (0, 3, 7)}
HELD_BEATS = 2
LAST_BARS, IN_KEY = 16, 0.9
"""POP909's songs with one key throughout have 0.95 or more of their last 16 bars in its scale; of those that
change their key, four in five have less than this."""


def begins_at_once(music: Music) -> float:
    """Whether the melody begins in the first bar, or in a pickup to it.

    Formula: 1 where a note begins before the end of the first full bar, else 0
    Range: 0 or 1; the mean over pieces is a share. Not defined without melody.
    Direction: closest to real music.
    Source: this project.
    """
    piece = sung(music)
    full = np.flatnonzero(piece.lengths == piece.meter.bar_ticks)
    return float(piece.bar[0] <= (full[0] if len(full) else 0))


def beats_before_melody(music: Music) -> float:
    """How many beats pass before the first note of the melody.

    Formula: onset of the first note / length of a beat
    Range: 0 and up; not defined without melody.
    Direction: closest to real music.
    Source: this project.
    """
    piece = sung(music)
    return float(piece.onset[0]) / piece.meter.beat_ticks


Final = Literal["note", "triad", "chord", "held"]


def final_note(music: Music, what: tuple[Final, ...] = ("note",)) -> float:
    """Whether the last note of the melody ends the piece.

    Formula: 1 where all that is asked holds, else 0. "note": its pitch class is the tonic. "triad": it is in
        the tonic triad. "chord": the chord under its end, or the last one before, has the tonic as its root.
        "held": it lasts two beats or more.
    Range: 0 or 1; the mean over pieces is a share. Not defined without melody, without chords for "chord",
        and for songs that end in another key than their own: where less than 0.9 of the last 16 bars is in
        the scale.
    Direction: closest to real music.
    Source: this project.

    Args:
        music: melody, chords and key.
        what: what must hold.
    """
    piece = sung(music)
    if what != ("held",) and _in_key_at_end(piece) < IN_KEY:
        raise Undefined("it ends in another key than its own")
    degree = int(piece.pitch[-1] - piece.tonic) % 12
    holds = {
        "note": degree == 0,
        "triad": degree in _TRIAD[piece.mode],
        "held": bool(piece.duration[-1] >= HELD_BEATS * piece.meter.beat_ticks),
    }
    if "chord" in what:
        if not len(piece.chord):
            raise Undefined(piece.no_chords)
        under = np.searchsorted(piece.chord_onset, piece.onset[-1] + piece.duration[-1], side="left") - 1
        holds["chord"] = int(piece.chord[max(under, 0)]) % 12 == piece.tonic
    return float(all(holds[name] for name in what))


def cadence_share(music: Music, degree: int, at: Literal["begin", "end"]) -> float:
    """How many phrases begin, or end, over a chord of this degree.

    Formula: phrases whose first (last) note begins over a chord whose root is so many semitones above the
        tonic / phrases whose first (last) note begins over a chord
    Range: 0..1; not defined where no such note is over a chord.
    Direction: closest to real music.
    Source: this project; phrases by `phrases.ending_notes`.

    Args:
        music: melody, chords and key.
        degree: semitones of the chord's root above the tonic: 0 is I, 7 is V.
        at: the first or the last note of phrases.
    """
    piece = sung(music)
    notes = first_notes(piece) if at == "begin" else ending_notes(piece)
    roots = chord_at(piece, piece.onset[notes])
    roots = roots[roots >= 0] % 12
    if not len(roots):
        raise Undefined("no phrase is over a chord" if len(piece.chord) else piece.no_chords)
    return float(((roots - piece.tonic) % 12 == degree).mean())


def _in_key_at_end(piece: Piece) -> float:
    """How much of the melody's last bars, by duration, is in the scale."""
    last = piece.bar > piece.bar[-1] - LAST_BARS
    return float(np.average(piece.scale[piece.pitch[last] % 12], weights=piece.duration[last]))
