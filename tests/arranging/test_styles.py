from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hrpe_jax.arranging.arrange import BandOptions, arrange
from hrpe_jax.arranging.styles import (
    band_names,
    fitting_band,
    load_style,
    parse_style,
    read_band,
    style_for_meter,
)
from hrpe_jax.errors import UserError
from hrpe_jax.theory.meter import Meter
from tests.arranging.test_arrange import song

GOOD = """
title: Two chords   # a comment
meter: 3/4
tempo: 60-120
programs: comp=24 bass=32
[main]
comp 2 |x--...|
comp |..x-x-|1-2-3-|
bass |1-----|
hat |x.x.x.|
"""


def test_a_pattern_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(GOOD, encoding="utf-8")
    band = read_band(str(path))
    assert band.style is not None
    assert (band.name, band.style.title, band.style.meter) == ("mine", "Two chords", Meter(3, 4))
    assert [(row.weight, row.bars) for row in band.style.roles["main"]["comp"]] == [
        (2, ("x--...",)),
        (1, ("..x-x-", "1-2-3-")),
    ]
    assert band.style.programs == {"melody": 0, "comp": 24, "bass": 32}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[main]", "[chorus]", r"line 6: '\[chorus\]': expected one of \[main\], \[quiet\]"),
        ("meter: 3/4", "metre: 3/4", r"line 3: 'metre: 3/4': expected a setting \(title, meter, tempo"),
        ("meter: 3/4", "meter: three", "line 3: meter 'three': expected such as 4/4"),
        ("60-120", "slow", "line 4: tempo 'slow': expected such as 90-140"),
        ("comp=24", "comp=200", "programs: expected General MIDI programs 0 to 127"),
        ("hat |x.x.x.|", "hat |x.y.x.|", "line 10: sign 'y' in a bar of hat: expected 1 to 96 of .-xXo"),
        ("hat |x.x.x.|", "hats |x.x.x.|", "line 10: part 'hats': expected comp, bass or one of kick"),
        ("hat |x.x.x.|", "hat x.x.x.", r"line 10: 'hat x\.x\.x\.': expected a row such as `bass"),
        ("bass |1-----|", "bass |1--||", "line 9: 0 signs in a bar of bass"),
        ("[main]", "[main]\n[main]", r"line 7: \[main\] a second time"),
    ],
)
def test_a_wrong_line_is_named(old: str, new: str, said: str) -> None:
    with pytest.raises(UserError, match=f"^mine.txt: {said}"):
        parse_style(GOOD.replace(old, new), "mine", "mine.txt")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a role \[main\] with rows"):
        parse_style("title: x", "x", "x.txt")
    with pytest.raises(UserError, match=r"nowhere\.txt: cannot be read"):
        read_band(str(tmp_path / "nowhere.txt"))


def test_names() -> None:
    assert set(band_names()) >= {
        "none", "block", "ballad", "pop", "rock", "folk", "waltz", "swing", "bossa", "hymn", "hymn_three",
        "six_eight",
    }  # fmt: skip
    assert read_band("6/8").name == "six_eight"
    assert read_band("Swing - drums - bass").without == {"drums", "bass"}
    with pytest.raises(
        UserError, match=r"--band: 'balad': did you mean ballad\? expected one of none, block"
    ):
        read_band("balad")


@pytest.mark.parametrize("name", [name for name in band_names() if name not in ("none", "block")])
def test_the_styles_of_the_package(name: str) -> None:
    style = load_style(name)
    assert {"comp", "bass"} <= set(style.roles["main"])
    assert "end" in style.roles
    assert style.title
    assert style.tempo[0] < style.tempo[1]


@pytest.mark.parametrize(
    ("meter", "tempo", "chords", "name"),
    [
        ("6/8", 120, "C F G C", "six_eight"),
        ("3/4", 120, "C F G C", "waltz"),
        ("4/4", 70, "C F G C", "ballad"),
        ("4/4", 110, "C F G C", "pop"),
        ("4/4", 150, "C F G C", "rock"),
        ("4/4", 140, "Dm7 G7 Cmaj7 A7", "swing"),
    ],
)
def test_the_band_that_fits(meter: str, tempo: float, chords: str, name: str) -> None:
    assert fitting_band(replace(song(chords, meter), tempo_bpm=tempo)).name == name


@pytest.mark.parametrize(
    ("style", "meter", "tempo", "chords", "name"),
    [
        ("folk", "4/4", 150, "C F G C", "folk"),
        ("folk", "6/8", 120, "C F G C", "six_eight"),
        ("hymns", "4/4", 90, "C F G C", "hymn"),
        ("chorales", "3/4", 90, "C F G C", "hymn_three"),
        ("standards", "4/4", 140, "C F G C", "swing"),
        ("standards", "4/4", 70, "C F G C", "ballad"),
        ("pop", "4/4", 110, "Dm7 G7 Cmaj7 A7", "pop"),
    ],
)
def test_the_band_that_fits_a_style(style: str, meter: str, tempo: float, chords: str, name: str) -> None:
    score = replace(song(chords, meter), tempo_bpm=tempo)
    assert fitting_band(score, style).name == name
    assert arrange(score, BandOptions(style=style)).band == name


@pytest.mark.parametrize(
    ("name", "meter", "played", "said"),
    [
        ("pop", "4/4", "pop", ""),
        ("pop", "2/4", "pop", ""),
        ("six_eight", "12/8", "six_eight", ""),
        ("swing", "3/4", "waltz", "swing has no pattern for 3/4: the band plays waltz"),
        ("hymn", "3/4", "hymn_three", "hymn has no pattern for 3/4: the band plays hymn_three"),
        ("hymn_three", "4/4", "hymn", "hymn_three has no pattern for 4/4: the band plays hymn"),
        ("waltz", "4/4", "pop", "waltz has no pattern for 4/4: the band plays pop"),
        ("rock", "6/8", "six_eight", "rock has no pattern for 6/8: the band plays six_eight"),
        ("rock", "5/4", "rock", "rock has no pattern for 5/4: its 4/4 bars are cut to fit"),
    ],
)
def test_the_nearest_meter(name: str, meter: str, played: str, said: str) -> None:
    style, note = style_for_meter(load_style(name), Meter.parse(meter))
    assert (style.name, note) == (played, said)
