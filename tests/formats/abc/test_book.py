"""Books, encodings and the lines of a tune."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrpe_jax.formats.abc import book
from hrpe_jax.formats.abc.book import AbcError, decode, plain_text, read_abc_book, split_field, split_tunes


def test_a_book_is_cut_into_tunes() -> None:
    text = (
        "L:1/4 % for all\nO:free words\n\nX:1\nT:One\n% a remark\nK:C\nCDEF|\n\nwords about it\n"
        "X: 7\nT:Two\n\nK:G\n\nGABc|\n% a remark alone\nd4|]\nW:words\n\nmore words, nothing to play\n"
    )
    one, two = split_tunes(text)
    assert (one.number, two.number) == ("1", "7")
    assert one.lines == ("L:1/4", "T:One", "K:C", "CDEF|")
    assert one.header == 3
    assert two.lines[-3:] == ("GABc|", "d4|]", "W:words")
    assert two.field("T") == "Two"
    assert two.field("C") == ""


def test_a_tune_without_number_or_key() -> None:
    assert split_tunes("T:Alone\nK:D\nABc|")[0].number == ""
    assert split_tunes("just words\nand more") == []
    (tune,) = split_tunes("X:1\nT:No key\nM:3/4\nABc|\nT:a part\ndef|")
    assert tune.lines[tune.header :] == ("ABc|", "T:a part", "def|")


def test_blocks_of_text_are_no_music() -> None:
    (tune,) = split_tunes("X:1\nK:C\n%%begintext\nABC\n%%endtext\n%%propagate-accidentals not\nCDE|")
    assert tune.lines == ("K:C", "I:propagate-accidentals not", "CDE|")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("K: G ", ("K", "G")),
        ("d:|[2 e", ("", "")),
        ("A::B", ("", "")),
        ("|:ABc", ("", "")),
        ("w:a-b", ("w", "a-b")),
        ("M:C|", ("M", "C|")),
    ],
)
def test_fields_and_music(line: str, expected: tuple[str, str]) -> None:
    assert split_field(line) == expected


@pytest.mark.parametrize(
    "data",
    [
        "X:1\nT:Café\nK:C\nC".encode(),
        "X:1\r\nT:Café\r\nK:C\r\nC".encode("latin-1"),
        "X:1\rT:Café\rK:C\rC".encode("utf-16"),
        "\ufeffX:1\nT:Café\nK:C\nC".encode(),
        b"X:1\nT:Caf\\'e\nK:C\nC",
        b"X:1\nT:Caf&eacute;\nK:C\nC",
    ],
)
def test_encodings(data: bytes) -> None:
    (tune,) = split_tunes(decode(data))
    assert tune.field("T") == "Café"


def test_long_titles_are_cut() -> None:
    assert len(plain_text("la " * 500)) <= 200


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, reason in ((tmp_path / "none.abc", "abc_missing"), (tmp_path, "abc_missing")):
        with pytest.raises(AbcError) as error:
            read_abc_book(path)
        assert error.value.reason == reason
    file = tmp_path / "a.abc"
    for data, reason in (
        (b"", "abc_no_tunes"),
        (b"\x00\xff" * 50, "abc_no_tunes"),
        (b"x" * 101, "abc_too_large"),
    ):
        monkeypatch.setattr(book, "MAX_BYTES", 100)
        file.write_bytes(data)
        with pytest.raises(AbcError) as error:
            read_abc_book(file)
        assert error.value.reason == reason
        assert "\n" not in str(error.value)
    monkeypatch.setattr(book, "MAX_TUNES", 2)
    file.write_bytes(b"X:1\nK:C\nC\n" * 3)
    with pytest.raises(AbcError, match="expected at most 2"):
        read_abc_book(file)


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (r"Caf\u00e9", "Café"), (r"\'Etude", "Étude"), ("L&apos;&eacute;t&eacute;", "L'été"),
        (r"Gro\ss", "Groß"), (r"\AAse", "Åse"), (r"Dvo\vr\'ak", "Dvořák"), (r"\ud800", r"\ud800"),
        (r"a\qb", r"a\qb"), (r"S\/oren", "Søren"),
    ],
)  # fmt: skip
def test_escaped_titles(escaped: str, plain: str) -> None:
    assert plain_text(escaped) == plain
