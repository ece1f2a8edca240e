"""Settings of one tune are found; other tunes are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.preprocessing.versions import OPENING, edit_distances, group_key, group_tunes, opening_steps
from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def _score(name: str, steps: list[int], length: int = 12) -> Score:
    pitches = np.cumsum([60, *steps]).tolist()
    melody = tuple(Note(i * length, length, pitch) for i, pitch in enumerate(pitches))
    return Score(name, "", Key(0, "major"), Meter(4, 4), 80, melody, ())


TUNE = [2, 2, 1, -3, 5, -2, -1, 2, 2, -4, 3, 2, -2, -2, 5, -5, 1, 2]
OTHER = [-1, -2, 5, -3, 1, 2, 4, -5, -2, 3, -1, -4, 2, 5, -3, 2, 2, 2]


def test_transposition_rhythm_repeated_notes_and_ornaments_change_nothing() -> None:
    plain = _score("a", TUNE)
    assert opening_steps(plain) == tuple(TUNE[:OPENING])
    assert opening_steps(plain.transpose(5)) == opening_steps(plain)
    assert opening_steps(_score("b", TUNE, length=24)) == opening_steps(plain)
    first, *others = plain.melody
    ornament = (Note(0, 6, first.pitch), Note(6, 6, first.pitch + 1), *others)
    assert opening_steps(replace(plain, melody=ornament)) == opening_steps(plain)
    assert group_key(plain) == "2 2 1 -3 5 -2 -1 2 2 -4"


def test_groups() -> None:
    changed = [*TUNE[:5], -3, 1, *TUNE[7:]]
    scores = [_score("a", TUNE), _score("b", OTHER), _score("c", changed).transpose(3), _score("d", TUNE[:5])]
    assert group_tunes(scores) == ["a", "b", "a", "d"]
    assert group_tunes([*scores, _score("e", TUNE[:5])])[-2:] == ["d", "d"]
    assert group_tunes([]) == []


@given(
    st.lists(st.integers(-3, 3), min_size=4, max_size=4), st.lists(st.integers(-3, 3), min_size=4, max_size=4)
)
def test_edit_distance_is_levenshteins(a: list[int], b: list[int]) -> None:
    table = np.zeros((5, 5), dtype=int)
    table[0], table[:, 0] = np.arange(5), np.arange(5)
    for i in range(4):
        for j in range(4):
            table[i + 1, j + 1] = min(table[i, j + 1] + 1, table[i + 1, j] + 1, table[i, j] + (a[i] != b[j]))
    assert edit_distances(np.array(a), np.array([b, a])).tolist() == [table[4, 4], 0]
