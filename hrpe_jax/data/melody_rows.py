"""Melody batches: parallel rows, each an endless stream of whole songs cut into segments.

Row r of a segment continues row r of the segment before unless it resets, so that a memory carried along the
row is the memory of the song. A song starts at a segment boundary and its last segment is padded. Every epoch
shuffles the songs and gives each to the row that is then the shortest (rows never drift apart by more than
one song, across epochs too), so that songs change rows, never segments.
"""

from __future__ import annotations

import bisect
import functools
import heapq
import threading
from collections.abc import Sequence

import numpy as np

from hrpe_jax.data.augment import SHUFFLE, draw_shifts, epoch_generator
from hrpe_jax.data.batches import BatchShape, Piece

Row = list[tuple[int, int]]
"""What one row plays: (first segment, song), in order."""


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


def _piece_at(
    row_songs: Row,
    at: int,
    length: int,
    lengths: np.ndarray,
    segment: int,
    row: int,
    shifts: np.ndarray | None,
) -> Piece:
    first, song = row_songs[bisect.bisect_right(row_songs, at, key=lambda entry: entry[0]) - 1]
    start = (at - first) * length
    stop = min(start + length, int(lengths[song]))
    return Piece(segment, row, 0, song, start, stop, 0 if shifts is None else int(shifts[song]), 1, True)


class TrainStreams:
    """The endless streams, seen as batches of `segments` segments.

    Args:
        lengths: Input positions of every song, int `[songs]`.
        shape: Size of the whole batch.
        seed: Seed of order and transpositions.
        augment: Whether songs are transposed.
    """

    def __init__(self, lengths: np.ndarray, shape: BatchShape, seed: int, augment: bool = True) -> None:
        if not len(lengths):
            raise ValueError("there is no song to train on")
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._segments = -(-self._lengths // shape.length)
        self._shape = shape
        self._seed = seed
        self._augment = augment
        self._ends = [[0] * shape.rows]  # where every row stands at the start of each epoch planned so far
        self._lock = threading.Lock()
        # A small corpus with many rows gives a row nothing in some epochs: a batch may touch several.
        self._epoch_rows = functools.lru_cache(maxsize=64)(self._deal_epoch)
        self._epoch_shifts = functools.lru_cache(maxsize=64)(self._draw_epoch)

    def _deal_epoch(self, epoch: int) -> tuple[list[Row], list[int]]:
        order = epoch_generator(self._seed, epoch, SHUFFLE).permutation(len(self._lengths))
        return deal(order, self._segments, self._ends[epoch])

    def _draw_epoch(self, epoch: int) -> np.ndarray | None:
        return draw_shifts(self._seed, epoch, len(self._lengths)) if self._augment else None

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
                row_songs, shifts = self._epoch_rows(epoch)[0][row], self._epoch_shifts(epoch)
                found.append(
                    _piece_at(row_songs, at, self._shape.length, self._lengths, segment, row, shifts)
                )
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
        return [
            _piece_at(self._rows[row], at, self._shape.length, self._lengths, segment, row, None)
            for row in rows
            for segment in range(self._shape.segments)
            if (at := step * self._shape.segments + segment) < self._ends[row]
        ]
