"""ABC tune books: bytes in, the lines of each tune out.

A book holds any number of tunes, each from its `X:` field to the blank line that ends its music, with free
text between them. Everything that follows here is bounded and linear in the size of the file.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hrpe_jax.errors import UserError

MAX_BYTES = 20 * 1024 * 1024
MAX_TUNES = 100_000
MAX_VALUE = 2000
"""Characters of a field that are looked at."""

_LINE = re.compile(r"\r\n|\n|\r")
_FIELD = re.compile(r"\s*([A-Za-z+]):(.*)", re.DOTALL)
_NUMBER = re.compile(r"(?:\A|(?<=[\r\n]))[ \t]*X:[ \t]*([^%\r\n]{0,100})[^\r\n]*")
_COMMENT = re.compile(r"(?<!\\)%.*", re.DOTALL)
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_ACCENTS = {
    "'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303", "c": "\u0327", ",": "\u0327",
    "v": "\u030c", "u": "\u0306", "=": "\u0304", ".": "\u0307", ";": "\u0328", "H": "\u030b",
}  # fmt: skip
_LIGATURES = {
    "aa": "å", "AA": "Å", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "ss": "ß", "/o": "ø", "/O": "Ø",
    "o/": "ø", "O/": "Ø", "DH": "Ð", "dh": "ð", "TH": "Þ", "th": "þ",
}  # fmt: skip
_ESCAPE = re.compile(
    r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(aa|AA|ae|AE|oe|OE|ss|/o|/O|o/|O/|DH|dh|TH|th)"
    r"|(['`\"^~c,vu=.;H])([A-Za-z]))"
)
_FILE_FIELDS = frozenset("LMKQUIP")
"""Fields before the first tune that hold for all of them."""


class AbcError(UserError):
    """An ABC file, or a tune of one, that cannot be read.

    Attributes:
        reason: short code for reject lists: "abc_missing", "abc_too_large", "abc_no_tunes",
            "abc_too_many_tunes", "abc_too_long" or "abc_no_notes".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class AbcText:
    """One tune as it is written.

    Attributes:
        number: what its `X:` field says; empty where it has none.
        name: the number; where it stands for several tunes of a book, from the second on "12-2", "12-3".
        lines: of the header (with those of the file's header before them), then of the music. Comments are
            gone; of the directives (`%%`) only those remain that change what sounds.
        header: how many of the lines are the header.
    """

    number: str
    name: str
    lines: tuple[str, ...]
    header: int

    def field(self, letter: str) -> str:
        """The first value of a header field in one line; empty where there is none."""
        for line in self.lines[: self.header]:
            name, value = split_field(line)
            if name == letter and value:
                return plain_text(value)
        return ""


def read_abc_book(path: str | Path, first: int = 0, stop: int | None = None) -> list[AbcText]:
    """The tunes of a file, as text.

    Args:
        path: an ABC file in UTF-8, UTF-16 or, where it is neither, Latin-1.
        first: the first tune wanted, from 0; those before it cost next to nothing.
        stop: the first that is not wanted any more; None for all.

    Raises:
        AbcError: if it is missing, too large or holds no tune (has `.reason`).
    """
    path = Path(path)
    try:
        if not path.is_file():  # a pipe would never end
            raise AbcError("abc_missing", f"{path}: no such file: expected an ABC file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        why = error.strerror or "cannot be read"
        raise AbcError("abc_missing", f"{path}: {why}: expected an ABC file") from None
    if len(data) > MAX_BYTES:
        raise AbcError("abc_too_large", f"{path}: more than {MAX_BYTES} bytes: expected a smaller file")
    tunes = split_tunes(decode(data), first, stop)
    if not tunes:
        raise AbcError("abc_no_tunes", f"{path}: no tune: expected fields such as X:1 and K:G before music")
    if len(tunes) > MAX_TUNES:
        raise AbcError("abc_too_many_tunes", f"{path}: expected at most {MAX_TUNES} tunes")
    return tunes


def decode(data: bytes) -> str:
    """Text of a file in any encoding; only titles can come out wrong, the notes are ASCII."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def split_field(line: str) -> tuple[str, str]:
    """(letter, value) of an information field; two empty strings where the line is none.

    A line of music may begin with a repeat sign after one note ("d:|"), which is no field.
    """
    match = _FIELD.match(line)
    if match is None or (match[1] in "ABCDEFGabcdefgzx" and match[2][:1] in ("|", ":")):
        return "", ""
    return match[1], match[2][:MAX_VALUE].strip()


def plain_text(value: str) -> str:
    """A field's text for people: accents (\\'e), ligatures (\\ss), code points (\\u00e9), entities (&eacute;)
    and blanks put right."""
    accented = _ESCAPE.sub(_unescaped, value)
    return " ".join(html.unescape(accented).split())[:200]


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code:
        number = int(code, 16)
        return chr(number) if 0x20 <= number < 0x110000 and not 0xD800 <= number < 0xE000 else match[0]
    if match[3]:
        return _LIGATURES[match[3]]
    letter = unicodedata.normalize("NFC", match[5] + _ACCENTS[match[4]])
    return letter if len(letter) == 1 else match[0]


def split_tunes(text: str, first: int = 0, stop: int | None = None) -> list[AbcText]:
    """Cut a book into tunes, and give those from `first` to before `stop`.

    A tune goes from `X:` to the next one; what comes after the blank line that ends its music is text. A file
    without any `X:` but with a key is one tune. At most `MAX_TUNES` + 1 are given.
    """
    begins = list(islice(_NUMBER.finditer(text), MAX_TUNES + 1))
    shared = _lines(text[: begins[0].start()] if begins else text)  # the file's header, or the only tune
    if not begins:
        return [_tune("", "", shared)] if any(split_field(line)[0] == "K" for line in shared) else []
    common = [line for line in shared if split_field(line)[0] in _FILE_FIELDS]
    numbers = [" ".join(begin[1].split()) for begin in begins]
    ends = [*(begin.start() for begin in begins[1:]), len(text)]
    tunes = list(zip(numbers, _names(numbers), begins, ends, strict=True))[first:stop]
    return [
        _tune(number, name, [*common, *_lines(text[begin.end() : end])[1:]], len(common))
        for number, name, begin, end in tunes
    ]


def _names(numbers: Sequence[str]) -> list[str]:
    """A name for every tune, no two alike."""
    taken, seen = set(numbers), Counter[str]()
    names = []
    for number in numbers:
        seen[number] += 1
        name = number
        while seen[number] > 1 and (name := f"{number}-{seen[number]}") in taken:
            seen[number] += 1
        taken.add(name)
        names.append(name)
    return names


def _lines(text: str) -> list[str]:
    """The lines of a tune or a file's header, without comments and without text that is no ABC."""
    lines: list[str] = []
    block = False  # inside %%begintext ... %%endtext
    for line in _LINE.split(text):
        if line.startswith("%%begin"):
            block = True
        elif line.startswith("%%end"):
            block = False
        elif not block:
            if line.startswith("%%"):
                line = f"I:{line[2:]}"
            stripped = _COMMENT.sub("", line).rstrip()
            if stripped or not line.strip():  # a comment alone is no blank line
                lines.append(stripped)
    return lines


def _tune(number: str, name: str, lines: list[str], common: int = 0) -> AbcText:
    """A tune of these lines, the first `common` of which are from the file's header."""
    letters = [split_field(line)[0] for line in lines]
    header = letters.index("K", common) + 1 if "K" in letters[common:] else 0
    if not header:  # no key: the header ends where the fields do
        header = next((i for i, line in enumerate(lines) if line and not letters[i]), len(lines))
    kept = lines[:header]
    music = False
    for line, letter in zip(lines[header:], letters[header:], strict=True):
        if line:
            kept.append(line)
            music = music or not letter
        elif music:
            break
    return AbcText(number, name, tuple(kept), header)
