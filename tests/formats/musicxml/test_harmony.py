"""Chord symbols of MusicXML, clean and dirty."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from hrpe_jax.formats.musicxml.chord_symbols import parse_harmony
from hrpe_jax.theory.chord import Chord


def _degree(value: int, alter: int, kind: str) -> str:
    return (
        f"<degree><degree-value>{value}</degree-value><degree-alter>{alter}</degree-alter>"
        f"<degree-type>{kind}</degree-type></degree>"
    )


def _parse(kind: str, rest: str = "", root: str = "<root><root-step>C</root-step></root>") -> Chord | None:
    return parse_harmony(ElementTree.fromstring(f"<harmony>{root}{kind}{rest}</harmony>"))


@pytest.mark.parametrize(
    ("kind", "quality"),
    [
        ("<kind>major</kind>", "maj"),
        ("<kind>half-diminished</kind>", "hdim7"),
        ("<kind>minor-major-ninth</kind>", "minmaj7"),
        ("<kind> </kind>", "maj"),
        ("", "maj"),
        ("<kind>min</kind>", "min"),
        ("<kind>7</kind>", "7"),
        ("<kind>m7b5</kind>", "hdim7"),
        ("<kind text='m7b5'></kind>", "hdim7"),
        ("<kind text='7b9'>dominant</kind>", "7b9"),
        ("<kind text='9sus'>suspended-fourth</kind>", "9sus4"),
        ("<kind text='m'>major</kind>", "maj"),  # a text that contradicts its kind
        ("<kind text='???'>minor</kind>", "min"),
    ],
)
def test_kinds(kind: str, quality: str) -> None:
    chord = _parse(kind)
    assert chord is not None
    assert chord.quality == quality


@pytest.mark.parametrize(
    ("kind", "degrees", "quality"),
    [
        ("dominant", [(9, -1, "add")], "7b9"),
        ("dominant", [(11, 1, "add")], "7#11"),
        ("minor-seventh", [(5, -1, "alter")], "hdim7"),
        ("major", [(9, 0, "add")], "add9"),
        ("major", [(3, 0, "subtract")], "5"),
        ("major", [(7, 0, "add")], "7"),
        ("major", [(7, 1, "add")], "maj7"),
        ("major", [(99, 0, "add")], "maj"),
    ],
)
def test_degrees(kind: str, degrees: list[tuple[int, int, str]], quality: str) -> None:
    chord = _parse(f"<kind>{kind}</kind>", "".join(_degree(*degree) for degree in degrees))
    assert chord is not None
    assert chord.quality == quality


def test_root_bass_and_inversion() -> None:
    root = "<root><root-step>B</root-step><root-alter>-1</root-alter></root>"
    bass = "<bass><bass-step>D</bass-step></bass>"
    assert _parse("<kind>major</kind>", bass, root) == Chord(10, "maj", 2)
    assert _parse("<kind>dominant</kind>", "<inversion>3</inversion>") == Chord(0, "7", 10)
    assert _parse("<kind>major</kind>", "<inversion>9</inversion>") == Chord(0, "maj")


def test_no_chord_and_nothing() -> None:
    assert _parse("<kind>none</kind>") == Chord.NONE
    assert _parse("<kind text='N.C.'>other</kind>") == Chord.NONE
    assert _parse("<kind>major</kind>", root="<function>V</function>") is None
    assert _parse("<kind>major</kind>", root="<root><root-step>H</root-step></root>") is None
