"""A MusicXML document without its notes: the XML tree of a file that may be hostile, titles, parts, meters.

Refused: a document type with an internal subset or any entity (entity bombs, local file reading), archives
with many or huge members, paths that leave the archive, encryption and rare compression methods. A plain
MusicXML DOCTYPE, which most programs write, is skipped without being fetched.
"""

from __future__ import annotations

import codecs
import re
import zipfile
import zlib
from fractions import Fraction
from html import unescape
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from hrpe_jax.errors import UserError
from hrpe_jax.theory.meter import Meter

MAX_FILE_BYTES = 20_000_000
"""Of a file, and of a member of an archive once unpacked."""
MAX_MEMBERS = 1_000
"""Of an archive; scores with images have dozens."""

_CONTAINER = "META-INF/container.xml"


class MusicXmlError(UserError):
    """A MusicXML file that cannot be read.

    Attributes:
        reason: short code for reject lists: "missing_file", "too_large", "bad_archive", "bad_container",
            "unsafe_xml", "bad_xml", "not_partwise", "no_parts", "bad_value", "too_long" or "no_notes".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def load_tree(path: str | Path) -> ElementTree.Element:
    """Root element of a MusicXML file, whatever its packing.

    Raises:
        MusicXmlError: if the file is missing, too large, unsafe or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise MusicXmlError("missing_file", f"{path}: no such file: expected a .musicxml, .xml or .mxl file")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise MusicXmlError("missing_file", f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > MAX_FILE_BYTES:
        raise MusicXmlError("too_large", f"{path}: expected at most {MAX_FILE_BYTES} bytes")
    if data[:4] == b"PK\x03\x04":
        data = _unpack(path)
    return parse_xml(data, str(path))


def parse_xml(data: bytes, where: str) -> ElementTree.Element:
    """Parse bytes from outside.

    Args:
        data: an XML document in any encoding that it declares.
        where: file name for messages.

    Raises:
        MusicXmlError: "unsafe_xml" on an internal subset or entities, "bad_xml" where it is not well formed.
    """
    try:
        data = _in_utf8(data)
        _check_prolog(data, where)
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, MusicXmlError):
            raise
        raise MusicXmlError("bad_xml", f"{where}: not well-formed XML ({error})") from None


_DECLARED = re.compile(rb"(<\?xml[^>]{0,80}encoding\s{0,4}=\s{0,4}[\"'])([A-Za-z0-9._-]{2,30})")
_MULTI_BYTE = (
    "cp932",
    "shift_jis",
    "euc_jp",
    "gb2312",
    "gbk",
    "gb18030",
    "big5",
    "big5hkscs",
    "cp949",
    "euc_kr",
)

"""Encodings that the parser does not know."""
_ALIASES = {"windows-31j": "cp932", "x-sjis": "cp932"}


def _in_utf8(data: bytes) -> bytes:
    """The document in UTF-8 where it is in one of the encodings of East Asia."""
    declared = _DECLARED.match(data)
    if declared is None:
        return data
    name = declared[2].decode().lower()
    codec = codecs.lookup(_ALIASES.get(name, name)).name
    if codec not in _MULTI_BYTE:
        return data
    return declared[1] + b"utf-8" + data[declared.end() :].decode(codec, "replace").encode()


class _PrologEndsError(Exception):
    """Raised at the first element: a document type can only stand before it."""


def _check_prolog(data: bytes, where: str) -> None:
    """Raise on a DOCTYPE with declarations of its own; the body is not parsed here."""

    def doctype(name: str, system: str | None, public: str | None, has_internal_subset: int) -> None:
        if has_internal_subset:
            raise MusicXmlError(
                "unsafe_xml", f"{where}: its DOCTYPE declares entities or elements: not accepted"
            )

    def entity(*_: object) -> None:
        raise MusicXmlError("unsafe_xml", f"{where}: declares XML entities: not accepted")

    def element(*_: object) -> None:
        raise _PrologEndsError

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = entity
    parser.StartElementHandler = element
    try:
        parser.Parse(data, True)
    except _PrologEndsError:
        return


_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, UnicodeDecodeError,
)  # fmt: skip
"""What `zipfile` raises on damaged archives; names of members may be no text."""


def _unpack(path: Path) -> bytes:
    """The score inside a compressed MusicXML archive, as its container names it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise MusicXmlError(
                    "too_large", f"{path}: {len(members)} members: expected at most {MAX_MEMBERS}"
                )
            names = {member.filename: member for member in members}
            if _CONTAINER not in names:
                raise MusicXmlError(
                    "bad_container", f"{path}: no {_CONTAINER}: expected a compressed MusicXML file"
                )
            name = _score_name(path, _read_member(path, archive, names[_CONTAINER]), list(names))
            if name not in names:
                raise MusicXmlError(
                    "bad_container", f"{path}: its container names {name[:80]!r}, which is not there"
                )
            return _read_member(path, archive, names[name])
    except _DAMAGE as error:
        raise MusicXmlError("bad_archive", f"{path}: damaged archive ({error})") from None


def _score_name(path: Path, container: bytes, names: list[str]) -> str:
    """Name of the member that is the score.

    Some programs write unescaped quotes from the title into the container; then the only score there is is
    meant.
    """
    try:
        return _root_file(path, parse_xml(container, f"{path}:{_CONTAINER}"))
    except MusicXmlError as error:
        scores = [n for n in names if n.endswith((".xml", ".musicxml")) and not n.startswith("META-INF/")]
        if error.reason != "bad_xml" or len(scores) != 1:
            raise
        return scores[0]


def _root_file(path: Path, container: ElementTree.Element) -> str:
    """Path of the score within the archive: the first root file that is MusicXML."""
    for element in container.iter():
        if element.tag.rpartition("}")[2] != "rootfile":
            continue
        name, media = element.get("full-path", ""), element.get("media-type", "")
        if media and "musicxml" not in media and "xml" not in media:
            continue
        parts = PurePosixPath(name).parts
        if not name or name.startswith("/") or "\\" in name or ":" in name or ".." in parts:
            raise MusicXmlError(
                "bad_container", f"{path}: its container names {name[:80]!r}: expected a path inside it"
            )
        return name
    raise MusicXmlError("bad_container", f"{path}: its container names no score")


def _read_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes; the declared size is not believed."""
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MusicXmlError(
            "bad_archive", f"{path}: {member.filename[:80]!r} is encrypted or oddly compressed"
        )
    with archive.open(member) as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise MusicXmlError(
            "too_large", f"{path}: {member.filename[:80]!r}: expected at most {MAX_FILE_BYTES} bytes"
        )
    return data


def partwise(root: Element) -> Element:
    """A time-wise score (measures of parts) the usual way round, as parts of measures."""
    turned = Element("score-partwise")
    parts: dict[str, Element] = {}
    for child in root:
        if child.tag != "measure":
            turned.append(child)
            continue
        for part in child.findall("part"):
            name = part.get("id", "")
            if name not in parts:
                parts[name] = Element("part", {"id": name})
                turned.append(parts[name])
            measure = Element("measure", child.attrib)
            measure.extend(part)
            parts[name].append(measure)
    return turned


def drum_parts(root: Element) -> set[str]:
    """Ids of the parts all of whose instruments play on MIDI's percussion channel."""
    drums = set()
    for element in root.iter("score-part"):
        channels = [(channel.text or "").strip() for channel in element.iter("midi-channel")]
        if channels and all(channel == "10" for channel in channels):
            drums.add(element.get("id", ""))
    return drums


def title_of(root: Element) -> str:
    """The first title there is, in one line."""
    for tag in ("work/work-title", "movement-title", "credit/credit-words"):
        text = " ".join(unescape(root.findtext(tag) or "").split())  # some programs escape twice
        if text:
            return text[:200]
    return ""


def composer_of(root: Element) -> str:
    """The first creator of that type; empty if there is none."""
    creators = (element for element in root.iter("creator") if element.get("type") == "composer")
    return next((" ".join(" ".join(element.itertext()).split())[:200] for element in creators), "")


def part_name(element: Element) -> str:
    """The name of a <score-part>, or of its instrument where it has none."""
    texts = (element.findtext(tag) or "" for tag in ("part-name", "score-instrument/instrument-name"))
    return next((name for name in (" ".join(text.split()) for text in texts) if name), "")


_MOST_PAIRS = 8
"""Of a <time>."""
_QUARTERS = {
    "maxima": 32.0, "long": 16.0, "breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5,
    "16th": 0.25, "32nd": 0.125, "64th": 0.0625, "128th": 0.03125, "256th": 0.015625,
}  # fmt: skip


def text_of(element: Element | None) -> str:
    """The text of an element without the blanks around it; empty where there is no element."""
    return (element.text or "").strip() if element is not None else ""


def read_meter(element: Element) -> Meter | None:
    """The meter of a <time>: "4", "4", added "3+2", "8", or a sum of several such pairs (3/8 + 2/4 is 7/8);
    None for senza misura and nonsense."""
    whole, finest = Fraction(0), 1
    pairs = list(zip(element.findall("beats"), element.findall("beat-type"), strict=False))
    for beats, beat_type in ((text_of(a), text_of(b)) for a, b in pairs[:_MOST_PAIRS]):
        if not re.fullmatch(r"\d{1,2}( ?\+ ?\d{1,2})*", beats) or not re.fullmatch(r"\d{1,2}", beat_type):
            return None
        if not int(beat_type):
            return None
        whole += Fraction(sum(int(n) for n in re.findall(r"\d+", beats)), int(beat_type))
        finest = max(finest, int(beat_type))
    numerator = whole * finest
    try:
        return Meter(int(numerator), finest) if pairs and numerator.denominator == 1 else None
    except ValueError:
        return None


def read_metronome(element: Element) -> float | None:
    """Quarters a minute of a printed tempo such as "dotted quarter = 60"; other uses of the sign say none."""
    unit = _QUARTERS.get(text_of(element.find("beat-unit")))
    figure = re.search(r"\d{1,4}(\.\d{1,6})?", text_of(element.find("per-minute"))[:40])
    if unit is None or figure is None:
        return None
    dots = min(2, len(element.findall("beat-unit-dot")))
    return float(figure[0]) * unit * (2 - 0.5**dots)


_WORDS = re.compile(r"(\u2669|\U0001d15f|\u266a|q|quarter)\s?(\.)?\s?=\s?(?:ca?\.?\s?)?(\d{2,3})(?!\d)")


def words_tempo(text: str) -> float | None:
    """Quarters a minute of words such as "\u2669 = 96", which some people write instead of a mark."""
    match = _WORDS.search(text[:80])
    if match is None:
        return None
    unit = 0.5 if match[1] == "\u266a" else 1.0
    return float(match[3]) * unit * (1.5 if match[2] else 1.0)
