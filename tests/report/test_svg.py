"""Figures: well-formed, with the right number of marks, and pictures that decode to their numbers."""

from __future__ import annotations

import base64
import re
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest

from hrpe_jax.report import svg
from hrpe_jax.report.svg import Series, number, roll_of
from tests.report.music import piece

RNG = np.random.default_rng(0)
SETS = [Series("a & b", "generated", RNG.random(50)), Series("real <music>", "reference", RNG.random(9))]


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (0.12345, "0.123"), (1.2345, "1.23"), (12.345, "12.3"), (123.45, "123"), (1234.5, "1,234"),
     (0.00012345, "0.00012"), (-0.5, "-0.500"), (float("nan"), "-")],
)  # fmt: skip
def test_numbers_have_three_digits(value: float, said: str) -> None:
    assert number(value) == said


FIGURES = {
    "curves": svg.curves([SETS[0], Series("c", "c-loop", RNG.random((15, 3)))], "<label>", "bars"),
    "boxes": svg.boxes([*SETS, Series("none", "c-loop", np.full(3, np.nan))], "label"),
    "equal boxes": svg.boxes([Series("x", "generated", np.ones(4))], "label"),
    "bars": svg.bars(list("abc"), [s._replace(values=s.values[:3]) for s in SETS], "label", "names"),
    "cells": svg.cells(list("ab"), list("abc"), RNG.random((2, 3)), "label"),
    "empty cells": svg.cells(list("ab"), list("ab"), np.zeros((2, 2)), "label"),
    "ranges": svg.ranges([s._replace(values=np.sort(s.values)[[1, 0, 2]]) for s in SETS], "label"),
    "zero ranges": svg.ranges([Series("x", "generated", np.zeros(1))], "label"),
    "roll": roll_of(piece(1)),
    "empty roll": roll_of(piece(1, melody=False, chords=False)),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_well_formed_and_finite(name: str) -> None:
    root = ElementTree.fromstring(FIGURES[name])
    assert root.tag == "svg"
    assert root.get("aria-label")
    width, height = float(root.get("width")), float(root.get("height"))
    for element in root.iter():
        for key, value in element.attrib.items():
            assert "nan" not in value, (name, key)
        if element.tag == "text":
            assert -1 <= float(element.get("y")) <= height + 1, element.text
            assert -1 <= float(element.get("x")) <= width + 1, element.text


def test_every_set_is_drawn() -> None:
    root = ElementTree.fromstring(FIGURES["boxes"])
    assert [t.text for t in root.iter("text") if "name" in t.get("class", "")] == ["a & b", "real <music>"]
    assert len(list(root.iter("rect"))) == 2
    assert len(list(root.iter("circle"))) == 9  # of the set with few pieces only
    cells = ElementTree.fromstring(FIGURES["cells"])
    assert len(list(cells.iter("rect"))) == 6


def test_pictures_hold_their_numbers() -> None:
    matrix = np.array([[0, 0.5, 1], [2, -1, 0.25]])
    data = base64.b64decode(re.search(r"base64,([^\"]+)", svg.picture(matrix, "label"))[1])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert tuple(data[16:24]) == (0, 0, 0, 3, 0, 0, 0, 2)
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start])
    rows = np.frombuffer(zlib.decompress(data[start + 4 : start + 4 + length]), np.uint8).reshape(2, 13)
    assert not rows[:, 0].any()
    alpha = rows[:, 1:].reshape(2, 3, 4)[..., 3]
    np.testing.assert_array_equal(alpha, [[0, 128, 255], [255, 0, 64]])
