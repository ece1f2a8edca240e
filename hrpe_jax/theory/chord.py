"""Chords as values, and their labels in and out.

Two spellings are read and written: Harte's ("C#:min7/b3"; C. Harte et al., "Symbolic Representation of Musical
Chords", ISMIR 2005), where a bass is a degree over the root, and the lead-sheet spelling ("C#m7/E"), where it is a
note.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hrpe_jax.theory.key import Key
from hrpe_jax.theory.quality import CHORD_TONES, NO_CHORD, QUALITIES, coarse_quality, nearest_quality

__all__ = [
    "CHORD_TONES",
    "QUALITIES",
    "Chord",
    "ChordError",
    "coarse_quality",
    "nearest_quality",
]


class ChordError(ValueError):
    """A chord that cannot be: the message names the label or the field."""


@dataclass(frozen=True)
class Chord:
    """A chord symbol without duration.

    Attributes:
        root: pitch class 0-11; 0 where there is no chord.
        quality: one of `QUALITIES`, or "N" for no chord.
        bass: pitch class of the lowest note. None, when making one, means the root; once made it is an integer.

    Raises:
        ChordError: if a field is outside its range.
    """

    NONE: ClassVar[Chord]

    root: int
    quality: str
    bass: int = None  # type: ignore[assignment]  # None only on the way in, so readers need not ask

    def __post_init__(self) -> None:
        if self.quality not in CHORD_TONES:
            raise ChordError(f"chord quality {self.quality!r}: expected one of {', '.join(QUALITIES)} or N")
        if self.quality == NO_CHORD:  # one value only, so that no-chords compare equal
            object.__setattr__(self, "root", 0)
            object.__setattr__(self, "bass", 0)
            return
        if not 0 <= self.root <= 11:
            raise ChordError(f"chord root {self.root}: expected a pitch class 0 to 11")
        if self.bass is None:
            object.__setattr__(self, "bass", self.root)
        elif not 0 <= self.bass <= 11:
            raise ChordError(f"chord bass {self.bass}: expected a pitch class 0 to 11")

    @property
    def is_none(self) -> bool:
        """Whether this is the no-chord."""
        return self.quality == NO_CHORD

    @property
    def pitch_classes(self) -> frozenset[int]:
        """The chord's notes, with the bass where it is foreign to the chord; empty for no chord."""
        if self.is_none:
            return frozenset()
        return frozenset((self.root + tone) % 12 for tone in CHORD_TONES[self.quality]) | {self.bass}

    @property
    def inversion(self) -> int:
        """Index of the bass among the first four chord tones: 0 root position (or a foreign bass) to 3."""
        tones = [(self.root + tone) % 12 for tone in CHORD_TONES[self.quality][:4]]
        return tones.index(self.bass) if self.bass in tones else 0

    @property
    def quality_code(self) -> int:
        """The coarse quality 0-9."""
        return coarse_quality(self.quality)

    def transpose(self, semitones: int) -> Chord:
        """The chord so many semitones higher; no chord stays no chord."""
        if self.is_none:
            return self
        return Chord((self.root + semitones) % 12, self.quality, (self.bass + semitones) % 12)



Chord.NONE = Chord(0, NO_CHORD)
