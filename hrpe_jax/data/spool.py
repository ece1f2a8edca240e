"""Pairs (hash, song) on disk, and passes over them in the order of the hash, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

PAIR = np.dtype([("hash", "<u8"), ("song", "<u4")])
MOST_PAIRS = 2_000_000
"""Pairs that are in memory together: 24 MB, and about three times that while they are sorted."""


class Spool:
    """A file of pairs that is written once and read as often as needed.

    Args:
        path: the file; it is removed at the end of the `with` block.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = path.open("w+b")
        self.pairs = 0

    def add(self, song: int, hashes: np.ndarray) -> None:
        """Adds a song with its hashes, uint64 [n]."""
        pairs = np.empty(len(hashes), PAIR)
        pairs["hash"], pairs["song"] = hashes, song
        self._stream.write(pairs.tobytes())
        self.pairs += len(pairs)

    def buckets(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All pairs in portions, equal hashes in one portion: (hashes, songs), sorted by hash, then song."""
        self._stream.flush()
        count = max(1, -(-self.pairs // MOST_PAIRS))
        for number in range(count):
            parts = [part[part["hash"] % np.uint64(count) == number] for part in self._parts()]
            pairs = np.concatenate(parts) if parts else np.empty(0, PAIR)
            order = np.lexsort((pairs["song"], pairs["hash"]))
            yield pairs["hash"][order], pairs["song"][order].astype(np.int64)

    def _parts(self) -> Iterator[np.ndarray]:
        with self.path.open("rb") as stream:
            while data := stream.read(PAIR.itemsize * max(1, MOST_PAIRS // 4)):
                yield np.frombuffer(data, PAIR)

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self.path.unlink(missing_ok=True)
