"""Formats are told from content; suffixes only where the content says nothing."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.readers.identify import identify, identify_text

SCORE = """<?xml version="1.0"?>
<!DOCTYPE score-partwise PUBLIC "x" "y">
<score-partwise version="4.0"></score-partwise>"""
TUNE = "%abc-2.1\n% a book\n\nX: 1\nT: A tune\nK: G\nGABc|\n"
CHART = "# title: A\n# artist: B\n# metre: 4/4\n# tonic: C\n\n0.0\tsilence\n7.3e-2\tA, intro, | C:maj |\n"
LABELS = "0.0 2.5 N\n2.500 4.0\tC:maj\n4.0 6.0 F#:min7/b3\n6 7 X\n"


def _zip(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (b"MThd\0\0\0\6\0\1\0\1\0\x60", "midi"),
        (b"RIFF\x20\0\0\0RMIDdata", "midi"),
        (b"RIFF\x20\0\0\0WAVEfmt ", ""),
        (SCORE.encode(), "musicxml"),
        (b"\xef\xbb\xbf \n" + SCORE.encode(), "musicxml"),
        (SCORE.encode("utf-16"), "musicxml"),
        (SCORE.encode("utf-16-be"), "musicxml"),
        (SCORE.replace("partwise", "timewise").encode(), "musicxml"),
        (b"<html><body>score-partwise</body></html>", ""),
        (_zip({"META-INF/container.xml": "<container/>", "a.xml": SCORE}), "musicxml"),
        (_zip({"a.musicxml": SCORE}), "musicxml"),
        (_zip({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"}), ""),
        (_zip({"META-INF/container.xml": "<container/>", "OEBPS/a.xhtml": "<html/>"}), ""),
        (b"PK\x03\x04 and nothing behind it", ""),
        (TUNE.encode(), "abc"),
        (TUNE.replace("\n", "\r\n").encode("latin-1"), "abc"),
        (TUNE.replace("\n", "\r").encode(), "abc"),
        (("% a comment\n" * 2000 + TUNE).encode(), "abc"),
        (TUNE.encode("utf-16"), "abc"),
        (b"X: marks the spot\nK: is a letter\n", ""),
        (CHART.encode(), "billboard"),
        (b"# title: notes on something\n\nplain text\n", ""),
        (LABELS.encode(), "lab"),
        (b"0.0 2.5 N\n2.5 4.0 N\n", ""),
        (b"0.0 2.5 speech\n2.5 4.0 music\n", ""),
        (b"0.0\n0.5\n1.0\n", ""),
        (b"artist,title,year\nA,B,1999\n", ""),
        (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", ""),
        (b"SQLite format 3\x00", ""),
        (b"", ""),
    ],
)
def test_the_content_decides(tmp_path: Path, content: bytes, format: str):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    assert identify(path) == format


def test_a_suffix_names_what_is_damaged_and_no_more(tmp_path: Path):
    for name, content, format in (
        ("a.mid", b"", "midi"),
        ("a.MID", b"garbage", "midi"),
        ("b.mid", TUNE.encode(), "abc"),
        ("c.abc", SCORE.encode(), "musicxml"),
        ("d.mxl", b"PK\x03\x04 broken", "musicxml"),
        ("e.xml", b"<other/>", ""),
        ("._f.mid", b"\x00\x05\x16\x07\x00\x02", ""),
    ):
        (tmp_path / name).write_bytes(content)
        assert identify(tmp_path / name) == format, name


@given(st.text())
def test_any_text_is_looked_at(text: str):
    assert identify_text(text) in ("", "musicxml", "abc", "billboard", "lab")
