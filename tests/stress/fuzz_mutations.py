"""Damage to music files, as pure functions of their bytes and a random generator.

`mutate(kind, data, donor, random)` takes one to four mutations in a row from those that the kind can suffer:
any bytes, texts, XML, zip archives and MIDI chunks each have their own. `donor` is another file of the kind,
for chunks that change places. The same generator state gives the same bytes.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zipfile
from collections.abc import Sequence
from random import Random
from urllib.parse import quote, unquote_to_bytes

from fuzz_bytes import ANY, HUGE, NUMBERS, TEXT, Mutation, change_lines, extreme_number, set_bytes

MAX_BYTES = 8_000_000
"""No mutation makes a file larger; what files of any size do is for the fixed list of hostile ones."""

# --- XML and its archives ----------------------------------------------------------------------------------

_BOMB = b"".join(b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 10))
_DOCTYPES = (
    b'<!DOCTYPE x [<!ENTITY e0 "ha">' + _BOMB + b"]>",
    b'<!DOCTYPE x [<!ENTITY e9 SYSTEM "file:///etc/passwd">]>',
    b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>',
    b'<!DOCTYPE x SYSTEM "file:///dev/zero">',
    b'<!DOCTYPE x [<!ATTLIST note e CDATA "a">]>',
)


def inject_entity(data: bytes, donor: bytes, random: Random) -> bytes:
    """A document type with entities before the first element, and a use of one in the text."""
    first = re.search(rb"<[A-Za-z]", data)
    at = first.start() if first else 0
    texts = [match.start(1) for match in re.finditer(rb">([^<]{1,40})<", data)]
    use = random.choice(texts) if texts else len(data)
    data = data[:use] + b"&e9;" + data[use:]
    return data[:at] + random.choice(_DOCTYPES) + data[at:]


def nest_elements(data: bytes, donor: bytes, random: Random) -> bytes:
    """An element inside itself, up to a hundred thousand times; now and then never closed."""
    ends = [match.end() for match in re.finditer(rb">", data)]
    at = random.choice(ends) if ends else 0
    depth = random.choice((10, 1000, 100_000))
    name = random.choice((b"note", b"measure", b"part", b"chord", b"x"))
    close = b"</" + name + b">" if random.random() < 0.8 else b""
    return data[:at] + (b"<" + name + b">") * depth + close * depth + data[at:]


_ELEMENTS = (
    b"note measure duration pitch harmony root kind attributes divisions time beats beat-type key "
    b"fifths barline repeat ending part step alter octave backup forward part-list score-part sound "
    b"voice transpose degree bass tie chord grace type dot time-modification "
).split()


def change_elements(data: bytes, donor: bytes, random: Random) -> bytes:
    """Elements deleted, said again, emptied, renamed or taken from another file; the XML stays whole."""
    name = random.choice(_ELEMENTS)
    found = _elements(data, name)
    if not found:
        return data
    begin, end = random.choice(found)
    whole, how = data[begin:end], random.randrange(5)
    if how == 0:
        new = b""
    elif how == 1:
        new = whole * min(random.choice((2, 50, 2000)), 1 + MAX_BYTES // len(whole))
    elif how == 2:
        new = re.sub(rb">.*<", b">" + random.choice(NUMBERS).encode() + b"<", whole, flags=re.DOTALL)
    elif how == 3:
        others = _elements(donor, name)
        taken = donor[slice(*random.choice(others))] if others else b"<x/>"
        new = taken + (whole if random.random() < 0.5 else b"")
    else:  # all of them go
        edges = [0, *(edge for span in found for edge in span), len(data)]
        return b"".join(data[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))
    return data[:begin] + new + data[end:]


def _elements(data: bytes, name: bytes) -> list[tuple[int, int]]:
    """(begin, end) of the elements of a name, each up to the first closing tag; in linear time, whatever
    earlier mutations have nested."""
    close = b"</" + name + b">"
    last = data.rfind(close)
    found, after = [], 0
    for tag in re.finditer(rb"<" + name + rb"(?:\s[^<>]*?)?(/?)>", data):
        if tag.start() < after:
            continue
        if tag[1]:
            after = tag.end()
        elif tag.end() <= last:
            after = data.find(close, tag.end()) + len(close)
        else:
            continue
        found.append((tag.start(), after))
    return found


XML: tuple[Mutation, ...] = (inject_entity, nest_elements, *(change_elements,) * 10)

_NAMES = (
    "../../evil.xml", "/etc/evil.xml", "C:\\evil.xml", "..\\evil.xml", "META-INF/container.xml", "a" * 5000,
    "", "score.xml/", "sc\0ore.xml", "\u202elmx.xml", "META-INF/", "SCORE.XML", "musicXML.xml",
)  # fmt: skip


def damage_archive(data: bytes, donor: bytes, random: Random) -> bytes:
    """An archive with its members renamed, doubled, left out, packed otherwise, or its fields overwritten."""
    members = unpack(data)
    how = random.randrange(9)
    if how == 0 and members:
        at = random.randrange(len(members))
        members[at] = (random.choice(_NAMES), members[at][1])
    elif how == 1 and members:
        members.append(random.choice(members))
    elif how == 2 and members:
        members.pop(random.randrange(len(members)))
    elif how == 3:  # the container names something else
        name = random.choice(_NAMES).replace("\0", "")
        container = f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles></container>'
        members = [("META-INF/container.xml", container.encode()), *members[1:]]
    elif how == 4:
        packing = random.choice((zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_STORED))
        return pack(members, packing)
    elif how == 5:  # an archive in the archive
        members = [(name, data if name.endswith("xml") else body) for name, body in members]
    elif how == 6:
        members += [(f"{number}.xml", b"") for number in range(random.choice((10, 1500)))]
    else:  # claims in the headers: sizes, checksums, flags, offsets
        return _overwrite_fields(data, random)
    return pack(members)


def _overwrite_fields(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    heads = [match.start() for match in re.finditer(rb"PK(?:\x01\x02|\x03\x04|\x05\x06)", data)]
    for _ in range(random.randint(1, 4) if heads else 0):
        at = random.choice(heads) + random.randrange(4, 44)
        size = random.choice((2, 4))
        changed[at : at + size] = random.choice(HUGE).to_bytes(4, "little")[:size]
    return bytes(changed)


def unpack(data: bytes) -> list[tuple[str, bytes]]:
    """The members of an archive; none where it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(member.filename, archive.read(member)) for member in archive.infolist()]
    except Exception:
        return []


def pack(members: Sequence[tuple[str, bytes]], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these members, doubles and odd names included."""
    room = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(room, "w", packing) as archive:
        warnings.simplefilter("ignore")  # about doubles, which are meant
        for name, body in members:
            archive.writestr(zipfile.ZipInfo(name), body, packing)
    return room.getvalue()


# --- MIDI --------------------------------------------------------------------------------------------------


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """(name, content) of every chunk of a MIDI file."""
    found, at = [], 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        found.append((data[at : at + 4], data[at + 8 : at + 8 + size]))
        at += 8 + size
    return found


def join(parts: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A MIDI file of these chunks."""
    return b"".join(name + struct.pack(">I", len(body)) + body for name, body in parts)


_EVENTS = (
    b"\xff\x51\x03\x00\x00\x00", b"\xff\x51\x03\xff\xff\xff", b"\xff\x51\x03\x00\x00\x01", b"\xff\x51\x00",
    b"\xff\x58\x04\x00\x01\x18\x08", b"\xff\x58\x04\xff\xff\x18\x08", b"\xff\x58\x04\x04\x00\x00\x00",
    b"\xff\x58\x04\x01\x06\x18\x08", b"\xff\x58\x04\x0d\x03\x18\x08", b"\xff\x59\x02\x7f\x01",
    b"\xff\x59\x02\x80\xff", b"\xff\x2f\x00", b"\xff\x20\x01\xff", b"\xff\x03\x06MELODY",
    b"\xff\x03\x04\xff\xfe\x00\x80", b"\xff\x05\x04Am7\0", b"\xff\x06\x02C7", b"\xff\x01\x05@Txyz",
    b"\xff\x7f\x83\xff\xff\x7f", b"\xf0\x83\xff\xff\x7f", b"\xf7\x00", b"\x90\x3c\x00", b"\x90\xff\xff",
    b"\x90\x3c\x40", b"\x99\x24\x7f", b"\xc0\xff", b"\xf8", b"\xff\xff",
)  # fmt: skip
_DELTAS = (
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x83\x60",
    b"\xff\x7f",
    b"\xff\xff\x7f",
    b"\xff\xff\xff\x7f",
    b"\x80\x80\x80\x80\x00",
)


def events(body: bytes) -> list[bytes]:
    """The events of a track, each with its delta time, as far as it can be read; the rest is the last."""
    found, begin, at, status = [], 0, 0, 0
    try:
        while at < len(body):
            begin, at = at, _after_number(body, at)
            if body[at] & 0x80:
                status, at = body[at], at + 1
            if status in (0xFF, 0xF0, 0xF7):
                at += status == 0xFF
                end = _after_number(body, at)
                at = end + _number(body[at:end])
            else:
                at += 1 if status & 0xE0 == 0xC0 else 2
            found.append(body[begin:at])
    except IndexError:
        found.append(body[begin:])
    return found


def _after_number(body: bytes, at: int) -> int:
    while body[at] & 0x80:
        at += 1
    return at + 1


def _number(digits: bytes) -> int:
    value = 0
    for digit in digits:
        value = value << 7 | digit & 0x7F
    return value


def change_events(data: bytes, donor: bytes, random: Random) -> bytes:
    """Events put in that lie at the edges (tempo 0, meter 0/2, ends, long claims), left out, moved, said
    again, put off, or with other bytes; the track stays whole around them."""
    parts = chunks(data)
    if len(parts) < 2:
        return data
    for _ in range(random.choice((1, 1, 2, 8))):
        at = random.randrange(1, len(parts))
        track = events(parts[at][1]) or [b"\0"]
        where = 0 if random.random() < 0.3 else random.randrange(len(track))
        match random.randrange(6):
            case 0 | 1:
                new = random.choice(_DELTAS) + random.choice(_EVENTS)
                track[where:where] = [new] * random.choice((1, 1, 1, 500))
            case 2:
                del track[where : where + random.choice((1, 1, 10, 1000))]
            case 3:
                track[where:where] = track[where : where + random.choice((1, 10, 1000))] * random.choice(
                    (1, 1, 30)
                )
            case 4:
                end = _after_number(track[where] + b"\0", 0)
                track[where] = random.choice(_DELTAS) + track[where][end:]
            case _:
                track[where] = set_bytes(track[where], b"", random)
        parts[at] = (parts[at][0], b"".join(track))
    return join(parts)


def change_tracks(data: bytes, donor: bytes, random: Random) -> bytes:
    """Tracks deleted, said again, reordered, renamed, or taken from another file."""
    parts, others = chunks(data), chunks(donor)
    if len(parts) < 2:
        return donor
    at = random.randrange(1, len(parts))
    match random.randrange(5):
        case 0:
            del parts[at]
        case 1:
            parts += [parts[at]] * random.choice((1, 20, 300))
        case 2:
            random.shuffle(parts)
        case 3:
            parts[at] = (random.choice((b"MThd", b"MTrx", b"\0\0\0\0")), parts[at][1])
        case _:
            parts[at] = random.choice(others) if others else parts[at]
    return join(parts)[:MAX_BYTES]


def change_claims(data: bytes, donor: bytes, random: Random) -> bytes:
    """What the header and the chunks claim: format, tracks, division, lengths; or a wrapping of RIFF."""
    changed = bytearray(data)
    how = random.randrange(4)
    if how == 0 and len(data) >= 14:
        at = random.choice((8, 10, 12, 12))
        value = random.choice((0, 1, 2, 3, 96, 0x7FFF, 0x8000, 0xE728, 0xFFFF, 20_000, 20_001))
        changed[at : at + 2] = value.to_bytes(2, "big")
    elif how == 3:
        size = random.choice((len(data), 0, 0xFFFFFFFF, len(data) // 2))
        return b"RIFF" + struct.pack("<I", size & 0xFFFFFFFF) + b"RMIDdata" + struct.pack("<I", size) + data
    else:
        heads = [match.start() for match in re.finditer(b"MT(?:rk|hd)", data)]
        if heads:
            at = random.choice(heads) + 4
            changed[at : at + 4] = random.choice(HUGE).to_bytes(4, "big")
    return bytes(changed)


MIDI: tuple[Mutation, ...] = (*(change_events,) * 6, change_tracks, change_tracks, change_claims)


# --- links and columns -------------------------------------------------------------------------------------

_LINK = re.compile(rb"(ireal(?:b|book)://)([^\"'<>\s]+)")


def inside_link(data: bytes, donor: bytes, random: Random) -> bytes:
    """What the link of a playlist says, with its escapes taken off and put on again."""
    link, other = _LINK.search(data), _LINK.search(donor)
    if link is None:
        return data
    text = unquote_to_bytes(link[2])
    text = random.choice((*TEXT, *ANY))(text, unquote_to_bytes(other[2]) if other else b"", random)
    return data[: link.start(2)] + quote(text, safe="").encode() + data[link.end() :]


def change_columns(data: bytes, donor: bytes, random: Random) -> bytes:
    """A column of a table left out, said again, or changed for another in some of its rows."""
    lines = data.split(b"\n")
    begin = random.randrange(len(lines))
    end = len(lines) if random.random() < 0.5 else begin + random.randint(1, 8)
    column, how, other = random.randrange(4), random.randrange(3), random.randrange(4)
    for at in range(begin, min(end, len(lines))):
        cells = lines[at].split(b"\t")
        if column < len(cells):
            if how == 0:
                del cells[column]
            elif how == 1:
                cells.insert(column, cells[column])
            else:
                cells[column] = cells[other % len(cells)]
            lines[at] = b"\t".join(cells)
    return b"\n".join(lines)


# --- together ----------------------------------------------------------------------------------------------

OF_KIND: dict[str, tuple[Mutation, ...]] = {
    "midi": ANY + MIDI * 4,
    "musicxml": ANY + TEXT + XML * 2,
    "chorales": ANY + TEXT + XML * 2,
    "abc": ANY + TEXT * 3,
    "billboard": ANY + TEXT * 3,
    "humdrum": ANY + TEXT * 2 + (change_columns,) * 8,
    "ireal": ANY + TEXT + (inside_link,) * 24,
    "chordpro": ANY + TEXT * 3,
    "grid": ANY + TEXT * 3,
    "nashville": ANY + TEXT * 3,
    "lab": ANY + TEXT * 2 + (extreme_number, change_lines, change_lines) * 4,
}
"""What a file of each kind can suffer; a mutation that stands there more often happens more often."""


def mutate(kind: str, data: bytes, donor: bytes, random: Random) -> bytes:
    """A damaged version of a file.

    Args:
        kind: one of `OF_KIND`.
        data: its bytes; an archive is unpacked first, or damaged itself.
        donor: those of another file of the kind.
        random: where choices come from.

    Returns:
        At most `MAX_BYTES` bytes.
    """
    if data[:4] == b"PK\x03\x04":
        if random.random() < 0.25:
            whole = damage_archive if random.random() < 0.6 else random.choice(ANY)
            return whole(data, donor, random)[:MAX_BYTES]
        inside = dict(unpack(donor))
        others = [body for name, body in inside.items() if not name.startswith("META-INF")] or [b""]
        members = unpack(data)
        scores = [at for at, (name, _) in enumerate(members) if name != "META-INF/container.xml"] or [0]
        at = random.choice(scores) if random.random() < 0.95 else random.randrange(len(members))
        members[at] = (members[at][0], mutate(kind, members[at][1], others[0], random))
        return pack(members)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = random.choice(OF_KIND[kind])(data, donor, random)[:MAX_BYTES]
    return data
