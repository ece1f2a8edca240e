from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrpe_jax.metrics import compare
from hrpe_jax.metrics.arrays import piece_of
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.metrics.music import tune


def song(pitches: list[int], name: str = "t", roots: list[int] | None = None, gap: int = 12) -> Score:
    notes = tuple(Note(gap * i, gap, 60 + pitch) for i, pitch in enumerate(pitches))
    spans = tuple(ChordSpan(48 * i, 48, Chord(root % 12, "maj")) for i, root in enumerate(roots or []))
    return Score(name, "", Key(0, "major"), Meter(4, 4), 120.0, notes, spans)


def longest(a: list[int], b: list[int]) -> int:
    """Notes of the longest melody that both have in some key; a single note is none."""
    best = 0
    for i in range(len(a)):
        for j in range(len(b)):
            size = 1
            while i + size < len(a) and j + size < len(b) and a[i + size] - a[i] == b[j + size] - b[j]:
                size += 1
            best = max(best, size if size > 1 else 0)
    return best


melodies = st.lists(st.integers(0, 3), max_size=12)


@settings(max_examples=60)
@given(st.lists(melodies, max_size=4), st.lists(melodies, max_size=4), st.integers(-5, 5))
def test_against_brute_force(made: list[list[int]], known: list[list[int]], up: int) -> None:
    pieces = [piece_of(song([pitch + up for pitch in pitches])) for pitches in made]
    training = [piece_of(song(pitches, f"k{i}")) for i, pitches in enumerate(known)]
    found = compare.longest_shared(pieces, training)
    for row, pitches in zip(found, made, strict=True):
        sizes = [longest(pitches, other) for other in known]
        assert row["longest"] == max(sizes, default=0)
        assert row["of"] == (len(pitches) if len(pitches) > 1 else 0)
        if row["longest"]:
            assert sizes[int(row["from"][1:])] == row["longest"]
        else:
            assert row["from"] is None


def test_another_rhythm_is_another_melody() -> None:
    training = [piece_of(song([0, 2, 4, 5, 7]))]
    assert compare.longest_shared([piece_of(song([0, 2, 4, 5, 7], gap=6))], training)[0]["longest"] == 0


def test_a_copy_in_another_key_is_found_whole() -> None:
    real = [tune(seed) for seed in range(20)]
    result = compare.copying([real[3].transpose(5)], real, [tune(77), real[0]])
    assert result["held_out_in_training"] == 1
    for of in ("melody", "chords"):
        (piece,) = result[of]["generated"]["pieces"]
        assert piece["longest"] == piece["of"]
        assert piece["from"] == "tune3"
        assert piece["share"] == 1
        assert result[of]["held_out"]["largest"] < piece["longest"]


def test_chords_are_compared_by_change_of_root_and_quality() -> None:
    training = [piece_of(song([], "k", [0, 5, 7, 0, 9]))]
    # In D: I IV V, then another way; I is said twice.
    (found,) = compare.longest_shared([piece_of(song([], "t", [2, 2, 7, 9, 4]))], training, "chords")
    assert (found["longest"], found["of"]) == (3, 4)


def test_share_counts_notes_in_long_passages() -> None:
    rng = np.random.default_rng(0)
    theme = np.cumsum(rng.integers(1, 4, 12)).tolist()
    other = [100 - 60 - 7 * i for i in range(8)]
    (found,) = compare.longest_shared([piece_of(song(theme + other))], [piece_of(song(theme, "k"))])
    assert found["longest"] == 12
    assert found["share"] == pytest.approx(12 / 20)


def test_nothing_to_compare() -> None:
    empty = compare.copying([], [], [])
    assert empty["melody"]["generated"]["mean"] is None
    (found,) = compare.longest_shared([piece_of(song([]))], [piece_of(song([0, 1]))])
    assert (found["longest"], found["of"], found["share"], found["from"]) == (0, 0, 0.0, None)


def test_pieces_without_melody_or_chords_are_not_among_those_measured() -> None:
    bare, silent = song([0, 2, 4, 5], "bare"), tune(1)
    silent = Score("silent", "", silent.key, silent.meter, 120.0, (), silent.chords)
    bare = Score("bare", "", bare.key, bare.meter, 120.0, bare.melody, ())
    found = compare.copying([bare, silent], [tune(2)], [])
    assert [piece["id"] for piece in found["melody"]["generated"]["pieces"]] == ["bare"]
    assert [piece["id"] for piece in found["chords"]["generated"]["pieces"]] == ["silent"]
    assert compare.copying([silent], [tune(2)], [])["melody"]["generated"]["mean"] is None
