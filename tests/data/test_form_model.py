from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from hrpe_jax.data.form_model import (
    LEAST_BARS,
    MOST_BARS,
    FormModel,
    draw_form,
    form_model,
    steps_of,
    windows,
)
from hrpe_jax.errors import UserError
from hrpe_jax.score.form import Section, check_form, form_text, parse_form


def counted(*texts: str, style: str = "pop") -> FormModel:
    model = FormModel()
    for text in texts:
        form = parse_form(text)
        model.count(form, form[-1].end_bar, style)
    return model


def test_steps() -> None:
    steps = list(steps_of(parse_form("i4A8A8B4X2C8B4A8x2o2"), 50))
    kinds = ["i", "new", "again", "new", "X", "new", "back", "earlier", "x", "o"]
    assert [step.kind for step in steps] == kinds
    assert [step.left for step in steps] == [50, 46, 38, 30, 26, 24, 16, 12, 4, 2]
    assert steps[7].expected == 8  # bars of the first A
    gap = (Section("A", 0, 4), Section("B", 6, 2))
    assert [step.bars for step in steps_of(gap, 10)] == [6, 4]


@pytest.mark.parametrize("bars", [1, 2, 3, 7, 8, 16, 31, 32, 33, 64, 200])
def test_drawn_forms_fill_the_bars(bars: int) -> None:
    model = counted("A8A8B8A8", "A4A4B4B4", "i4A8X2B8o3")
    rng = np.random.default_rng(bars)
    for _ in range(20):
        form = model.draw(bars, "pop", rng)
        check_form(form, bars)
        assert form[0].first_bar == 0
        assert form[-1].end_bar == bars
        assert all(one.end_bar == other.first_bar for one, other in pairwise(form))
        assert math.isfinite(model.log_likelihood(form, bars, "pop"))


def test_what_was_counted_is_drawn_and_likely() -> None:
    model = counted(*["A8A8B8A8"] * 40, "A4B4A4B4")
    rng = np.random.default_rng(0)
    drawn = [form_text(model.draw(32, "pop", rng)) for _ in range(50)]
    assert drawn.count("A8A8B8A8") > 25
    seen, other = parse_form("A8A8B8A8"), parse_form("A8B8C8D8")
    assert model.log_likelihood(seen, 32, "pop") > model.log_likelihood(other, 32, "pop") + 5


def test_probabilities_of_a_few_bars_sum_to_one() -> None:
    model = counted("A2B1", "A1A1X1", "x1A1B1")
    letters = {"A", "B", "C", "X", "i", "x", "o"}

    def every(bars: int, so_far: str = "") -> list[str]:
        if not bars:
            return [so_far]
        return [
            text
            for letter in sorted(letters)
            for length in range(1, bars + 1)
            for text in every(bars - length, f"{so_far}{letter}{length}")
        ]

    total = 0.0
    for text in every(3):
        form = parse_form(text)
        names = [section.letter for section in form if section.letter in "ABC"]
        in_order = list(dict.fromkeys(names)) == list("ABC"[: len(set(names))])
        intro_first = "i" not in text[1:]
        ends_after = "o" not in text or any(name in text[: text.index("o")] for name in "ABC")
        if in_order and intro_first and ends_after:
            total += math.exp(model.log_likelihood(form, 3, "pop"))
    assert total == pytest.approx(1.0)


def test_styles_differ_and_go_through_json() -> None:
    model = counted(*["A8A8"] * 20)
    for _ in range(20):
        model.count(parse_form("A4B4A4B4"), 16, "folk")
    again = FormModel.from_values(model.values())
    assert again.styles == ["folk", "pop"]
    for text in ("A8A8", "A4B4A4B4"):
        form = parse_form(text)
        for style in ("", "pop", "folk"):
            assert again.log_likelihood(form, 16, style) == pytest.approx(
                model.log_likelihood(form, 16, style)
            )
    folk, pop = (model.log_likelihood(parse_form("A4B4A4B4"), 16, style) for style in ("folk", "pop"))
    assert folk > pop
    with pytest.raises(UserError, match="style 'jazz': its forms are not known; expected one of folk, pop"):
        model.draw(16, "jazz")


def test_windows_begin_with_sections_and_end_with_the_melody() -> None:
    song = parse_form("i4A8B8x4B8A40o3")
    found = [form_text(form) for form, _ in windows(song, 71)]
    assert found == ["A8x4A8B39", "A8B39", "A39"]
    assert all(LEAST_BARS <= bars <= MOST_BARS for _, bars in windows(song, 71))


def test_the_model_of_the_package() -> None:
    rng = np.random.default_rng(0)
    assert {"pop", "folk"} <= set(form_model().styles)
    for style in ("", *form_model().styles):
        check_form(draw_form(32, style, rng), 32)
