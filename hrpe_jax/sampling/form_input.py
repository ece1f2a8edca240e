"""The form of a piece: sections that come again, exactly or with another melody.

    AABA      sections of equal length; a letter that was there before is that section again, note for note
    AA'BA'    with a mark (or in lower case: AaBa) its chords again under a new melody
    A8B8A4    bars of each section; a shorter repeat takes the first bars

Bars of the piece are divided evenly among sections without a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hrpe_jax.errors import UserError, cut

DEFAULT_SECTION_BARS = 8
MAX_BARS = 10_000
"""Of a piece, wherever its bars are said."""


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        name: its letter, upper case.
        first: its first bar in the piece, from 0.
        bars: how long.
        source: first bar of the section that it repeats; None for a new one.
        varied: whether only the chords are repeated.
    """

    name: str
    first: int
    bars: int
    source: int | None
    varied: bool


@dataclass(frozen=True)
class Form:
    """All sections of a piece, in order."""

    text: str
    sections: tuple[Section, ...]

    @property
    def bars(self) -> int:
        """Of the whole piece."""
        return sum(section.bars for section in self.sections)

    @property
    def new_bars(self) -> int:
        """Bars of the sections that repeat none."""
        return sum(section.bars for section in self.sections if section.source is None)

    def chord_sources(self) -> list[int]:
        """For every bar, the bar whose chords it repeats; -1 for none."""
        return self._sources(varied=True)

    def melody_sources(self) -> list[int]:
        """For every bar, the bar whose melody it repeats; -1 for none."""
        return self._sources(varied=False)

    def _sources(self, varied: bool) -> list[int]:
        return [
            -1 if section.source is None or (section.varied and not varied) else section.source + bar
            for section in self.sections
            for bar in range(section.bars)
        ]


def read_form(text: str, bars: int | None = None) -> Form:
    """Reads a form; the module says how it is written.

    Args:
        text: such as "AABA" or "A8B8A'8".
        bars: of the piece; None for `DEFAULT_SECTION_BARS` in every section without a number.

    Raises:
        UserError: it is no form, or the bars do not go into it.
    """
    parts = re.findall(r"([A-Za-z])(['’]*)([0-9]*)", text)
    whole = "".join(letter + mark + number for letter, mark, number in parts)
    _check(
        bool(parts) and whole == re.sub(r"[\s|,-]", "", text),
        f"{cut(text)!r}: expected letters, such as AABA, AA'BA' or A8B8A8",
    )
    # Nine digits are more than enough, and Python refuses to read some thousands.
    lengths = [int(number[:9]) if number else None for _, _, number in parts]
    _check(all(length != 0 for length in lengths), f"{cut(text)!r}: a section of no bars")
    said, open_ = sum(length or 0 for length in lengths), lengths.count(None)
    _check(said + open_ <= MAX_BARS, f"{cut(text)!r}: at most {MAX_BARS} bars expected, got {said + open_}")
    full, text = text, cut(text, 200)
    if bars is not None and open_:
        left = bars - said
        _check(
            left >= open_ and left % open_ == 0,
            f"{text}: {left if said else bars} bars cannot be divided among {open_} equal sections; "
            f"set --bars to {said + open_ * max(1, round(left / open_))}, or give each its bars (A8B4)",
        )
        share = left // open_
    else:
        share = DEFAULT_SECTION_BARS
    _check(
        bars is None or bool(open_) or bars == said,
        f"{text} has {said} bars, --bars={bars} asks for {'more' if bars and bars > said else 'fewer'}; "
        "leave --bars out",
    )
    sections: list[Section] = []
    named: dict[str, Section] = {}
    first = 0
    for (letter, mark, _), length in zip(parts, lengths, strict=True):
        name, length = letter.upper(), length or share
        earlier = named.get(name)
        _check(
            earlier is None or length <= earlier.bars,
            f"{text}: section {name} comes again with {length} bars, but has only {earlier and earlier.bars}",
        )
        _check(
            earlier is not None or not mark,
            f"{text}: {name}{mark} varies {name}, which has not been there before",
        )
        source = None if earlier is None else earlier.first
        sections.append(Section(name, first, length, source, bool(mark) or letter.islower()))
        named.setdefault(name, sections[-1])
        first += length
    _check(first <= MAX_BARS, f"{text!r}: at most {MAX_BARS} bars expected, got {first}")
    return Form(full, tuple(sections))


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise UserError(f"--form: {message}")
