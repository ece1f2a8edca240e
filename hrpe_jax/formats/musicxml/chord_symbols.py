"""MusicXML <harmony> elements: as chords, through the many ways in which programs fill them in, and back.

A kind and degrees say what the chord is; the text says what is printed. Where the text says all, the degrees
are hidden (`print-object="no"`). Degrees are those of the major scale. Sevenths are never added, since
programs do not agree on which seventh that is: a suspended seventh chord is a dominant with a fourth for its
third, which music21 and MuseScore read as what it is.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from hrpe_jax.theory.chord import (
    Chord,
    ChordError,
    Written,
    bass_name,
    lead_sheet_suffix,
    lead_sheet_text,
    nearest_quality,
    root_name,
)
from hrpe_jax.theory.chord_parser import parse_lead_sheet_text
from hrpe_jax.theory.function import parse_roman
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.quality import INTERVALS, QUALITIES

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

# The <kind> values of MusicXML 4.0 that are one of our qualities, or a set of intervals.
_KINDS: dict[str, frozenset[int]] = {
    kind: INTERVALS[quality]
    for kind, quality in {
        "major": "maj", "minor": "min", "augmented": "aug", "diminished": "dim", "dominant": "7",
        "major-seventh": "maj7", "minor-seventh": "min7", "diminished-seventh": "dim7",
        "augmented-seventh": "7#5",
        "half-diminished": "hdim7", "major-minor": "minmaj7", "minor-major": "minmaj7", "major-sixth": "maj6",
        "minor-sixth": "min6", "dominant-ninth": "9", "major-ninth": "maj9", "minor-ninth": "min9",
        "dominant-11th": "11", "minor-11th": "min11", "dominant-13th": "13", "major-13th": "maj13",
        "suspended-second": "sus2", "suspended-fourth": "sus4", "power": "5",
        "augmented-major-seventh": "maj7#5",
    }.items()
} | {
    "major-11th": frozenset({0, 4, 7, 11, 2, 5}),
    "minor-13th": frozenset({0, 3, 7, 10, 2, 9}),
    "minor-major-ninth": frozenset({0, 3, 7, 11, 2}),
    "augmented-ninth": frozenset({0, 4, 8, 10, 2}),
    "pedal": frozenset({0}),
    "Neapolitan": INTERVALS["maj"],
    "Italian": frozenset({0, 4, 10}),
    "French": frozenset({0, 4, 6, 10}),
    "German": INTERVALS["7"],
    "Tristan": INTERVALS["hdim7"],
}  # fmt: skip
_NO_CHORD = ("none", "N.C.", "NC")
_OMITTABLE = {7, 6, 8}
"""Fifths: what a text may change without contradicting the kind."""


def parse_harmony(element: Element, key: Key | None = None) -> Chord | None:
    """The chord of a <harmony> element at concert pitch of its part.

    Kind, degrees, bass and inversion are read. Where the kind is missing, blank or unknown, the text shown
    to the player (`<kind text="m7b5">`, or the kind itself: `min`, `7`) is read as a lead-sheet symbol;
    where the kind is coarse and no degrees follow, the text may add to it (dominant + "7b9"), not contradict
    it.

    Args:
        element: the element.
        key: in which a <numeral> or <function> is read; None where it is not known.

    Returns:
        None where nothing is said or nothing can be made of it.
    """
    kind_element = element.find("kind")
    kind = (kind_element.text or "").strip() if kind_element is not None else ""
    text = (kind_element.get("text") or "").strip() if kind_element is not None else ""
    if kind in _NO_CHORD or text in _NO_CHORD:
        return Chord.NONE
    root = _pitch_class(element.find("root"), "root")
    if root is None and key is not None:
        root = _degree(element, key)
    if root is None:
        return None
    degrees = element.findall("degree")
    said = _text_intervals(text)
    intervals = _KINDS.get(kind) or _text_intervals(kind)
    if intervals is None:
        intervals = said or INTERVALS["maj"]
    elif said and not degrees and intervals - _OMITTABLE <= said:
        intervals = said
    notes = frozenset(_with_degrees(intervals, degrees))
    quality = nearest_quality(notes)
    bass = _pitch_class(element.find("bass"), "bass")
    exact = notes | {0} == INTERVALS[quality]
    suffix = None if exact else _suffix(text, kind, degrees, notes)
    written = Written(_name(element, "root"), suffix, _name(element, "bass"), exact)
    chord = Chord(root, quality, root if bass is None else bass, written)
    inversion = element.findtext("inversion", "").strip()
    if bass is None and inversion in ("1", "2", "3"):
        tones = sorted(INTERVALS[quality])  # within the octave: root, third, fifth, seventh
        if int(inversion) < len(tones):
            chord = Chord(root, quality, (root + tones[int(inversion)]) % 12, written)
    return chord


def signature_key(fifths: int | None, mode: str) -> Key | None:
    """The key of a <key> element, major unless it says minor; None without a signature."""
    if fifths is None:
        return None
    minor = mode == "minor"
    return Key((7 * fifths + 9 * minor) % 12, "minor" if minor else "major")


def _degree(element: Element, key: Key) -> int | None:
    """The root of a <numeral> (1 to 7, altered) or <function> ("V", "bVII"); None where there is neither."""
    numeral = element.find("numeral")
    if numeral is not None:
        degree = _integer(numeral.findtext("numeral-root"))
        alter = _integer(numeral.findtext("numeral-alter"))
        return (key.scale[degree - 1] + alter) % 12 if 1 <= degree <= 7 else None
    try:
        return parse_roman(element.findtext("function", "").strip()[:_LONGEST_NUMERAL], key).root
    except ChordError:
        return None


_LONGEST_NUMERAL = 20


def _name(element: Element, part: str) -> str:
    """The name of <root> or <bass> as written, "Db"; empty where it is missing or has odd signs."""
    child = element.find(part)
    if child is None:
        return ""
    step = child.findtext(f"{part}-step", "").strip().upper()
    alter = _integer(child.findtext(f"{part}-alter", "0"))
    return step + ("#" * alter if alter > 0 else "b" * -alter) if step in STEPS and abs(alter) < 3 else ""


def _suffix(text: str, kind: str, degrees: list[Element], notes: frozenset[int]) -> str | None:
    """How a chord that the vocabulary lacks is written: the kind's text with its degrees; None where that
    would be another chord."""
    quality = next((name for name in QUALITIES if INTERVALS[name] == _KINDS.get(kind)), None)
    texts = [text] if text or quality is None else []
    texts += [lead_sheet_suffix(quality)] if quality is not None else []
    changes = []
    for degree in degrees[:_MOST_DEGREES]:
        value, alter = (_integer(degree.findtext(f"degree-{part}", "0")) for part in ("value", "alter"))
        sign = "#" * alter if alter > 0 else "b" * -alter
        change = degree.findtext("degree-type", "add").strip()
        changes.append(f"no{value}" if change == "subtract" else f"{'' if sign else 'add'}{sign}{value}")
    for suffix in [*texts, *(f"{start}({','.join(changes)})" for start in texts)]:
        parsed = parse_lead_sheet_text(f"C{suffix}")
        if parsed is not None and parsed.intervals | {0} == notes | {0}:
            return suffix
    return None


_MOST_DEGREES = 6


def _pitch_class(element: Element | None, name: str) -> int | None:
    """Pitch class of <root> or <bass>; None where it is missing or unreadable."""
    if element is None:
        return None
    step = STEPS.get(element.findtext(f"{name}-step", "").strip().upper())
    if step is None:
        return None
    return (step + _integer(element.findtext(f"{name}-alter", "0"))) % 12


def _text_intervals(text: str) -> frozenset[int] | None:
    """Intervals of a chord suffix such as "m7b5"; None where it is empty or no suffix."""
    parsed = parse_lead_sheet_text(f"C{text}") if text else None
    return None if parsed is None else parsed.intervals | {0}


def _with_degrees(intervals: frozenset[int], degrees: list[Element]) -> set[int]:
    """Intervals after <degree> elements: add, alter (replaces the plain degree), subtract."""
    notes = set(intervals)
    for degree in degrees:
        value = _integer(degree.findtext("degree-value", "0"))
        alter = _integer(degree.findtext("degree-alter", "0"))
        if not 1 <= value <= 13 or abs(alter) > 2:
            continue
        plain = (0, 2, 4, 5, 7, 9, 11)[(value - 1) % 7]
        if value == 7:
            plain = 10  # by the standard, an added seventh is minor unless altered
        change = degree.findtext("degree-type", "add").strip()
        if change == "subtract":
            family = {3: {3, 4}, 5: {6, 7, 8}, 7: {9, 10, 11} if 11 in notes or 10 in notes else {9}}
            notes -= family.get(value, {(plain + alter) % 12})
        else:
            if change == "alter":
                notes -= {6, 7, 8} if value == 5 else {plain}
            notes.add((plain + alter) % 12)
    return notes


def _integer(text: str | None) -> int:
    """A whole number out of text that may be blank or "1.0"; 0 where it is none."""
    try:
        value = float(text or 0)
        return int(value) if abs(value) < 100 else 0
    except ValueError:
        return 0


_SAID_BY_DEGREE = {"7b9": "7", "7#9": "7", "7#11": "7", "add9": "", "minadd9": "m", "maj7#5": "maj7"}
"""Qualities whose degrees are printed behind what the kind's text says; elsewhere the text says all."""

# A quality as MusicXML's kind and (degree, alteration, type).
_WRITTEN_KINDS: dict[str, tuple[str, tuple[tuple[int, int, str], ...]]] = {
    "maj": ("major", ()),
    "min": ("minor", ()),
    "dim": ("diminished", ()),
    "aug": ("augmented", ()),
    "maj6": ("major-sixth", ()),
    "min6": ("minor-sixth", ()),
    "7": ("dominant", ()),
    "maj7": ("major-seventh", ()),
    "min7": ("minor-seventh", ()),
    "minmaj7": ("major-minor", ()),
    "dim7": ("diminished-seventh", ()),
    "hdim7": ("half-diminished", ()),
    "sus2": ("suspended-second", ()),
    "sus4": ("suspended-fourth", ()),
    "7sus4": ("dominant", ((4, 0, "add"), (3, 0, "subtract"))),
    "5": ("power", ()),
    "add9": ("major", ((9, 0, "add"),)),
    "minadd9": ("minor", ((9, 0, "add"),)),
    "9": ("dominant-ninth", ()),
    "maj9": ("major-ninth", ()),
    "min9": ("minor-ninth", ()),
    "11": ("dominant-11th", ()),
    "13": ("dominant-13th", ()),
    "min11": ("minor-11th", ()),
    "maj13": ("major-13th", ()),
    "7b9": ("dominant", ((9, -1, "add"),)),
    "7#9": ("dominant", ((9, 1, "add"),)),
    "7#11": ("dominant", ((11, 1, "add"),)),
    "7#5": ("augmented-seventh", ()),
    "6/9": ("major-sixth", ((9, 0, "add"),)),
    "maj7#5": ("major-seventh", ((5, 1, "alter"),)),
    "9sus4": ("dominant-ninth", ((4, 0, "add"), (3, 0, "subtract"))),
}


def harmony_element(chord: Chord, key: Key, offset: int = 0) -> Element:
    """The <harmony> element of a chord symbol.

    Args:
        chord: any; the no-chord is printed as N.C.
        key: of the piece, which spells root and bass.
        offset: divisions behind the beginning of the note that follows.
    """
    harmony = Element("harmony")
    root = SubElement(harmony, "root")
    if chord.is_none:
        text_element(root, "root-step", "C").set("text", "")
        text_element(harmony, "kind", "none").set("text", "N.C.")
    else:
        name = root_name(chord, key)
        text_element(root, "root-step", name[0])
        _alter(root, "root-alter", name)
        kind, degrees = _WRITTEN_KINDS[chord.quality]
        by_degree = chord.quality in _SAID_BY_DEGREE and chord.is_exact
        suffix = _SAID_BY_DEGREE[chord.quality] if by_degree else lead_sheet_text(chord)
        text_element(harmony, "kind", kind).set("text", suffix)
        if chord.bass != chord.root:
            bass, low = SubElement(harmony, "bass"), bass_name(chord, key)
            text_element(bass, "bass-step", low[0])
            _alter(bass, "bass-alter", low)
        for value, alter, change in degrees:
            degree = SubElement(harmony, "degree")
            if not by_degree:
                degree.set("print-object", "no")
            text_element(degree, "degree-value", str(value))
            text_element(degree, "degree-alter", str(alter))
            text_element(degree, "degree-type", change).set("text", "" if alter else change)
    if offset:
        text_element(harmony, "offset", str(offset))
    return harmony


def text_element(parent: Element, tag: str, text: str) -> Element:
    """A new child with a text.

    Args:
        parent: of the new element.
        tag: its name.
        text: its content.
    """
    element = SubElement(parent, tag)
    element.text = text
    return element


def _alter(parent: Element, tag: str, name: str) -> None:
    if len(name) > 1:
        text_element(parent, tag, str(name.count("#") - name.count("b")))
