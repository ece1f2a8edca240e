"""A fixed folder of hostile files: what a folder from the internet may hold at worst, and three good songs.

`write_hostile(folder)` makes it. Nothing in it is large on disk (claims of gigabytes are holes in files, or
packed), and links in it point inside it, at nothing, or at /dev/zero.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from fuzz_mutations import join, pack

GOOD = ("good.mid", "good.abc", "good.musicxml")
"""What must come through, whatever lies around it."""

_GIGABYTE = 2**30


def _midi(*tracks: bytes, division: int = 480, kind: int = 1, end: bool = True) -> bytes:
    head = (b"MThd", struct.pack(">HHH", kind, len(tracks), division))
    return join([head, *((b"MTrk", track + (b"\0\xff\x2f\0" if end else b"")) for track in tracks)])


def _note(delta: bytes, length: bytes, pitch: int) -> bytes:
    return delta + bytes((0x90, pitch, 80)) + length + bytes((0x80, pitch, 0))


def _scale(count: int = 64) -> bytes:
    return b"".join(_note(b"\0", b"\x83\x60", 60 + (at * at) % 11) for at in range(count))


def midi_files() -> Iterator[tuple[str, bytes]]:
    """MIDI that claims, or is, more than it should be."""
    tune, chords = _scale(), b"".join(_note(b"\0", b"\x9e\x00", 36 + at % 7) for at in range(8))
    yield GOOD[0], _midi(b"\0\xff\x51\x03\x07\xa1\x20\0\xff\x58\x04\4\2\x18\x08", tune, chords)
    yield "empty.mid", b""
    yield "one_byte.mid", b"M"
    yield "header_only.mid", b"MThd"
    yield "no_tracks.mid", _midi()
    yield "division_0.mid", _midi(tune, division=0)
    yield "division_smpte.mid", _midi(tune, division=0xE728)
    yield "division_32767.mid", _midi(tune, division=32767)
    yield "format_9.mid", _midi(tune, kind=9)
    yield "format_2.mid", _midi(tune, chords, kind=2)
    yield "format_2_of_200_patterns.mid", _midi(*[tune] * 200, kind=2)
    yield "tick_overflow.mid", _midi(_note(b"\xff\xff\xff\x7f", b"\xff\xff\xff\x7f", 60) * 40)
    yield "longest_note.mid", _midi(_note(b"\0", b"\xff\xff\xff\x7f", 60))
    yield "notes_a_day_apart.mid", _midi(_note(b"\xff\xff\xff\x7f", b"\x60", 60) * 7)
    yield "tempo_0.mid", _midi(b"\0\xff\x51\x03\0\0\0", tune)
    yield "tempo_1.mid", _midi(b"\0\xff\x51\x03\0\0\1", tune)
    yield "tempo_slowest.mid", _midi(b"\0\xff\x51\x03\xff\xff\xff", tune)
    yield (
        "tempo_at_every_tick.mid",
        _midi(b"\1\xff\x51\x03\7\xa1\x20\1\xff\x51\x03\3\xa1\x20" * 100_000, tune),
    )
    yield "meter_0_1.mid", _midi(b"\0\xff\x58\x04\0\0\x18\x08", tune)
    yield "meter_255.mid", _midi(b"\0\xff\x58\x04\xff\xff\x18\x08", tune)
    yield (
        "meter_at_every_tick.mid",
        _midi(b"\1\xff\x58\x04\3\2\x18\x08\1\xff\x58\x04\5\3\x18\x08" * 100_000, tune),
    )
    yield "key_127.mid", _midi(b"\0\xff\x59\x02\x7f\x7f", tune)
    yield "million_notes.mid", _midi(b"\0\x90\x3c\x50" + b"\1\x3c\0\1\x3e\x50" * 1_000_000)
    yield "700000_notes.mid", _midi(b"\0\x90\x3c\x50" + b"\1\x3c\0\1\x3e\x50" * 700_000)
    yield "199000_notes.mid", _midi(b"\0\x90\x3c\x50" + b"\1\x3c\0\1\x3e\x50" * 199_000)
    yield (
        "190000_notes_at_once.mid",
        _midi(
            b"".join(b"\0" + bytes((0x90 + at % 9, at % 128, 80)) for at in range(190_000))
            + b"\x83\x60\x90\x3c\0"
            + b"".join(b"\0" + bytes((0x80 + at % 9, at % 128, 0)) for at in range(190_000))
        ),
    )
    yield "hanging_notes.mid", _midi(b"\0\x90" + b"\x3c\x50\1" * 100_000)
    yield "texts.mid", _midi(b"\0\xff\5\2la" * 400_000, tune)
    yield "chord_names.mid", _midi(b"\1\xff\6\3Am7" * 300_000, tune)
    yield (
        "65535_tracks.mid",
        b"MThd" + struct.pack(">IHHH", 6, 1, 65535, 480) + b"MTrk\0\0\0\4\0\xff\x2f\0" * 65535,
    )
    yield "gigabyte_track.mid", _midi(tune)[:14] + b"MTrk\x7f\xff\xff\xff" + tune
    yield "gigabyte_header.mid", b"MThd\x7f\xff\xff\xff\0\1\0\1\1\xe0" + b"MTrk\0\0\0\4\0\xff\x2f\0"
    yield "gigabyte_event.mid", _midi(b"\0\xf0\xff\xff\xff\x7f" + tune)
    yield "gigabyte_text.mid", _midi(b"\0\xff\1\xff\xff\xff\x7f" + tune)
    yield "endless_delta.mid", _midi(b"\xff" * 100_000 + tune)
    yield "running_status.mid", _midi(b"\0\x3c\x50" * 1000)
    yield "riff_gigabyte.rmi", b"RIFF\xff\xff\xff\xffRMIDdata\xff\xff\xff\xff" + _midi(tune)
    yield "riff_empty.rmi", b"RIFF\0\0\0\0RMID" + b"LIST\0\0\0\0" * 100_000


_ABC = "X:1\nT:Good\nM:4/4\nL:1/8\nK:G\n" + '"G"G2B2 d2B2|"C"c2e2 g2e2|"D7"d2f2 a2f2|"G"g8|\n' * 4


def abc_files() -> Iterator[tuple[str, bytes]]:
    """ABC that is unfolded to far more than it is."""
    head = "X:1\nT:t\nM:4/4\nL:1/8\nK:C\n"
    texts = {
        GOOD[1]: _ABC,
        "empty.abc": "",
        "only_a_field.abc": "X:1",
        "many_tunes.abc": _ABC.replace("X:1", "X:2") * 2_000,
        "repeats.abc": head + "|:" * 50_000 + "CDEF GABc" + ":|" * 50_000,
        "repeat_times.abc": head + "|:CDEF GABc" + ":" * 5000 + "|",
        "long_note.abc": head + "C99999999999999999999|",
        "length_0.abc": head + "C0 D/0 E/00000 F1/0|",
        "halves.abc": head + "C" + "/" * 100_000 + "|",
        "unit_0.abc": head.replace("1/8", "1/0") + "CDEF|",
        "meter_0.abc": head.replace("4/4", "0/0") + "CDEF|",
        "meter_huge.abc": head.replace("4/4", "99999999999/1") + "CDEF|",
        "tuplets.abc": head + "(9999999:1:9999999" * 1000 + "CDEF|",
        "brackets.abc": head + "[" * 1_000_000,
        "voices.abc": head + "".join(f"[V:{n}]CDEF|" for n in range(100_000)),
        "accidentals.abc": head + "^" * 100_000 + "C|" + "C" + "'" * 100_000,
        "chord_names.abc": head + '"' + "C" * 1_000_000 + '"C',
        "slurs.abc": head + "(" * 500_000 + "C" + ")" * 500_000,
        "tempo.abc": head.replace("K:", "Q:1/0=0\nK:") + "CDEF|",
        "tempo_huge.abc": head.replace("K:", "Q:1/4=" + "9" * 5000 + "\nK:") + "CDEF|",
        "macros.abc": "X:1\n" + "m:n=nnnnnnnnnn\n" * 1000 + "K:C\n" + "n" * 1000,
        "broken_rhythm.abc": head + "C" + ">" * 100_000 + "D|",
        "endings.abc": head + "|:CDEF|" + "".join(f"[{n} GABc:|" for n in range(1, 20_000)),
        "ending_range.abc": head + "|:CDEF|[1-999999999 GABc:|[2 c8|]",
        "overlays.abc": head + "CDEF&" * 100_000 + "|",
        "rests.abc": head + "Z999999999|" * 100,
        "million_notes.abc": head + "CDEF GABc|" * 125_000,
    }  # fmt: skip
    for name, text in texts.items():
        yield name, text.encode()[:5_000_000]


def _sheet(body: str, *, divisions: str = "1", head: str = "", parts: str = "") -> str:
    attributes = (
        f"<attributes><divisions>{divisions}</divisions><key><fifths>0</fifths></key>"
        "<time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
    )
    return (
        f'<?xml version="1.0"?>{head}<score-partwise><part-list><score-part id="P1"><part-name>M</part-name>'
        f'</score-part>{parts}</part-list><part id="P1"><measure number="1">{attributes}</measure>{body}'
        "</part></score-partwise>"
    )


def _bar(pitches: str = "CDEF", duration: str = "1", extra: str = "") -> str:
    harmony = "<harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>"
    notes = "".join(
        f"<note><pitch><step>{step}</step><octave>4</octave></pitch><duration>{duration}</duration></note>"
        for step in pitches
    )
    return f'<measure number="1">{extra}{harmony}{notes}</measure>'


_CONTAINER = '<container><rootfiles><rootfile full-path="{}"/></rootfiles></container>'


def xml_files() -> Iterator[tuple[str, bytes]]:
    """MusicXML with entities, depth, and numbers that are none."""
    good, bomb = _sheet(_bar() * 8), "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    forward = '<barline location="left"><repeat direction="forward"/></barline>'
    backward = '<barline location="right"><repeat direction="backward" times="{}"/></barline>'
    ending = '<barline location="left"><ending number="{}" type="start"/></barline>'
    texts = {
        GOOD[2]: good,
        "empty.musicxml": "",
        "only_a_root.musicxml": "<score-partwise/>",
        "entities.musicxml": _sheet(
            _bar().replace("C<", "&e11;<"), head=f'<!DOCTYPE s [<!ENTITY e0 "C">{bomb}]>'
        ),
        "local_file.musicxml": _sheet(
            _bar().replace("C<", "&f;<"), head='<!DOCTYPE s [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
        ),
        "outer_dtd.musicxml": _sheet(_bar(), head='<!DOCTYPE s SYSTEM "file:///dev/zero">'),
        "parameter_entity.musicxml": _sheet(
            _bar(), head='<!DOCTYPE s [<!ENTITY % p SYSTEM "http://127.0.0.1:9/"> %p;]>'
        ),
        "deep.musicxml": "<score-partwise>" * 500_000 + "</score-partwise>" * 500_000,
        "deep_note.musicxml": _sheet(_bar(extra="<note>" * 300_000 + "</note>" * 300_000)),
        "attributes.musicxml": "<score-partwise " + " ".join(f'a{n}="1"' for n in range(300_000)) + "/>",
        "namespaces.musicxml": "".join(f'<score-partwise xmlns="u{n}">' for n in range(50_000)),
        "divisions_0.musicxml": _sheet(_bar() * 8, divisions="0"),
        "divisions_huge.musicxml": _sheet(_bar() * 8, divisions="9" * 4000),
        "divisions_nan.musicxml": _sheet(_bar() * 8, divisions="nan"),
        "duration_huge.musicxml": _sheet(_bar(duration="9" * 400) * 8),
        "duration_1e18.musicxml": _sheet(_bar(duration=str(10**18)) * 8),
        "duration_negative.musicxml": _sheet(_bar(duration="-4") * 8),
        "duration_inf.musicxml": _sheet(_bar(duration="1e999") * 8),
        "repeat_times.musicxml": _sheet(_bar(extra=forward) + _bar(extra=backward.format(10**9))),
        "repeat_often.musicxml": _sheet((_bar(extra=forward) + _bar(extra=backward.format(9999))) * 200),
        "repeats_only.musicxml": _sheet(_bar() + _bar(extra=backward.format(2)) * 20_000),
        "endings.musicxml": _sheet(
            _bar(extra=forward)
            + "".join(_bar(extra=ending.format(n) + backward.format(2)) for n in range(3000))
        ),
        "ending_numbers.musicxml": _sheet(
            _bar(extra=forward)
            + _bar(extra=ending.format(",".join(map(str, range(50_000)))) + backward.format(2))
        ),
        "backup.musicxml": _sheet((_bar() + "<backup><duration>99999999</duration></backup>") * 100),
        "forward.musicxml": _sheet(_bar(extra="<forward><duration>99999999999</duration></forward>") * 100),
        "many_notes.musicxml": _sheet(_bar("CDEF" * 20) * 2000)[:19_000_000],
        "one_bar.musicxml": _sheet(_bar("CDEF" * 40_000)),
        "many_parts.musicxml": _sheet(
            _bar(), parts="".join(f'<score-part id="Q{n}"><part-name/></score-part>' for n in range(50_000))
        ),
        "transpose.musicxml": _sheet(
            _bar(extra=f"<attributes><transpose><chromatic>{10**20}</chromatic></transpose></attributes>") * 4
        ),
    }
    for name, text in texts.items():
        yield name, text.encode()
    yield "utf16.musicxml", good.replace("?>", ' encoding="UTF-16"?>', 1).encode("utf-16")
    yield "wrong_encoding.musicxml", good.replace("?>", ' encoding="no-such"?>', 1).encode()
    container = ("META-INF/container.xml", _CONTAINER.format("s.xml").encode())
    zeros = good.encode() + b" " * _GIGABYTE
    yield "bomb.mxl", pack([container, ("s.xml", zeros)])
    yield "container_bomb.mxl", pack([(container[0], zeros), ("s.xml", good.encode())])
    del zeros
    for name in (
        "../../outside.xml",
        "/etc/passwd",
        "C:\\windows\\win.ini",
        "META-INF/container.xml",
        "a\\..\\b",
    ):
        about = ("META-INF/container.xml", _CONTAINER.format(name).encode())
        label = "".join(c if c.isalnum() else "_" for c in name)
        yield f"path_{label}.mxl", pack([about, (name, good.encode())])
    yield "no_container.mxl", pack([("s.xml", good.encode())])
    yield "missing_member.mxl", pack([container])
    yield "many_members.mxl", pack([container, *((f"{n}.xml", b"") for n in range(60_000))])
    yield "no_members.mxl", pack([])
    yield "archive_in_archive.mxl", pack([container, ("s.xml", pack([container, ("s.xml", good.encode())]))])
    for packing, name in ((12, "bzip2"), (14, "lzma")):
        yield f"packed_{name}.mxl", pack([container, ("s.xml", good.encode())], packing)
    whole = pack([container, ("s.xml", good.encode())])
    yield "cut_off.mxl", whole[: len(whole) // 2]
    yield "claims_4_gigabytes.mxl", whole.replace(struct.pack("<I", len(good)), b"\xff\xff\xff\xff")


def text_files() -> Iterator[tuple[str, bytes]]:
    """Charts and label files whose numbers lead nowhere."""
    head = "# title: t\n# artist: a\n# metre: 4/4\n# tonic: C\n\n"
    texts = {
        "empty.lab": "",
        "chart_repeats.txt": head + "0.0\tsilence\n1.0\tA, | C:maj | x999999999\n9.0\tend\n",
        "chart_bars.txt": head + "0.0\tA, " + "| C:maj " * 400_000 + "|\n9.0\tend\n",
        "chart_beats.txt": head + "0.0\tA, | " + "C:maj " * 400_000 + "|\n9.0\tend\n",
        "chart_metre_0.txt": head.replace("4/4", "0/0") + "0.0\tA, | C:maj | G:7 |\n9.0\tend\n",
        "chart_metre_huge.txt": head.replace("4/4", "9" * 5000 + "/4") + "0.0\tA, | C:maj |\n9.0\tend\n",
        "chart_times.txt": head + "1e308\tA, | C:maj |\n-1e308\tB, | G:7 |\n0.0\tend\n",
        "chart_metres.txt": head
        + "".join(f"# metre: {n}/4\n{n}.0\tA, | C:maj |\n" for n in range(1, 50_000)),
        "times_huge.lab": "0.0 1e308 C:maj\n1e308 1e309 G:7\n",
        "times_nan.lab": "0.0 nan C:maj\nnan inf G:7\n",
        "times_back.lab": "9.0 1.0 C:maj\n5.0 0.0 G:7\n",
        "times_tiny.lab": "".join(f"{n}e-300 {n + 1}e-300 C:maj\n" for n in range(10_000)),
        "a_day.lab": "0.0 86400000000.0 C:maj\n86400000000.0 86400000001.0 G:7\n",
        "many_chords.lab": "".join(f"{n} {n + 1} {'CDEFG'[n % 5]}:maj\n" for n in range(100_000)),
        "degrees.lab": f"0.0 1.0 C:({','.join(['b' * 1000 + '3'] * 100)})\n1.0 2.0 G:7\n",
        "roots.lab": f"0.0 1.0 C{'#' * 100_000}:maj\n1.0 2.0 G:7\n",
    }
    for name, text in texts.items():
        yield name, text.encode()


def hostile_files() -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file that is content alone."""
    yield from midi_files()
    yield from abc_files()
    yield from xml_files()
    yield from text_files()


def write_hostile(folder: Path) -> Path:
    """Makes the folder: those files, each alone and POP909 songs of them, and what no file should be."""
    for name, data in hostile_files():
        path = folder / name.partition(".")[2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "folder.mid").mkdir()
    (folder / "folder.mxl" / "folder.abc").mkdir(parents=True)
    odd = folder / "odd"
    odd.mkdir()
    for name in (
        b"\xff\xfe\x80.mid",
        b"new\nline.mid",
        b"\x1b[31mred.mid",
        b"-rf.mid",
        "\u202elmx".encode() + b".mid",
    ):
        with contextlib.suppress(OSError):  # some file systems refuse some names
            Path(os.fsdecode(os.path.join(os.fsencode(odd), name))).write_bytes(b"MThd")
    with contextlib.suppress(OSError):
        (odd / ("long" * 60 + ".mid")).write_bytes(b"MThd")
    links = {
        "self.mid": "self.mid",
        "up": "..",
        "down": "down",
        "missing.mid": "nothing",
        "zero.mid": "/dev/zero",
    }
    for name, target in links.items():
        with contextlib.suppress(OSError):
            (odd / name).symlink_to(target)
    with contextlib.suppress(OSError, AttributeError):
        os.mkfifo(odd / "pipe.mid")
    for name, head in (
        ("big.mid", b"MThd"),
        ("big.abc", _ABC.encode()),
        ("big.mxl", b"PK\3\4"),
        ("big.lab", b"0 1 C\n"),
    ):
        with (odd / name).open("wb") as stream:
            stream.write(head)
            stream.truncate(4 * _GIGABYTE)
    _write_pop909(folder / "pop909")
    return folder


def _write_pop909(folder: Path) -> None:
    """Song folders with something wrong in each."""
    good = {
        "{}.mid": _midi(b"\0\xff\3\6MELODY" + _scale()),
        "chord_midi.txt": b"0.0 2.0 C:maj\n2.0 4.0 G:7\n",
        "beat_midi.txt": b"".join(b"%.1f 0.0 %.1f\n" % (at / 2, at % 4 == 0) for at in range(64)),
        "key_audio.txt": b"0.0 32.0 C:maj\n",
    }
    wrong: dict[str, tuple[str, bytes | None]] = {
        "001": ("chord_midi.txt", b""),
        "002": ("beat_midi.txt", b""),
        "003": ("{}.mid", b""),
        "004": ("beat_midi.txt", b"0.0 0.0 1.0\n" * 100_000),
        "005": ("beat_midi.txt", b"nan 0.0 1.0\ninf 0.0 1.0\n" * 10),
        "006": ("beat_midi.txt", b"0.0 0.0 1.0\n1e308 0.0 1.0\n2e308 0.0 1.0\n"),
        "007": ("chord_midi.txt", b"0.0 1e308 C:maj\n"),
        "008": ("beat_midi.txt", b"".join(b"%d 0.0 1.0\n" % (at * 10**9) for at in range(1000))),
        "009": ("key_audio.txt", b"\xff\xfe\0\0"),
        "010": ("beat_midi.txt", b"".join(b"%.7f 0.0 1.0\n" % (at * 1e-7) for at in range(50_000))),
        "011": ("chord_midi.txt", None),
        "012": ("{}.mid", None),
    }
    for song, (name, data) in wrong.items():
        (folder / song).mkdir(parents=True)
        for file, content in {**good, name: data}.items():
            path = folder / song / file.format(song)
            if content is not None:
                path.write_bytes(content)
            elif hasattr(os, "mkfifo"):
                os.mkfifo(path)
