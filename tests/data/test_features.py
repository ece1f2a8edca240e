from __future__ import annotations

import numpy as np
import pytest

from hrpe_jax.data import batches


@pytest.mark.parametrize(
    ("bpm", "expected"), [(1, 0), (40, 0), (44, 0), (45, 1), (98, 8), (120, 9), (239, 15), (999, 15)]
)
def test_tempo_bin(bpm: float, expected: int) -> None:
    assert batches.tempo_bin(bpm) == expected


def test_cache_keeps_within_its_limit_and_serves_the_latest() -> None:
    reads: list[int] = []

    def read(index: int) -> dict:
        reads.append(index)
        return {"index": index}

    def decode(record: dict) -> batches.Song:
        return batches.Song(np.full((1, 10), record["index"], np.int32))

    cache = batches.SongCache(read, decode, limit=100)  # two songs of 40 bytes
    for index in (0, 1, 0, 2, 0, 1):
        assert cache[index].fields[0, 0] == index
    assert reads == [0, 1, 2, 1]
