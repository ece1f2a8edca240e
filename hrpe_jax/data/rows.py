"""How songs fill the rows of batches: packed whole for the backbone, cut into segments for the melody.

Backbone batches: several songs to a row where they fit.

Every epoch shuffles the songs, packs them first fit, and lays its rows behind those of the epoch before: row
number `g` of this endless list is row `g % rows` of segment `g // rows % segments` of batch `g // (rows *
segments)`. No row is dropped or left empty where epochs meet, so every song is seen exactly once per epoch
(or as often as `balance.Plays` says). A song longer than a row keeps its prefix (start, key, meter) and shows
one stretch of the rest, drawn anew in each epoch.

Melody batches: parallel rows, each an endless stream of whole songs cut into segments. Row r of a segment
continues row r of the segment before unless it resets, so that a memory carried along the row is the memory
of the song. A song starts at a segment boundary and its last segment is padded. Every epoch shuffles the
songs (each as often as `balance.Plays` says, once by default) and gives each to the row that is then the
shortest (rows never drift apart by more than one song, across epochs too), so that songs change rows, never
segments.
"""

from __future__ import annotations

import bisect
import functools
import heapq
import threading
from collections.abc import Sequence

import numpy as np

from hrpe_jax.codec.backbone_tokens import PREFIX_LENGTH
from hrpe_jax.data.balance import Plays
from hrpe_jax.data.batches import CROP, SHUFFLE, BatchShape, Piece, draw_shifts, epoch_generator

PREFIX = PREFIX_LENGTH
"""Positions that open every song: start, key, meter."""

OPEN_ROWS = 1024
"""First fit looks at this many of the latest rows, which bounds its time on large corpora."""


def first_fit(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Packs items into bins, each into the first of the open bins with room for it.

    Args:
        lengths: Item lengths in the order in which they arrive, `[items]`, each at most `capacity`.
        capacity: Size of a bin.

    Returns:
        Bin number of every item, int `[items]`; bins are numbered from 0 without gaps.
    """
    room = np.zeros(len(lengths), dtype=np.int64)
    bins = np.empty(len(lengths), dtype=np.int64)
    used = 0
    for item, length in enumerate(lengths):
        oldest = max(0, used - OPEN_ROWS)
        fits = room[oldest:used] >= length
        chosen = oldest + int(fits.argmax()) if fits.any() else used
        if chosen == used:
            room[used] = capacity
            used += 1
        room[chosen] -= length
        bins[item] = chosen
    return bins


def _rows_of(order: np.ndarray, lengths: np.ndarray, capacity: int) -> list[list[int]]:
    clipped = np.minimum(lengths[order], capacity)
    bins = first_fit(clipped, capacity)
    rows: list[list[int]] = [[] for _ in range(int(bins.max()) + 1 if len(bins) else 0)]
    for song, row in zip(order.tolist(), bins.tolist(), strict=True):
        rows[row].append(song)
    return rows


def _check_capacity(capacity: int) -> None:
    if capacity <= PREFIX:
        raise ValueError(
            f"batch length is {capacity}, expected more than the {PREFIX} prefix tokens of a song"
        )


class TrainPacking:
    """The endless list of packed rows, seen as batches.

    Args:
        lengths: Input positions of every song, int `[songs]`.
        shape: Size of the whole batch.
        seed: Seed of order, stretches and transpositions.
        augment: Whether songs are transposed.
        times: How often each song is played in an epoch on average, float `[songs]`; once by default.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        shape: BatchShape,
        seed: int,
        augment: bool = True,
        times: np.ndarray | None = None,
    ) -> None:
        _check_capacity(shape.length)
        if not len(lengths):
            raise ValueError("there is no song to train on")
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._shape = shape
        self._seed = seed
        self._augment = augment
        self._plays = Plays(np.ones(len(lengths)) if times is None else times, seed)
        self._first_rows = [0]  # number of the first row of every epoch planned so far, and of the next one
        self._lock = threading.Lock()
        # Batches of a prefetch window touch at most a few epochs at a time.
        self._epoch_rows = functools.lru_cache(maxsize=4)(self._pack_epoch)
        self._epoch_draws = functools.lru_cache(maxsize=4)(self._draw_epoch)

    def _pack_epoch(self, epoch: int) -> list[list[int]]:
        """The rows of an epoch, as numbers of its plays."""
        lengths = self._lengths[self._plays.of(epoch)]
        order = epoch_generator(self._seed, epoch, SHUFFLE).permutation(len(lengths))
        return _rows_of(order, lengths, self._shape.length)

    def _draw_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of every play of an epoch the song, the semitones, and where its stretch starts."""
        songs = self._plays.of(epoch)
        plays = len(songs)
        shifts = draw_shifts(self._seed, epoch, plays) if self._augment else np.zeros(plays, np.int32)
        # A stretch starts at any event from which a full row is left.
        last = np.maximum(self._lengths[songs] - (self._shape.length - PREFIX), PREFIX)
        return songs, shifts, epoch_generator(self._seed, epoch, CROP).integers(PREFIX, last + 1)

    def _locate(self, number: int) -> tuple[int, int]:
        """Epoch and row within it of an endless row number."""
        with self._lock:
            while self._first_rows[-1] <= number:
                epoch = len(self._first_rows) - 1
                self._first_rows.append(self._first_rows[-1] + len(self._epoch_rows(epoch)))
        epoch = bisect.bisect_right(self._first_rows, number) - 1
        return epoch, number - self._first_rows[epoch]

    def pieces(self, step: int, rows: Sequence[int]) -> list[Piece]:
        """The pieces of batch `step` that lie in `rows`."""
        shape = self._shape
        found = []
        for segment in range(shape.segments):
            for row in rows:
                epoch, index = self._locate((step * shape.segments + segment) * shape.rows + row)
                songs, shifts, starts = self._epoch_draws(epoch)
                column = 0
                for number, play in enumerate(self._epoch_rows(epoch)[index], start=1):
                    song, shift, start = int(songs[play]), int(shifts[play]), int(starts[play])
                    length = int(self._lengths[song])
                    place = (segment, row)
                    if length <= shape.length or start == PREFIX:
                        stop = min(length, shape.length)
                        found.append(Piece(*place, column, song, 0, stop, shift, number, True))
                    else:
                        stop = start + shape.length - PREFIX
                        found.append(Piece(*place, column, song, 0, PREFIX, shift, number, False))
                        found.append(Piece(*place, column + PREFIX, song, start, stop, shift, number, True))
                    column += min(length, shape.length)
        return found


class EvalPacking:
    """All songs once, untransposed; a long song is cut into windows, and every target counts exactly once.

    Windows after the first repeat the prefix as context only. Their number is `num_batches`; the last batch
    may have empty rows.

    Args:
        lengths: Input positions of every song, int `[songs]`.
        shape: Size of the whole batch.
    """

    def __init__(self, lengths: np.ndarray, shape: BatchShape) -> None:
        _check_capacity(shape.length)
        windows: list[tuple[int, int, int]] = []
        for song, length in enumerate(np.asarray(lengths).tolist()):
            windows.append((song, 0, min(length, shape.length)))
            body = shape.length - PREFIX
            windows += [
                (song, start, min(length, start + body)) for start in range(shape.length, length, body)
            ]
        sizes = np.asarray([stop - start + (PREFIX if start else 0) for _, start, stop in windows], np.int64)
        self._shape = shape
        self._windows = windows
        # Longest first packs tightest.
        self._rows = _rows_of(np.argsort(-sizes, kind="stable"), sizes, shape.length)
        self.num_batches = -(-len(self._rows) // (shape.rows * shape.segments))

    def pieces(self, step: int, rows: Sequence[int]) -> list[Piece]:
        """The pieces of batch `step` that lie in `rows`."""
        shape = self._shape
        found = []
        for segment in range(shape.segments):
            for row in rows:
                index = (step * shape.segments + segment) * shape.rows + row
                column = 0
                for number, window in enumerate(
                    self._rows[index] if index < len(self._rows) else [], start=1
                ):
                    song, start, stop = self._windows[window]
                    if start:
                        found.append(Piece(segment, row, column, song, 0, PREFIX, 0, number, False))
                        column += PREFIX
                    found.append(Piece(segment, row, column, song, start, stop, 0, number, True))
                    column += stop - start
        return found


Row = list[tuple[int, int]]
"""What one row plays: (first segment, number of a song, or of a play of an epoch), in order."""


def deal(order: np.ndarray, segments: np.ndarray, ends: list[int]) -> tuple[list[Row], list[int]]:
    """Gives songs, one by one, to the row that ends first (the lowest one among equals).

    Args:
        order: Songs in the order in which they are dealt, int `[songs]`.
        segments: Segments that each song takes, int `[all songs]`.
        ends: Segment at which each row ends so far.

    Returns:
        What is added to each row, and the new ends.
    """
    heap = [(end, row) for row, end in enumerate(ends)]
    heapq.heapify(heap)
    rows: list[Row] = [[] for _ in ends]
    for song in order.tolist():
        end, row = heap[0]
        rows[row].append((end, song))
        heapq.heapreplace(heap, (end + int(segments[song]), row))
    return rows, [end for end, _ in sorted(heap, key=lambda entry: entry[1])]


def _entry_at(row: Row, at: int) -> tuple[int, int]:
    """What a row plays in a segment: the first segment of it, and its number."""
    return row[bisect.bisect_right(row, at, key=lambda entry: entry[0]) - 1]


class TrainStreams:
    """The endless streams, seen as batches of `segments` segments.

    Args:
        lengths: Input positions of every song, int `[songs]`.
        shape: Size of the whole batch.
        seed: Seed of order and transpositions.
        augment: Whether songs are transposed.
        times: How often each song is played in an epoch on average, float `[songs]`; once by default.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        shape: BatchShape,
        seed: int,
        augment: bool = True,
        times: np.ndarray | None = None,
    ) -> None:
        if not len(lengths):
            raise ValueError("there is no song to train on")
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._segments = -(-self._lengths // shape.length)
        self._shape = shape
        self._seed = seed
        self._augment = augment
        self._plays = Plays(np.ones(len(lengths)) if times is None else times, seed)
        self._ends = [[0] * shape.rows]  # where every row stands at the start of each epoch planned so far
        self._lock = threading.Lock()
        # A small corpus with many rows gives a row nothing in some epochs: a batch may touch several.
        self._epoch_rows = functools.lru_cache(maxsize=64)(self._deal_epoch)
        self._epoch_draws = functools.lru_cache(maxsize=64)(self._draw_epoch)

    def _deal_epoch(self, epoch: int) -> tuple[list[Row], list[int]]:
        """The rows of an epoch, of numbers of its plays, and where they end."""
        segments = self._segments[self._plays.of(epoch)]
        order = epoch_generator(self._seed, epoch, SHUFFLE).permutation(len(segments))
        return deal(order, segments, self._ends[epoch])

    def _draw_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Of every play of an epoch the song and the semitones."""
        songs = self._plays.of(epoch)
        plays = len(songs)
        return songs, draw_shifts(self._seed, epoch, plays) if self._augment else np.zeros(plays, np.int32)

    def _epoch_of(self, row: int, at: int) -> int:
        with self._lock:
            while self._ends[-1][row] <= at:
                self._ends.append(self._epoch_rows(len(self._ends) - 1)[1])
        return bisect.bisect_right(self._ends, at, key=lambda ends: ends[row]) - 1

    def pieces(self, step: int, rows: Sequence[int]) -> list[Piece]:
        """The pieces of batch `step` that lie in `rows`."""
        found = []
        for row in rows:
            for segment in range(self._shape.segments):
                at = step * self._shape.segments + segment
                epoch = self._epoch_of(row, at)
                played, (songs, shifts) = self._epoch_rows(epoch)[0][row], self._epoch_draws(epoch)
                first, play = _entry_at(played, at)
                song, shift = int(songs[play]), int(shifts[play])
                start = (at - first) * self._shape.length
                stop = min(start + self._shape.length, int(self._lengths[song]))
                found.append(Piece(segment, row, 0, song, start, stop, shift, 1, True))
        return found


class EvalStreams:
    """All songs once, untransposed, longest first to the shortest row; ended rows are empty and reset.

    Args:
        lengths: Input positions of every song, int `[songs]`.
        shape: Size of the whole batch.
    """

    def __init__(self, lengths: np.ndarray, shape: BatchShape) -> None:
        self._lengths = np.asarray(lengths, dtype=np.int64)
        segments = -(-self._lengths // shape.length)
        self._shape = shape
        self._rows, self._ends = deal(np.argsort(-segments, kind="stable"), segments, [0] * shape.rows)
        self.num_batches = -(-max(self._ends) // shape.segments)

    def pieces(self, step: int, rows: Sequence[int]) -> list[Piece]:
        """The pieces of batch `step` that lie in `rows`."""
        found = []
        for row in rows:
            for segment in range(self._shape.segments):
                at = step * self._shape.segments + segment
                if at >= self._ends[row]:
                    continue
                first, song = _entry_at(self._rows[row], at)
                start = (at - first) * self._shape.length
                stop = min(start + self._shape.length, int(self._lengths[song]))
                found.append(Piece(segment, row, 0, song, start, stop, 0, 1, True))
        return found
