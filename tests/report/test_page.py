"""The report of a comparison: whole, self-contained, and honest about what is not defined."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest

from hrpe_jax.metrics.compare import compare
from hrpe_jax.report.collect import Collection, LeftOut
from hrpe_jax.report.page import page
from hrpe_jax.report.tables import comparison_table, copied, copying_lines, model_table
from hrpe_jax.score.score import Score
from tests.report.music import piece

VOID = {"meta", "img", "br", "line", "rect", "circle", "polyline", "polygon"}


class Outline(HTMLParser):
    """Checks that tags close, and keeps headings, captions and what would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.captions: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.loads += [v for k in ("src", "href") if (v := values.get(k)) and not v.startswith("data:")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h2", "figcaption"):
            {"h2": self.headings, "figcaption": self.captions}[self.open[-1]].append(data)


def collection(name: str, pieces: Sequence[Score], *left_out: LeftOut) -> Collection:
    return Collection(name, list(pieces), left_out=list(left_out), files=len(pieces) + len(left_out))


def reported(generated: Collection, reference: Collection, **options: object) -> tuple[Outline, str, str]:
    """The page as an outline and as text, and the tables."""
    found = compare(generated.pieces, reference.pieces, draws=100).to_dict()
    json.dumps(found, allow_nan=False)
    about = {"generated": generated.about(), "reference": reference.about()}
    pieces = {"generated": generated.pieces, "reference": reference.pieces}
    text = page(found, about, pieces, **options)
    outline = Outline()
    outline.feed(text)
    assert not outline.open
    assert not outline.loads
    assert "NaN" not in text
    assert ">nan<" not in text
    table = comparison_table(found, about)
    assert not re.search(r"\bnan\b", table)
    return outline, text, table


@pytest.fixture(scope="module")
def usual() -> tuple[Outline, str, str]:
    broken = LeftOut("x<y.mid", "midi_corrupt", "not readable & not MIDI")
    generated = collection("my <pieces>", [piece(seed) for seed in range(6)], broken)
    return reported(generated, collection("real", [piece(seed) for seed in range(10, 24)]))


def test_a_report_has_every_section(usual: tuple[Outline, str, str]) -> None:
    outline, text, table = usual
    assert outline.headings == [
        "What is compared", "Structure", "Self-similarity", "Rhythm, pitch and harmony", "Distributions",
        "Notes and chords", "Pieces", "Definitions",
    ]  # fmt: skip
    assert "my &lt;pieces&gt;" in text
    assert "x&lt;y.mid: midi_corrupt: not readable &amp; not MIDI" in text
    assert sum("8 bars, 4/4, 100 draws, seed 0" in caption for caption in outline.captions) >= 5
    assert text.count("<img") == 7  # SSMs of the generated, the real and five controls
    assert text.count('class="roll"') == 3
    assert text.count('class="cell"') == 2 * 144
    for name in ("real (floor)", "shuffled", "loop", "silence"):
        assert name in table


def test_copies_are_found_and_named() -> None:
    real = [piece(seed) for seed in range(8)]
    found = compare([piece(2).transpose(3), piece(30)], real, draws=100, training=real[:4]).to_dict()
    line = next(
        line for line in copying_lines(found["copying"]) if line[:2] == ["melody, in notes", "generated"]
    )
    assert line[4] == str(len(piece(2).melody))
    text = copied(found)
    assert f"piece-2: {len(piece(2).melody)} of {len(piece(2).melody)} notes, from piece-2" in text
    assert "4 real pieces are left out, since they are in the training set" in text
    assert copied({**found, "copying": None}) == ""


def test_pieces_can_be_left_out() -> None:
    six = collection("a", [piece(seed) for seed in range(6)])
    outline, text, _ = reported(six, six, show_pieces=False)
    assert "Pieces" not in outline.headings
    assert 'class="note"' not in text


@pytest.mark.parametrize(
    ("generated", "reference", "said"),
    [
        ([piece(1)], [piece(2)], "floor"),
        ([piece(1, chords=False)], [piece(n) for n in range(5)], "not defined, because it has no chords"),
        ([piece(1, melody=False)], [piece(n) for n in range(5)], "not defined, because"),
        ([piece(1, meter="3/4")], [piece(n) for n in range(5)], "not defined, because"),
        ([piece(1, bars=2)], [piece(n) for n in range(5)], "not defined, because"),
        ([piece(1, bars=1)], [piece(2, bars=1)], "shorter than"),
    ],
    ids=["one single piece", "no chords", "no melody", "another meter", "too short", "one bar"],
)
def test_what_is_not_defined_says_why(generated: list[Score], reference: list[Score], said: str) -> None:
    _, text, table = reported(collection("a", generated), collection("b", reference))
    assert said in table
    assert said in text


def test_figures_of_a_model_stand_beside_those_of_counts() -> None:
    rows = [("model", {"nll": 1.0, "accuracy": 0.5}), ("5-gram", {"nll": 2.0})]
    lines = model_table("melody", rows).splitlines()
    assert lines[0].split() == ["melody", "model", "5-gram"]
    assert lines[2].split() == ["perplexity", "2.72", "7.39"]
    assert lines[3].split() == ["accuracy", "0.500", "-"]
