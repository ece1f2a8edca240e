"""Which scores set the same tune, so that splits can keep them together.

Bach set many hymn tunes several times; a test chorale whose soprano was in training measures memory.
Settings differ in key, meter, ornaments and now and then a note, so tunes are compared by their opening as
heard on the beats.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from hrpe_jax.score.score import Score

OPENING = 16
"""Steps of the melody that are compared: two or three phrases of a hymn."""

_TOGETHER = 20_000  # pairs of tunes whose distance is found at once


def opening_steps(score: Score, count: int = OPENING) -> tuple[int, ...]:
    """The first steps of the melody as heard on the beats, repeated notes counting once.

    The same for all keys and rhythms, and for ornaments off the beat.

    Returns:
        Up to `count` semitones from note to note.
    """
    starts = [*score.bar_starts(), score.end]
    heard: list[int] = []
    index = 0
    for start, end in pairwise(starts):
        for beat in range(start, end, score.meter.beat_ticks):
            while index < len(score.melody) and score.melody[index].end <= beat:
                index += 1
            if index == len(score.melody) or len(heard) > count:
                return tuple(b - a for a, b in pairwise(heard))
            note = score.melody[index]
            if note.onset <= beat and (not heard or heard[-1] != note.pitch):
                heard.append(note.pitch)
    return tuple(b - a for a, b in pairwise(heard))


def group_key(score: Score) -> str:
    """The first ten steps as text ("2 2 -4"), equal where tunes begin alike.

    The cheap half of the answer: it needs no other scores. `group_tunes` also finds settings that differ by
    a note.
    """
    return " ".join(map(str, opening_steps(score, 10)))


def group_tunes(scores: Sequence[Score], differences: int = 4) -> list[str]:
    """A name for each score's group: scores with similar openings are in one, and so are the friends of
    friends.

    Takes time and memory in proportion to the square of the number of scores: 404 chorales take half a
        second.

    Args:
        scores: any number.
        differences: steps that may be inserted, left out or exchanged (edit distance) among `OPENING`.

    Returns:
        [scores] the `id` of the first score of its group.
    """
    openings = [opening_steps(score) for score in scores]
    parent = list(range(len(openings)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for one, other in alike(openings, differences).tolist():
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return [scores[root(i)].id for i in range(len(scores))]


def alike(openings: Sequence[Sequence[int]], differences: int = 4) -> np.ndarray:
    """Pairs of tunes that open alike.

    Tunes are compared with all others, but only those with nearly the same steps, in whatever order, closely.

    Args:
        openings: steps of each tune, at most `OPENING`; empty ones are like none.
        differences: see `group_tunes`.

    Returns:
        int64 [n, 2] indices, enough to join all that are alike.
    """
    pairs: list[tuple[int, int]] = []
    # Short openings agree by chance, so they must agree wholly.
    first: dict[tuple[int, ...], int] = {}
    for i, steps in enumerate(openings):
        if steps:
            pairs.append((first.setdefault(tuple(steps), i), i))
    long = [i for steps, i in first.items() if len(steps) == OPENING]
    if long:
        table = np.array([tuple(openings[i]) for i in long], np.int16)
        bags = np.stack([(np.clip(table, -8, 8) == step).sum(axis=1) for step in range(-8, 9)]).astype(
            np.int8
        )
        waiting: list[np.ndarray] = []  # [n, 2] rows that are worth a close look, together for speed
        for row in range(1, len(long)):
            shared = np.minimum(bags[:, row, None], bags[:, :row]).sum(axis=0, dtype=np.int8)
            near = np.flatnonzero(shared >= OPENING - differences)
            waiting.append(np.stack([near, np.full(len(near), row)], axis=1))
            if row == len(long) - 1 or sum(map(len, waiting)) > _TOGETHER:
                close = np.concatenate(waiting)
                waiting = []
                near_enough = edit_distances(table[close[:, 1]], table[close[:, 0]]) <= differences
                pairs += [(long[one], long[other]) for one, other in close[near_enough].tolist()]
    return np.array(pairs, np.int64).reshape(-1, 2)


def edit_distances(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Levenshtein distances.

    Args:
        one: [n] sequence, or [m, n] one for each.
        many: [m, n] sequences.

    Returns:
        [m] least number of insertions, deletions and replacements from `one` to each.
    """
    # One row of the table of distances for all pairs at once: [n + 1, m], so that columns are contiguous.
    columns, count = np.ascontiguousarray(many.T), len(many)
    values = np.broadcast_to(np.asarray(one)[..., None] if np.ndim(one) == 1 else one.T, columns.shape)
    length = len(columns)
    row = np.repeat(np.arange(length + 1, dtype=np.int16)[:, None], count, axis=1)
    for i, value in enumerate(values, start=1):
        before = row
        row = np.empty_like(before)
        row[0] = i
        replaced = before[:-1] + (columns != value)
        for j in range(1, length + 1):
            np.minimum(before[j], row[j - 1], out=row[j])
            row[j] += 1
            np.minimum(row[j], replaced[j - 1], out=row[j])
    return row[-1]
