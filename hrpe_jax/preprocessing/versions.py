"""Which songs are versions of the same music, so that no split is tested on what another was trained on.

Songs are of one group where they share a stretch of melody (`fingerprints.GROUP_INTERVALS`), where their
tunes open alike (hymns, see `tunes`), or, of songs that have chords alone, where they share most of their
harmony or their title. Friends of friends are in one group.

A `Spool` keeps pairs (hash, song) on disk and passes over them in the order of the hash, in bounded memory.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import numpy as np

from hrpe_jax.score.score import Score

PAIR = np.dtype([("hash", "<u8"), ("song", "<u4")])
MOST_PAIRS = 400_000
"""Pairs that are in memory together: 5 MB, and a few times that while they are sorted."""
MOST_BUCKETS = 512


class Spool:
    """A file of pairs that is written once and read as often as needed.

    Args:
        path: the file; it is removed at the end of the `with` block.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = path.open("w+b")
        self._buckets: list[Path] | None = None
        self.pairs = 0

    def add(self, song: int, hashes: np.ndarray) -> None:
        """Adds a song with its hashes, uint64 [n]; before the first `buckets`."""
        pairs = np.empty(len(hashes), PAIR)
        pairs["hash"], pairs["song"] = hashes, song
        self._stream.write(pairs.tobytes())
        self.pairs += len(pairs)

    def buckets(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All pairs in portions, equal hashes in one portion: (hashes, songs), sorted by hash, then song."""
        if self._buckets is None:
            self._stream.flush()
            self._buckets = self._divide()
        for path in self._buckets:
            pairs = np.fromfile(path, PAIR)
            order = np.lexsort((pairs["song"], pairs["hash"]))
            yield pairs["hash"][order], pairs["song"][order].astype(np.int64)

    def _divide(self) -> list[Path]:
        """Files of equal hashes: the one file, where that is small enough."""
        count = min(-(-self.pairs // MOST_PAIRS), MOST_BUCKETS)
        if count <= 1:
            return [self.path]
        paths = [self.path.with_suffix(f".{number}") for number in range(count)]
        with self.path.open("rb") as stream:
            while data := stream.read(PAIR.itemsize * MOST_PAIRS):
                pairs = np.frombuffer(data, PAIR)
                bucket = (pairs["hash"] % np.uint64(count)).astype(np.int64)
                order = np.argsort(bucket, kind="stable")
                ends = np.cumsum(np.bincount(bucket, minlength=count))
                for path, part in zip(paths, np.split(pairs[order], ends[:-1]), strict=True):
                    with path.open("ab") as file:
                        file.write(part.tobytes())
        return paths

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        for path in {self.path, *(self._buckets or ())}:
            path.unlink(missing_ok=True)


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


MOST_SHARING = 40
"""A stretch of harmony in more songs than this is a commonplace that proves nothing."""
LEAST_CHORDS = 12
"""Stretches of harmony that two songs must share to be compared at all."""
LEAST_SHARE = 0.7
"""Part of the shorter song's stretches that two songs of chords must share to be one song. On the 890 charts
of Billboard this finds 88 % of the pairs with the same title and artist, and 99 % of what it finds have the
same title; the name finds the others."""


class Groups:
    """Sets of songs that only ever grow together.

    Args:
        count: songs, numbered from 0.
    """

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, song: int) -> int:
        """The least song of a song's group."""
        parent = self._parent
        while parent[song] != song:
            parent[song] = parent[parent[song]]
            song = parent[song]
        return song

    def join(self, one: int, other: int) -> None:
        """Makes two songs' groups one."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low

    def join_pairs(self, pairs: np.ndarray) -> None:
        """As `join`, for [n, 2] songs."""
        for one, other in np.unique(pairs, axis=0).tolist():
            self.join(one, other)

    def roots(self) -> list[int]:
        """The least song of every song's group."""
        return [self.root(song) for song in range(len(self._parent))]

    def names(self, ids: Sequence[str]) -> list[str]:
        """For every song the least id in its group."""
        roots = self.roots()
        least: dict[int, str] = {}
        for song, root in enumerate(roots):
            least[root] = min(least.get(root, ids[song]), ids[song])
        return [least[root] for root in roots]


def sharing(spool: Spool) -> np.ndarray:
    """Pairs of songs that share any hash, enough of them to join all that do: int64 [n, 2]."""
    found = [np.empty((0, 2), np.int64)]
    for hashes, songs in spool.buckets():
        same = hashes[1:] == hashes[:-1]
        found.append(np.unique(np.stack([songs[:-1][same], songs[1:][same]], axis=1), axis=0))
    return np.concatenate(found)


def similar(spool: Spool, sizes: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """Pairs of songs with most of their harmony in common, where at least one has nothing but chords.

    Args:
        spool: stretches of harmony of all songs.
        sizes: int [songs], how many each has.
        alone: bool [songs], whether a song has chords alone.

    Returns:
        int64 [n, 2].
    """
    pairs, counts = shared_counts(spool, alone)
    least = np.minimum(sizes[pairs[:, 0]], sizes[pairs[:, 1]])
    return pairs[(counts >= LEAST_CHORDS) & (counts >= LEAST_SHARE * least)]


def shared_counts(spool: Spool, alone: np.ndarray, most: int = MOST_SHARING) -> tuple[np.ndarray, np.ndarray]:
    """How many hashes songs share: pairs int64 [n, 2] and counts int64 [n]; see `similar`.

    Args:
        spool: pairs (hash, song).
        alone: bool [songs], those that are left out.
        most: songs that may share a hash; one of more says nothing.
    """
    songs_in_all = max(1, len(alone))
    codes, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    for hashes, songs in spool.buckets():
        starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]])[: len(hashes)])
        lengths = np.diff([*starts, len(hashes)])
        rare = np.repeat((lengths > 1) & (lengths <= most), lengths)
        hashes, songs = hashes[rare], songs[rare]
        found = []
        for apart in range(1, most):
            same = hashes[apart:] == hashes[:-apart]
            if not same.any():
                break
            one, other = songs[:-apart][same], songs[apart:][same]
            wanted = alone[one] | alone[other]
            found.append(one[wanted] * songs_in_all + other[wanted])
        new, times = np.unique(np.concatenate([np.empty(0, np.int64), *found]), return_counts=True)
        codes, where = np.unique(np.concatenate([codes, new]), return_inverse=True)
        counts = np.bincount(where, np.concatenate([counts, times]), len(codes)).astype(np.int64)
    return np.stack([codes // songs_in_all, codes % songs_in_all], axis=1), counts


def equal(values: Iterable[object]) -> np.ndarray:
    """Pairs of songs whose values are equal and not empty (0, b"" or ""): int64 [n, 2]."""
    first: dict[object, int] = {}
    pairs = [(first.setdefault(value, song), song) for song, value in enumerate(values) if value]
    return np.array(pairs, np.int64).reshape(-1, 2)


def summary(names: Sequence[str], formats: Sequence[str]) -> dict[str, object]:
    """What the manifest says of groups: how many, of which sizes, and how many join formats.

    Args:
        names: of every song's group.
        formats: of every song.
    """
    sizes = Counter(names)
    across: dict[str, set[str]] = defaultdict(set)
    for name, format in zip(names, formats, strict=True):
        across[name].add(format)
    return {
        "groups": len(sizes),
        "largest": [{"group": name, "songs": size} for name, size in sizes.most_common(5) if size > 1],
        "sizes": {str(size): count for size, count in sorted(Counter(sizes.values()).items())},
        "across_formats": sum(len(found) > 1 for found in across.values()),
    }
