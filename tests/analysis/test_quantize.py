"""Quantisation: exact on the grid, monophonic always, near the truth under jitter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.analysis.quantize import QuantizeParams, quantize_melody

times = st.floats(0, 60, allow_nan=False, width=32)
raw_notes = st.lists(st.tuples(times, st.floats(-1, 8, width=32), st.integers(0, 127)), max_size=60)


@given(raw_notes, st.sampled_from([6, 12, 18]))
def test_any_notes_become_a_melody_near_them(raw: list[tuple[float, float, int]], beat_ticks: int) -> None:
    onset = np.array([start for start, _, _ in raw])
    offset = np.array([start + length for start, length, _ in raw])
    melody = quantize_melody(onset, offset, [pitch for _, _, pitch in raw], beat_ticks=beat_ticks)
    assert len(melody.notes) + melody.dropped == len(raw)
    assert bool(melody.notes) == bool(raw)
    assert 0 <= melody.mean_error <= 6
    for note, following in zip(melody.notes, melody.notes[1:], strict=False):
        assert note.onset < following.onset
        assert note.end <= following.onset
    assert all(note.duration > 0 and note.onset >= 0 for note in melody.notes)


@st.composite
def grid_melodies(draw: st.DrawFn) -> list[tuple[int, int]]:
    """(onset, end) in ticks: beats of sixteenths or of triplets, each note lasting until the next."""
    places: list[int] = []
    for beat in range(draw(st.integers(1, 6))):
        triplets = draw(st.booleans())
        inside = [4, 8] if triplets else draw(st.lists(st.sampled_from([3, 6, 9]), unique=True).map(sorted))
        places += [12 * beat, *(12 * beat + place for place in inside)]
    return list(zip(places, [*places[1:], places[-1] // 12 * 12 + 12], strict=True))


@given(grid_melodies(), st.integers(0, 2**32 - 1))
def test_what_is_on_the_grid_stays_and_jitter_is_undone(spans: list[tuple[int, int]], seed: int) -> None:
    onset, end = (np.array(column) for column in zip(*spans, strict=True))
    exact = quantize_melody(onset / 12, end / 12, [60] * len(spans))
    assert [(note.onset, note.end) for note in exact.notes] == spans
    assert exact.mean_error < 1e-9
    jitter = np.random.default_rng(seed).uniform(-0.2, 0.2, len(spans))
    played = quantize_melody(np.maximum(onset + jitter, 0) / 12, end / 12, [60] * len(spans))
    assert [note.onset for note in played.notes] == onset.tolist()


def test_a_lone_late_sixteenth_is_not_a_triplet() -> None:
    assert quantize_melody([0, 0.29], [0.25, 1], [60, 62]).notes[1].onset == 3
    eager = QuantizeParams(triplet_penalty=0.0)
    assert quantize_melody([0, 0.3], [0.25, 1], [60, 62], params=eager).notes[1].onset == 4


def test_eighth_beats_know_sixteenths_and_triplets_of_their_own() -> None:
    onsets = [0, 0.5, 1, 4 / 3, 5 / 3, 2]
    notes = quantize_melody(onsets, [*onsets[1:], 3], [60] * 6, beat_ticks=6).notes
    assert [note.onset for note in notes] == [0, 3, 6, 8, 10, 12]


def test_small_gaps_close_and_large_ones_stay() -> None:
    notes = quantize_melody([0, 1, 3], [0.8, 2, 4], [60, 62, 64]).notes
    assert [(note.onset, note.end) for note in notes] == [(0, 12), (12, 24), (36, 48)]


def test_overlaps_are_trimmed_and_doubles_thinned() -> None:
    melody = quantize_melody([0, 0, 1, 1.02], [2, 2, 1.04, 2], [60, 67, 69, 71], [10, 20, 30, 40])
    assert [(n.onset, n.end, n.pitch, n.velocity) for n in melody.notes] == [
        (0, 12, 67, 20),
        (12, 24, 71, 40),
    ]
    assert melody.dropped == 2


def test_two_notes_of_one_grid_point_part_where_there_is_room() -> None:
    notes = quantize_melody([0.9, 1.08], [1.05, 1.5], [60, 62]).notes
    assert [note.onset for note in notes] == [9, 12]


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="1 onsets, 2 offsets"):
        quantize_melody([0], [1, 2], [60])
    with pytest.raises(ValueError, match="0 or more"):
        quantize_melody([-1], [1], [60])
