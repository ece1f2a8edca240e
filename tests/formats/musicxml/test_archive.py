"""Hostile and damaged files end in one line, and nothing outside the file is read."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path

import pytest

from hrpe_jax.formats.musicxml import document
from hrpe_jax.formats.musicxml.document import MusicXmlError, load_tree

XML = b"<?xml version='1.0'?><score-partwise/>"
CONTAINER = '<container><rootfiles><rootfile full-path="{}"/></rootfiles></container>'


def _mxl(path: Path, members: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _reason(path: Path) -> str:
    with pytest.raises(MusicXmlError) as error:
        load_tree(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return error.value.reason


def test_plain_and_packed(tmp_path: Path) -> None:
    plain = tmp_path / "a.xml"
    plain.write_bytes(
        XML.replace(b"?>", b"?><!DOCTYPE score-partwise PUBLIC '-//R//DTD' 'http://x/y.dtd'>", 1)
    )
    assert load_tree(plain).tag == "score-partwise"
    packed = _mxl(tmp_path / "a.mxl", {"META-INF/container.xml": CONTAINER.format("s/a.xml"), "s/a.xml": XML})
    assert load_tree(packed).tag == "score-partwise"
    utf16 = tmp_path / "b.xml"
    utf16.write_bytes("<?xml version='1.0' encoding='utf-16'?><score-partwise/>".encode("utf-16"))
    assert load_tree(utf16).tag == "score-partwise"


def test_a_container_with_bad_quotes_is_read_where_one_score_is_there(tmp_path: Path) -> None:
    container = "<container><rootfile full-path='It's.xml'/></container>"
    one = _mxl(tmp_path / "a.mxl", {"META-INF/container.xml": container, "It's.xml": XML})
    assert load_tree(one).tag == "score-partwise"
    two = _mxl(tmp_path / "b.mxl", {"META-INF/container.xml": container, "It's.xml": XML, "b.xml": XML})
    assert _reason(two) == "bad_xml"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "bad_xml"),
        (b"<a>", "bad_xml"),
        (b"\x00\xff\xfe binary", "bad_xml"),
        (b"<?xml version='1.0' encoding='no-such'?><a/>", "bad_xml"),
        (b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "unsafe_xml"),
        (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "unsafe_xml"),
        (b"<!DOCTYPE a [<!ELEMENT a ANY>]><a/>", "unsafe_xml"),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>".encode("utf-16"), "unsafe_xml"),
        (b"<!DOCTYPE a SYSTEM 'http://x/y.dtd'><a>&x;</a>", "bad_xml"),
        (b"PK\x03\x04 no archive", "bad_archive"),
    ],
)
def test_bad_bytes(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(data)
    assert _reason(path) == reason


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"a.xml": XML}, "bad_container"),
        ({"META-INF/container.xml": "<container/>", "a.xml": XML}, "bad_container"),
        ({"META-INF/container.xml": CONTAINER.format("b.xml"), "a.xml": XML}, "bad_container"),
        ({"META-INF/container.xml": CONTAINER.format("../a.xml"), "../a.xml": XML}, "bad_container"),
        ({"META-INF/container.xml": CONTAINER.format("/a.xml"), "/a.xml": XML}, "bad_container"),
        ({"META-INF/container.xml": CONTAINER.format("C:a.xml"), "C:a.xml": XML}, "bad_container"),
    ],
)
def test_bad_containers(tmp_path: Path, members: dict[str, bytes | str], reason: str) -> None:
    assert _reason(_mxl(tmp_path / "a.mxl", members)) == reason


def test_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_FILE_BYTES", 10_000)
    bomb = {"META-INF/container.xml": CONTAINER.format("a.xml"), "a.xml": b"<a>" + b" " * 100_000 + b"</a>"}
    assert _reason(_mxl(tmp_path / "a.mxl", bomb)) == "too_large"
    big = tmp_path / "b.xml"
    big.write_bytes(b" " * 10_001)
    assert _reason(big) == "too_large"
    monkeypatch.setattr(document, "MAX_MEMBERS", 3)
    assert _reason(_mxl(tmp_path / "c.mxl", {f"{i}": "" for i in range(4)})) == "too_large"
    assert _reason(tmp_path / "none.xml") == "missing_file"


def test_cut_and_encrypted_archives(tmp_path: Path) -> None:
    whole = _mxl(tmp_path / "a.mxl", {"META-INF/container.xml": CONTAINER.format("a.xml"), "a.xml": XML * 50})
    data = whole.read_bytes()
    cut = tmp_path / "b.mxl"
    for length in range(4, len(data), 7):
        cut.write_bytes(data[:length])
        assert _reason(cut) == "bad_archive"
    for place in range(4, len(data), 5):  # any damage is an answer or an error of ours, nothing else
        cut.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        with contextlib.suppress(MusicXmlError):
            load_tree(cut)


def test_names_of_members_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "names.mxl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("\u00e9" * 4 + ".xml", "<score-partwise/>")  # a name that says it is UTF-8
    path.write_bytes(path.read_bytes().replace("\u00e9".encode(), b"\xff\xfe"))
    assert _reason(path) == "bad_archive"
