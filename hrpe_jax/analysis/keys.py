"""The key of a piece and where it changes, from notes and chords together.

Each bar votes for 24 keys: how long each pitch class sounds and how long each kind of chord lasts on each
degree, weighed by how typical these are of a key (`fitted/keys.json`, fitted by
`tools/fit/keys.py`). Where another key is so much better for so long that it pays for the change, the piece
changes: the best path through the bars. Pitch classes tell the signature; chords tell it better, and help to
tell a key from its relative, which has the same notes. So do the chords and notes that a piece begins and
ends with, which have their say when the path is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hrpe_jax.analysis.fitted import read_fitted
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.quality import CHORD_TONES

KINDS = 5
"""Kinds of chords: major, dominant seventh, minor, diminished, and without third."""
TONES = 0.5
"""Share of the chords' notes in the sound of a bar, where there are notes besides."""
TOGETHER = 3.0
"""Ticks within which notes begin or end together."""
WEIGHTS = {name: np.array(table, float) for name, table in read_fitted("keys").items()}
"""Evidence for a key by semitones above its tonic, major first, then minor: of pitch `classes` `[2, 12]`, of
`chords` `[2, KINDS, 12]`, of the `first` and `last` chord and note `[2, KINDS + 1, 12]`, and the
`mode`."""


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
    features = key_features(onset, duration, pitch, chords, starts, weight)
    votes = bar_votes(features)
    path = _longer(_viterbi(votes), votes)
    path = _with_ends(path, votes, features)
    changes = np.flatnonzero(np.diff(path, prepend=-1))
    lengths = np.bincount(path, minlength=24)
    # Of keys that hold equally long, the one that fits the piece better.
    best = int(np.lexsort((votes.sum(axis=0), lengths))[-1])
    segments = tuple((round(float(starts[bar])), Key.from_index(int(path[bar]))) for bar in changes)
    return Keys(Key.from_index(best), segments)


def score_keys(
    onsets: Sequence[float] | np.ndarray,
    durations: Sequence[float] | np.ndarray,
    pitches: Sequence[int] | np.ndarray,
    chords: Sequence[ChordSpan],
) -> np.ndarray:
    """[24] how well each key fits a piece that does not change, by `Key.index`, in nats up to a constant.

    Args:
        onsets: [n] starts in ticks.
        durations: [n] lengths.
        pitches: [n] MIDI numbers; there may be none.
        chords: sorted spans; there may be none.
    """
    onset, duration = np.asarray(onsets, dtype=np.float64), np.asarray(durations, dtype=np.float64)
    pitch = np.asarray(pitches, dtype=np.int64)
    features = key_features(onset, duration, pitch, chords, np.zeros(1), np.ones(len(pitch)))
    return np.asarray(bar_votes(features)[0] + _first_votes(features) + _last_votes(features))


def _turned(weights: np.ndarray) -> np.ndarray:
    """[rows * 12, 24] the weights [mode, rows, 12] as seen from all keys."""
    keys = [np.roll(weights[mode], tonic, axis=1).ravel() for mode in (0, 1) for tonic in range(12)]
    return np.stack(keys, axis=1)


_CLASSES, _CHORDS = _turned(WEIGHTS["classes"][:, None]), _turned(WEIGHTS["chords"])
_FIRST, _LAST = _turned(WEIGHTS["first"]), _turned(WEIGHTS["last"])


def bar_votes(features: KeyFeatures) -> np.ndarray:
    """[bars, 24] votes of each bar for each key, by `Key.index`; their mean is the score of the piece, but
    for its beginning and end."""
    sound, harmony = features.sound, features.harmony.reshape(len(features.harmony), -1)
    heard = (sound.sum(axis=1) + harmony.sum(axis=1) > 0)[:, None]
    return np.asarray(sound @ _CLASSES + harmony @ _CHORDS + np.repeat(WEIGHTS["mode"], 12) * heard)


def _first_votes(features: KeyFeatures) -> np.ndarray:
    """[24] what the beginning says, for the piece as a whole."""
    return np.asarray(features.first.ravel() @ _FIRST)


def _last_votes(features: KeyFeatures) -> np.ndarray:
    """[24] the same of the end."""
    return np.asarray(features.last.ravel() @ _LAST)


def _with_ends(path: np.ndarray, votes: np.ndarray, features: KeyFeatures) -> np.ndarray:
    """The path, its first and last stretches looked at again with what the piece begins and ends with."""
    edges = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    path = path.copy()
    for begin, end in {(0, edges[1]), (edges[-2], len(path))}:
        score = votes[begin:end].mean(axis=0)
        score = score + _first_votes(features) if begin == 0 else score
        score = score + _last_votes(features) if end == len(path) else score
        path[begin:end] = score.argmax()
    return path


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
