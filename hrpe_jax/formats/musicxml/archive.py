"""Getting the XML tree out of a .xml, .musicxml or .mxl file that may be hostile.

Refused: a document type with an internal subset or any entity (entity bombs, local file reading), archives
with many or huge members, paths that leave the archive, encryption and rare compression methods. A plain
MusicXML DOCTYPE, which most programs write, is skipped without being fetched.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree
from xml.parsers import expat

from hrpe_jax.errors import UserError

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
        _check_prolog(data, where)
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, MusicXmlError):
            raise
        raise MusicXmlError("bad_xml", f"{where}: not well-formed XML ({error})") from None


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
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
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
