from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.data.batches import BatchShape
from hrpe_jax.data.rows import PREFIX, EvalPacking, TrainPacking, first_fit

LENGTHS = st.lists(st.integers(PREFIX + 1, 40), min_size=1, max_size=30)


@given(st.lists(st.integers(1, 20), max_size=60))
def test_first_fit_is_first_fit(lengths: list[int]) -> None:
    bins: list[int] = []
    expected = []
    for length in lengths:
        for index, used in enumerate(bins):
            if used + length <= 20:
                bins[index] += length
                expected.append(index)
                break
        else:
            expected.append(len(bins))
            bins.append(length)
    assert first_fit(np.asarray(lengths, np.int64), 20).tolist() == expected


@settings(max_examples=50, deadline=None)
@given(LENGTHS, st.integers(1, 3), st.integers(1, 2), st.integers(0, 3))
def test_every_song_once_per_epoch_and_rows_never_overflow(
    lengths: list[int], rows: int, segments: int, seed: int
) -> None:
    shape = BatchShape(rows, 16, segments)
    plan = TrainPacking(np.asarray(lengths), shape, seed)
    seen: list[int] = []
    step = 0
    while len(seen) < 3 * len(lengths):
        pieces = plan.pieces(step, range(rows))
        for place in [(s, r) for s in range(segments) for r in range(rows)]:
            column = 0
            for piece in [p for p in pieces if (p.segment, p.row) == place]:
                assert piece.column == column
                column += piece.stop - piece.start
                assert piece.stop <= lengths[piece.song]
                if piece.start == 0:
                    seen.append(piece.song)
            assert 0 < column <= 16
        step += 1
    for epoch in range(3):
        assert sorted(seen[epoch * len(lengths) : (epoch + 1) * len(lengths)]) == list(range(len(lengths)))


def test_long_songs_fill_a_row_from_every_start() -> None:
    plan = TrainPacking(np.asarray([20]), BatchShape(1, 16), seed=1)
    starts = set()
    for step in range(200):
        *prefix, body = plan.pieces(step, range(1))
        starts.add(body.start)
        assert body.column + body.stop - body.start == 16
        assert body.counts
        if prefix:
            assert (prefix[0].start, prefix[0].stop, prefix[0].counts) == (0, PREFIX, False)
    assert starts == {0, 4, 5, 6, 7}


@given(LENGTHS, st.integers(1, 3), st.integers(1, 2))
def test_evaluation_counts_every_position_once(lengths: list[int], rows: int, segments: int) -> None:
    plan = EvalPacking(np.asarray(lengths), BatchShape(rows, 16, segments))
    counted = Counter(
        (piece.song, position)
        for step in range(plan.num_batches)
        for piece in plan.pieces(step, range(rows))
        if piece.counts
        for position in range(piece.start, piece.stop)
    )
    assert counted == Counter({(song, i): 1 for song, length in enumerate(lengths) for i in range(length)})
    assert plan.pieces(plan.num_batches - 1, range(rows))


def test_a_row_must_hold_more_than_the_prefix() -> None:
    with pytest.raises(ValueError, match="batch length is 3"):
        TrainPacking(np.asarray([10]), BatchShape(1, 3), seed=0)
