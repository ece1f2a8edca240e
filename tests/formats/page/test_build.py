"""The page as text: it asks for nothing, holds any title safely, and says what the score says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from hrpe_jax.arranging.arrange import BandOptions, arrange
from hrpe_jax.arranging.styles import read_band
from hrpe_jax.formats.midi.write import midi_bytes
from hrpe_jax.formats.page import Choice, PagePiece, build_page
from hrpe_jax.formats.page.html import MAX_BARS, pretty
from hrpe_jax.score.score import ChordSpan, Note
from hrpe_jax.theory.chord import Chord, parse_lead_sheet
from tests.formats.musicxml.test_write import SCORE

BLOCK = arrange(SCORE, BandOptions(read_band("block")))
HOSTILE = "</script><script>alert(1)</script><!-- \u2028 & \"x\" 'y' <img src=x onerror=alert(2)>"


def data_of(page: str) -> Any:
    return json.loads(page.split('<script type="application/json" id="data">')[1].split("</script>")[0])


def test_nothing_can_be_requested_or_injected() -> None:
    page = build_page([PagePiece(replace(SCORE, title=HOSTILE), about={HOSTILE: HOSTILE})], HOSTILE)
    assert page.count("<script") == 2
    assert "<img" not in page
    assert "\u2028" not in page.split('id="data">')[1]
    assert data_of(page)["pieces"][0]["title"] == HOSTILE
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    script = page.rsplit("<script>", 1)[1].split("</script>")[0]
    style = page.split("<style>")[1].split("</style>")[0]
    for kind, text in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'")
    assert "unsafe" not in policy[1]
    outside = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\"'\s]*", page)
    assert set(outside) <= {"http://www.w3.org/2000/svg"}  # a name, not an address


def test_what_it_holds() -> None:
    choices = (
        Choice(
            12,
            parse_lead_sheet("Am9"),
            0.5,
            ((parse_lead_sheet("F#m7b5"), 0.25),),
            ((-1, 1.0, 0, 0, 0, 0, 0),),
        ),
        Choice(36, parse_lead_sheet("E7"), 0.123456, (), ((0, 0.75, 1.0, -0.5, 2.0, 3, 1),)),
    )
    values = data_of(
        build_page([PagePiece(SCORE, (("ABC", "tune.abc"),), choices, {"seed": "3"}, BLOCK)], "Tunes")
    )
    (piece,) = values["pieces"]
    assert base64.b64decode(piece["midi"]) == midi_bytes(SCORE, BLOCK)
    assert piece["bars"] == [[0, 12], [12, 48], [60, 48]]
    assert piece["melody"][1] == [12, 6, 69, 100]
    assert piece["symbols"][1] == [36, 24, "E7/G♯", "V65", 4]
    assert piece["choices"][0][:4] == [12, "Am9", 0.5, [["F♯m7♭5", 0.25]]]
    assert piece["choices"][1] == [36, "E7", 0.123, [], [[0, 0.75, 1.0, -0.5, 2.0, 3, 1]]]
    assert (piece["files"], piece["about"]) == ([["ABC", "tune.abc"]], {"seed": "3"})
    assert {note[2] % 12 for note in piece["bass"]} == {9, 8, 3}


def test_long_and_empty_pieces() -> None:
    long = replace(
        SCORE,
        melody=tuple(Note(48 * bar, 48, 60) for bar in range(300)),
        chords=(ChordSpan(0, 48 * 300, Chord(0, "maj")),),
        bar_resets=(),
    )
    empty = replace(SCORE, melody=(), chords=(), bar_resets=())
    first, second = data_of(build_page([PagePiece(long), PagePiece(empty)], "x"))["pieces"]
    assert (len(first["bars"]), first["hidden"], len(first["melody"])) == (MAX_BARS, 44, MAX_BARS)
    assert (second["bars"], second["melody"], second["symbols"]) == ([[0, 48]], [], [])


@pytest.mark.parametrize(
    ("plain", "shown"),
    [
        ("F#m7b5/C", "F♯m7♭5/C"),
        ("Bb", "B♭"),
        ("Ebmaj7/Bb", "E♭maj7/B♭"),
        ("C7(#9)", "C7(♯9)"),
        ("Bdim", "Bdim"),
        ("Eb major", "E♭ major"),
        ("Abb", "A♭♭"),
    ],
)
def test_real_accidentals(plain: str, shown: str) -> None:
    assert pretty(plain) == shown
