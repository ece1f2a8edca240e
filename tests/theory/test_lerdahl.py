from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.theory.chord import Chord, parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.tonal_space import (
    KEYS,
    basic_space,
    chordal_steps,
    collection,
    distance,
    key_distances,
    keys_of,
    least_distance,
    pivots,
    regional_steps,
    rule,
)

C = Key.parse("C")
DIATONIC = {"I": "C", "ii": "Dm", "iii": "Em", "IV": "F", "V": "G", "vi": "Am", "vii": "Bdim"}


@pytest.mark.parametrize(
    ("degree", "steps"),
    # Lerdahl 2001, ch. 2: distances from I within a key.
    [("I", 0), ("ii", 8), ("iii", 7), ("IV", 5), ("V", 5), ("vi", 7), ("vii", 8)],
)
def test_distances_within_a_key(degree: str, steps: int) -> None:
    assert rule(parse_lead_sheet("C"), C, parse_lead_sheet(DIATONIC[degree]), C) == steps
    assert rule(parse_lead_sheet(DIATONIC[degree]), C, parse_lead_sheet("C"), C) == steps


def test_the_parts_of_a_distance() -> None:
    assert [sorted(level) for level in basic_space(parse_lead_sheet("G"), C)] == [
        [7],
        [2, 7],
        [2, 7, 11],
        [0, 2, 4, 5, 7, 9, 11],
    ]
    scale = collection(parse_lead_sheet("C"), C)
    assert [chordal_steps(0, root, scale) for root in scale] == [0, 2, 3, 1, 1, 3, 2]
    assert regional_steps(C, Key.parse("Am")) == 0
    assert regional_steps(C, Key.parse("F#")) == 6
    assert regional_steps(Key.parse("C"), Key.parse("Cm")) == 3


@pytest.mark.parametrize(
    ("key", "steps"),
    # Lerdahl 2001, ch. 2: between the tonics of near keys; two fifths away through the key between.
    [("G", 7), ("F", 7), ("Am", 7), ("Cm", 7), ("Dm", 10), ("Em", 9), ("D", 14), ("Bb", 14)],
)
def test_distances_between_keys(key: str, steps: int) -> None:
    assert key_distances()[C.index, Key.parse(key).index] == steps
    other = Key.parse(key)
    assert distance(Chord(0, "maj"), C, Chord(other.tonic, "maj" if other.mode == "major" else "min"), other)


def test_a_minor_key_raises_its_seventh_under_the_leading_tone_only() -> None:
    minor = Key.parse("Am")
    assert collection(parse_lead_sheet("Am"), minor) == (9, 11, 0, 2, 4, 5, 7)
    assert collection(parse_lead_sheet("E7"), minor) == (9, 11, 0, 2, 4, 5, 8)
    assert minor in keys_of(parse_lead_sheet("E7"))
    assert minor in keys_of(parse_lead_sheet("Bm7b5"))
    with pytest.raises(ValueError, match="not in the key"):
        rule(parse_lead_sheet("F#m"), C, parse_lead_sheet("C"), C)
    with pytest.raises(ValueError, match="not in the key"):
        collection(Chord.NONE, C)


def test_key_distances_are_a_metric() -> None:
    table = key_distances()
    assert (table == table.T).all()
    assert (table.diagonal() == 0).all()
    assert (table <= (table[:, :, None] + table[None]).min(axis=1)).all()


def test_pivots_look_both_ways() -> None:
    assert all(a in pivots(b) for a in KEYS for b in pivots(a))
    assert {key.name for key in pivots(C)} == {
        "C major", "C minor", "D minor", "E minor", "F major", "G major", "A minor",
    }  # fmt: skip


def test_the_triangle_inequality_within_a_key() -> None:
    chords = [parse_lead_sheet(name) for name in DIATONIC.values()]
    for x, y, z in itertools.permutations(chords, 3):
        there, on, straight = rule(x, C, y, C), rule(y, C, z, C), rule(x, C, z, C)
        assert there is not None
        assert on is not None
        assert straight is not None
        assert straight <= there + on


@given(
    st.integers(0, 11),
    st.integers(0, 11),
    st.integers(0, 11),
    st.sampled_from(["maj", "min", "7", "aug"]),
    st.sampled_from(["maj", "min", "dim", "sus4"]),
)
def test_without_a_key_transposition_changes_nothing(r: int, s: int, t: int, p: str, q: str) -> None:
    x, y = Chord(r, p), Chord(s, q)
    assert least_distance(x, y) == least_distance(x.transpose(t), y.transpose(t))


def test_without_a_key_the_nearest_reading_counts() -> None:
    c = parse_lead_sheet("C")
    assert least_distance(c, parse_lead_sheet("G")) == 5
    assert least_distance(c, parse_lead_sheet("C")) == 0
    # C as IV of G, D as V of G: two steps of the scale's fifths, six new notes.
    assert least_distance(c, parse_lead_sheet("D")) == 8
    # A seventh more is one note; a seventh less is none.
    assert least_distance(c, parse_lead_sheet("C7")) == 1
    assert least_distance(parse_lead_sheet("C7"), c) == 0
    # No key holds both: through tonics.
    assert least_distance(c, parse_lead_sheet("F#")) == least_distance(parse_lead_sheet("F#"), c) > 8
    with pytest.raises(ValueError, match="no key"):
        least_distance(c, parse_lead_sheet("C7(#11)"))
