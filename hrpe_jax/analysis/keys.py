"""The key of a piece and where it changes, from notes and chords together.

Each bar votes for 24 keys: how long each pitch class sounds and how long each kind of chord lasts on each
degree, weighed by how typical these are of a key (`hrpe_jax.analysis.key_weights`, fitted by
`tools/fit_keys.py`). Where another key is so much better for so long that it pays for the change, the piece
changes: the best path through the bars. Pitch classes tell the signature; chords tell it better, and help to
tell a key from its relative, which has the same notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hrpe_jax.analysis.key_weights import CHORD_WEIGHTS, CLASS_WEIGHTS, MODE_WEIGHTS
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.quality import CHORD_TONES

CHANGE = 50.0
"""Votes that a change of key costs; the right key has some 2.4 more than the next in a bar."""
CHANGE_RELATIVE = 80.0
"""The same between a key and its relative or parallel, which are easily taken for each other."""
SHORTEST = 4
"""Bars that a key holds at least."""
_MOST_BARS = 2000
"""Longer pieces are looked at in groups of bars."""


class Keys(NamedTuple):
    """What `find_keys` returns.

    Attributes:
        key: of the piece: the one that holds longest.
        segments: (place where it begins, key), the first at the first bar.
    """

    key: Key
    segments: tuple[tuple[int, Key], ...]


def find_keys(
    onsets: Sequence[float] | np.ndarray,
    durations: Sequence[float] | np.ndarray,
    pitches: Sequence[int] | np.ndarray,
    chords: Sequence[ChordSpan],
    *,
    bars: Sequence[float] | np.ndarray,
    weights: Sequence[float] | np.ndarray | None = None,
) -> Keys:
    """Find the key, and where it changes.

    Args:
        onsets: [n] starts, in the unit of the bars (ticks).
        durations: [n] lengths.
        pitches: [n] MIDI numbers; leave percussion out. There may be none, where there are chords.
        chords: sorted spans in the same unit; there may be none.
        bars: [m] increasing places where bars begin; notes before the first count with it. Where there is
            none the piece is one bar.
        weights: [n] how much each note counts.

    Returns:
        The key and its changes, at bars. C major for silence.

    Raises:
        ValueError: if lengths differ or bars do not increase.
    """
    onset, duration = np.asarray(onsets, dtype=np.float64), np.asarray(durations, dtype=np.float64)
    pitch = np.asarray(pitches, dtype=np.int64)
    weight = np.ones(len(pitch)) if weights is None else np.asarray(weights, dtype=np.float64)
    starts = np.asarray(bars, dtype=np.float64)
    if not len(onset) == len(duration) == len(pitch) == len(weight):
        raise ValueError("find_keys: onsets, durations, pitches and weights must have one length")
    if (np.diff(starts) <= 0).any():
        raise ValueError("find_keys: bars must increase")
    starts = starts if len(starts) else np.zeros(1)
    starts = starts[:: 1 + len(starts) // _MOST_BARS]
    votes = bar_votes(*bar_features(onset, duration, pitch, chords, starts, weight))
    path = _longer(_viterbi(votes), votes)
    changes = np.flatnonzero(np.diff(path, prepend=-1))
    lengths = np.bincount(path, minlength=24)
    # Of keys that hold equally long, the one that fits the piece better.
    best = int(np.lexsort((votes.sum(axis=0), lengths))[-1])
    segments = tuple((round(float(starts[bar])), Key.from_index(int(path[bar]))) for bar in changes)
    return Keys(Key.from_index(best), segments)


def bar_features(
    onset: np.ndarray,
    duration: np.ndarray,
    pitch: np.ndarray,
    chords: Sequence[ChordSpan],
    bars: np.ndarray,
    weight: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """What sounds in each bar.

    Returns:
        [bars, 12] sound of each pitch class and [bars, kinds, 12] length of chords of each kind (see
        `chord_kind`) on each root, both divided by their mean over the bars.
    """
    count = len(bars)
    sound = np.zeros((count, 12))
    bar, place, part = _over_bars(onset, onset + duration, bars)
    np.add.at(sound, (bar, pitch[place] % 12), part * weight[place])
    harmony = np.zeros((count, KINDS, 12))
    spans = [span for span in chords if not span.chord.is_none]
    if spans:
        begin = np.array([span.onset for span in spans], dtype=np.float64)
        end = np.array([span.onset + span.duration for span in spans], dtype=np.float64)
        kind = np.array([chord_kind(span.chord.quality) for span in spans])
        root = np.array([span.chord.root for span in spans])
        bar, place, part = _over_bars(begin, end, bars)
        np.add.at(harmony, (bar, kind[place], root[place]), part)
    sound /= max(float(sound.sum()) / count, 1e-9)
    harmony /= max(float(harmony.sum()) / count, 1e-9)
    return sound, harmony


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


KINDS = 5
"""Kinds of chords: major, dominant seventh, minor, diminished, and without third."""


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


def _turned() -> tuple[np.ndarray, np.ndarray]:
    """The weights for all 24 keys: [12, 24] and [kinds * 12, 24]."""
    classes = [np.roll(CLASS_WEIGHTS[mode], tonic) for mode in (0, 1) for tonic in range(12)]
    chords = [np.roll(CHORD_WEIGHTS[mode], tonic, axis=1).ravel() for mode in (0, 1) for tonic in range(12)]
    return np.stack(classes, axis=1), np.stack(chords, axis=1)


_CLASSES, _CHORDS = _turned()


def bar_votes(sound: np.ndarray, harmony: np.ndarray) -> np.ndarray:
    """[bars, 24] votes of each bar for each key, by `Key.index`; their mean is the score of the piece."""
    votes = sound @ _CLASSES + harmony.reshape(len(harmony), -1) @ _CHORDS
    heard = (sound.sum(axis=1) + harmony.sum(axis=(1, 2)) > 0)[:, None]
    return np.asarray(votes + np.repeat(MODE_WEIGHTS, 12) * heard)


def _change_costs() -> np.ndarray:
    """[24, 24] cost of each change."""
    costs = np.full((24, 24), CHANGE)
    for tonic in range(12):
        for other in ((tonic - 3) % 12 + 12, tonic + 12):
            costs[tonic, other] = costs[other, tonic] = CHANGE_RELATIVE
    np.fill_diagonal(costs, 0.0)
    return costs


_COSTS = _change_costs()


def _viterbi(votes: np.ndarray) -> np.ndarray:
    """[bars] keys of the path with the most votes less changes."""
    best = votes[0].copy()
    came_from = np.zeros(votes.shape, dtype=np.int64)
    every = np.arange(24)
    for bar in range(1, len(votes)):
        reached = best[:, None] - _COSTS
        came_from[bar] = reached.argmax(axis=0)
        best = reached[came_from[bar], every] + votes[bar]
    path = np.empty(len(votes), dtype=np.int64)
    path[-1] = best.argmax()
    for bar in range(len(votes) - 1, 0, -1):
        path[bar - 1] = came_from[bar, path[bar]]
    return path


def _longer(path: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """The path without keys shorter than `SHORTEST` bars: these go to the better neighbour."""
    path = path.copy()
    while True:
        edges = np.concatenate([[0], np.flatnonzero(np.diff(path)) + 1, [len(path)]])
        lengths = np.diff(edges)
        if len(lengths) < 2 or lengths.min() >= SHORTEST:
            return path
        short = int(lengths.argmin())
        begin, end = edges[short], edges[short + 1]
        beside = [path[begin - 1]] if begin else []
        beside += [path[end]] if end < len(path) else []
        path[begin:end] = max(beside, key=lambda key: votes[begin:end, key].sum())
