from __future__ import annotations

from pathlib import Path

import pytest

from hrpe_jax.readers.abc import read_abc
from hrpe_jax.readers.charts import read_billboard
from hrpe_jax.readers.musicxml import read_lead_sheet
from hrpe_jax.readers.song import Song
from hrpe_jax.readers.written_music import repeated_parts
from hrpe_jax.score.form import form_text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([0, 1, 2, 3], []),
        ([0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7], "0A 4A 8B 12B"),
        ([0, 1, 2, 3, 0, 1, 2, 4, 5, 6, 7, 8], "0A 4A 8B"),  # first and second ending
        ([0, 1, 2, 3, 4, 5, 4, 5, 0, 1, 2, 3], "0A 4B 6B 8A"),  # da capo al fine
        ([0, 1, 0, 1, 0, 1, 2, 3], "0A 2A 4A 6B"),  # three times
        ([*range(16), *range(8), *range(16, 24), *range(8)], "0A 16A 24B 32A"),  # an order of parts
        ([0, 1, 2, 3, 2, 3, 4, 5], "0A 2B 4B 6C"),  # an introduction, and what comes after
    ],
)
def test_sections_of_repeats(written: list[int], expected: str | list) -> None:
    assert " ".join(f"{at}{letter}" for at, letter in repeated_parts(written)) == (expected or "")


TUNE = """X:1
T:Up and down
M:4/4
L:1/4
K:C
|: "C" C D E F | G A B c | "G" B A G F | E D C2 :|
|: "F" A A c c |1 "G" B G D G :|2 "C" c4 |
"""


def test_repeats_of_abc(tmp_path: Path) -> None:
    (tmp_path / "tune.abc").write_text(TUNE)
    (song,) = read_abc(tmp_path / "tune.abc")
    assert isinstance(song, Song)
    assert form_text(song.score.form) == "A4A4B2B2"
    assert song.form_source == "file"
    (tmp_path / "tune.abc").write_text(TUNE.replace("|:", "|").replace(":|", "|").replace("|1", "|"))
    (song,) = read_abc(tmp_path / "tune.abc")
    assert isinstance(song, Song)
    assert (song.score.form, song.form_source) == ((), "")


def test_parts_of_abc(tmp_path: Path) -> None:
    body = "P:A\nC D E F | G4 |\nP:B\nG F E D | C4 |\n"
    text = f"X:1\nT:Parts\nP:AABA\nM:4/4\nL:1/4\nK:C\n{body}"
    (tmp_path / "tune.abc").write_text(text)
    (song,) = read_abc(tmp_path / "tune.abc")
    assert isinstance(song, Song)
    assert form_text(song.score.form) == "A2A2B2A2"


def test_repeats_of_musicxml(tmp_path: Path) -> None:
    note = "<note><pitch><step>{}</step><octave>5</octave></pitch><duration>4</duration></note>"
    meter = "<time><beats>4</beats><beat-type>4</beat-type></time>"
    first = f"<attributes><divisions>1</divisions>{meter}</attributes>"
    back = '<barline location="right"><repeat direction="backward"/></barline>'
    bars = [first + note.format("C"), note.format("D") + back, note.format("E"), note.format("F")]
    inside = "".join(f'<measure number="{n + 1}">{bar}</measure>' for n, bar in enumerate(bars))
    parts = '<part-list><score-part id="P1"><part-name>x</part-name></score-part></part-list>'
    text = f'<score-partwise>{parts}<part id="P1">{inside}</part></score-partwise>'
    (tmp_path / "tune.musicxml").write_text(text)
    song = read_lead_sheet(tmp_path / "tune.musicxml")
    assert form_text(song.score.form) == "A2A2B2"
    assert song.form_source == "file"


CHART = """# title: Invented
# metre: 4/4
# tonic: C
0.0\tsilence
1.0\tA, intro, | C:maj | F:maj |
5.0\tB, verse, | C:maj | A:min | F:maj | G:maj |, (voice
13.0\t| C:maj | G:maj |
17.0\tC', chorus, | F:maj | G:maj | C:maj | C:maj |
25.0\tsolo, | C:maj | G:maj |
29.0\tpre-chorus, | C:maj | G:maj |
33.0\tB, | C:maj | A:min | F:maj | G:maj |
41.0\tD, fadeout, | C:maj | C:maj |
45.0\tend
"""


def test_letters_and_words_of_a_chart(tmp_path: Path) -> None:
    (tmp_path / "chart.txt").write_text(CHART)
    song = read_billboard(tmp_path / "chart.txt")
    assert form_text(song.score.form) == "i2B6C'4x2X2B4o2"
    assert song.form_source == "file"
