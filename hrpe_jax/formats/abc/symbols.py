"""Chord symbols of ABC tunes: strings over the notes, and `s:` lines under them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hrpe_jax.formats.abc.book import split_field
from hrpe_jax.theory.chord import Chord, ChordError, parse_lead_sheet
from hrpe_jax.theory.note_names import Naming, find_naming, to_english

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
