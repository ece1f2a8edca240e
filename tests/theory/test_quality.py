from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.theory.quality import (
    CHORD_TONES,
    COARSE_NAMES,
    INTERVALS,
    QUALITIES,
    coarse_quality,
    nearest_quality,
)

POP909 = [
    "maj",
    "min",
    "dim",
    "aug",
    "maj6",
    "min6",
    "7",
    "maj7",
    "min7",
    "minmaj7",
    "dim7",
    "hdim7",
    "sus2",
    "sus4",
]


def test_the_vocabulary_is_frozen() -> None:
    assert " ".join(QUALITIES) == (
        "maj min dim aug maj6 min6 7 maj7 min7 minmaj7 dim7 hdim7 sus2 sus4 7sus4 5 add9 minadd9 9 maj9 min9 "
        "11 13 min11 maj13 7b9 7#9 7#11 7#5 6/9 maj7#5 9sus4"
    )
    assert set(POP909) < set(QUALITIES)


def test_no_two_qualities_sound_alike() -> None:
    assert len({INTERVALS[quality] for quality in QUALITIES}) == 32
    for quality in QUALITIES:
        assert CHORD_TONES[quality][0] == 0
        assert list(CHORD_TONES[quality]) == sorted(CHORD_TONES[quality])


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_quality_is_nearest_to_itself(quality: str) -> None:
    assert nearest_quality(CHORD_TONES[quality]) == quality


def test_coarse_codes() -> None:
    codes = {quality: coarse_quality(quality) for quality in QUALITIES}
    assert set(codes.values()) == set(range(9))
    assert coarse_quality("N") == 9
    assert len(COARSE_NAMES) == 10
    for quality, code in codes.items():
        notes = INTERVALS[quality]
        if code in (0, 4, 5):
            assert 4 in notes
        if code in (1, 2, 6, 7):
            assert 3 in notes
        if code == 4:
            assert 10 in notes
        if code == 8:
            assert not notes & {3, 4}
    with pytest.raises(ValueError, match="blue"):
        coarse_quality("blue")


@given(st.sets(st.integers(-24, 24), max_size=9))
def test_any_set_has_a_nearest_with_its_third(intervals: set[int]) -> None:
    quality = nearest_quality(intervals)
    folded = {i % 12 for i in intervals}
    if folded & {3, 4} == {4}:
        assert 4 in INTERVALS[quality]
    if folded & {3, 4} == {3}:
        assert 3 in INTERVALS[quality]


@pytest.mark.parametrize(
    ("intervals", "quality"),
    [
        ((0,), "5"),
        ((0, 5, 10), "7sus4"),
        ((0, 4, 10), "7"),
        ((0, 4), "maj"),
        ((0, 3), "min"),
        ((0, 4, 6, 10), "7#11"),
        ((0, 4, 6), "maj"),
        ((0, 4, 7, 10, 13, 18), "7b9"),
        ((0, 3, 7, 10, 14, 17, 21), "min11"),
        ((0, 4, 7, 11, 18), "maj7"),
        ((0, 2, 7, 10), "9sus4"),
        ((0, 5, 7, 14), "sus4"),
    ],
)
def test_unknown_sets_lose_colour_before_family(intervals: tuple[int, ...], quality: str) -> None:
    assert nearest_quality(intervals) == quality
