"""ABC tune books: bytes in, the lines of each tune out, and the signs and chord symbols of a line.

A book holds any number of tunes, each from its `X:` field to the blank line that ends its music, with free
text between them. Everything that follows here is bounded and linear in the size of the file.

The expression is read once from left to right, with no nested repetition: time is linear in the line.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hrpe_jax.errors import UserError
from hrpe_jax.formats.text import decode_lines
from hrpe_jax.theory.chord import Chord, ChordError, parse_lead_sheet
from hrpe_jax.theory.chord_parser import Naming, find_naming, to_english

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
        return decode_lines(data)


def split_field(line: str) -> tuple[str, str]:
    """(letter, value) of an information field; two empty strings where the line is none.

    A line of music may begin with a repeat sign after one note ("d:|"), which is no field.
    """
    match = _FIELD.match(line)
    if match is None or (match[1] in "ABCDEFGabcdefgzx" and match[2][:1] in ("|", ":")):
        return "", ""
    return match[1], match[2][:MAX_VALUE].strip()


def plain_text(value: str) -> str:
    r"""A field's text for people: accents (\'e), ligatures (\ss), code points (\u00e9), entities (&eacute;)
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

    Args:
        text: of the book.
        first: number of the first tune, from 0.
        stop: number of the tune after the last; None for all.
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


UNITS_PER_TICK = 10_080
"""Time inside a tune is counted in integers that divide a tick by 2^5 3^2 5 7: dotted, tripled and quintupled
notes down to 1/512 are exact, and no sum grows as fractions do."""
UNITS_PER_WHOLE = 48 * UNITS_PER_TICK

_ACCIDENTAL = r"(?:\^{1,2}|_{1,2}|=)"
_LENGTH = r"(\d{0,4})(/{0,8})(\d{0,4})"
_TOKEN = re.compile(
    rf"""
    (?P<skip>[ \t`$*;?@.~H-WYh-wu\\]+)
  | (?P<note>({_ACCIDENTAL}?)(?:\d{{0,2}}/\d{{0,2}}(?=[A-Ga-g]))?([A-Ga-g])([,']*){_LENGTH})
  | (?P<text>"([^"]*)"?)
  | (?P<bar>(:*)((?:\[(?=\|))?\|[|\]]*)(:*)(?:[ \t]*\[?(\d[\d,.\-]*))?)
  | (?P<double>::+)
  | (?P<field>\[([A-Za-z]):([^\]]*)\]?)
  | (?P<ending>\[(\d[\d,.\-]*))
  | (?P<decoration>!([^!|"\[\]]{{1,40}})!|\+([A-Za-z.]{{2,20}})\+)
  | (?P<grace>\{{[^}}]*\}}?)
  | (?P<tuplet>\((\d{{1,2}})(?::(\d{{0,2}})(?::(\d{{0,2}}))?)?)
  | (?P<rest>([zxZX]){_LENGTH})
  | (?P<space>y{_LENGTH})
  | (?P<open>\[)
  | (?P<close>\]{_LENGTH})
  | (?P<broken>>+|<+)
  | (?P<tie>-)
  | (?P<overlay>&)
  | (?P<unknown>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(line: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(kind, parts) of every sign; parts are the texts of the groups inside its pattern.

    Kinds and parts: note (accidental, letter, octave marks, three parts of a length), text (the string), bar
    (colons before it, its strokes, colons after it, passes that its bracket names), double (a repeat sign
    without a bar), field (letter, value), ending (passes), decoration (its name), tuplet (p, q, r), rest
    (letter, three parts of a length), open and close (of a chord; the latter with a length), broken (the
    signs), tie, overlay. What changes no sound is left out.
    """
    for match in _TOKEN.finditer(line):
        kind = match.lastgroup or "unknown"
        if kind in ("skip", "grace", "space", "unknown"):
            continue
        first = _GROUPS[kind] + 1
        inside = match.groups("")[first - 1 : first - 1 + _PARTS[kind]]
        yield kind, inside if inside else (match[0],)


_GROUPS = _TOKEN.groupindex
_order = [*sorted(_GROUPS.values()), _TOKEN.groups + 1]
_PARTS = {name: _order[_order.index(index) + 1] - index - 1 for name, index in _GROUPS.items()}


def length_units(unit: int, parts: tuple[str, ...]) -> int:
    """Length in units of "3", "3/2", "/", "//" or "/4" times the unit note length."""
    numerator, slashes, denominator = parts
    units = unit * (int(numerator) if numerator else 1)
    if not slashes:
        return units
    divisor = (int(denominator) or 1) << (len(slashes) - 1) if denominator else 1 << len(slashes)
    return (2 * units + divisor) // (2 * divisor)


def looks_like_text(line: str) -> bool:
    """Whether a line is more likely words than music: letters that are no notes abound."""
    bare = re.sub(r'"[^"]*"?|![^!]*!|\[[A-Za-z]:[^\]]*\]?', "", line)
    other = len(re.findall(r"[h-wyH-WY]", bare))
    return other > 3 and other > 0.3 * len(re.sub(r"\s", "", bare))


_MOST_SYMBOL = 40
"""Characters of a chord symbol that are looked at."""
_ALTERNATIVE = re.compile(r"(?<=[^\s(\[])\s*[(\[][^()\[\]]*[)\]]?\s*$")
_STRING = re.compile(r'"([^"]{0,40})[^"]*"?')
_OTHER_NAMES = re.compile(r'"\W?(?:[HhRrMmSsLl]|[A-Ga-g](?:is|es|s(?!us))|[Dd][Oo]|[Ff][Aa])')
_SYMBOL_SIGN = re.compile(r'"([^"]*)"?|![^!]*!?|\+[^+]*\+?|\*|\|')
_NOT_CHORDS = ("^", "_", "<", ">", "@")
"""First characters of strings that are remarks."""


def is_remark(text: str) -> bool:
    """Whether a string is words for the reader, placed above, below or beside the notes."""
    return text[:1] in _NOT_CHORDS and text != ""


def read_symbol(text: str, naming: Naming) -> Chord | None:
    """The chord of a string. Of two, "G(Em)", the second is for who wants another one.

    Args:
        text: without its quotes.
        naming: whose note names the tune has.

    Returns:
        None where it cannot be read.
    """
    text = text.strip()[:_MOST_SYMBOL]
    for part in (text, _ALTERNATIVE.sub("", text)):
        try:
            return parse_lead_sheet(to_english(part, naming))
        except ChordError:
            continue
    return None


def find_tune_naming(lines: Sequence[str]) -> Naming:
    """Whose note names the chord symbols of a tune's lines are."""
    if not any(_OTHER_NAMES.search(line) for line in lines):
        return "english"
    texts = (text for line in lines if split_field(line)[0] in ("", "s") for text in _STRING.findall(line))
    return find_naming(_ALTERNATIVE.sub("", text.split(";")[0]) for text in texts if not is_remark(text))


def symbol_signs(line: str) -> Iterator[str | None]:
    """The signs of an `s:` field: "|" for the next bar, a chord symbol, or None for a note without one."""
    for sign in _SYMBOL_SIGN.finditer(line):
        text = sign[1]
        yield "|" if sign[0] == "|" else text if text and not is_remark(text) else None
