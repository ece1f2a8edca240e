"""Files of timed chord labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrpe_jax.formats.charts.labels import ChordLabels, read_chord_labels
from hrpe_jax.formats.text import TextFileError
from hrpe_jax.theory.chord import to_harte


def read(tmp_path: Path, text: str, encoding: str = "utf-8") -> ChordLabels:
    path = tmp_path / "a.lab"
    path.write_text(text, encoding=encoding)
    return read_chord_labels(path)


def spell(labels: ChordLabels) -> list[tuple[float, float, str]]:
    return [(start, end, to_harte(chord)) for start, end, chord in labels.chords]


@pytest.mark.parametrize(
    "text",
    [
        "0 1.5 C:maj\n1.5 2 A:min7/b3\n",
        "0.0\t1.5\tC:maj\r\n1.5\t2.0\tA:min7/b3",
        "# comment\n\n  0 1.5   C\n1.5 2.0 Am7/C\n\n",
        "start,end,label\n0,1.5,C\n1.5,2,'A:min7/b3'",
        "start end chord\n0 1.5 C:maj\n1.49 2 A:min7/b3",
    ],
)
def test_the_same_in_many_ways(tmp_path: Path, text: str) -> None:
    assert spell(read(tmp_path, text)) == [(0.0, 1.5, "C:maj"), (1.5, 2.0, "A:min7/b3")]


def test_other_encodings(tmp_path: Path) -> None:
    assert spell(read(tmp_path, "0 1 C\n", "utf-16")) == [(0.0, 1.0, "C:maj")]
    assert spell(read(tmp_path, "# für\n0 1 C\n", "latin-1")) == [(0.0, 1.0, "C:maj")]
    assert spell(read(tmp_path, "0 1 C\n", "utf-8-sig")) == [(0.0, 1.0, "C:maj")]


def test_unknown_chords_are_no_chord_and_counted(tmp_path: Path) -> None:
    labels = read(tmp_path, "0 1 N\n1 2 C:maj\n2 3 X\n3 4 what\n4 5 G:7\n5 6 &pause")
    assert [label for _, _, label in spell(labels)] == ["N", "C:maj", "N", "N", "G:7", "N"]
    assert labels.unknown == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_chords"),
        ("# only\nwords here and there", "no_chords"),
        ("0 1 N\n", "no_chords"),
        ("0 1 what\n", "no_chords"),
        ("0 1 C\n1 2 what\n2 3 on\n3 4 earth\n", "bad_chord"),
        ("0 1 C\n1 2\n", "bad_line"),
        ("0 1 C\nand so on\n", "bad_line"),
        ("0 2 C\n1 3 D\n", "bad_line"),
        ("0 1 C\n1 nan D\n", "bad_line"),
        ("1 0 C\n", "bad_number"),
        ("0 1e9 C\n", "bad_number"),
        ("-1 1 C\n", "bad_number"),
        ("0 0 C\n" * 20_001, "too_long"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(TextFileError) as error:
        read(tmp_path, text)
    assert error.value.reason == reason
    assert "\n" not in str(error.value)
