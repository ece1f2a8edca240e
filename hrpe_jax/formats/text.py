"""Text files from outside, read with limits, and texts in encodings that nobody names."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from hrpe_jax.errors import UserError

MAX_BYTES = 2_000_000


class TextFileError(UserError):
    """A text file of chords that cannot be read.

    Attributes:
        reason: short code for reject lists: "missing_file", "too_large", "not_text", "bad_line",
            "bad_number", "bad_meter", "bad_chord", "too_long" or "no_chords".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text file in UTF-8, UTF-16 with its mark, or else as `decode_text` reads each.

    Raises:
        TextFileError: "missing_file", "too_large" (over `MAX_BYTES`) or "not_text" (it has NUL bytes).
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise TextFileError("missing_file", f"{path}: no such file: expected a text file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TextFileError("missing_file", f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > MAX_BYTES:
        raise TextFileError("too_large", f"{path}: expected at most {MAX_BYTES} bytes")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = decode_lines(data)
    if "\0" in text:
        raise TextFileError("not_text", f"{path}: binary data: expected a text file")
    return text.splitlines()


def decode_lines(data: bytes) -> str:
    """A text that is no UTF-8, each line by `decode_text`."""
    return "".join(
        line.decode("ascii") if line.isascii() else decode_text(line)
        for line in data.splitlines(keepends=True)
    )


def decode_text(raw: bytes, encoding: str = "") -> str:
    """A line in UTF-8, else in the encoding given, else in the likeliest of those that people use.

    Japanese, Cyrillic, Korean and Chinese letters are told from their bytes; what is none of these has the
    Latin letters of Windows.

    Args:
        raw: the line.
        encoding: that something else names; empty where nothing does.
    """
    for name in filter(None, ("utf-8", encoding)):
        with suppress(UnicodeDecodeError):
            return raw.decode(name)
    return _japanese(raw) or _foreign(raw) or _latin(raw)


_KANA = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uff66-\uff9f]")


def _japanese(raw: bytes) -> str | None:
    """Text in Shift-JIS; None where it is unlikely to be one: most of what is no ASCII must be in pairs of
    bytes that are kana or common signs."""
    try:
        text = raw.decode("cp932")
    except UnicodeDecodeError:
        return None
    other = [c for c in text if not c.isascii()]
    wide = [c for c in other if _KANA.match(c) and not "\uff66" <= c <= "\uff9f"]
    return text if len(wide) >= 2 and len(wide) >= 0.7 * len(other) else None


_LATIN = ("cp1252", "cp1250")
_NOT_LATIN = 3
"""Letters beyond ASCII in a row that no language with Latin letters has."""


def _latin(raw: bytes) -> str:
    """A text in the first of the Latin encodings that has all of its bytes."""
    for encoding in _LATIN:
        with suppress(UnicodeDecodeError):
            return raw.decode(encoding)
    return raw.decode("cp1252", errors="replace")


def _foreign(raw: bytes) -> str | None:
    """A text in Cyrillic, Korean or Chinese letters, which leave little ASCII; else None.

    Korean syllables have the first bytes of common Chinese signs: a text of these alone is taken as Korean.
    """
    runs = re.findall(rb"[\x80-\xff]+", raw)
    beyond = sum(map(len, runs))
    if not runs or max(map(len, runs)) < _NOT_LATIN or sum(map(bytes.isalpha, _single(raw))) > beyond // 2:
        return None
    if all(_CYRILLIC.fullmatch(run) for run in runs):
        return raw.decode("cp1251", "replace")
    if all(_PAIRS.fullmatch(run) for run in runs):
        korean = all(lead <= 0xC8 for run in runs for lead in run[::2]) and beyond >= 2 * _NOT_LATIN
        order = ("cp949", "gb18030") if korean else ("gb18030", "cp949")
    else:
        order = ("big5", "big5hkscs")
    for encoding in order:
        with suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            if all(letter.isascii() or _WIDE.match(letter) for letter in text):
                return text
    return None


def _single(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


_CYRILLIC = re.compile(rb"[\xc0-\xdf\xa8]?[\xe0-\xff\xb8]*|[\xc0-\xdf\xa8]*")
_PAIRS = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe])+")
_WIDE = re.compile(r"[\u2000-\u206f\u3000-\u303f\u4e00-\u9fff\uac00-\ud7a3\uff00-\uff5e]")
