"""Harmonic function: what a chord does in its key, as a code for models and as a roman numeral for people.

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
"""

from __future__ import annotations

from functools import cache

from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
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
