from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.analysis.melody.line import skyline
from hrpe_jax.formats.midi.read import MidiFile, MidiTrack

Row = tuple[int, int, int, int]


def file(*tracks: list[Row], drums: bool = False) -> MidiFile:
    made = tuple(MidiTrack("", 0, drums, np.array(sorted(rows))) for rows in tracks)
    return MidiFile(480, made, ((0, 120.0),))


def test_the_upper_notes_of_the_upper_track() -> None:
    tune = [(at * 480, 480, 72 + at % 3, 80) for at in range(10)]
    below = [(at * 480, 480, 64, 80) for at in range(10)]
    left = [(at * 240, 240, 48, 80) for at in range(20)]
    assert skyline(file(left, tune + below)).tolist() == [list(row) for row in tune]


def test_notes_under_a_held_one_are_no_tune() -> None:
    rows = [(0, 960, 76, 80), (240, 240, 60, 80), (480, 480, 64, 80), (960, 480, 62, 80), (1400, 480, 60, 80)]
    line = skyline(file(rows))
    assert line[:, 2].tolist() == [76, 62, 60]  # the last begins where the one before is nearly over
    assert line[:, 1].tolist() == [960, 440, 480]


def test_nothing_but_drums() -> None:
    assert skyline(file([(0, 10, 36, 80)], drums=True)).shape == (0, 4)
    assert skyline(file()).shape == (0, 4)


@given(
    st.lists(
        st.tuples(st.integers(0, 5000), st.integers(1, 2000), st.integers(0, 127), st.just(80)), min_size=1
    )
)
def test_one_note_at_a_time(rows: list[Row]) -> None:
    line = skyline(file(rows))
    assert (np.diff(line[:, 0]) > 0).all()
    assert (line[:-1, 0] + line[:-1, 1] <= line[1:, 0]).all()
    assert (line[:, 1] > 0).all()
    assert set(map(tuple, line[:, [0, 2]].tolist())) <= {(onset, pitch) for onset, _, pitch, _ in rows}
