"""Beats and bars: exact where a file keeps its own, found where it does not, and always some."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hrpe_jax.analysis.beats.find_beats import MAX_BEATS, Beats, find_beats
from hrpe_jax.formats.charts.labels import read_pop909_labels
from hrpe_jax.formats.midi.read import MidiFile, MidiTrack, read_midi
from hrpe_jax.theory.meter import Meter

TPQ = 480
POP909 = Path(__file__).resolve().parents[3] / "../shared/data/pop909/POP909"
SPLITS = POP909 / "../../splits/pop909.json"
HARMONY = ((0, 4, 7), (9, 0, 4), (5, 9, 0), (7, 11, 2))


def midi_of(
    notes: list[tuple[float, float, int, int]],
    meters: tuple[tuple[int, int, int], ...] = (),
    tempos: tuple[tuple[int, float], ...] = ((0, 100.0),),
    drums: list[tuple[float, float, int, int]] | None = None,
) -> MidiFile:
    """A file of (quarter, quarters, pitch, velocity)."""

    def track(rows: list[tuple[float, float, int, int]], is_drum: bool) -> MidiTrack:
        ticks = [
            (round(on * TPQ), max(1, round(length * TPQ)), pitch, loud) for on, length, pitch, loud in rows
        ]
        return MidiTrack("", 0, is_drum, np.array(sorted(ticks), dtype=np.int64))

    tracks = [track(notes, False)] if notes else []
    if drums:
        tracks.append(track(drums, True))
    return MidiFile(ticks_per_quarter=TPQ, tracks=tuple(tracks), tempos=tempos, meters=meters)


def song(bars: list[float], *, start: float = 0.0, seed: int = 3) -> list[tuple[float, float, int, int]]:
    """An accompaniment and a tune over bars of these lengths in quarters, each with a new chord and bass."""
    random = np.random.default_rng(seed)
    notes: list[tuple[float, float, int, int]] = []
    at = start
    for index, length in enumerate(bars):
        chord = HARMONY[index % 4]
        notes.append((at, length, 36 + chord[0] % 12, 90))
        for beat in range(1, int(length)):
            notes.extend((at + beat, 0.9, 60 + tone % 12, 64) for tone in chord)
        place = 0.0
        while place < length - 0.25:
            step = float(random.choice([0.5, 0.5, 1.0]))
            step = min(step, length - place)
            notes.append((at + place, step * 0.95, 72 + int(random.choice(chord)) % 12, 80))
            place += step
        at += length
    return notes


def check(beats: Beats, midi: MidiFile) -> None:
    """What is true of all beats."""
    first = min(int(track.rows[0, 0]) for track in midi.tracks)
    begin, quarter_later, end = midi.seconds([first, first + midi.ticks_per_quarter, midi.end])
    assert beats.seconds.dtype == np.float64
    assert len(beats.seconds) >= 2
    assert np.isfinite(beats.seconds).all()
    assert (np.diff(beats.seconds) > 0).all()
    assert beats.seconds[-1] >= end - 1e-6
    # A first note may be early by a fifth of a beat, or of a quarter where bars are shorter than that.
    beat = max(beats.seconds[1] - beats.seconds[0], quarter_later - begin)
    assert beats.seconds[0] <= begin + 0.2 * beat + 1e-9
    assert beats.bars[0] == 0
    assert (np.diff(beats.bars) > 0).all()
    assert beats.bars[-1] < len(beats.seconds)
    assert len(beats.seconds) <= 2 * MAX_BEATS + 100
    assert beats.meter.is_supported
    assert beats.beat_ticks in (6, 12, 18)
    assert np.isfinite(beats.tempo_bpm)
    assert beats.tempo_bpm > 0
    assert set(beats.found) <= {"beats", "meter"}


def hits(found: np.ndarray, wanted: np.ndarray) -> float:
    """Share of the wanted times with a found one within 70 ms, and the other way around: the smaller."""
    apart = np.abs(found[:, None] - wanted[None, :])
    return float(min((apart.min(axis=0) < 0.07).mean(), (apart.min(axis=1) < 0.07).mean()))


@pytest.mark.parametrize(
    ("meter", "quarters", "beat_ticks"),
    [((4, 4), 4, 12), ((3, 4), 3, 12), ((2, 4), 2, 12), ((5, 4), 5, 12), ((2, 2), 4, 12), ((6, 8), 3, 18),
     ((12, 8), 6, 18), ((7, 8), 3.5, 6), ((3, 8), 1.5, 6)],
)  # fmt: skip
def test_files_keep_their_own_meter(meter, quarters, beat_ticks):
    midi = midi_of(song([quarters] * 24), meters=((0, *meter),), tempos=((0, 100.0), (9 * TPQ, 108.0)))
    beats = find_beats(midi)
    check(beats, midi)
    assert beats.meter == Meter(*meter)
    assert beats.beat_ticks == beat_ticks
    assert beats.found == ()
    assert beats.warnings == ()
    bars = midi.seconds(np.arange(24) * quarters * TPQ)
    np.testing.assert_allclose(beats.seconds[beats.bars[:24]], bars, atol=1e-9)
    inside = np.arange(0, quarters, beat_ticks / 12)
    np.testing.assert_allclose(beats.seconds[: len(inside)], midi.seconds(inside * TPQ), atol=1e-9)


def test_slow_compound_meters_count_eighths():
    midi = midi_of(song([3] * 24), meters=((0, 6, 8),), tempos=((0, 60.0),))
    beats = find_beats(midi)
    assert beats.beat_ticks == 6
    assert beats.tempo_bpm == pytest.approx(60.0)
    assert set(np.diff(beats.bars)) == {6}


def test_changes_of_meter_are_honoured():
    lengths = [4.0] * 8 + [3.0] * 4 + [2.0] + [4.0] * 12
    midi = midi_of(song(lengths), meters=((0, 4, 4), (32 * TPQ, 3, 4), (44 * TPQ, 2, 4), (46 * TPQ, 4, 4)))
    beats = find_beats(midi)
    assert beats.found == ()
    assert beats.meter == Meter(4, 4)
    assert np.diff(beats.bars).tolist()[: len(lengths) - 1] == [int(length) for length in lengths[:-1]]


def test_a_pickup_in_the_meter_events_is_a_bar_of_its_own():
    midi = midi_of([(0.0, 0.9, 67, 80), *song([3.0] * 20, start=1.0)], meters=((0, 1, 4), (TPQ, 3, 4)))
    beats = find_beats(midi)
    assert beats.meter == Meter(3, 4)
    assert beats.found == ()
    assert np.diff(beats.bars).tolist()[:5] == [1, 3, 3, 3, 3]


def test_leading_silence_is_left_out():
    midi = midi_of(song([4.0] * 16, start=10.0), meters=((0, 4, 4),))
    midi_odd = midi_of(song([4.0] * 16, start=8.0), meters=((0, 4, 4),))
    beats = find_beats(midi_odd)
    check(beats, midi_odd)
    assert beats.seconds[0] == pytest.approx(8 * 0.6)
    check(find_beats(midi), midi)


@pytest.mark.parametrize("quarters", [3, 4])
@pytest.mark.parametrize("meters", [(), ((0, 1, 4),)])
def test_meters_are_found_where_the_file_has_none(quarters, meters):
    notes = [(0.0, 0.9, 74, 80), *song([quarters] * 30, start=1.0)]  # a pickup of one beat
    beats = find_beats(midi_of(notes, meters=meters))
    assert beats.meter == Meter(quarters, 4)
    assert "meter" in beats.found
    assert beats.bars[0] == 0
    assert set(np.diff(beats.bars)) == {quarters}
    assert beats.seconds[0] == pytest.approx(0.6 * (1 - quarters))  # the bar begins before the file
    assert beats.seconds[-1] >= 0.6 * (1 + 30 * quarters) - 1e-6


@pytest.mark.parametrize("offset", [0.13, 0.37, 0.5, 0.81])
def test_beats_may_lie_beside_the_files_own(offset):
    midi = midi_of(song([4.0] * 30, start=offset + 2), meters=((0, 1, 4),), tempos=((0, 93.0),))
    beats = find_beats(midi)
    check(beats, midi)
    assert beats.warnings == ("beats_shifted",)
    assert beats.found == ("beats", "meter")
    wanted = midi.seconds((np.arange(121) + 2 + offset) * TPQ)
    assert np.abs(beats.seconds[:, None] - wanted).min(axis=0).max() < 0.01
    assert beats.seconds[beats.bars[0]] == pytest.approx(wanted[0], abs=0.01)


def test_a_wrong_meter_is_given_up():
    beats = find_beats(midi_of(song([3.0] * 40), meters=((0, 4, 4),)))
    assert beats.meter == Meter(3, 4)
    assert beats.found == ("meter",)


def test_drums_say_where_bars_are():
    notes = [(float(at), 1.0, 60, 64) for at in range(160)]
    drums = [(at, 0.1, pitch, 90) for bar in range(40) for at, pitch in
             ((4 * bar + 3, 36), (4 * bar, 38), (4 * bar + 1, 36), (4 * bar + 2, 38))]  # fmt: skip
    drums += [(16 * part + 3, 0.5, 49, 110) for part in range(10)]
    beats = find_beats(midi_of(notes, drums=drums))
    assert beats.meter == Meter(4, 4)
    assert (np.round(beats.seconds[beats.bars] / 0.6) % 4 == 3).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("bar", [3.0, 4.0])
def test_performances_are_tracked(seed, bar):
    random = np.random.default_rng(seed)
    written = song([bar] * 36, seed=seed)
    total = bar * 36
    places = np.linspace(0, total, 400)
    tempo = 96 * 2 ** (0.12 * np.sin(2 * np.pi * places / total * 2.3 + seed))  # a tenth faster and slower
    seconds = np.concatenate([[0], np.cumsum(np.diff(places) * 60 / tempo[:-1])]) + 0.4
    played = []
    for on, length, pitch, loud in written:
        begin, end = np.interp([on, on + length], places, seconds)
        begin += random.normal(0, 0.012)
        played.append((2 * max(0.0, begin), 2 * (end - begin), pitch, loud))
    midi = midi_of(played, meters=((0, 4, 4),), tempos=((0, 120.0),))
    beats = find_beats(midi)
    check(beats, midi)
    assert beats.warnings == ("beats_tracked",)
    assert beats.found == ("beats", "meter")
    wanted = np.interp(np.arange(1, total - 1), places, seconds)
    inside = beats.seconds[(beats.seconds > wanted[0] - 0.1) & (beats.seconds < wanted[-1] + 0.1)]
    assert hits(inside, wanted) > 0.95
    assert beats.meter == Meter(int(bar), 4)


def test_a_quarter_too_fast_or_slow_is_not_the_beat():
    fast = find_beats(midi_of(song([8.0] * 12), meters=((0, 4, 4),), tempos=((0, 400.0),)))
    assert fast.tempo_bpm == pytest.approx(200.0)
    slow = find_beats(midi_of(song([1.0] * 40), meters=((0, 4, 4),), tempos=((0, 20.0),)))
    assert slow.tempo_bpm == pytest.approx(40.0)


@pytest.mark.parametrize(
    "notes",
    [
        [(0.0, 1.0, 60, 64)],
        [(7.3, 0.01, 0, 1)],
        [(0.0, 1.0, pitch, 64) for pitch in range(128)],
        [(0.0, 1.0, 60, 64), (200_000.0, 1.0, 62, 64)],
        [(float(at) * 11.7, 1.0, 60, 64) for at in range(150)],
        [(at * 0.0021, 0.002, 60 + at % 7, 64) for at in range(100)],
        [(float(at**2), 1.0, 60, 64) for at in range(150)],
    ],
    ids=["one", "late", "chord", "far", "sparse", "dense", "widening"],
)  # fmt: skip
def test_odd_files_have_beats(notes):
    for meters in ((), ((0, 4, 4),), ((0, 1, 4),), ((0, 7, 8),), ((0, 64, 32), (960, 5, 16))):
        midi = midi_of(notes, meters=meters)
        check(find_beats(midi), midi)


def test_drums_alone_have_beats():
    midi = midi_of([], drums=[(at / 2, 0.1, 42, 80) for at in range(64)])
    check(find_beats(midi), midi)


def test_long_and_large_files_are_bounded():
    random = np.random.default_rng(0)
    for hours, count in ((20, 20_000), (1.9, 20_000), (0.2, 20_000)):
        onset = np.sort(random.uniform(0, hours * 7200, count))
        midi = midi_of([(at, 0.5, 60 + index % 12, 64) for index, at in enumerate(onset.tolist())])
        check(find_beats(midi), midi)


def test_files_without_notes_are_refused():
    with pytest.raises(ValueError, match="notes"):
        find_beats(midi_of([]))


@settings(max_examples=60, deadline=None)
@given(
    notes=st.lists(
        st.tuples(st.floats(0, 60), st.floats(0.01, 8), st.integers(0, 127), st.integers(1, 127)),
        min_size=1,
        max_size=60,
    ),
    meters=st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(1, 64), st.sampled_from([1, 2, 4, 8, 16, 32])),
        max_size=4,
        unique_by=lambda meter: meter[0],
    ),
    tempo=st.floats(10, 1000),
)
@example(notes=[(0.0, 1.0, 0, 1), (23.0, 8.0, 0, 1)], meters=[(13, 1, 1), (73, 2, 1)], tempo=10.0)
def test_any_notes_have_beats(notes, meters, tempo):
    midi = midi_of(notes, meters=tuple(sorted(meters)), tempos=((0, tempo), (5000, 120.0)))
    check(find_beats(midi), midi)


@pytest.mark.skipif(not POP909.is_dir(), reason="needs POP909 beside the project")
def test_beats_of_recorded_songs():
    for name in json.loads(SPLITS.read_text())["train"][::90]:
        midi = read_midi(POP909 / name / f"{name}.mid")
        given_beats = np.array(read_pop909_labels(POP909 / name).beats)
        beats = find_beats(midi)
        check(beats, midi)
        inside = (given_beats >= beats.seconds[0]) & (given_beats <= beats.seconds[-1])
        apart = np.abs(beats.seconds[:, None] - given_beats[None, inside]).min(axis=0)
        assert (apart < 0.07).mean() > 0.99, name
