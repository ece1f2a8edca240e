"""What kind of music a file holds, told from its content: names lie, and half of the world's .txt is music.

Only the first bytes are read (and the list of members of an archive), never a whole file. Where the content
says nothing, a suffix that musicians use names the format all the same, so that an empty or damaged .mid is
rejected by its reader with a reason, not passed over as something else.
"""

from __future__ import annotations

import codecs
import os
import re
import zipfile
import zlib
from pathlib import Path

FORMATS = ("pop909", "chorales", "midi", "musicxml", "abc", "billboard", "lab")
"""Names of the readers. "pop909" is a folder, "chorales" four-voice MusicXML by wish; files are the rest."""

HEAD_BYTES = 4096
"""Enough for every format but ABC, whose first tune may stand behind pages of comments."""
TEXT_BYTES = 131_072
"""Of a text that is looked through for a tune or a score."""

_SUFFIXES = {
    ".mid": "midi",
    ".midi": "midi",
    ".kar": "midi",
    ".rmi": "midi",
    ".mxl": "musicxml",
    ".musicxml": "musicxml",
    ".abc": "abc",
    ".lab": "lab",
}
_OTHERS = (b"\x00\x05\x16\x07", b"\x00\x05\x16\x00")  # files that macOS writes beside others, named alike
_MAX_ARCHIVE = 100_000_000
_SCORE = re.compile(r"<(?:[\w.-]+:)?score-(?:partwise|timewise)[\s>/]")
_TUNE = re.compile(r"^X:[ \t]*\d", re.MULTILINE)
_TUNE_KEY = re.compile(r"^K:", re.MULTILINE)
_CHART_TITLE = re.compile(r"^#[ \t]*(?:title|artist|metre|tonic):", re.MULTILINE)
_CHART_LINE = re.compile(r"^\d+(?:\.\d+)?(?:e[+-]?\d+)?\t\S", re.MULTILINE)
_LABEL_LINE = re.compile(r"-?\d+(?:\.\d*)?(?:e[+-]?\d+)?[ \t]+-?\d+(?:\.\d*)?(?:e[+-]?\d+)?[ \t]+(\S+)$")
_LABEL = re.compile(r"(?:N|X|[A-G][b#]*(?::[\w#()*,.]+)?(?:/[b#]*\d+)?)$")
_LABEL_LINES = 30


def identify(path: str | Path) -> str:
    """The format of a file: one of `FORMATS`, or "" where it is no music that can be read.

    Raises:
        OSError: if it cannot be opened.
    """
    path = os.fspath(path)
    with open(path, "rb", buffering=0) as stream:
        head = stream.read(HEAD_BYTES) or b""
        wrapped = head[8:12] if head.startswith(b"RIFF") else head[128:132] if head[:1] == b"\0" else b""
        if head.startswith(b"MThd") or wrapped in (b"RMID", b"MThd"):
            return "midi"
        if head.startswith(_OTHERS):
            return ""
        by_suffix = _SUFFIXES.get(os.path.splitext(path)[1].lower(), "")
        if head.startswith(b"PK\x03\x04"):
            return "musicxml" if by_suffix == "musicxml" or _is_score_archive(path) else ""
        text = _as_text(head)
        if not text:
            return by_suffix
        found = identify_text(text)
        if not found and len(head) == HEAD_BYTES:
            found = identify_text(_as_text(head + (stream.read(TEXT_BYTES) or b"")) or "")
    return found or by_suffix


def identify_text(text: str) -> str:
    """As `identify`, for the beginning of a text: "musicxml", "abc", "billboard", "lab" or ""."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.lstrip().startswith("<"):
        return "musicxml" if _SCORE.search(text) else ""
    if _CHART_TITLE.search(text) and _CHART_LINE.search(text):
        return "billboard"
    tune = _TUNE.search(text)
    if tune and _TUNE_KEY.search(text, tune.end()):
        return "abc"
    return "lab" if _has_labels(text) else ""


def _has_labels(text: str) -> bool:
    """Whether the first lines are "start end chord", and a chord sounds in one of them."""
    lines = [line for line in map(str.strip, text.split("\n", _LABEL_LINES)[:_LABEL_LINES]) if line]
    lines = [line for line in lines if line[0] != "#"]
    if not any(map(_LABEL_LINE.match, lines[:3])):
        return False
    found = [match[1] for match in map(_LABEL_LINE.match, lines) if match]
    labels = [label for label in found if _LABEL.match(label)]
    return len(labels) >= 0.8 * len(lines) and any(label not in "NX" for label in labels)


def _as_text(head: bytes) -> str | None:
    """The beginning of a text in any usual encoding; None where it is none."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return head[2:].decode(encoding, "replace")
    if head[:2] == b"<\x00" or head[:2] == b"\x00<":
        return head.decode("utf-16-le" if head[0] else "utf-16-be", "replace")
    if b"\x00" in head:
        return None
    return head.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")


def _is_score_archive(path: str) -> bool:
    """Whether an archive holds MusicXML: office documents and e-books are such archives too."""
    try:
        if os.path.getsize(path) > _MAX_ARCHIVE:
            return False
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist()[:1000]:
                name = member.filename.lower()
                if name.startswith("meta-inf/") or not name.endswith((".xml", ".musicxml")):
                    continue
                with archive.open(member) as stream:
                    text = _as_text(stream.read(HEAD_BYTES))
                if text and _SCORE.search(text):
                    return True
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, NotImplementedError):
        return False
    return False
