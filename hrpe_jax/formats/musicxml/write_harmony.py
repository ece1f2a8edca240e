"""Chord symbols as MusicXML <harmony> elements.

A kind and degrees say what the chord is; the text says what is printed. Where the text says all, the degrees
are hidden (`print-object="no"`). Degrees are those of the major scale. Sevenths are never added, since
programs do not agree on which seventh that is: a suspended seventh chord is a dominant with a fourth for its
third, which music21 and MuseScore read as what it is.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from hrpe_jax.theory.chord import Chord, bass_name, lead_sheet_text, root_name
from hrpe_jax.theory.key import Key

_SAID_BY_DEGREE = {"7b9": "7", "7#9": "7", "7#11": "7", "add9": "", "minadd9": "m", "maj7#5": "maj7"}
"""Qualities whose degrees are printed behind what the kind's text says; elsewhere the text says all."""

# A quality as MusicXML's kind and (degree, alteration, type).
_KINDS: dict[str, tuple[str, tuple[tuple[int, int, str], ...]]] = {
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
        kind, degrees = _KINDS[chord.quality]
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
    """A new child with a text."""
    element = SubElement(parent, tag)
    element.text = text
    return element


def _alter(parent: Element, tag: str, name: str) -> None:
    if len(name) > 1:
        text_element(parent, tag, str(name.count("#") - name.count("b")))
