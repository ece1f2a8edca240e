"""The chord finder for songs: arpeggios, melodies over an accompaniment, every quality of the vocabulary."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.analysis.chords import segments
from hrpe_jax.analysis.chords.find_chords import (
    FULL,
    LINE_WEIGHT,
    POP,
    SegmentParams,
    accompaniment_weights,
    find_chords,
)
from hrpe_jax.analysis.chords.segments import (
    LONGEST,
    ROLES,
    STEPS,
    best_division,
    familiarity,
    find_segments,
    roles,
    segment_features,
    segment_scores,
    song_evidence,
)
from hrpe_jax.formats.charts.labels import read_pop909_labels
from hrpe_jax.formats.midi.read import read_midi
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord import Chord, parse_harte
from hrpe_jax.theory.quality import CHORD_TONES, INTERVALS, QUALITIES

Notes = list[tuple[float, float, int, int]]  # onset and duration in beats, pitch, track
LOW, HIGH = 0, 1


def _find(notes: Notes, beats: int, bar: int = 4, **kwargs: object) -> tuple[ChordSpan, ...]:
    onset, duration, pitch, track = (np.array(column) for column in zip(*notes, strict=True))
    strong = np.arange(beats) % bar == 0
    given = {"strong": strong, "tracks": track, **kwargs}
    return find_chords(onset * 12, duration * 12, pitch, grid=np.arange(beats + 1) * 12, **given)


def _block(chord: Chord, beat: float, beats: float) -> Notes:
    """Root or bass low, the notes in close position in the middle, each struck again on every beat."""
    pitches = [36 + chord.bass, *(54 + (chord.root + tone - 6) % 12 for tone in CHORD_TONES[chord.quality])]
    return [(beat + i, 1, pitch, LOW) for i in range(int(beats)) for pitch in pitches]


@pytest.mark.parametrize("params", [POP, FULL])
def test_every_quality_is_found_in_every_key(params: SegmentParams) -> None:
    assert {quality for quality, _, _ in FULL.qualities} == set(QUALITIES)
    for quality, _, _ in params.qualities:
        for root in range(12):
            chord = Chord(root, quality)
            (span,) = _find(_block(chord, 0, 4), 4, tracks=None, params=params)
            if quality == "dim7":  # four roots, one sound
                assert span.chord.quality == quality
                assert span.chord.pitch_classes == chord.pitch_classes
            else:
                assert span == ChordSpan(0, 48, chord)


def test_an_arpeggio_is_one_chord() -> None:
    notes: Notes = []
    for bar, (root, third) in enumerate([(0, 4), (9, 3), (5, 4), (7, 4)]):
        pitches = [36 + root, 48 + root, 48 + root + third, 55 + root] * 2
        notes += [(4 * bar + i / 2, 0.5, pitch, LOW) for i, pitch in enumerate(pitches)]
    names = [str(span.chord) for span in _find(notes, 16)]
    assert names == ["C:maj", "A:min", "F:maj", "G:maj"]


def test_a_line_above_says_little_in_a_track_of_its_own() -> None:
    accompaniment = _block(Chord(0, "maj"), 0, 4)
    line: Notes = [(i, 1, pitch, HIGH) for i, pitch in enumerate((81, 77, 81, 77))]  # a f a f over C
    begin, duration, pitch, track = (np.array(c) for c in zip(*(accompaniment + line), strict=True))
    weights = accompaniment_weights(begin, begin + duration, pitch, track)
    assert set(weights[track == LOW]) == {1.0}
    assert set(weights[track == HIGH]) == {LINE_WEIGHT}
    assert [str(span.chord) for span in _find(accompaniment + line, 4)] == ["C:maj"]


def test_without_tracks_the_upper_line_weighs_less() -> None:
    notes = _block(Chord(0, "maj"), 0, 8) + [(i, 1, 81 - 4 * (i % 2), LOW) for i in range(8)]
    begin, duration, pitch, track = (np.array(column) for column in zip(*notes, strict=True))
    weights = accompaniment_weights(begin, begin + duration, pitch, track)
    assert weights[pitch > 70].max() < 0.5 < weights[pitch < 56].min()
    assert [str(span.chord) for span in _find(notes, 8, tracks=None)] == ["C:maj"]


def test_voices_in_tracks_of_their_own_are_taken_in() -> None:
    # Bass and two high voices, one note each at a time: the lower of the two is needed to know the chord.
    notes: Notes = [(0, 4, 43, 0), (0, 4, 76, 1), (0, 4, 79, 2), (0, 4, 84, 3)]
    begin, duration, pitch, track = (np.array(column) for column in zip(*notes, strict=True))
    assert accompaniment_weights(begin, begin + duration, pitch, track).tolist() == [1, 1, 0.1, 0.1]


def test_basses_and_silence() -> None:
    notes = _block(Chord(0, "maj"), 0, 4) + _block(Chord(0, "maj", 4), 4, 4)
    spans = _find(notes, 12)
    assert [(span.onset, str(span.chord)) for span in spans] == [(0, "C:maj"), (48, "C:maj/3"), (96, "N")]
    nothing = find_chords([], [], [], grid=[0, 12, 24])
    assert nothing == (ChordSpan(0, 24, Chord.NONE),)
    outside = find_chords([-50, 100], [10, 10], [60, 64], grid=[0, 12, 24])
    assert outside == nothing


def test_chords_may_change_inside_a_bar() -> None:
    notes = _block(Chord(0, "maj"), 0, 2) + _block(Chord(7, "7"), 2, 2)
    for strong in (None, [True, False, False, False]):
        assert [str(span.chord) for span in _find(notes, 4, strong=strong)] == ["C:maj", "G:7"]


@settings(deadline=None, max_examples=30)
@given(st.integers(-12, 12), st.integers(0, 1000), st.booleans())
def test_transposing_the_notes_transposes_the_chords(shift: int, seed: int, merged: bool) -> None:
    rng = np.random.default_rng(seed)
    notes: Notes = []
    for bar in range(3):
        notes += _block(
            Chord(int(rng.integers(12)), str(rng.choice(["maj", "min", "7", "min7"]))), 4 * bar, 4
        )
        notes += [(4 * bar + i, 1, int(rng.integers(66, 80)), HIGH) for i in range(4)]
    moved = [(onset, duration, pitch + shift, track) for onset, duration, pitch, track in notes]
    # Tracks are judged by how high they lie, notes by how high above the others: only these may be moved far.
    tracks = {"tracks": None} if merged or abs(shift) > 2 else {}
    spans, others = _find(notes, 12, **tracks), _find(moved, 12, **tracks)
    assert [span.chord.transpose(shift % 12) for span in spans] == [span.chord for span in others]
    assert [span.onset for span in spans] == [span.onset for span in others]


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_evidence_is_what_sounds(data: st.DataObject) -> None:
    slots = 4
    place = st.integers(-STEPS, (slots + 1) * STEPS)
    rows = data.draw(st.lists(st.tuples(place, st.integers(1, 20), st.integers(30, 90)), max_size=12))
    begin, length, pitch = np.array(rows, dtype=float).reshape(-1, 3).T
    found = song_evidence(
        begin / STEPS, (begin + length) / STEPS, pitch.astype(int), np.ones(len(rows)), slots
    )
    cover, bass = np.zeros((slots, 12)), np.zeros((slots, 12))
    for step in range(slots * STEPS):
        sounding = [key for start, many, key in rows if start <= step < start + many]
        for pitch_class in {key % 12 for key in sounding}:
            cover[step // STEPS, pitch_class] += 1 / STEPS
        if sounding:
            bass[step // STEPS, min(sounding) % 12] += 1 / STEPS
    np.testing.assert_allclose(found.cover, cover)
    np.testing.assert_allclose(found.bass, bass)


def test_evidence_is_the_same_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    begin, length, pitch = rng.uniform(0, 16, 60), rng.uniform(0.1, 5, 60), rng.integers(30, 90, 60)
    given = (begin, begin + length, pitch, rng.uniform(0.1, 1, 60), 16)
    whole = song_evidence(*given)
    monkeypatch.setattr(segments, "_CELLS", 7)
    for one, other in zip(whole, song_evidence(*given), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_division_is_the_best_of_all() -> None:
    rng = np.random.default_rng(1)
    strong = np.array([True, False, False, False, True, False])
    segments = find_segments(6, strong)
    scores = rng.normal(size=(len(segments.first), 5))
    begins = segments.first.tolist()
    score = {
        (b, b + n): row.max() for b, n, row in zip(begins, segments.length.tolist(), scores, strict=True)
    }
    totals = []
    for cuts in itertools.chain.from_iterable(itertools.combinations(range(1, 6), n) for n in range(6)):
        parts = list(itertools.pairwise([0, *cuts, 6]))
        if all(part in score for part in parts):
            totals.append(sum(score[part] for part in parts))
    found = best_division(scores, segments, 6)
    assert sum(score[begin, end] for begin, end, _ in found) == pytest.approx(max(totals))
    assert any(end == 4 for _, end, _ in found)  # a bar line divides


def test_segments_and_places() -> None:
    free = find_segments(10, None)
    assert free.length.max() == LONGEST
    assert set(free.place.tolist()) == {1}
    pickup = find_segments(6, np.array([False, True, False, False, False, True]))
    starts = dict(zip(pickup.first.tolist(), pickup.place.tolist(), strict=True))
    assert starts == {0: 0, 1: 0, 2: 2, 3: 1, 4: 2, 5: 0}


def test_scores_say_which_notes_are_whose() -> None:
    for quality in QUALITIES:
        assert set(roles(quality)) == set(INTERVALS[quality])
        assert roles(quality)[0] == ROLES.index("root")
    segments = find_segments(2, None)
    evidence = song_evidence(np.array([0.0]), np.array([2.0]), np.array([67]), np.ones(1), 2)
    scores = segment_scores(segment_features(evidence, segments), segments, POP)
    assert scores.shape == (3, 12 * 15 + 1)
    assert scores[:, :12].argmax(axis=1).tolist() == [7, 7, 7]  # of major chords, the one on the note


def test_chords_of_the_piece_are_likelier_where_notes_leave_a_doubt() -> None:
    gain = familiarity([(0, 6, 7), (6, 8, 2), (8, 10, 180)], 10, 181)
    assert gain[7] > gain[2] > 0
    assert set(np.delete(gain, [2, 7]).tolist()) == {0.0}
    # A bare fifth on A in a piece of A minor.
    notes = _block(Chord(9, "min"), 0, 28) + [(28 + i, 1, key, LOW) for i in range(4) for key in (45, 52, 57)]
    for familiar, names in ((0.0, ["A:min", "A:maj"]), (3.0, ["A:min"])):
        spans = _find(notes, 32, params=replace(POP, familiar=familiar))
        assert [str(span.chord) for span in spans] == names


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="grid"):
        find_chords([0], [1], [60], grid=[0])
    with pytest.raises(ValueError, match="one length"):
        find_chords([0], [1], [60], grid=[0, 1], tracks=[0, 1])
    with pytest.raises(ValueError, match="strong"):
        find_chords([0], [1], [60], grid=[0, 1], strong=[True, False])


_SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.skipif(not (_SHARED / "pop909").is_dir(), reason="POP909 is not here")
def test_songs_of_the_validation_split() -> None:
    names = json.loads((_SHARED / "splits" / "pop909.json").read_text(encoding="utf-8"))["valid"][:6]
    right = total = 0
    for name in names:
        folder = _SHARED / "pop909" / "POP909" / name
        labels, midi = read_pop909_labels(folder), read_midi(folder / f"{name}.mid")
        beats = np.array(labels.beats)
        rows = np.concatenate([track.rows for track in midi.tracks])
        track = np.repeat(np.arange(len(midi.tracks)), [len(track.rows) for track in midi.tracks])
        grid = np.arange(len(beats)) * 12
        begin, end = (
            np.interp(midi.seconds(ticks), beats, grid) for ticks in (rows[:, 0], rows[:, 0] + rows[:, 1])
        )
        spans = find_chords(
            begin, end - begin, rows[:, 2], grid=grid, strong=np.array(labels.bars)[:-1], tracks=track
        )
        found = {beat: span.chord for span in spans for beat in range(span.onset // 12, span.end // 12)}
        for row in labels.chords:
            first, last = np.rint(np.interp([row.start, row.end], beats, np.arange(len(beats)))).astype(int)
            want = parse_harte(row.label)
            total += int(last - first)
            right += sum(found[beat].root == want.root for beat in range(first, last))
    assert right / total > 0.94
