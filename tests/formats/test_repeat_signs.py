"""The order of play."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.formats.repeat_signs import Signs, play_order, sign_of_words


def _signs(text: str) -> list[Signs]:
    """One word per measure: "." plain, "|:" and ":|" repeats, digits endings ("1[" starts a bracket)."""
    signs = []
    for word in text.split():
        digits = frozenset(int(c) for c in word if c.isdigit())
        signs.append(
            Signs(
                forward="|:" in word,
                backward=3 if ":||" in word else 2 if ":|" in word else 0,
                endings=digits,
                ending_start="[" in word,
                segno="S" in word,
                coda="O" in word,
                to_coda="t" in word,
                fine="f" in word,
                da_capo="D" in word,
                dal_segno="d" in word,
                after_jump="j" in word,
            )
        )
    return signs


@pytest.mark.parametrize(
    ("signs", "order"),
    [
        ("|: 13[:| 24[:| .", "0 1 0 2 0 1 0 2 3"),
        ("|: 13[:| 24[ .", "0 1 0 2 0 1 0 2 3"),  # the sign that must be there
        ("|: 13[:| 2[ .", "0 1 0 2 0 1 3"),
        ("|: 13[:| 2[ 2:| . D", "0 1 0 2 3 0 1 4 5 0 2 3 4 5"),
        ("|: 1[:| 23[:| .", "0 1 0 2 0 2 3"),
        ("|: 124[:| 3[:| 5[ .", "0 1 0 1 0 2 0 1 0 3 4"),
        ("|: :|j . f D", "0 1 0 1 2 3 4 0 1 0 1 2 3"),
        ("|: 1[:|j 2[ f D", "0 1 0 2 3 4 0 1 0 2 3"),
        ("|: :| |: :|j f D", "0 1 0 1 2 3 2 3 4 5 0 1 2 3 2 3 4"),
        (". . .", "0 1 2"),
        (". . :|", "0 1 2 0 1 2"),
        (". |: . :| .", "0 1 2 3 1 2 3 4"),
        ("|: . :| |: . :|", "0 1 2 0 1 2 3 4 5 3 4 5"),
        (". :| . :|", "0 1 0 1 2 3 2 3"),
        ("|: . :|| .", "0 1 2 0 1 2 0 1 2 3"),
        ("|: . 1[:| 2[ .", "0 1 2 0 1 3 4"),
        ("|: . 1[:| . .", "0 1 2 0 1 3 4"),  # a second ending that nobody marked
        ("|: 1[ 1:| 2[ 2:| .", "0 1 2 0 3 4 5"),  # a repeat sign on the last ending is a slip
        ("|: 12[:| 3[ .", "0 1 0 1 0 2 3"),
        ("|: 1[:| 2[ |: 1[:| 2[", "0 1 0 2 3 4 3 5"),
        (". f . D", "0 1 2 3 0 1"),
        (". S . d", "0 1 2 3 1 2 3"),
        (". St . d O .", "0 1 2 3 1 4 5"),
        ("|: 1[ :| 2[ .", "0 1 2 0 3 4"),  # the bracket stops short of the repeat sign
        ("|: 1[ . . :| 2[ .", "0 1 2 3 4 0 5 6"),
        ("|: 1[:| 3[ .", "0 1 0 2 3"),  # brackets are numbered in order
        ("|: 2[:| 2[ .", "0 1 0 2 3"),
        ("|: 1[ 2[ .", "0 1 0 2 3"),  # a repeat sign that nobody wrote
        ("|: 1[:| 2[ 3[ .", "0 1 0 2 0 3 4"),
        ("|: . :| 3[ .", "0 1 2 0 1 2 3 4"),  # a bracket alone
        ("1[ . .", "0 1 2"),
        (". O . D O .", "0 1 2 3 0 4 5"),  # the first of two coda signs is where to leave
        (". O . O .", "0 1 2 3 4"),
        ("|: 1[:| 2[f . D", "0 1 0 2 3 4 0 2"),  # no repeats after a da capo, and the last ending
    ],
)
def test_order(signs: str, order: str) -> None:
    assert play_order(_signs(signs)) == [int(i) for i in order.split()]


def test_endless_repeats_are_refused() -> None:
    assert play_order(_signs("|: :|") * 100, max_measures=300) is None


words = st.sampled_from([".", "|:", ":|", ":||", "1[", "1:|", "2[", "2:|", "3", "S", "O", "t", "f", "D", "d"])


@given(st.lists(words, max_size=30))
def test_any_signs_end_and_play_only_what_is_there(signs: list[str]) -> None:
    order = play_order(_signs(" ".join(signs)), max_measures=2_000)
    assert order is None or all(0 <= i < len(signs) for i in order)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("D.C. al Fine", "da_capo"), ("D.C.alfine", "da_capo"), ("3 repeats then D.C.al fine", "da_capo"),
        ("Da Capo", "da_capo"), ("DC", "da_capo"), ("D.S. al Coda", "dal_segno"), ("Dal segno", "dal_segno"),
        ("Fine", "fine"), ("(fine)", "fine"), ("4x Fine", "fine"), ("To Coda", "to_coda"), ("CODA", "coda"),
        ("Refine it", ""), ("Allegro", ""), ("", ""), ("a fine day", ""), ("d c" * 1000, ""),
    ],
)  # fmt: skip
def test_words(words: str, field: str) -> None:
    assert sign_of_words(words) == field
