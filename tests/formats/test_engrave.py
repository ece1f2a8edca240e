"""Engraved lead sheets, by what stands in the SVG and the PDF."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.formats.engrave import check_engrave, engrave, marks, write_pdf, write_svg
from hrpe_jax.formats.musicxml.write import EXACT, PrintOptions
from hrpe_jax.score.form import parse_form
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import QUALITIES, Chord, to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

pytest.importorskip("verovio", reason="needs the extra engrave")
SVG = "{http://www.w3.org/2000/svg}"
SYMBOLS = {"b": "♭", "#": "♯"}


def sheet(chords: list[Chord]) -> Score:
    """A whole note under each chord."""
    return Score(
        "sheet",
        "A sheet",
        Key.parse("C major"),
        Meter(4, 4),
        120,
        tuple(Note(48 * bar, 48, 60) for bar in range(len(chords))),
        tuple(ChordSpan(48 * bar, 48, chord) for bar, chord in enumerate(chords)),
        composer="Some One",
    )


def words(svg: str, kind: str) -> list[str]:
    """What stands in the groups of a class; outlined signs by their labels."""
    groups = [g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if kind in g.get("class", "").split()]
    said = [[(e.text or "").strip() + e.get("aria-label", "") for e in group.iter()] for group in groups]
    return ["".join(parts) for parts in said]


def heads(svg: str) -> list[str | None]:
    """The texts over the first line."""
    (head,) = [g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if "pgHead" in g.get("class", "")]
    return [text.text for text in head.iter(f"{SVG}text")]


def usual(chord: Chord) -> str:
    """A symbol as it is printed: with real flats and sharps, and added notes in brackets."""
    text = re.sub(r"(?<=[A-G])b|b(?=\d)", "♭", to_lead_sheet(chord, Key.parse("C major"))).replace("#", "♯")
    return re.sub(r"(?<!\()add9", "(add9)", text)


@pytest.mark.parametrize("root", [0, 10])
def test_every_chord_is_printed_as_its_usual_symbol(root: int) -> None:
    chords = [Chord(root, quality) for quality in QUALITIES] + [Chord(2, "7", 6), Chord(5, "min7", 3)]
    (svg,) = engrave(sheet(chords), EXACT)
    assert words(svg, "harm") == [usual(chord) for chord in chords]
    assert "C7sus4" in words(engrave(sheet([Chord(0, "7sus4")]), EXACT)[0], "harm")


def test_the_head_letters_and_repeats() -> None:
    score = sheet([Chord(0, "maj"), Chord(5, "maj")] * 4)
    (svg,) = engrave(replace(score, form=parse_form("A4A4")), EXACT)
    assert sorted(map(str, heads(svg))) == ["= 120", "A sheet", "Some One"]
    assert words(svg, "reh") == ["A"]
    assert len(re.findall('class="measure"', svg)) == 4


def test_it_stands_alone_and_is_the_same_each_time() -> None:
    score = sheet([Chord(10, "7b9")])
    (svg,) = engrave(score)
    assert "<style" not in svg
    assert "Leipzig" not in svg
    assert engrave(score) == [svg]
    prefixed = engrave(score, prefix="x-")[0]
    assert set(re.findall(r'id="(..)', prefixed)) == {"x-"}
    assert set(re.findall(r'href="#(..)', prefixed)) == {"x-"}


def test_marks_name_what_is_there_through_repeats() -> None:
    score = replace(sheet([Chord(0, "maj")] * 4), form=parse_form("A2A2"))
    (svg,) = engrave(score, prefix="p-")
    found = marks(score, prefix="p-")
    assert [(mark.tick, mark.element, mark.measure) for mark in found] == [
        (0, "p-m0-0", "p-m0"),
        (48, "p-m1-0", "p-m1"),
        (96, "p-m0-0", "p-m0"),
        (144, "p-m1-0", "p-m1"),
    ]
    for mark in found:
        assert f'id="{mark.element}" class="note"' in svg


def test_a_part_for_an_instrument_says_so() -> None:
    (svg,) = engrave(sheet([Chord(10, "7")]), PrintOptions(transpose="Bb"))
    assert "in Bb" in heads(svg)
    assert words(svg, "harm") == ["C7"]


def test_files(tmp_path: Path) -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="reads the PDF back")
    score = replace(sheet([Chord(0, "maj"), Chord(10, "7")] * 60), title="爱 Łódź")
    write_pdf(score, tmp_path / "a.pdf")
    document = pdfium.PdfDocument(tmp_path / "a.pdf")
    assert len(document) > 1
    assert document[0].get_size() == pytest.approx((595, 842), abs=1)
    text = document[0].get_textpage().get_text_range()
    assert "Some One" in text
    assert "爱" in text
    write_pdf(score, tmp_path / "b.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    write_svg(score, tmp_path / "a.svg")
    assert ElementTree.parse(tmp_path / "a.svg").getroot().get("width") == "210mm"


@pytest.mark.parametrize(("kind", "missing"), [("svg", "verovio"), ("pdf", "svglib.svglib")])
def test_the_extra_is_named(kind: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError, match=rf"{kind}: needs the extra engrave: pip install 'hrpe_jax\[engrave"):
        check_engrave(kind)
