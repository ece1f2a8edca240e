"""What speaks for a key: what sounds in each bar, and what a piece begins and ends with.

Nothing here knows a key; all is absolute pitch classes, which `hrpe_jax.analysis.keys` looks at from each of
the twelve tonics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.quality import CHORD_TONES

KINDS = 5
"""Kinds of chords: major, dominant seventh, minor, diminished, and without third."""
TONES = 0.5
"""Share of the chords' notes in the sound of a bar, where there are notes besides."""
TOGETHER = 3.0
"""Ticks within which notes begin or end together."""


class KeyFeatures(NamedTuple):
    """What `key_features` returns.

    Attributes:
        sound: [bars, 12] how much each pitch class sounds, in notes and chords; divided by its mean over the
            bars.
        harmony: [bars, KINDS, 12] how long chords of each kind on each root last, likewise.
        first: [KINDS + 1, 12] the first chord, by kind and root, and in the last row the lowest of the first
            notes; ones and zeros.
        last: the same of the end.
    """

    sound: np.ndarray
    harmony: np.ndarray
    first: np.ndarray
    last: np.ndarray


def key_features(
    onset: np.ndarray,
    duration: np.ndarray,
    pitch: np.ndarray,
    chords: Sequence[ChordSpan],
    bars: np.ndarray,
    weight: np.ndarray,
) -> KeyFeatures:
    """What speaks for the key of a piece.

    Args:
        onset: [n] starts in ticks.
        duration: [n] lengths.
        pitch: [n] MIDI numbers.
        chords: sorted spans; there may be none, as there may be no notes.
        bars: [m] increasing places where bars begin, at least one.
        weight: [n] how much each note counts.
    """
    count = len(bars)
    sound, tones = np.zeros((count, 12)), np.zeros((count, 12))
    harmony = np.zeros((count, KINDS, 12))
    first, last = np.zeros((KINDS + 1, 12)), np.zeros((KINDS + 1, 12))
    end = onset + duration
    bar, place, part = _over_bars(onset, end, bars)
    np.add.at(sound, (bar, pitch[place] % 12), part * weight[place])
    if len(pitch):
        first[KINDS, pitch[onset <= onset.min() + TOGETHER].min() % 12] = 1
        last[KINDS, pitch[end >= end.max() - TOGETHER].min() % 12] = 1
    spans = [span for span in chords if not span.chord.is_none]
    if spans:
        begin = np.array([span.onset for span in spans], dtype=np.float64)
        until = np.array([span.onset + span.duration for span in spans], dtype=np.float64)
        kind = np.array([chord_kind(span.chord.quality) for span in spans])
        root = np.array([span.chord.root for span in spans])
        members = np.array([_members(span.chord.quality, span.chord.root) for span in spans])
        bar, place, part = _over_bars(begin, until, bars)
        np.add.at(harmony, (bar, kind[place], root[place]), part)
        np.add.at(tones, bar, part[:, None] * members[place])
        first[kind[0], root[0]] = 1
        last[kind[-1], root[-1]] = 1
    has_notes, has_chords = sound.any(), bool(spans)
    share = TONES if has_notes and has_chords else float(has_chords)
    sound = (1 - share) * _by_mean(sound) + share * _by_mean(tones)
    return KeyFeatures(sound, _by_mean(harmony), first, last)


def _by_mean(table: np.ndarray) -> np.ndarray:
    """[bars, ...] divided by what a bar has on average."""
    return table / max(float(table.sum()) / len(table), 1e-9)


def _over_bars(begin: np.ndarray, end: np.ndarray, bars: np.ndarray) -> tuple[np.ndarray, ...]:
    """Stretches of time cut at bar lines: bar, index of the stretch, and length of each piece."""
    first = np.maximum(np.searchsorted(bars, begin, side="right") - 1, 0)
    last = np.maximum(np.searchsorted(bars, end, side="left") - 1, first)
    pieces = np.minimum(last - first + 1, 64)  # a drone over hundreds of bars need not count in all
    place = np.repeat(np.arange(len(begin)), pieces)
    bar = first[place] + np.arange(len(place)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    after = np.append(bars[1:], np.inf)
    start = np.where(bar == first[place], begin[place], bars[bar])
    return bar, place, np.maximum(np.minimum(end[place], after[bar]) - start, 0.0)


def chord_kind(quality: str) -> int:
    """The kind of a fine chord quality."""
    return _KIND[quality]


def _kind(quality: str) -> int:
    tones = {tone % 12 for tone in CHORD_TONES[quality]}
    if 4 in tones:
        return 1 if 10 in tones else 0
    if 3 in tones:
        return 3 if 6 in tones and 7 not in tones else 2
    return 4


_KIND = {quality: _kind(quality) for quality in CHORD_TONES}
_TONES = {
    quality: np.isin(np.arange(12), [tone % 12 for tone in tones]).astype(float)
    for quality, tones in CHORD_TONES.items()
}


def _members(quality: str, root: int) -> np.ndarray:
    """[12] ones for the notes of a chord."""
    return np.roll(_TONES[quality], root)
