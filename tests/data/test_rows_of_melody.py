from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.data.batches import BatchShape
from hrpe_jax.data.rows import EvalStreams, TrainStreams

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=20)


@settings(max_examples=50, deadline=None)
@given(LENGTHS, st.integers(1, 4), st.integers(1, 3), st.integers(0, 3))
def test_rows_play_whole_songs_and_every_song_once_per_epoch(
    lengths: list[int], rows: int, segments: int, seed: int
) -> None:
    shape = BatchShape(rows, 8, segments)
    plan = TrainStreams(np.asarray(lengths), shape, seed)
    steps = 6 + 4 * sum(-(-length // 8) for length in lengths) // (rows * segments)
    streams: dict[int, list] = {row: [] for row in range(rows)}
    for step in range(steps):
        for piece in plan.pieces(step, range(rows)):
            assert piece.segment == len(streams[piece.row]) - step * segments
            streams[piece.row].append(piece)
    started: Counter[int] = Counter()
    for stream in streams.values():
        assert len(stream) == steps * segments  # no row is ever without a song
        expected_start = 0
        for piece in stream:
            assert piece.start == expected_start
            assert piece.stop == min(piece.start + 8, lengths[piece.song])
            started[piece.song] += piece.start == 0
            expected_start = 0 if piece.stop == lengths[piece.song] else piece.stop
    # Rows differ by at most one song, so the songs' counts differ by what a stretch of epochs can hold.
    counts = [started[song] for song in range(len(lengths))]
    assert min(counts) >= 1
    assert max(counts) - min(counts) <= 2 + rows


def test_epochs_hold_every_song_once() -> None:
    lengths = np.asarray([3, 9, 20, 8, 1])
    plan = TrainStreams(lengths, BatchShape(2, 8), seed=5)
    for epoch in range(6):
        plan._epoch_of(0, 10 * epoch)
        rows, ends = plan._deal_epoch(epoch)
        assert sorted(song for row in rows for _, song in row) == [0, 1, 2, 3, 4]
        assert max(ends) - min(ends) <= 3  # the longest song


@given(LENGTHS, st.integers(1, 4), st.integers(1, 3))
def test_evaluation_plays_every_position_once(lengths: list[int], rows: int, segments: int) -> None:
    plan = EvalStreams(np.asarray(lengths), BatchShape(rows, 8, segments))
    played = Counter(
        (piece.song, position)
        for step in range(plan.num_batches)
        for piece in plan.pieces(step, range(rows))
        for position in range(piece.start, piece.stop)
    )
    assert played == Counter({(song, i): 1 for song, length in enumerate(lengths) for i in range(length)})
