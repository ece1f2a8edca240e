from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.score.form import (
    FormError,
    Section,
    check_form,
    crop_form,
    first_occurrence,
    form_from_values,
    form_text,
    form_values,
    parse_form,
    section_of_bar,
)
from hrpe_jax.score.score import Note, Score, ScoreError
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

SONG = Score(
    id="song",
    title="",
    key=Key(7, "major"),
    meter=Meter(4, 4),
    tempo_bpm=96.0,
    melody=tuple(Note(48 * bar, 24, 60 + bar) for bar in range(12)),
    chords=(),
)

letters = st.from_regex(r"[A-Za-z]'{0,3}", fullmatch=True)
forms = st.lists(st.tuples(letters, st.integers(1, 40)), min_size=1, max_size=12)


def test_what_sections_say() -> None:
    form = parse_form("i4 A8 B8 A'8 o2")
    assert [section.first_bar for section in form] == [0, 4, 12, 20, 28]
    varied = form[3]
    assert (varied.name, varied.is_varied, varied.has_melody, varied.end_bar) == ("A", True, True, 28)
    assert not form[0].has_melody
    assert [first_occurrence(form, index) for index in range(5)] == [0, 1, 2, 1, 4]


def test_section_of_bar_knows_gaps() -> None:
    form = (Section("A", 1, 2), Section("B", 5, 3))
    found = [section_of_bar(form, bar) for bar in range(9)]
    assert [section.letter if section else "-" for section in found] == list("-AA--BBB-")
    assert section_of_bar((), 0) is None


@given(forms)
def test_text_and_values_come_back(parts: list[tuple[str, int]]) -> None:
    form = parse_form("".join(f"{letter}{bars}" for letter, bars in parts))
    assert [(section.letter, section.bars) for section in form] == parts
    assert parse_form(form_text(form)) == form
    assert form_from_values(form_values(form)) == form
    check_form(form, sum(bars for _, bars in parts))


@given(forms, st.integers(-20, 60), st.integers(0, 60))
def test_an_excerpt_has_the_letters_of_its_bars(parts: list[tuple[str, int]], first: int, bars: int) -> None:
    form = parse_form("".join(f"{letter}{bars}" for letter, bars in parts))
    cropped = crop_form(form, first, bars)
    check_form(cropped, bars)
    for bar in range(bars):
        before = section_of_bar(form, bar + first)
        after = section_of_bar(cropped, bar)
        assert (before and before.letter) == (after and after.letter)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ([Section("AB", 0, 4)], "letter 'AB': expected one letter"),
        ([Section("", 0, 4)], "letter ''"),
        ([Section("A", 0, 0)], r"section 0 \(A\): first bar 0, bars 0"),
        ([Section("A", -1, 4)], "begins in bar -1: expected bar 0 or later, the first"),
        (
            [Section("A", 0, 4), Section("B", 3, 4)],
            r"section 1 \(B\): begins in bar 3: expected bar 4 or later",
        ),
        ([Section("A", 0, 4), Section("o", 4, 10_000)], r"section 1 \(o\): ends at bar 10004 of 12 bars"),
    ],
)
def test_a_score_refuses_what_is_no_form(form: list[Section], message: str) -> None:
    with pytest.raises(ScoreError, match=r"score 'song': form: .*" + message) as error:
        replace(SONG, form=form)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "A", "A4?", "4A", "A4B0", "A''''4"])
def test_text_that_is_no_form(text: str) -> None:
    with pytest.raises(FormError):
        parse_form(text)


def test_a_score_keeps_its_form() -> None:
    song = replace(SONG, form=parse_form("A4B4A4"))
    assert song.transpose(5).form == song.form
    assert SONG.form == ()
