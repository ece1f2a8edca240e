"""Damage that any file, or any text, can suffer: pure functions of its bytes, those of another file of its
kind (a donor, for what changes places), and a random generator, whose state decides everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

Mutation = Callable[[bytes, bytes, Random], bytes]

_INTS = (0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32, 2**63, 10**18)
NUMBERS = (
    *map(str, _INTS),
    *(
        "-2147483649",
        "9" * 30,
        "9" * 5000,
        "0.0000001",
        "-0",
        "1e308",
        "1e-308",
        "1e999",
        "nan",
        "inf",
        "-inf",
    ),
    *("1_000", "0x10", "٣", "1/0", "0/0", "1/3", "", " ", "+5", "1.5", ".", "1..2", "1,5", "½"),
)
_ODD = (
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n\n",
    b"\x1a",
    b"\x85",
    "\u2028\u202e".encode(),
)
HUGE = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


# --- any bytes ---------------------------------------------------------------------------------------------


def _span(data: bytes, random: Random, longest: int = 4096) -> tuple[int, int]:
    begin = random.randrange(len(data) + 1)
    return begin, min(len(data), begin + random.randint(1, random.choice((4, 64, longest))))


def flip_bits(data: bytes, donor: bytes, random: Random) -> bytes:
    """One to 64 bits turned over."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 64)) if data else 0):
        changed[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(changed)


def set_bytes(data: bytes, donor: bytes, random: Random) -> bytes:
    """A few bytes set to values at the edges."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 8) if data else 0):
        changed[random.randrange(len(data))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
    return bytes(changed)


def delete(data: bytes, donor: bytes, random: Random) -> bytes:
    """A stretch left out."""
    begin, end = _span(data, random)
    return data[:begin] + data[end:]


def insert(data: bytes, donor: bytes, random: Random) -> bytes:
    """Random bytes, or odd ones, put in."""
    begin, end = _span(data, random, 512)
    new = random.randbytes(max(1, end - begin)) if random.random() < 0.5 else random.choice(_ODD)
    return data[:begin] + new + data[begin:]


def duplicate(data: bytes, donor: bytes, random: Random) -> bytes:
    """A stretch said again, once or very often."""
    begin, end = _span(data, random)
    times = random.choice((1, 1, 2, 10, 1000))
    return data[:end] + data[begin:end] * times + data[end:]


def truncate(data: bytes, donor: bytes, random: Random) -> bytes:
    """The file ends early, or begins late."""
    cut = random.randrange(len(data) + 1)
    return data[:cut] if random.random() < 0.8 else data[cut:]


def blank(data: bytes, donor: bytes, random: Random) -> bytes:
    """A stretch becomes one repeated byte."""
    begin, end = _span(data, random)
    return data[:begin] + random.choice((b"\0", b"\xff", b" ")) * (end - begin) + data[end:]


def swap(data: bytes, donor: bytes, random: Random) -> bytes:
    """Two stretches change places."""
    first, second = sorted((_span(data, random), _span(data, random)))
    if first[1] > second[0]:
        return data
    return (
        data[: first[0]]
        + data[slice(*second)]
        + data[first[1] : second[0]]
        + data[slice(*first)]
        + data[second[1] :]
    )


def splice(data: bytes, donor: bytes, random: Random) -> bytes:
    """A stretch of another file in place of one of its own, or its end behind this beginning."""
    if random.random() < 0.5:
        return data[: random.randrange(len(data) + 1)] + donor[random.randrange(len(donor) + 1) :]
    begin, end = _span(data, random)
    return data[:begin] + donor[slice(*_span(donor, random))] + data[end:]


ANY: tuple[Mutation, ...] = (
    flip_bits, set_bytes, delete, insert, duplicate, truncate, blank, swap, splice,
)  # fmt: skip


# --- texts -------------------------------------------------------------------------------------------------


def extreme_number(data: bytes, donor: bytes, random: Random) -> bytes:
    """One number, or some, become extreme or no number at all."""
    numbers = list(re.finditer(rb"-?\d+(?:\.\d+)?", data))
    for match in sorted(random.sample(numbers, min(len(numbers), random.choice((1, 1, 3, 20)))), key=_start)[
        ::-1
    ]:
        data = data[: match.start()] + random.choice(NUMBERS).encode() + data[match.end() :]
    return data


def _start(match: re.Match[bytes]) -> int:
    return match.start()


def change_lines(data: bytes, donor: bytes, random: Random) -> bytes:
    """Lines deleted, said again, moved, taken from another file, or joined to one."""
    lines, others = data.splitlines(keepends=True), donor.splitlines(keepends=True)
    if not lines:
        return donor
    begin = random.randrange(len(lines))
    count = random.choice((1, 1, 2, 8, 64))
    match random.randrange(6):
        case 0:
            del lines[begin : begin + count]
        case 1:
            lines[begin:begin] = lines[begin : begin + count] * random.choice((1, 3, 200))
        case 2:
            part = lines[begin : begin + count]
            random.shuffle(part)
            lines[begin : begin + count] = part
        case 3 if others:
            at = random.randrange(len(others))
            lines[begin : begin + count] = others[at : at + count]
        case 4:
            lines = [b"".join(lines).replace(b"\r", b" ").replace(b"\n", b" ")]
        case _:
            end = random.choice((b"\r", b"\r\n", b"\n\r", b"\x0b", b"\x0c"))
            lines = [line.rstrip(b"\r\n") + end for line in lines]
    return b"".join(lines)


def change_tokens(data: bytes, donor: bytes, random: Random) -> bytes:
    """Words and signs deleted, said again, or taken from another file."""
    tokens = re.split(rb"(\s+|[|:\[\](){}<>/,=\"'])", data)
    others = re.split(rb"(\s+|[|:\[\](){}<>/,=\"'])", donor)
    for _ in range(random.choice((1, 2, 8, 32))):
        at = random.randrange(len(tokens))
        match random.randrange(4):
            case 0:
                tokens[at] = b""
            case 1:
                tokens[at] *= random.choice((2, 3, 100))
            case 2:
                tokens[at] = random.choice(others)
            case _:
                other = random.randrange(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
    return b"".join(tokens)


def encode_anew(data: bytes, donor: bytes, random: Random) -> bytes:
    """The text in another encoding, with its mark or without."""
    text = data.decode("utf-8", "replace")
    codec = random.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "utf-8-sig", "cp037"))
    return text.encode(codec, "replace")


_BRACKETS = (
    b"(",
    b"[",
    b"{",
    b"|:",
    b'"',
    b"<",
    b"((",
    b":|",
    b"[1",
    b"&",
    b"/",
    b"^",
    b"-",
    b"'",
    b"z",
    b"x9999",
)


def nest(data: bytes, donor: bytes, random: Random) -> bytes:
    """An opening sign, or another one, repeated far too often."""
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(_BRACKETS) * random.choice((3, 300, 20_000)) + data[at:]


TEXT: tuple[Mutation, ...] = (extreme_number, extreme_number, change_lines, change_tokens, encode_anew, nest)
