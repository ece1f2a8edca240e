"""Harmonic function as a code for models; roman numerals and Nashville numbers, out and in.

The codes: 0 tonic, 1 supertonic, 2 mediant, 3 subdominant, 4 dominant, 5 submediant, 6 leading tone or
subtonic, 7 applied (secondary) dominant, 8 borrowed from the parallel mode, 9 other chromatic, 10 no chord.
The first that fits, in this order:

1. Suspended and power chords have no third to judge by, so the degree of their root decides where it is
   diatonic.
2. Diatonic chords count by degree. Sixths, ninths and beyond are colour and not looked at. Minor has the
   natural scale, and the harmonic one for chords with the raised leading tone (E7, G#dim7, Am(maj7) in A
   minor).
3. A chord of the dominant 7th family, or an augmented triad, on the fifth degree is the dominant however
   altered.
4. Applied dominants: the dominant 7th family or a chromatic major triad a fifth above a diatonic degree other
   than the tonic, or a diminished triad, half- or fully diminished seventh a semitone below one.
5. Borrowed chords: diatonic in the parallel mode, in the sense of 2.

Roman numerals such as "ii65", "bVII", "V7/V", "viiø7", "i6" give a chord in a key:

    [b or #] I..VII or i..vii [quality] [figures] [/numeral]

Upper case has a major third, lower case a minor one. Accidentals are against the key's own scale: in A minor
III is C. bIII, bVI and bVII, which many write in minor too, are III, VI and VII there, and a diminished vii
stands on the raised leading tone. The quality is written as on a lead sheet: `7` is a minor seventh, `maj7` a
major one, `°` or `o` diminished, `ø` half-diminished, `+` augmented, `add6` the added sixth. Figures name
inversions: 6 and 64 of a triad, 65, 43 and 42 (or 2) of a seventh chord. After a slash stands the degree that
an applied chord leads to.

Nashville numbers ("1 6- 4 5", "57", "b7", "1/3") are degrees of the major scale on the tonic, in minor too. A
number alone is a major chord.
"""

from __future__ import annotations

import re
from functools import cache

from hrpe_jax.theory.chord import Chord, ChordError, parse_lead_sheet
from hrpe_jax.theory.key import MAJOR_SCALE, Key, Mode
from hrpe_jax.theory.quality import CHORD_TONES, NO_CHORD, coarse_quality

FUNCTION_NAMES = (
    "tonic", "supertonic", "mediant", "subdominant", "dominant", "submediant", "leading tone or subtonic",
    "applied dominant", "borrowed", "other chromatic", "no chord",
)  # fmt: skip
"""What the codes mean."""

APPLIED, BORROWED, CHROMATIC, NO_FUNCTION = 7, 8, 9, 10

_DOMINANT, _AUGMENTED, _SUSPENDED = 4, 3, 8
_SIXTHS = ("maj6", "min6", "6/9")


def function_code(chord: Chord, key: Key) -> int:
    """The function of a chord in a key, 0 to 10; the bass plays no part.

    Both may be transposed together without changing the answer.

    Example:
        >>> from hrpe_jax.theory.chord import parse_lead_sheet
        >>> function_code(parse_lead_sheet("D7"), Key.parse("C major"))  # applied dominant
        7
    """
    return _function(chord.quality, (chord.root - key.tonic) % 12, key.mode == "minor")


@cache  # at most 33 * 12 * 2 answers
def _function(quality: str, root: int, minor: bool) -> int:
    """`function_code` with the root counted from the tonic."""
    if quality == NO_CHORD:
        return NO_FUNCTION
    scale = _scale(minor)
    family = coarse_quality(quality)
    if family == _SUSPENDED and root in scale:
        return scale.index(root)
    degree = _diatonic_degree(quality, root, minor)
    if degree is not None:
        return degree
    if root == 7 and family in (_DOMINANT, _AUGMENTED):
        return 4
    if _applied_target(quality, root, minor) is not None:
        return APPLIED
    if _diatonic_degree(quality, root, not minor) is not None:
        return BORROWED
    return CHROMATIC


def _scale(minor: bool) -> tuple[int, ...]:
    return Key(0, "minor" if minor else "major").scale


def _diatonic_degree(quality: str, root: int, minor: bool) -> int | None:
    """Scale degree 0-6 of the root if the chord's third, fifth and seventh lie in the scale, else None."""
    tones = CHORD_TONES[quality][: 3 if quality in _SIXTHS else 4]
    notes = {(root + tone) % 12 for tone in tones if tone < 12}
    scale = _scale(minor)
    if root in scale and notes <= set(scale):
        return scale.index(root)
    if minor:  # the harmonic scale: the leading tone takes the subtonic's place
        harmonic = (*scale[:6], 11)
        # Only where it is the root, third, fifth or seventh: elsewhere it would be a misspelled note, as
        # the G# of F minor in A minor, which is an A flat.
        if root in (0, 3, 7, 11) and notes <= set(harmonic):
            return harmonic.index(root)
    return None


def _applied_target(quality: str, root: int, minor: bool) -> int | None:
    """The pitch class, counted from the tonic, that the chord is an applied dominant of, or None."""
    family = coarse_quality(quality)
    if family in (0, _DOMINANT):
        target = (root + 5) % 12
    elif family in (2, 7):
        target = (root + 1) % 12
    else:
        return None
    return target if target != 0 and target in _scale(minor) else None


_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")
_SUFFIXES = {
    "maj": "", "min": "", "dim": "°", "aug": "+", "maj6": "add6", "min6": "add6", "min7": "7",
    "minmaj7": "maj7", "dim7": "°7", "hdim7": "ø7", "minadd9": "add9", "min9": "9", "min11": "11",
    "6/9": "add6/9",
}  # fmt: skip
_TRIAD_FIGURES = ("", "6", "64", "")
_SEVENTH_FIGURES = ("7", "65", "43", "42")


def roman_numeral(chord: Chord, key: Key) -> str:
    """The chord's roman numeral: "I", "ii65", "V7", "bVII", "viiø7", "V7/V", "vii°7/vi"; "N" for no chord.

    Upper case for a major third (and for chords without a third), lower for a minor one. Accidentals are
    against the key's own scale, so that the triad on C in A minor is III. Triads and sevenths show their
    inversion in figured bass. "add6" is the added sixth, since "I6" is the first inversion.

    Example:
        >>> from hrpe_jax.theory.chord import parse_lead_sheet
        >>> roman_numeral(parse_lead_sheet("D7"), Key.parse("C major"))
        'V7/V'
    """
    if chord.is_none:
        return NO_CHORD
    minor = key.mode == "minor"
    root = (chord.root - key.tonic) % 12
    quality = _figures(chord)
    upper = 3 not in CHORD_TONES[chord.quality]
    if function_code(chord, key) == APPLIED:
        target = _applied_target(chord.quality, root, minor)
        assert target is not None
        applied = "V" if upper else "vii"
        return f"{applied}{quality}/{_target_numeral(target, minor)}"
    numeral = _degree_name(root, minor)
    return (numeral if upper else numeral.lower()) + quality


def _figures(chord: Chord) -> str:
    """Quality and inversion as written after the numeral."""
    suffix = _SUFFIXES.get(chord.quality, chord.quality)
    tones = CHORD_TONES[chord.quality]
    if chord.inversion and coarse_quality(chord.quality) != _SUSPENDED:
        if len(tones) == 3:
            return suffix + _TRIAD_FIGURES[chord.inversion]
        if len(tones) == 4 and suffix.endswith("7"):
            return suffix.removesuffix("7") + _SEVENTH_FIGURES[chord.inversion]
    return suffix


def _degree_name(root: int, minor: bool) -> str:
    """Numeral of a pitch class counted from the tonic, with an accidental where it is off the scale."""
    scale = _scale(minor)
    if root in scale:
        return _NUMERALS[scale.index(root)]
    if minor and root == 11:
        return "VII"  # the raised leading tone is written plainly; its quality tells it from the subtonic
    if root == 6 or (minor and root != 1):  # #IV, and in minor #III and #VI
        return "#" + _NUMERALS[scale.index(root - 1)]
    return "b" + _NUMERALS[scale.index(root + 1)]


def _target_numeral(target: int, minor: bool) -> str:
    """Numeral of a diatonic degree in the case of its own triad."""
    scale = _scale(minor)
    numeral = _NUMERALS[scale.index(target)]
    return numeral if (target + 4) % 12 in scale else numeral.lower()


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

    Example:
        >>> str(parse_roman("V7/V", Key.parse("C major")))
        'D:7'
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

    Example:
        >>> str(parse_nashville("6-", Key.parse("D major")))
        'B:min'
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
