"""Pairs (hash, song) on disk, and passes over them in the order of the hash, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

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
