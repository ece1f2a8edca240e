"""Bars from the notes: which beats begin one, and how many beats it has.

Every beat may be the first of a bar, the middle one, or another; the accents at it say how likely each is (a
linear model). Bars of one length are laid through the piece where these agree most; beginning a bar
early costs something, so that a bar of other length is heard only where the music insists.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hrpe_jax.analysis.beat_accents import FEATURES, accents, drum_accents
from hrpe_jax.analysis.beat_notes import NoteTable

FIRST, MIDDLE, OTHER = 0, 1, 2
_PATTERNS = {
    1: (FIRST,),
    2: (FIRST, OTHER),
    3: (FIRST, OTHER, OTHER),
    4: (FIRST, OTHER, MIDDLE, OTHER),
    6: (FIRST, OTHER, OTHER, MIDDLE, OTHER, OTHER),
}
HALF, RESET = 5.0, 12.0
"""Cost in nats of half a bar between whole ones, which songs have between their parts, and of any other bar
that is too short."""
_SIXES = 0.15
"""Nats a beat by which bars of six must fit better than those of three, of which they are made."""
_NAMED = 0.1
"""The same for the meter that the file names."""
_STRETCH = 96
"""Beats of one such stretch."""
_AROUND = 9
"""Beats, this one in the middle, whose mean the accents of a beat are compared with."""

_WEIGHTS = np.array([
    # against the mean around: first, middle
    [-1.18, -1.20], [0.52, -1.00], [0.43, -0.84], [-0.37, -0.14], [-1.01, -0.62], [0.41, 2.26],
    [-0.26, -1.68],
    # against the beats before and after
    [1.83, 1.87], [-0.84, 0.00], [-0.30, 0.02], [0.26, 0.36], [2.26, 0.15], [-2.18, -2.21], [0.70, 1.68],
])  # fmt: skip
"""Log-odds of each role against "other", a unit of each feature in the order of `FEATURES`: softmax
regression on the bars of POP909's 741 training songs, which have no drums."""
_BIAS = np.array([-1.0, -0.78])
_PRIOR = np.array([-1.399, -1.399, -0.68])
_DRUMS = np.array([[0.4, 0.2, 0.0], [-0.9, -0.6, 0.3], [1.2, 0.0, -0.8]])
"""What a bass drum, a snare drum and a crash cymbal say for each role; set by hand: bass drum on one, snare
drum on two and four, a crash where a part begins."""

_LOW, _ENTRY = 0.7, 6.0
"""Octaves under the middle of the piece's notes at which a note is bass, and nats for a bar line where the
bass enters: it does so on the first of a bar in seven songs of ten."""


def role_scores(notes: NoteTable, beats: int) -> np.ndarray:
    """[beats, 3] how much better than by chance (nats) the accents fit a first, middle or other beat.

    Args:
        notes: onset and end in beats from the first.
        beats: how many beats.
    """
    table = accents(notes, beats)
    padded = np.pad(table, ((_AROUND // 2, _AROUND // 2), (0, 0)), mode="edge")
    sums = np.concatenate([np.zeros((1, len(FEATURES))), np.cumsum(padded, axis=0)])
    around = (sums[_AROUND:] - sums[:-_AROUND]) / _AROUND
    beside = np.pad(table, ((1, 1), (0, 0)), mode="edge")
    beside = (beside[2:] + beside[:-2]) / 2
    logit = np.zeros((beats, 3))
    logit[:, :2] = np.concatenate([table - around, table - beside], axis=1) @ _WEIGHTS + _BIAS
    logit -= np.log(np.exp(logit).sum(axis=1, keepdims=True))
    scores = logit - _PRIOR
    if notes.drum.any():
        scores += drum_accents(notes, beats) @ _DRUMS
    entries = np.flatnonzero((table[:, 0] > _LOW) & (table[:, 1] > 0))
    if len(entries):
        scores[entries[0], FIRST] += _ENTRY
    return np.asarray(scores)


def given_score(scores: np.ndarray, starts: Sequence[int]) -> float:
    """Nats a beat in which [beats, 3] scores agree with bars that begin at these increasing beats."""
    if not len(starts):
        return 0.0
    edges = np.append(np.asarray(starts), len(scores))
    roles = np.full(len(scores), OTHER)
    for start, length in zip(edges[:-1].tolist(), np.diff(edges).tolist(), strict=True):
        pattern = _PATTERNS.get(length, ())
        roles[start : start + len(pattern)] = pattern
    roles[np.asarray(starts)] = FIRST
    return float(scores[np.arange(len(scores)), roles].mean())


def best_bars(scores: np.ndarray, beats_per_bar: int) -> tuple[float, list[int]]:
    """Lay bars of one length through the piece.

    Returns:
        Nats a beat, and the increasing beats at which bars begin; before the first, part of one.
    """
    size = beats_per_bar
    rows = scores[:, list(_PATTERNS[size])].tolist()
    costs = [HALF if 2 * beats == size else RESET for beats in range(size)]
    # best[k]: of paths whose bars begin where beat % size == k; only a path that begins one may change to it.
    best = [rows[0][-k % size] for k in range(size)]
    came = [-1] * len(rows)
    for beat in range(1, len(rows)):
        row, now = rows[beat], beat % size
        top, phase = max((best[k] - costs[now - k], k) for k in range(size))
        if top > best[now]:
            came[beat] = phase
            best[now] = top
        best = [best[k] + row[now - k] for k in range(size)]  # indices below 0 count from the end
    phase = best.index(max(best))
    total = best[phase]
    starts = []
    for beat in range(len(rows) - 1, -1, -1):
        if beat % size == phase:
            starts.append(beat)
            if came[beat] >= 0:
                phase = came[beat]
    return total / len(rows), starts[::-1]


def find_bars(scores: np.ndarray, likely: int = 0) -> tuple[float, int, list[int]]:
    """Choose the length of bars and where they begin.

    Args:
        scores: [beats, 3] as from `role_scores`.
        likely: beats to a bar that the file names, though its bars may lie elsewhere; 0 where it is silent.

    Returns:
        Nats a beat, beats to a bar, beats at which bars begin.
    """
    bonus = {4: 0.02, 3: 0.0, 6: -_SIXES}
    if likely in bonus:
        bonus[likely] += _NAMED + (_SIXES if likely == 6 else 0.0)
    size = max(bonus, key=lambda size: _fit(scores, size) + bonus[size])
    nats, starts = best_bars(scores, size)
    return nats, size, starts


def _fit(scores: np.ndarray, size: int) -> float:
    """Nats a beat of bars of this length, laid anew in every stretch of the piece: quick, and close to the
    best path."""
    beat = np.arange(len(scores))[:, None]
    phases = (beat - np.arange(size)) % size  # [beats, size] place in the bar, for each place to begin from
    laid = scores[beat, np.array(_PATTERNS[size])[phases]]
    stretches = np.add.reduceat(laid, np.arange(0, len(scores), _STRETCH), axis=0)
    return float(stretches.max(axis=1).sum() / len(scores))
