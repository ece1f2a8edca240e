"""The grammar of chord labels: from text to root, intervals and bass, in English and in other note names.

A label is read as a set of semitones over the root, never looked up as a whole, so that spellings nobody
listed still parse: C:maj(9), C:(1,5), C:7(b9,*5), Cm7-5, C7sus4(b9), CΔ9#11.

German note names are "Fis", "H7" and "a", solfège "Lam" and "Sol7". One label
alone can mean two things: "Do" is D diminished or C, "B" is B or Bb, "Fa" was F augmented in one collection.
So all labels of a piece are looked at together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from hrpe_jax.theory.pitch import NOTE_PATTERN, parse_pitch_class
from hrpe_jax.theory.quality import CHORD_TONES, INTERVALS


@dataclass(frozen=True)
class ParsedLabel:
    """What a label says.

    Attributes:
        root: pitch class.
        intervals: semitones 0-11 over the root.
        bass: pitch class.
        root_text: name of the root as written, with plain signs: "C#".
        suffix: what stands between root and bass as on a lead sheet, "maj7#11"; None where the label has no
            such text.
        bass_text: name of the bass as written; empty where none is.
    """

    root: int
    intervals: frozenset[int]
    bass: int
    root_text: str = ""
    suffix: str | None = None
    bass_text: str = ""


MAX_LABEL = 100
"""Characters of a label; the longest in use have some thirty."""

_EXACT = frozenset(INTERVALS.values())
_DEGREES = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 11}

# Harte's shorthands where they differ from our quality names or go beyond them.
_HARTE: dict[str, tuple[int, ...]] = {
    **{name: tones for name, tones in CHORD_TONES.items() if name != "N"},
    "": (0, 4, 7),
    "1": (0,),
    "min13": (0, 3, 7, 10, 14, 17, 21),
    "maj11": (0, 4, 7, 11, 14, 17),
    "b9": (0, 4, 7, 10, 13),
    "#9": (0, 4, 7, 10, 15),
    "#11": (0, 4, 7, 10, 14, 18),
    "b13": (0, 4, 7, 10, 14, 20),
    "dim9": (0, 3, 6, 9, 14),
    "aug7": (0, 4, 8, 10),
    "augmaj7": (0, 4, 8, 11),
    "min7b5": (0, 3, 6, 10),
    "hdim": (0, 3, 6, 10),
}


def parse_harte_text(label: str) -> ParsedLabel | None:
    """Parse `ROOT[:SHORTHAND][(DEGREE,...)][/DEGREE]`; None if the label does not have that form."""
    if len(label) > MAX_LABEL:
        return None
    match = re.fullmatch(
        rf"({NOTE_PATTERN})(?::([A-Za-z0-9#/]*?))?(?:\(([^()]*)\))?(?:/([#b]*\d{{1,2}}))?",
        label.replace(" ", ""),
    )
    if match is None or label[0].islower():
        return None
    root_text, shorthand, degrees, bass_text = match.groups()
    if shorthand is None and degrees is not None:  # "C(9)" without a colon is not Harte
        return None
    if not shorthand:
        notes = {0} if degrees is not None else {0, 4, 7}  # a list alone says all notes; nothing says major
    elif shorthand in _HARTE:
        notes = {tone % 12 for tone in _HARTE[shorthand]}
    else:
        return None
    for item in (degrees or "").split(",") if degrees else ():
        omitted = item.startswith("*")
        interval = _degree(item.removeprefix("*"))
        if interval is None:
            return None
        if shorthand and item in ("b5", "#5"):  # written as an addition, meant as an alteration
            notes.discard(7)
        notes = notes - {interval} if omitted else notes | {interval}
    root = parse_pitch_class(root_text)
    bass = _degree(bass_text) if bass_text else 0
    if bass is None:
        return None
    suffix = None
    if shorthand:
        alterations = re.sub(r"[^#b0-9,]", "", degrees or "")
        suffix = shorthand.replace("min", "m", 1) + (f"({alterations})" if alterations else "")
        read = _suffix_intervals(re.sub(r"[(),]", "", suffix))
        in_vocabulary = frozenset(notes) in _EXACT  # its usual name serves as well
        suffix = None if "*" in (degrees or "") or read != frozenset(notes) or in_vocabulary else suffix
    return ParsedLabel(root, frozenset(notes), (root + bass) % 12, _plain_name(root_text), suffix)


def _plain_name(name: str) -> str:
    """A note name as written, its signs as # and b."""
    return (name[:1].upper() + name[1:]).translate(_NAME_SIGNS)


def _degree(text: str) -> int | None:
    """Semitones 0-11 of a degree such as "b7", "9", "#11"."""
    match = re.fullmatch(r"([#b]*)(\d{1,2})", text)
    if match is None or not 1 <= int(match[2]) <= 13:
        return None
    shift = match[1].count("#") - match[1].count("b")
    return (_DEGREES[(int(match[2]) - 1) % 7 + 1] + shift) % 12


_NAME_SIGNS = str.maketrans({"♭": "b", "♯": "#", "x": "##", "𝄪": "##", "𝄫": "bb"})
_SIGNS = str.maketrans(
    {"♭": "b", "♯": "#", "−": "-", "–": "-", "∆": "Δ", "△": "Δ", "Ø": "ø", "º": "°", "⁰": "°"}
)
_LEAD = re.compile(
    rf"(?P<root>{NOTE_PATTERN.replace('A-Ga-g', 'A-G')})(?P<rest>.*?)"
    r"(?:/(?P<bass>[A-Ga-g](?:[#b+]{1,2})?))?"
)
_MAJOR = r"maj|Maj|MAJ|ma(?!dd)|Ma|MA|M(?!i)|Δ|\^|j"
_TOKENS = re.compile(
    rf"""
    (?P<sus>sus\ ?(?P<sus_number>24|[24](?![0-9])|7|9|11|13)?)
  | (?P<add>add(?P<add_sign>[#b+-]?)(?P<add_number>2|3|4|6|9|11|13))
  | (?P<omit>(?:no|omit)(?P<omit_number>[35]))
  | (?P<alt>alt)
  | (?P<major>{_MAJOR})
  | (?P<half>hdim7?|ø7?|h7?)
  | (?P<dim>dim|°|o|0)
  | (?P<aug>aug|\+(?![0-9])|(?<!\d)\+(?=7|9))
  | (?P<altered>(?P<sign>[#b+-])(?P<degree>5|6|9|11|13))
  | (?P<minor>min|Min|MIN|mi|Mi|MI|m|-)
  | (?P<number>6/?9|13|11|[245679])
    """,
    re.VERBOSE,
)
_SEVENTH_UP = {"7": (), "9": (2,), "11": (2, 5), "13": (2, 9)}


def parse_lead_sheet_text(label: str) -> ParsedLabel | None:
    """Parse "F#m7b5/C" and its many relatives; None if some part has no meaning."""
    if len(label) > MAX_LABEL:
        return None
    text = label.strip().translate(_SIGNS)
    if re.fullmatch(r"\([^()]*\)", text):  # a chord in brackets is optional in the source, but it is a chord
        text = text[1:-1]
    match = _LEAD.fullmatch(text)
    if match is None:
        return None
    root = parse_pitch_class(match["root"])
    written = match["rest"].strip()
    if re.fullmatch(r"[da]\d*", written):  # the Nottingham collection's "Gd" and "Fa7"
        written = {"d": "dim", "a": "aug"}[written[0]] + written[1:]
    intervals = _suffix_intervals(re.sub(r"[()\[\],\s]", "", written))
    if intervals is None:
        return None
    bass_text = (match["bass"] or "").replace("+", "#")
    bass = parse_pitch_class(bass_text) if bass_text else root
    return ParsedLabel(root, intervals, bass, _plain_name(match["root"]), written, _plain_name(bass_text))


class _Builder:
    """The chord while its suffix is read from left to right."""

    def __init__(self) -> None:
        self.third: int | None = 4
        self.fifth: set[int] = {7}
        self.seventh: int | None = None
        self.extra: set[int] = set()
        self.major_seventh = False
        self.diminished = False

    def number(self, text: str) -> None:
        """A plain extension: 7, 9, 13 ... after whatever stood before it."""
        if text in _SEVENTH_UP:
            self.extra |= set(_SEVENTH_UP[text])
            if self.major_seventh:
                self.seventh = 11
            elif self.seventh is None:
                self.seventh = 9 if self.diminished else 10
        elif text == "5":
            self.third = None
        elif text == "6":
            self.extra.add(9)
        elif text in ("69", "6/9"):
            self.extra |= {9, 2}
        elif text == "2":
            self.extra.add(2)
        elif text == "4":
            self.third = 5

    def altered(self, sign: str, degree: str) -> None:
        """A signed degree: b5, #9, -5, +11 ..."""
        shift = 1 if sign in "#+" else -1
        if degree == "5":
            self.fifth = (self.fifth - {7}) | {7 + shift}
            return
        interval = _degree(degree)
        assert interval is not None
        self.extra.add((interval + shift) % 12)
        if degree in ("9", "11"):  # the natural one gives way: 9#11 keeps its 9, 11b9 loses it
            self.extra.discard(interval)

    def suspend(self, number: str | None) -> None:
        """sus, sus2, sus4, sus24; sus7, sus9, sus13 mean a suspended seventh chord."""
        self.third = 2 if number == "2" else 5
        if number == "24":
            self.extra.add(2)
        elif number in _SEVENTH_UP:
            self.number(number)

    def notes(self) -> frozenset[int]:
        third_and_seventh = {tone for tone in (self.third, self.seventh) if tone is not None}
        return frozenset({0, *self.fifth, *self.extra, *third_and_seventh})


def _suffix_intervals(suffix: str) -> frozenset[int] | None:
    """Semitones over the root said by what follows it in a lead sheet; None if that has no meaning."""
    chord = _Builder()
    position = 0
    while position < len(suffix):
        token = _TOKENS.match(suffix, position)
        if token is None:
            return None
        kind = token.lastgroup
        rest = suffix[token.end() :]
        if token["sus"]:
            chord.suspend(token["sus_number"])
        elif token["add"]:
            shift = {"#": 1, "+": 1, "b": -1, "-": -1, "": 0}[token["add_sign"]]
            chord.extra.add(((_degree(token["add_number"]) or 0) + shift) % 12)
        elif token["omit"]:
            if token["omit_number"] == "3":
                chord.third = None
            else:
                chord.fifth = set()
        elif token["alt"]:
            chord.seventh, chord.fifth = 10, set()
            chord.extra |= {1, 3}
        elif token["major"]:
            chord.major_seventh = True
            # Δ alone, "mMaj" and Brazilian "7M" say the seventh without a number; "maj" alone is a triad.
            if token["major"] in ("Δ", "^", "j") or position > 0:
                chord.seventh = 11
            if rest.startswith("6"):
                chord.major_seventh, chord.seventh = False, None
        elif token["half"]:
            chord.third, chord.fifth, chord.seventh = 3, {6}, 10
        elif token["dim"]:
            chord.third, chord.fifth, chord.diminished = 3, {6}, True
        elif token["aug"] == "+" and chord.third == 3 and rest.startswith("7"):
            chord.major_seventh = True  # Cm+7: the raised seventh of the melodic minor scale
        elif token["aug"]:
            chord.fifth = {8}
        elif token["altered"] and not (position == 0 and token["sign"] == "-" and token["degree"] != "5"):
            chord.altered(token["sign"], token["degree"])
        elif token["minor"] or token["altered"]:
            chord.third = 3
            if kind and token["altered"]:  # "C-9", "C-6": the minus was minor, the number comes next
                chord.number(token["degree"])
        else:
            chord.number(token["number"])
        position = token.end()
    return chord.notes()


Naming = Literal["english", "german", "dutch", "latin"]
"""Whose note names the labels of a piece are; "dutch" is German with B for B."""

_SOLFEGE = {"do": "C", "re": "D", "mi": "E", "fa": "F", "sol": "G", "la": "A", "si": "B"}
_ACCENTS = str.maketrans("óéèíáà", "oeeiaa")
_LATIN = re.compile(r"(do|re|mi|fa|sol|la|si)(#|b)?", re.IGNORECASE)
_GERMAN = re.compile(r"(?P<root>[A-Ha-h])(?P<sign>iss?|ess?|ss?(?!us)|#|b(?!\d))?")
_SHOWS_GERMAN = re.compile(
    r"[Hh](?![a-z])|[Hh](?:m|is|dim|sus|maj|min|add|aug)|[A-Ga-g]is|[DGCFB]es|[EA]s(?!us)"
)
_NAMED_SIGNS = str.maketrans({"♭": "b", "♯": "#"})


def find_naming(labels: Iterable[str]) -> Naming:
    """Whose note names these labels are, told from all of them.

    Solfège is shown by a name that no English symbol begins with (Re, Mi, Sol, La, Si), or by labels that
    are all Do and Fa; German by an H, or a name such as Fis or Es. Labels of both kinds, or neither, are
    taken as English.

    Args:
        labels: all chord symbols of a piece, as written; words that are no chords do no harm.
    """
    names = {label.strip(" ()[]").translate(_NAMED_SIGNS) for label in labels}
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
    text = label.strip().translate(_NAMED_SIGNS)
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
        return "B" + {"is": "#", "iss": "#", "es": "b", "ess": "b", "#": "#", "b": "b"}.get(sign, "")
    if letter == "B":
        return "B" if naming == "dutch" and not sign else "Bb" if sign in ("", "b", "es", "ess") else "B"
    return letter + {"is": "#", "iss": "#", "#": "#", "": ""}.get(sign, "b")
