"""Names of melody notes: whether the black key is C# or Db, by key, chord and the way the line goes on.

A name is a place on the line of fifths (see `pitch`). In this order: notes that make the chord what it is
(its root, third and fifth) are named as in the chord, notes of the scale as in the key (in minor with the
raised leading tone and sixth), the chord's other notes as in the chord; what is left is chromatic and leads:
a note a semitone below the next is named as its leading tone (F# to G), one a semitone above as its upper
neighbour (Ab to G); only the raised fourth stays raised on its way down, as the chromatic scale is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from hrpe_jax.theory.chord import Chord, interval_fifths, root_name
from hrpe_jax.theory.key import MAJOR_SCALE, Key
from hrpe_jax.theory.pitch import fifths_name, fifths_position, pitch_class_name

_FLATTEST, _SHARPEST = -8, 13
"""Fb to F##: names beyond are not written. F## is the leading tone of G# minor."""
_CORE = (0, 3, 4, 6, 7)
_LEADING, _UPPER = 5, -5
"""Steps on the line of fifths from a note to the one a minor second below it, and above it."""


@dataclass(frozen=True)
class NoteName:
    """A note as it is written.

    Attributes:
        step: "A" to "G".
        alter: semitones up (sharps) or down (flats), -2 to 2.
        octave: that of the letter: B#3 sounds as C4.
    """

    step: str
    alter: int
    octave: int

    @property
    def pitch(self) -> int:
        """MIDI number."""
        return 12 * (self.octave + 1) + MAJOR_SCALE["CDEFGAB".index(self.step)] + self.alter

    def __str__(self) -> str:
        return self.step + ("#" * self.alter if self.alter > 0 else "b" * -self.alter) + str(self.octave)


def spell_note(pitch: int, key: Key, chord: Chord = Chord.NONE, following: int | None = None) -> NoteName:
    """The name of a melody note.

    Args:
        pitch: MIDI number.
        key: of the piece.
        chord: what sounds under it.
        following: MIDI number of the next note; None at the end of a phrase.

    Example:
        >>> str(spell_note(61, Key.parse("Ab major"))), str(spell_note(61, Key.parse("A major")))
        ('Db4', 'C#4')
    """
    pitch_class = pitch % 12
    name = fifths_name(_position(pitch_class, key, chord, None if following is None else following - pitch))
    alter = name.count("#") - name.count("b")
    return NoteName(name[0], alter, (pitch - alter) // 12 - 1)


def _position(pitch_class: int, key: Key, chord: Chord, step: int | None) -> int:
    """Place on the line of fifths."""
    scale = _scale_names(key)
    in_chord = _chord_position(pitch_class, key, chord)
    if in_chord is not None and (pitch_class - chord.root) % 12 in _CORE:
        return in_chord
    if pitch_class in scale:
        return scale[pitch_class]
    if in_chord is not None:
        return in_chord
    raised_fourth = (7 * key.fifths + 6) % 12
    if step == 1 or (step == -1 and pitch_class != raised_fourth):
        target = scale.get((pitch_class + step) % 12)
        if target is not None:
            position = target + (_LEADING if step == 1 else _UPPER)
            if _FLATTEST <= position <= _SHARPEST:
                return position
    return fifths_position(pitch_class_name(pitch_class, key.fifths, flat_reach=3))


def _chord_position(pitch_class: int, key: Key, chord: Chord) -> int | None:
    """As a note of the chord; None where it is none of them."""
    if pitch_class not in chord.pitch_classes:
        return None
    steps = interval_fifths(chord.quality, (pitch_class - chord.root) % 12)
    if steps is None:  # a foreign bass
        return None
    position = fifths_position(root_name(chord, key)) + steps
    return position if _FLATTEST <= position <= _SHARPEST else None


def _scale_names(key: Key) -> dict[int, int]:
    """Pitch class -> place on the line of fifths, for the notes of the scale."""
    names = {position * 7 % 12: position for position in range(key.fifths - 1, key.fifths + 6)}
    if (
        key.mode == "minor"
    ):  # its tonic lies three fifths above the signature's, the raised degrees above that
        for position in (key.fifths + 6, key.fifths + 8):
            names.setdefault(position * 7 % 12, position)
    return names
