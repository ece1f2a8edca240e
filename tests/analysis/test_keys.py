"""Keys of progressions, of scales, and of pieces that change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.analysis.keys import find_keys, score_keys
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key

BAR = 48


def spans(symbols: list[tuple[int, str]], bar: int = 0) -> list[ChordSpan]:
    """One chord a bar: (root, quality)."""
    return [
        ChordSpan((bar + i) * BAR, BAR, Chord(root % 12, quality))
        for i, (root, quality) in enumerate(symbols)
    ]


def notes_of(chords: list[ChordSpan]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [(c.onset, c.duration, 60 + pitch) for c in chords for pitch in c.chord.pitch_classes]
    onset, duration, pitch = np.array(rows).T
    return onset, duration, pitch


def keys_of(chords: list[ChordSpan], **more):
    bars = np.arange(0, chords[-1].onset + BAR, BAR)
    return find_keys(*notes_of(chords), chords, bars=bars, **more)


MAJOR = [(0, "maj"), (9, "min"), (5, "maj"), (7, "7")]
MINOR = [(9, "min"), (5, "maj"), (2, "min"), (4, "7")]


@pytest.mark.parametrize("up", range(12))
def test_a_key_and_its_relative_are_told_apart_in_all_keys(up: int):
    for loop, key in ((MAJOR, Key(0, "major")), (MINOR, Key(9, "minor"))):
        found = keys_of(spans([(root + up, quality) for root, quality in loop * 4]))
        assert found.key == key.transpose(up)
        assert found.segments == ((0, key.transpose(up)),)


def test_a_change_of_key_is_found_at_its_bar():
    first = spans(MAJOR * 4)
    second = spans([(root + 2, quality) for root, quality in MAJOR * 6], bar=16)
    found = keys_of(first + second)
    assert found.segments == ((0, Key(0, "major")), (16 * BAR, Key(2, "major")))
    assert found.key == Key(2, "major")


def test_a_bar_of_another_key_is_no_change():
    chords = spans(MAJOR * 3 + [(6, "maj"), (1, "7")] + MAJOR * 3)
    assert len(keys_of(chords).segments) == 1


def test_notes_alone_and_chords_alone_are_enough():
    chords = spans(MAJOR * 4)
    bars = np.arange(0, 16 * BAR, BAR)
    assert find_keys(*notes_of(chords), (), bars=bars).key.fifths == 0
    assert find_keys([], [], [], chords, bars=bars).key == Key(0, "major")
    assert find_keys(*notes_of(chords), chords, bars=[]).key == Key(0, "major")
    assert find_keys([], [], [], [], bars=[]).key == Key(0, "major")
    silent = find_keys([], [], [], spans([(0, "maj")])[:0], bars=bars)
    assert silent.segments == ((0, Key(0, "major")),)


def test_a_melody_alone_has_a_key():
    tune = [60, 62, 64, 60, 60, 62, 64, 60, 64, 65, 67, 64, 65, 67, 67, 69, 67, 65, 64, 60, 60, 55, 60]
    onset = np.arange(len(tune)) * 12
    for up in range(12):
        found = find_keys(onset, np.full(len(tune), 12), np.array(tune) + up, (), bars=np.arange(0, 276, 48))
        assert found.key == Key(up, "major")


def test_beginning_and_end_decide_between_relatives():
    middle = [(0, "maj"), (9, "min"), (5, "maj"), (2, "min"), (7, "maj"), (4, "min")] * 2
    for tonic, quality, key in ((0, "maj", Key(0, "major")), (9, "min", Key(9, "minor"))):
        chords = spans([(tonic, quality), *middle, (tonic, quality)])
        assert score_keys(*notes_of(chords), chords).argmax() == key.index
        assert keys_of(chords).key == key


def test_weights_count():
    onset, duration, pitch = notes_of(spans(MAJOR * 4) + spans([(6, "maj")] * 16))
    weights = (np.arange(len(onset)) < len(notes_of(spans(MAJOR * 4))[0])).astype(float)
    assert find_keys(onset, duration, pitch, (), bars=[0], weights=weights).key.fifths == 0


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="one length"):
        find_keys([0], [1, 2], [60], (), bars=[0])
    with pytest.raises(ValueError, match="increase"):
        find_keys([0], [1], [60], (), bars=[0, 0])


notes = st.lists(st.tuples(st.integers(0, 900), st.integers(1, 200), st.integers(0, 127)), max_size=30)


@given(notes, st.integers(1, 12), st.integers(0, 11))
def test_transposed_pieces_have_transposed_keys(rows: list, bars: int, up: int):
    if not rows:
        return
    onset, duration, pitch = np.array(rows).T
    places = np.arange(bars) * 80
    plain = find_keys(onset, duration, pitch, (), bars=places)
    higher = find_keys(onset, duration, pitch + up, (), bars=places)
    places_of = [place for place, _ in plain.segments]
    assert places_of[0] == 0
    assert places_of == sorted(set(places_of))
    shares = np.bincount(pitch % 12, weights=duration, minlength=12)
    if len(np.unique(np.round(shares, 6))) == 12:  # no ties
        assert higher.key == plain.key.transpose(up)
