"""The form of a piece: its sections, each with a letter, its first bar and its length.

Letters follow the people who labelled POP909:

    A B C     a section with melody; the same letter is the same section, perhaps varied
    A' A''    a return that is known to be varied
    X         a section with melody that is like no other, however often the letter comes: often an insertion
              of a few bars
    i x o     a section without melody: introduction, interlude, ending; so is any other lower-case letter

Bars are indices into `Score.bar_starts()`. Bars between sections belong to none: nothing is known of them.
As text a section is its letter and its number of bars: "i4A8B8A'8o2".

Reference: S. Dai, H. Zhang and R. B. Dannenberg, "Automatic Analysis and Influence of Hierarchical Structure
on Melody, Rhythm and Harmony in Popular Music", 2020.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

INTRO, INTERLUDE, ENDING = "i", "x", "o"
OTHER = "X"
"""With melody, and no return of an earlier X."""
MAX_MARKS = 3
"""Marks behind a letter, as in A'''."""

_LETTER = re.compile(rf"[A-Za-z]'{{0,{MAX_MARKS}}}")
_PART = re.compile(r"([A-Za-z])(['’]*)(\d+)")


class FormError(ValueError):
    """Sections that make no form; one line."""


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        letter: "A", "B", "A'"; lower case where there is no melody.
        first_bar: index of its first bar in `Score.bar_starts()`.
        bars: how many, 1 or more.
    """

    letter: str
    first_bar: int
    bars: int

    @property
    def end_bar(self) -> int:
        """The bar behind the last."""
        return self.first_bar + self.bars

    @property
    def name(self) -> str:
        """The letter without marks."""
        return self.letter.rstrip("'")

    @property
    def is_varied(self) -> bool:
        """Whether the letter has a mark."""
        return self.letter.endswith("'")

    @property
    def has_melody(self) -> bool:
        """Whether the letter is upper case."""
        return self.letter[:1].isupper()


def check_form(form: Sequence[Section], bars: int) -> None:
    """Checks that sections are in order and lie inside a piece.

    Args:
        form: the sections.
        bars: of the piece.

    Raises:
        FormError: says which section is wrong, and why.
    """
    behind = 0
    for index, section in enumerate(form):
        where = f"section {index} ({section.letter})"
        if not isinstance(section.letter, str) or not _LETTER.fullmatch(section.letter):
            raise FormError(
                f"section {index}: letter {section.letter!r}: expected one letter and at most {MAX_MARKS} "
                "marks, such as A, A' or i"
            )
        if not all(type(value) is int for value in (section.first_bar, section.bars)) or section.bars < 1:
            raise FormError(
                f"{where}: first bar {section.first_bar!r}, bars {section.bars!r}: expected whole numbers "
                "and 1 bar or more"
            )
        if section.first_bar < behind:
            expected = "where the one before it ends" if index else "the first"
            raise FormError(
                f"{where}: begins in bar {section.first_bar}: expected bar {behind} or later, {expected}"
            )
        behind = section.end_bar
    if behind > bars:
        raise FormError(f"section {len(form) - 1} ({form[-1].letter}): ends at bar {behind} of {bars} bars")


def section_of_bar(form: Sequence[Section], bar: int) -> Section | None:
    """The section that a bar lies in; None where it lies in none."""
    index = bisect_right(form, bar, key=lambda section: section.first_bar) - 1
    return form[index] if index >= 0 and bar < form[index].end_bar else None


def crop_form(form: Iterable[Section], first_bar: int, bars: int) -> tuple[Section, ...]:
    """The form of an excerpt.

    Args:
        form: of the whole piece.
        first_bar: of the excerpt, which becomes bar 0. A negative one puts bars before the piece.
        bars: how long the excerpt is.

    Returns:
        The sections that the excerpt touches; those that it cuts are shorter.
    """
    cropped = []
    for section in form:
        start = max(section.first_bar - first_bar, 0)
        end = min(section.end_bar - first_bar, bars)
        if start < end:
            cropped.append(replace(section, first_bar=start, bars=end - start))
    return tuple(cropped)


def first_occurrence(form: Sequence[Section], index: int) -> int:
    """Index of the first section with the same name; the section's own where it is new, as an X always is."""
    names = [section.name for section in form]
    return index if names[index] == OTHER else names.index(names[index])


def form_text(form: Iterable[Section]) -> str:
    """The sections as text, without the bars between them: "i4A8B8A'8".

    Example:
        >>> form_text(parse_form("A8B8A8"))
        'A8B8A8'
    """
    return "".join(f"{section.letter}{section.bars}" for section in form)


def parse_form(text: str, first_bar: int = 0) -> tuple[Section, ...]:
    """Reads sections that follow each other.

    Args:
        text: letters, each with its number of bars: "i4A8B8A'8".
        first_bar: of the first section.

    Raises:
        FormError: it is no form.

    Example:
        >>> parse_form("A4B8")
        (Section(letter='A', first_bar=0, bars=4), Section(letter='B', first_bar=4, bars=8))
    """
    parts = _PART.findall(text)
    written = "".join(letter + marks + number for letter, marks, number in parts)
    if not parts or written != "".join(text.split()):
        raise FormError(f"form {text[:60]!r}: expected letters with their bars, such as i4A8B8A'8")
    sections: list[Section] = []
    for letter, marks, number in parts:
        sections.append(Section(letter + "'" * len(marks), first_bar, int(number)))
        first_bar += int(number)
    check_form(sections, first_bar)
    return tuple(sections)


def form_values(form: Iterable[Section]) -> list[list[Any]]:
    """The sections as [letter, first bar, bars], for JSON and records."""
    return [[section.letter, section.first_bar, section.bars] for section in form]


def form_from_values(values: Iterable[Sequence[Any]]) -> tuple[Section, ...]:
    """The sections of `form_values`; what they hold is checked by the score that they go into."""
    return tuple(Section(letter, first_bar, bars) for letter, first_bar, bars in values)
