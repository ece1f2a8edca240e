"""Roman numerals in: "ii65", "bVII", "V7/V", "viiø7", "i6" and a key give a chord; `function` writes them.

    [b or #] I..VII or i..vii [quality] [figures] [/numeral]

Upper case has a major third, lower case a minor one. Accidentals are against the key's own scale: in A minor
III is C. bIII, bVI and bVII, which many write in minor too, are III, VI and VII there, and a diminished vii
stands on the raised leading tone. The quality is written as on a
lead sheet: `7` is a minor seventh, `maj7` a major one, `°` or `o` diminished, `ø` half-diminished, `+`
augmented, `add6` the added sixth. Figures name inversions: 6 and 64 of a triad, 65, 43 and 42 (or 2) of a
seventh chord. After a slash stands the degree that an applied chord leads to.

Nashville numbers ("1 6- 4 5", "57", "b7", "1/3") are degrees of the major scale on the tonic, in minor too. A
number alone is a major chord.
"""

from __future__ import annotations

import re

from hrpe_jax.theory.chord import Chord, ChordError, parse_lead_sheet
from hrpe_jax.theory.key import MAJOR_SCALE, Key, Mode
from hrpe_jax.theory.quality import CHORD_TONES

_DEGREES = ("I", "II", "III", "IV", "V", "VI", "VII")
_NUMERAL = r"([b#♭♯]{0,2})(VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)"
_FIGURES = {"64": (2, ""), "65": (1, "7"), "43": (2, "7"), "42": (3, "7"), "6": (1, ""), "2": (3, "7")}
_SIGNS = str.maketrans({"o": "°", "º": "°", "Ø": "ø", "0": "ø"})


def is_roman(text: str) -> bool:
    """Whether a label begins as a roman numeral does; no chord symbol or Harte label does."""
    return re.match(_NUMERAL, text.strip()) is not None


def parse_roman(text: str, key: Key) -> Chord:
    """Reads a roman numeral in a key.

    Raises:
        ChordError: naming the text, if it is none.
    """
    label = text.strip()
    applied = re.fullmatch(rf"(.+)/{_NUMERAL}", label)
    if applied is not None:
        degree = applied[3]
        mode: Mode = "minor" if degree.islower() else "major"
        key, label = Key(_root(applied[2], degree, key, raised=False), mode), applied[1]
    match = re.fullmatch(rf"{_NUMERAL}(.*)", label)
    chord = None if match is None else _chord(match[1], match[2], match[3], key)
    if chord is None:
        raise ChordError(
            f"chord label {text[:40]!r}: expected a roman numeral, such as ii7, V65, bVII, viiø7, I64 or V7/V"
        )
    return chord


_NASHVILLE = re.compile(
    r"(?P<sign>[b#♭♯]?)(?P<degree>[1-7])(?P<rest>[^/]*)(?:/(?P<low>[b#♭♯]?)(?P<bass>[1-7]))?"
)


def is_nashville(text: str) -> bool:
    """Whether a label begins as a Nashville number does; no chord symbol, Harte label or numeral does."""
    return re.match(r"[b#♭♯]?[1-7]", text.strip()) is not None


def parse_nashville(text: str, key: Key) -> Chord:
    """Reads a Nashville number in a key: "1", "6-", "57", "b7", "2m7", "1/3".

    Raises:
        ChordError: naming the text, if it is none.
    """
    match = _NASHVILLE.fullmatch(text.strip())
    try:
        if match is None:
            raise ChordError(text)
        chord = parse_lead_sheet(f"C({match['rest']})")
    except ChordError:
        raise ChordError(
            f"chord label {text!r}: expected a Nashville number, such as 1, 6-, 57, b7, 4maj7 or 1/3"
        ) from None
    root = _degree(match["sign"], match["degree"], key)
    bass = root if match["bass"] is None else _degree(match["low"], match["bass"], key)
    written = chord.written and chord.written._replace(root="")
    return Chord(root, chord.quality, bass, None if written is None or written.exact else written)


def _degree(sign: str, degree: str, key: Key) -> int:
    """Pitch class of a degree of the major scale on the tonic."""
    return (key.tonic + MAJOR_SCALE[int(degree) - 1] + {"": 0, "#": 1, "♯": 1}.get(sign, -1)) % 12


def _chord(sign: str, numeral: str, rest: str, key: Key) -> Chord | None:
    minor = numeral.islower()
    quality, inversion = _suffix(rest, minor)
    diminished = quality.startswith(("dim", "m7b5"))
    root = _root(sign, numeral, key, raised=diminished)
    try:
        chord = parse_lead_sheet(f"C({quality})")  # in brackets a leading sign cannot join the C
    except ChordError:
        return None
    tones = CHORD_TONES[chord.quality]
    if inversion >= len(tones):
        return None
    return Chord(root, chord.quality, (root + tones[inversion]) % 12)


def _root(sign: str, numeral: str, key: Key, raised: bool) -> int:
    """Pitch class of a degree; in minor a `raised` seventh is the leading tone."""
    degree = _DEGREES.index(numeral.upper())
    shift = sign.count("#") + sign.count("♯") - sign.count("b") - sign.count("♭")
    minor = key.mode == "minor"
    leading = raised and degree == 6 and minor and not sign
    if minor and shift == -1 and degree in (2, 5, 6):
        shift = 0
    return (key.scale[degree] + shift + leading) % 12


def _suffix(rest: str, minor: bool) -> tuple[str, int]:
    """A lead-sheet suffix and the index of the chord tone in the bass."""
    text, inversion = rest, 0
    kind = re.match(r"(dim|°|o|º|ø|Ø|0|\+|aug)", text)
    symbol = kind[1].translate(_SIGNS) if kind and len(kind[1]) == 1 else kind[1] if kind else ""
    text = text[len(kind[0]) :] if kind else text
    for figures, (bass, seventh) in _FIGURES.items():
        if text == figures or text == f"maj{figures}":
            inversion = bass
            text = text.removesuffix(figures) + seventh
            break
    text = text.replace("add6", "6")
    if symbol == "ø":
        return "m7b5" + text.removeprefix("7"), inversion
    if symbol in ("°", "dim"):
        return "dim" + text, inversion
    if symbol in ("+", "aug"):
        return "+" + text, inversion
    return ("m" if minor else "") + text, inversion
