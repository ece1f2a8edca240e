"""Chord symbols with the note names of other languages: German "Fis", "H7", "a", solfège "Lam", "Sol7".

One label alone can mean two things: "Do" is D diminished or C, "B" is B or Bb, "Fa" was F augmented in one
collection. So all labels of a piece are looked at together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from hrpe_jax.theory.chord_parser import parse_lead_sheet_text

Naming = Literal["english", "german", "dutch", "latin"]
"""Whose note names the labels of a piece are; "dutch" is German with B for B."""

_SOLFEGE = {"do": "C", "re": "D", "mi": "E", "fa": "F", "sol": "G", "la": "A", "si": "B"}
_ACCENTS = str.maketrans("óéèíáà", "oeeiaa")
_LATIN = re.compile(r"(do|re|mi|fa|sol|la|si)(#|b)?", re.IGNORECASE)
_GERMAN = re.compile(r"(?P<root>[A-Ha-h])(?P<sign>is|es|s(?!us)|#|b(?!\d))?")
_SHOWS_GERMAN = re.compile(
    r"[Hh](?![a-z])|[Hh](?:m|is|dim|sus|maj|min|add|aug)|[A-Ga-g]is|[DGCFB]es|[EA]s(?!us)"
)
_SIGNS = str.maketrans({"♭": "b", "♯": "#"})


def find_naming(labels: Iterable[str]) -> Naming:
    """Whose note names these labels are, told from all of them.

    Solfège is shown by a name that no English symbol begins with (Re, Mi, Sol, La, Si), or by labels that
    are all Do and Fa; German by an H, or a name such as Fis or Es. Labels of both kinds, or neither, are
    taken as English.

    Args:
        labels: all chord symbols of a piece, as written; words that are no chords do no harm.
    """
    names = {label.strip(" ()[]").translate(_SIGNS) for label in labels}
    names = {name for name in names if name[:1].isalpha() and not name.lower().startswith(("n.c", "nc"))}
    if not names:
        return "english"
    latin = {name for name in names if _latin(name) is not None}
    english = {name for name in names - latin if parse_lead_sheet_text(name) is not None}
    if latin and not english and (len(latin) == len(names) or any(_only_latin(name) for name in latin)):
        return "latin"
    if any(_only_latin(name) for name in latin):
        return "english"  # both: nobody can tell what is meant
    german = [name for name in names if _SHOWS_GERMAN.match(name) and _german(name, "german") is not None]
    if not german:
        return "english"
    return "dutch" if any(name.startswith("Bes") for name in german) else "german"


def to_english(label: str, naming: Naming) -> str:
    """The label with English names of its root and bass; one that is not of this naming as it is.

    A lower-case root of a German label is a minor chord.
    """
    if naming == "english":
        return label
    text = label.strip().translate(_SIGNS)
    if text[:1] + text[-1:] == "()":
        text = text[1:-1]
    return (_latin(text) if naming == "latin" else _german(text, naming)) or label


def _only_latin(name: str) -> bool:
    return parse_lead_sheet_text(name) is None


def _latin(label: str) -> str | None:
    """The English symbol of a solfège label; None where it is none."""
    head, slash, bass = label.translate(_ACCENTS).partition("/")
    root = _LATIN.match(head)
    if root is None:
        return None
    english = _SOLFEGE[root[1].lower()] + (root[2] or "").lower()
    symbol = english + head[root.end() :].strip()
    if slash:
        low = _LATIN.fullmatch(bass.strip())
        if low is None:
            return symbol + slash + bass if parse_lead_sheet_text(symbol + slash + bass) else None
        symbol += f"/{_SOLFEGE[low[1].lower()]}{(low[2] or '').lower()}"
    return symbol if parse_lead_sheet_text(symbol) is not None else None


def _german(label: str, naming: Naming) -> str | None:
    """The English symbol of a German label; None where it is none."""
    head, slash, bass = label.partition("/")
    root = _GERMAN.match(head)
    if root is None:
        return None
    name, suffix = _german_name(root, naming), head[root.end() :]
    if root["root"].islower() and not suffix.startswith(("m", "-", "dim", "°", "o")):
        suffix = f"m{suffix}"
    symbol = name + suffix
    if slash:
        low = _GERMAN.fullmatch(bass.strip())
        symbol += slash + (_german_name(low, naming) if low is not None else bass)
    return symbol if parse_lead_sheet_text(symbol) is not None else None


def _german_name(match: re.Match[str], naming: Naming) -> str:
    letter, sign = match["root"].upper(), match["sign"] or ""
    if letter == "H":
        return "B" + {"is": "#", "es": "b", "#": "#", "b": "b"}.get(sign, "")
    if letter == "B":
        return "B" if naming == "dutch" and not sign else "Bb" if sign in ("", "b", "es") else "B"
    return letter + {"is": "#", "#": "#", "": ""}.get(sign, "b")
