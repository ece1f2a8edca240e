"""Pitch classes and note names: C = 0 to B = 11, and C4 = MIDI note 60.

Spelling goes along the line of fifths (... Bb -2, F -1, C 0, G 1, D 2 ...): a pitch class is given the name
that lies nearest to the key, which is how musicians choose between F# and Gb (Temperley, The Cognition of
Basic Musical Structures, 2001, ch. 5).
"""

from __future__ import annotations

import re

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_FIFTHS = "FCGDAEB"
_ACCIDENTALS = {"#": 1, "♯": 1, "x": 2, "𝄪": 2, "b": -1, "♭": -1, "𝄫": -2}

NOTE_PATTERN = r"[A-Ga-g](?:[#♯x𝄪]{1,3}|[b♭𝄫]{1,3})?"
"""Regular expression of a pitch class name."""


def parse_pitch_class(text: str) -> int:
    """Pitch class 0-11 of a name such as "C", "F#", "Bb", "E♭" or "Fx".

    Raises:
        ValueError: if it is not a note name.

    Example:
        >>> parse_pitch_class("Bb")
        10
    """
    if not re.fullmatch(NOTE_PATTERN, text):
        raise ValueError(f"note {text!r}: expected a letter A to G with sharps (#) or flats (b)")
    return (_LETTERS[text[0].upper()] + sum(_ACCIDENTALS[sign] for sign in text[1:])) % 12


def fifths_name(position: int) -> str:
    """Name of a place on the line of fifths: 0 = C, 1 = G, -2 = Bb, 6 = F#."""
    accidental, letter = divmod(position + 1, 7)
    return _FIFTHS[letter] + ("#" * accidental if accidental > 0 else "b" * -accidental)


def fifths_position(name: str) -> int:
    """Place of a pitch class name on the line of fifths; inverse of `fifths_name`."""
    parse_pitch_class(name)
    return _FIFTHS.index(name[0].upper()) - 1 + 7 * sum(_ACCIDENTALS[sign] for sign in name[1:])


def pitch_class_name(pitch_class: int, fifths: int = -1, flat_reach: int = 4) -> str:
    """Name of a pitch class in a key.

    Args:
        pitch_class: any integer, taken modulo 12.
        fifths: the key signature, sharps positive. The default spells C C# D Eb E F F# G Ab A Bb B apart from
            writing Db for C#.
        flat_reach: how many fifths to the flat side of the signature's major tonic names may lie; the other
            11 - n lie to the sharp side. 5 suits chord roots in major (Db ... F# in C), 3 suits minor (Eb ...
            G# in a).

    Returns:
        A name with at most one accidental.
    """
    low = fifths - flat_reach
    position = low + (pitch_class * 7 - low) % 12
    if position > 12:  # beyond B#: a double sharp
        position -= 12
    elif position < -8:  # beyond Fb: a double flat
        position += 12
    return fifths_name(position)


def midi_name(pitch: int, fifths: int = 0) -> str:
    """Name with octave of a MIDI note: 60 -> "C4", 61 -> "C#4" or "Db4" by key signature.

    Example:
        >>> midi_name(61), midi_name(61, fifths=-5)
        ('C#4', 'Db4')
    """
    name = pitch_class_name(pitch, fifths, flat_reach=3)
    natural = pitch - sum(_ACCIDENTALS[sign] for sign in name[1:])
    return f"{name}{natural // 12 - 1}"


def parse_midi_name(text: str) -> int:
    """MIDI number of a name with octave: "C4" -> 60, "B#3" -> 60.

    Raises:
        ValueError: if it is not such a name or lies outside 0..127.
    """
    match = re.fullmatch(rf"({NOTE_PATTERN})(-?\d)", text)
    if match is None:
        raise ValueError(f"note {text!r}: expected a name and an octave, such as C4 or F#3")
    name = match[1]
    pitch = (
        12 * (int(match[2]) + 1) + _LETTERS[name[0].upper()] + sum(_ACCIDENTALS[sign] for sign in name[1:])
    )
    if not 0 <= pitch <= 127:
        raise ValueError(f"note {text!r}: outside the MIDI range C-1 to G9")
    return pitch
