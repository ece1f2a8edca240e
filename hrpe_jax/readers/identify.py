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

from hrpe_jax.formats.charts.text_charts import ORDER_WORDS
from hrpe_jax.theory.chord_parser import Naming, parse_lead_sheet_text, to_english

FORMATS = (
    "pop909",
    "chorales",
    "midi",
    "musicxml",
    "abc",
    "billboard",
    "lab",
    "humdrum",
    "ireal",
    "chordpro",
    "grid",
)
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
    ".krn": "humdrum",
    ".cho": "chordpro",
    ".chopro": "chordpro",
    ".chordpro": "chordpro",
    ".crd": "chordpro",
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
_IREAL = re.compile(r"ireal(?:b|book)://\S")
_SPINES = re.compile(r"^\*\*(?:kern|harte|mxhm)\b", re.MULTILINE)
_DIRECTIVE = re.compile(
    r"^\{\s*(?:title|t|subtitle|st|artist|key|start_of_\w+|so[cvgb]|comment|c|define|capo|tempo|time|meta)\b",
    re.MULTILINE,
)
_GRID = re.compile(r"^\{\s*(?:start_of_grid|sog)\b", re.MULTILINE)
_BRACKETED = re.compile(r"\[([^\[\]\n]{1,40})\]")
_SECTION = re.compile(r"(?:pre.?)?(?:intro|verse|chorus|bridge|outro|solo|refrain|end|tag|\*)", re.IGNORECASE)
_KEY_LINE = re.compile(r"^\s*key\s*[:=]", re.IGNORECASE | re.MULTILINE)
_CELL = re.compile(r":?\|+:?")
_GRID_SIGN = re.compile(r"\(?x\s*\d+\)?|\d+\s*x|\[?\d[.\]]|\[[^\]]*\]|[A-Za-z]+:|\*", re.IGNORECASE)
_GRID_LINES = 60
_MOST_LABELS = 200
_LONGEST = 20
"""Characters of a chord symbol in a text."""
_NUMBER = re.compile(r"[b#]?[1-7](?:[-mM°øo^+]|maj|sus|add|dim|aug|\d)*(?:/[b#]?[1-7])?")
_NAMINGS: tuple[Naming, ...] = ("english", "german", "latin")


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
    """As `identify`, for the beginning of a text: the name of a format of texts, or ""."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _IREAL.search(text):
        return "ireal"
    if text.lstrip().startswith("<"):
        return "musicxml" if _SCORE.search(text) else ""
    if _SPINES.search(text):
        return "humdrum"
    if _CHART_TITLE.search(text) and _CHART_LINE.search(text):
        return "billboard"
    tune = _TUNE.search(text)
    if tune and _TUNE_KEY.search(text, tune.end()):
        return "abc"
    if _has_labels(text):
        return "lab"
    if _has_chord_words(text):
        return "chordpro"
    return "grid" if _has_bars(text) else ""


def _has_chord_words(text: str) -> bool:
    """Whether lines have chords in brackets among words, and most of what is in brackets are chords."""
    found = _BRACKETED.findall(text)[:_MOST_LABELS]
    sections = [label for label in found if _SECTION.match(label)]
    chords = [label for label in found if label not in sections and _is_chord(label)]
    directive = bool(_DIRECTIVE.search(text))
    if directive and _GRID.search(text):
        return True
    return len(chords) >= (1 if directive else 4) and len(chords) >= 0.8 * (len(found) - len(sections))


def _is_chord(word: str) -> bool:
    """Whether a word can be a chord symbol, with whatever note names, or a Nashville number."""
    if len(word) > _LONGEST or word[:1].islower():
        return False
    if word.upper().strip(".") in ("N.C", "NC") or _NUMBER.fullmatch(word):
        return True
    return any(parse_lead_sheet_text(to_english(word, naming)) is not None for naming in _NAMINGS)


def _has_bars(text: str) -> bool:
    """Whether lines are bars of chords between strokes."""
    lines = [line for line in text.split("\n")[:_GRID_LINES] if "|" in line]
    cells = [cell for line in lines for cell in _CELL.split(ORDER_WORDS.sub("", line)) if cell.strip()]
    words = [word for cell in cells for word in re.split(r"[\s,]+", cell) if word]
    words = [
        word
        for word in words[:_MOST_LABELS]
        if word not in ("%%", *"/.-%") and not _GRID_SIGN.fullmatch(word)
    ]
    keyed = _KEY_LINE.search(text) is not None  # without a key numbers are a table
    if not keyed and any(word[0] in "ABCDEFGH" for word in words):  # of endings and rows
        words = [word for word in words if not word.isdigit()]
    chords = [word for word in words if _is_chord(word) and (keyed or not word[0].isdigit())]
    return len(cells) >= 2 and len(chords) >= 2 and len(chords) >= 0.8 * len(words)


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
