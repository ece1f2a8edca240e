"""The chord finder for voices: it names what was played, and sees through ornaments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.analysis.chords.find_chords import CHORALE, find_chords
from hrpe_jax.analysis.chords.templates import PASSING_WEIGHT, ChordParams, ornament_weights
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.quality import CHORD_TONES

Notes = list[tuple[int, int, int]]  # onset, duration, pitch


def _find(notes: Notes, beats: int, params: ChordParams = CHORALE, **kwargs: object) -> tuple[ChordSpan, ...]:
    onset, duration, pitch = (np.array(column) for column in zip(*notes, strict=True))
    return find_chords(onset, duration, pitch, grid=np.arange(beats + 1) * 12, params=params, **kwargs)


def _block(chord: Chord, beat: int, beats: int = 1) -> Notes:
    """A chord in close position over its bass, nothing doubled."""
    upper = {(chord.root + tone) % 12 for tone in CHORD_TONES[chord.quality]} - {chord.bass}
    return [(beat * 12, beats * 12, pitch) for pitch in (36 + chord.bass, *(60 + tone for tone in upper))]


def test_every_chord_is_found_in_every_key() -> None:
    for quality, _ in CHORALE.qualities:
        for root in range(12):
            chord = Chord(root, quality)
            (span,) = _find(_block(chord, 0, 4), 4)
            assert span.chord == chord  # augmented and diminished sevenths: named by their bass


def test_inversions_follow_the_bass() -> None:
    first, root, third = Chord(0, "maj", 4), Chord(0, "maj"), Chord(7, "7", 5)
    spans = _find(_block(first, 0) + _block(root, 1) + _block(third, 2) + _block(first, 3), 4)
    assert [(span.onset, span.chord) for span in spans] == [(0, first), (12, root), (24, third), (36, first)]


def test_passing_notes_do_not_make_chords() -> None:
    # C major over two beats, the soprano going e d e, the bass c d e: neighbour and passing note in eighths.
    inner = [(0, 24, 55), (0, 24, 60)]
    soprano = [(0, 6, 76), (6, 6, 74), (12, 12, 76)]
    bass = [(0, 6, 48), (6, 6, 50), (12, 12, 52)]
    spans = _find(inner + soprano + bass + _block(Chord(7, "maj"), 2), 3)
    assert [span.chord for span in spans] == [Chord(0, "maj"), Chord(0, "maj", 4), Chord(7, "maj")]


def test_silence_is_no_chord_and_spans_cover_the_grid() -> None:
    spans = _find(_block(Chord(0, "maj"), 1), 4)
    assert [(span.onset, span.end, span.chord.is_none) for span in spans] == [
        (0, 12, True),
        (12, 24, False),
        (24, 48, True),
    ]


def test_diminished_sevenths_are_named_by_what_follows() -> None:
    notes = [(0, 12, 50), (0, 12, 59), (0, 12, 65), (0, 12, 68)]  # d b f ab: into C it is B dim7
    for target, root in ((Chord(0, "min"), 11), (Chord(3, "min"), 2)):
        spans = _find(notes + _block(target, 1), 2)
        assert spans[0].chord == Chord(root, "dim7", 2)


@given(st.integers(0, 11), st.integers(0, 1000))
def test_transposing_the_notes_transposes_the_chords(shift: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    qualities = [quality for quality, _ in CHORALE.qualities if quality not in ("aug", "dim7")]
    notes: Notes = []
    for beat in range(4):
        notes += _block(Chord(int(rng.integers(12)), str(rng.choice(qualities))), beat)
    moved = [(onset, duration, pitch + shift) for onset, duration, pitch in notes]
    for span, other in zip(_find(notes, 4), _find(moved, 4), strict=True):
        assert (other.onset, other.duration) == (span.onset, span.duration)
        assert other.chord.quality == span.chord.quality
        assert (other.chord.root - span.chord.root) % 12 == shift


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="grid"):
        find_chords([0], [1], [60], grid=[0, 0])
    with pytest.raises(ValueError, match="one length"):
        find_chords([0], [1], [60, 62], grid=[0, 1])


def test_ornaments_of_a_voice() -> None:
    onset, duration = np.array([0, 6, 12, 18, 24, 30]), np.full(6, 6)
    pitch = np.array([60, 62, 64, 67, 65, 65])  # passing d; g is leapt to; the last two are one pitch
    weights = ornament_weights(onset, duration, pitch, onset % 12 == 0)
    assert weights.tolist() == [1, PASSING_WEIGHT, 1, 1, 1, 1]
    assert ornament_weights(onset[:1], duration[:1], pitch[:1], np.array([False])).tolist() == [1]
