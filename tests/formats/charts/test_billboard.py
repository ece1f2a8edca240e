"""Chord charts in Billboard's syntax."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrpe_jax.formats.charts.billboard import Chart, ChartBar, read_chart
from hrpe_jax.formats.text import TextFileError
from hrpe_jax.theory.chord import to_lead_sheet

HEAD = "# title: A song\n# artist: Somebody\n# metre: 4/4\n# tonic: C\n\n"


def read(tmp_path: Path, text: str, head: str = HEAD) -> Chart:
    path = tmp_path / "salami_chords.txt"
    path.write_text(head + text, encoding="utf-8")
    return read_chart(path)


def bars(chart: Chart) -> list[ChartBar]:
    return [bar for line in chart.lines for bar in line.bars]


def spell(bar: ChartBar) -> str:
    return " ".join(f"{tick}+{ticks}:{to_lead_sheet(chord)}" for tick, ticks, chord in bar.chords)


@pytest.mark.parametrize(
    ("bar", "chords"),
    [
        ("C:maj", "0+48:C"),
        ("C:maj G:7/3", "0+24:C 24+24:G7/B"),
        ("C:maj . . G:7", "0+12:C 12+12:C 24+12:C 36+12:G7"),
        ("(3/4) C:maj . F:min", "0+12:C 12+12:C 24+12:Fm"),
        ("(5/4) C:maj", "0+60:C"),
        ("(3/8) N", "0+18:N.C."),
        ("(2/4)", "0+24:N.C."),
        ("&pause", "0+48:N.C."),
        ("C:maj &pause", "0+48:C"),
        ("*", "0+48:N.C."),
        ("X G:1", "0+24:N.C. 24+24:G5"),
        (". C:maj", "0+24:N.C. 24+24:C"),
        ("C:maj D:maj E:maj F:maj G:maj", "0+9:C 9+10:D 19+9:E 28+10:F 38+10:G"),
    ],
)
def test_how_chords_fill_a_bar(tmp_path: Path, bar: str, chords: str) -> None:
    assert [spell(b) for b in bars(read(tmp_path, f"0.5\tA, intro, | {bar} |, (voice"))] == [chords]


def test_a_dot_holds_over_the_bar_line(tmp_path: Path) -> None:
    assert [spell(b) for b in bars(read(tmp_path, "1 | C:maj | . G:maj |"))] == ["0+48:C", "0+24:C 24+24:G"]


def test_lines(tmp_path: Path) -> None:
    text = (
        "0.0\tsilence\n8.5e-2\tA', intro, | C:maj | x3, (guitar\n8\t| F:maj | ->, voice)\n"
        "# tonic: Eb\n# metre: 12/8\n10.25\tB, | Eb:maj Ab:maj |\n11\tZ, noise\n12\tend\n"
    )
    chart = read(tmp_path, text)
    assert [(line.seconds, len(line.bars)) for line in chart.lines] == [
        (0.0, 0), (0.085, 3), (8.0, 1), (10.25, 1), (11.0, 0), (12.0, 0),
    ]  # fmt: skip
    assert [(str(b.meter), b.tonic, b.ticks) for b in bars(chart)] == [("4/4", 0, 48)] * 4 + [("12/8", 3, 72)]
    assert spell(bars(chart)[4]) == "0+36:Eb 36+36:Ab"
    assert (chart.title, chart.artist, chart.unknown, chart.has_meter) == ("A song", "Somebody", 0, True)


def test_lines_without_times_and_header(tmp_path: Path) -> None:
    chart = read(tmp_path, "A, | C:maj |\n| G:maj |\n# metre: 3/4\n| G:maj |", head="")
    assert [line.seconds for line in chart.lines] == [None] * 3
    assert not chart.has_meter


def test_some_unknown_chords_are_counted(tmp_path: Path) -> None:
    assert read(tmp_path, "0 | C:maj | H:wrong | * | C:maj |").unknown == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_chords"),
        ("0.0 silence\n1.0 end", "no_chords"),
        ("0 | C:maj | x999\n" * 6, "too_long"),
        ("0 |" + " C:maj |" * 5001, "too_long"),
        ("1e9 | C:maj |", "bad_number"),
        ("0 | (4/7) C:maj |", "bad_meter"),
        ("0 | (99/4) C:maj |", "bad_meter"),
        ("# metre: none\n", "bad_meter"),
        ("0 |" + " C:maj" * 49 + " |", "bad_line"),
        ("0 | one | two |", "bad_chord"),
        ("\0", "not_text"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(TextFileError) as error:
        read(tmp_path, text)
    assert error.value.reason == reason
    assert "\n" not in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", tmp_path / "a\0b"):
        with pytest.raises(TextFileError) as error:
            read_chart(path)
        assert error.value.reason == "missing_file"


def test_large_files_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b" " * 2_000_001)
    with pytest.raises(TextFileError) as error:
        read_chart(path)
    assert error.value.reason == "too_large"
