"""Chords under a melody that has none: which harmony it could be sung over, not what anyone wrote.

A hidden Markov model over beats. The states are the commonest chords of a key, relative to its tonic, a set
for each mode; what they say is the pitch classes that sound, by their length; how likely they change depends
on where the beat lies in its bar. The tables are counts of songs with melody and chords, made by
`tools/fit/melody_chords.py`, whose `--measure` tells how often the chords are those of the lead sheet.

Reference: I. Simon, D. Morris and S. Basu, "MySong: Automatic Accompaniment Generation for Vocal Melodies",
CHI 2008, which finds chords with a hidden Markov model likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from hrpe_jax.analysis.fitted import read_fitted
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord

MIN_NOTES, MIN_PITCH_CLASSES = 8, 3
"""A melody of fewer notes, or of fewer different pitch classes, says nothing about chords."""
STRUCK = 0.5
"""How much more a note counts in the beat on which it is struck."""
BAR, MIDDLE, ELSEWHERE = range(3)
"""Places of a beat: the first of a bar, the one in its middle, any other."""


@dataclass(frozen=True)
class Harmony:
    """The chords of one mode; probabilities are natural logarithms.

    Attributes:
        chords: (semitones above the tonic, quality) of each state.
        begin: `[states]` that a song begins with it.
        follow: `[states, states]` that a change leads from a state (row) to another.
        sound: `[states, 12]` that what sounds over it has this pitch class, in semitones above the tonic.
        change: `[3]` that the chord changes on a beat of each place.
    """

    chords: tuple[tuple[int, str], ...]
    begin: np.ndarray
    follow: np.ndarray
    sound: np.ndarray
    change: np.ndarray

    @classmethod
    def of(cls, tables: Mapping[str, Any]) -> Harmony:
        """Makes one of the tables of a mode in `melody_chords.json`."""
        chords = tuple((int(degree), str(quality)) for degree, quality in tables["chords"])
        begin, follow, sound, change = (
            np.array(tables[name], float) for name in ("begin", "follow", "sound", "change")
        )
        return cls(chords, begin, follow, sound, change)


@cache
def harmonies() -> dict[str, Harmony]:
    """By mode the chords that were counted by `tools/fit/melody_chords.py`."""
    return {mode: Harmony.of(tables) for mode, tables in read_fitted("melody_chords").items()}


def find_melody_chords(score: Score) -> tuple[ChordSpan, ...]:
    """Chords that fit a melody.

    Args:
        score: its melody, key, meter and bars are used, its chords are not.

    Returns:
        Triads and dominant sevenths from the first bar to the end of the melody, each in root position; none
        where `too_little` has a reason.

    Example:
        >>> from hrpe_jax.theory.key import Key
        >>> from hrpe_jax.theory.meter import Meter
        >>> pitches = [60, 64, 67, 64, 65, 69, 72, 69, 67, 71, 74, 71, 72, 67, 64, 60]
        >>> melody = [Note(12 * place, 12, pitch) for place, pitch in enumerate(pitches)]
        >>> score = Score("a", "A", Key.parse("C major"), Meter(4, 4), 120.0, tuple(melody), ())
        >>> [str(span.chord) for span in find_melody_chords(score)]
        ['C:maj', 'F:maj', 'G:7', 'C:maj']
    """
    if too_little(score.melody):
        return ()
    harmony = harmonies()[score.key.mode]
    grid, place = beats(score)
    path = _likeliest(melody_chroma(score, grid), place, harmony)
    edges = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    spans = []
    for first, last in pairwise(edges):
        degree, quality = harmony.chords[path[first]]
        root = (degree + score.key.tonic) % 12
        begin, end = int(grid[first]), int(grid[last])
        spans.append(ChordSpan(begin, end - begin, Chord(root, quality, root)))
    return tuple(spans)


def too_little(melody: Sequence[Note]) -> str:
    """Why a melody says nothing about chords, "" where it does."""
    if len(melody) < MIN_NOTES:
        return f"its melody has fewer than {MIN_NOTES} notes"
    if len({note.pitch % 12 for note in melody}) < MIN_PITCH_CLASSES:
        return f"its melody has fewer than {MIN_PITCH_CLASSES} different pitch classes"
    return ""


def beats(score: Score) -> tuple[np.ndarray, np.ndarray]:
    """Beats of the bars up to the end of the melody.

    Returns:
        int64 `[beats + 1]` the ticks at which they begin, and the end; int64 `[beats]` their places.
    """
    beat, end = score.meter.beat_ticks, max((note.end for note in score.melody), default=0)
    starts = [start for start in score.bar_starts() if start < end]
    ticks: list[int] = []
    places: list[int] = []
    for start, stop in pairwise([*starts, starts[-1] + score.meter.bar_ticks]):
        count = -(-(stop - start) // beat)
        ticks += range(start, stop, beat)
        places += [
            BAR if not n else MIDDLE if count % 2 == 0 and 2 * n == count else ELSEWHERE for n in range(count)
        ]
    return np.array([*ticks, starts[-1] + score.meter.bar_ticks]), np.array(places)


def melody_chroma(score: Score, grid: np.ndarray) -> np.ndarray:
    """How long each pitch class above the tonic sounds in each beat, in beats, float64 `[beats, 12]`."""
    notes = np.array([(note.onset, note.end, note.pitch) for note in score.melody], np.int64)
    onset, end, pitch = notes[:, 0], notes[:, 1], (notes[:, 2] - score.key.tonic) % 12
    chroma = np.zeros((len(grid) - 1, 12))
    first = np.searchsorted(grid, onset, side="right") - 1
    struck = np.where(grid[first] == onset, 1 + STRUCK, 1.0)
    for step in range(int((np.searchsorted(grid, end, side="left") - first).max())):
        at = np.minimum(first + step, len(chroma) - 1)
        ticks = np.minimum(end, grid[at + 1]) - np.maximum(onset, grid[at])
        heard = (ticks > 0) & (first + step < len(chroma))
        weight = ticks / score.meter.beat_ticks * (struck if step == 0 else 1.0)
        np.add.at(chroma, (at[heard], pitch[heard]), weight[heard])
    return chroma


def _likeliest(chroma: np.ndarray, place: np.ndarray, harmony: Harmony) -> np.ndarray:
    """The likeliest states, int64 `[beats]` (Viterbi)."""
    heard = chroma @ harmony.sound.T
    stay = np.log1p(-np.exp(harmony.change))
    moves = harmony.change[:, None, None] + harmony.follow
    states = np.arange(len(harmony.chords))
    moves[:, states, states] = stay[:, None]
    best, came = harmony.begin + heard[0], np.zeros(heard.shape, np.int64)
    for beat in range(1, len(heard)):
        ways = best[:, None] + moves[place[beat]]
        came[beat] = ways.argmax(axis=0)
        best = ways.max(axis=0) + heard[beat]
    path = np.zeros(len(heard), np.int64)
    path[-1] = best.argmax()
    for beat in range(len(heard) - 1, 0, -1):
        path[beat - 1] = came[beat, path[beat]]
    return path
