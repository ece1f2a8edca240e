"""Chords as values, and their labels in and out.

Two spellings are read and written: Harte's ("C#:min7/b3"; C. Harte et al., "Symbolic Representation of
Musical Chords", ISMIR 2005), where a bass is a degree over the root, and the lead-sheet spelling ("C#m7/E"),
where it is a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

from hrpe_jax.theory.chord_parser import MAX_LABEL, ParsedLabel, parse_harte_text, parse_lead_sheet_text
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.pitch import fifths_name, fifths_position, pitch_class_name
from hrpe_jax.theory.quality import (
    CHORD_TONES,
    INTERVALS,
    NO_CHORD,
    QUALITIES,
    coarse_quality,
    nearest_quality,
)

__all__ = [
    "CHORD_TONES",
    "QUALITIES",
    "Chord",
    "ChordError",
    "Written",
    "bass_name",
    "coarse_quality",
    "interval_fifths",
    "lead_sheet_suffix",
    "lead_sheet_text",
    "nearest_quality",
    "parse_harte",
    "parse_lead_sheet",
    "root_name",
    "to_harte",
    "to_lead_sheet",
]


class ChordError(ValueError):
    """A chord that cannot be: the message names the label or the field."""


class Written(NamedTuple):
    """How somebody wrote a chord, so that it is shown that way.

    Attributes:
        root: "C#", where the key would say Db; empty where the key decides.
        suffix: "maj7#11", "7alt"; None for the usual one of the quality.
        bass: as root.
        exact: whether the chord has just the notes that were written.
    """

    root: str = ""
    suffix: str | None = None
    bass: str = ""
    exact: bool = True


@dataclass(frozen=True)
class Chord:
    """A chord symbol without duration.

    Chords with the same notes over the same bass are equal, however they were written.

    Attributes:
        root: pitch class 0-11; 0 where there is no chord.
        quality: one of `QUALITIES`, or "N" for no chord.
        bass: pitch class of the lowest note. None, when making one, means the root; once made it is an
            integer.
        written: how it was written; None where nobody wrote it.

    Raises:
        ChordError: if a field is outside its range.
    """

    NONE: ClassVar[Chord]

    root: int
    quality: str
    bass: int = None  # type: ignore[assignment]  # None only on the way in, so readers need not ask
    written: Written | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.quality not in CHORD_TONES:
            raise ChordError(f"chord quality {self.quality!r}: expected one of {', '.join(QUALITIES)} or N")
        if self.quality == NO_CHORD:  # one value only, so that no-chords compare equal
            object.__setattr__(self, "root", 0)
            object.__setattr__(self, "bass", 0)
            object.__setattr__(self, "written", None)
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

    @property
    def is_exact(self) -> bool:
        """Whether the chord has just the notes that were written: False of an Abmaj7#11 that is Abmaj7."""
        return self.written is None or self.written.exact

    def is_same(self, other: Chord) -> bool:
        """Whether two chords are equal and, where the vocabulary cannot hold them, were written alike."""
        if self != other:
            return False
        return (self.is_exact and other.is_exact) or self.written == other.written

    @classmethod
    def from_intervals(cls, root: int, intervals: Iterable[int], bass: int | None = None) -> Chord:
        """The nearest chord of the vocabulary to semitones over a root, in any octave.

        Args:
            root: pitch class.
            intervals: semitones over the root.
            bass: pitch class; None for the root.
        """
        return cls(root % 12, nearest_quality(intervals), root % 12 if bass is None else bass % 12)

    def absorb_bass(self) -> Chord:
        """The chord with a foreign bass made one of its notes, where the vocabulary has such a chord.

        A:min/b7 becomes A:min7/b7 and C:maj/9 becomes C:maj(9)/9: the same notes, but the inversion now says
        the bass. Any other chord is returned as it is.
        """
        interval = (self.bass - self.root) % 12
        if self.is_none or interval in INTERVALS[self.quality]:
            return self
        notes = INTERVALS[self.quality] | {interval}
        same = next((quality for quality in QUALITIES if INTERVALS[quality] == notes), self.quality)
        return Chord(self.root, same, self.bass, self.written)

    def transpose(self, semitones: int) -> Chord:
        """The chord so many semitones higher, its root spelled by the key; no chord stays no chord."""
        if self.is_none or not semitones % 12:
            return self
        written = self.written and self.written._replace(root="", bass="")
        return Chord((self.root + semitones) % 12, self.quality, (self.bass + semitones) % 12, written)

    def __str__(self) -> str:
        return to_harte(self)


Chord.NONE = Chord(0, NO_CHORD)

_NONE_LABELS = frozenset({"n", "nc", "n.c.", "n.c", "no chord", "none", "x", "tacet", "silence"})
_BASS_DEGREES = ("1", "b9", "9", "b3", "3", "11", "b5", "5", "#5", "13", "b7", "7")
# Shorthands of qualities that Harte's syntax spells with a degree list.
_HARTE_NAMES = {
    "7sus4": "sus4(b7)",
    "9sus4": "sus4(b7,9)",
    "5": "(1,5)",
    "add9": "maj(9)",
    "minadd9": "min(9)",
    "6/9": "maj6(9)",
    "7b9": "7(b9)",
    "7#9": "7(#9)",
    "7#11": "7(#11)",
    "7#5": "aug(b7)",
    "maj7#5": "aug(7)",
}
_LEAD_NAMES = {
    "maj": "",
    "min": "m",
    "aug": "+",
    "maj6": "6",
    "min6": "m6",
    "min7": "m7",
    "minmaj7": "m(maj7)",
    "hdim7": "m7b5",
    "minadd9": "m(add9)",
    "min9": "m9",
    "min11": "m11",
    "7b9": "7(b9)",
    "7#9": "7(#9)",
    "7#11": "7(#11)",
    "7#5": "7(#5)",
    "maj7#5": "maj7(#5)",
}
# Steps along the line of fifths for each interval over the root, so that the third of D is spelled F#, not
# Gb.
_FIFTH_STEPS = (0, -5, 2, -3, 4, -1, -6, 1, -4, 3, -2, 5)
_FIFTH_STEPS_OF = {
    ("aug", 8): 8,
    ("7#5", 8): 8,
    ("maj7#5", 8): 8,
    ("7#11", 6): 6,
    ("7#9", 3): 9,
    ("dim7", 9): -9,
}
_LEADING = 5  # steps from a note to its leading tone


def parse_harte(label: str) -> Chord:
    """Read a label in Harte's syntax: "C#:min7/b3", "C:(1,5)", "A:sus4(b7,9)", "G", "N".

    Degree lists that are no quality of the vocabulary go to the nearest one (see `nearest_quality`). "X", an
    unknown chord, is read as no chord.

    Raises:
        ChordError: naming the label, if it is not in this syntax.

    Example:
        >>> parse_harte("G:7/3")
        Chord(root=7, quality='7', bass=11)
        >>> sorted(parse_harte("G:7/3").pitch_classes)
        [2, 5, 7, 11]
    """
    return _chord(label, parse_harte_text, "Harte's syntax, such as C:maj7, F#:min/b3 or N")


def parse_lead_sheet(label: str) -> Chord:
    """Read a chord as musicians write it: "F#m7b5/C", "Bb", "CΔ7", "G7sus4", "C-7", "Eø", "A7(#9)", "N.C.".

    Raises:
        ChordError: naming the label, if some part of it has no meaning.

    Example:
        >>> parse_lead_sheet("F#m7b5/C")
        Chord(root=6, quality='hdim7', bass=0)
        >>> parse_lead_sheet("Cmaj7").quality
        'maj7'
    """
    return _chord(label, parse_lead_sheet_text, "a lead-sheet chord, such as Cmaj7, F#m7b5/C or N.C.")


def _chord(label: str, parse: Callable[[str], ParsedLabel | None], expected: str) -> Chord:
    text = label.strip()
    if text.lower() in _NONE_LABELS:
        return Chord.NONE
    parsed = parse(text) if text else None
    if parsed is None:
        shown = label if len(label) <= MAX_LABEL else f"{label[:40]}..."
        raise ChordError(f"chord label {shown!r}: expected {expected}")
    quality = nearest_quality(parsed.intervals)
    exact = (parsed.intervals | {0}) == INTERVALS[quality]
    written = Written(parsed.root_text, parsed.suffix, parsed.bass_text, exact)
    return Chord(parsed.root, quality, parsed.bass, written)


def root_name(chord: Chord, key: Key | None) -> str:
    """Name of a chord's root: as it was written, else by the key; those of chromatic diminished chords are
    leading tones: C#dim7 in C major."""
    if chord.written is not None and chord.written.root:
        return chord.written.root
    if key is None:
        return pitch_class_name(chord.root)
    target = (chord.root + 1) % 12
    scale = key.scale
    # ... of the degrees that have a perfect fifth, so that their chord can be led to.
    if (
        chord.quality in ("dim", "dim7")
        and chord.root not in scale
        and {target, (target + 7) % 12} <= {*scale}
    ):
        position = fifths_position(key.spell(target)) + _LEADING
        if position < 12:
            return fifths_name(position)
    return key.spell(chord.root)


def interval_fifths(quality: str, interval: int) -> int | None:
    """Steps along the line of fifths from a chord's root to one of its notes.

    Args:
        quality: of the chord.
        interval: semitones over the root, 0 to 11.

    Returns:
        4 for a major third, -3 for a minor one, 9 for a sharp ninth; None where the chord has no such note.
    """
    if interval not in INTERVALS[quality]:
        return None
    return _FIFTH_STEPS_OF.get((quality, interval), _FIFTH_STEPS[interval])


def to_harte(chord: Chord, key: Key | None = None) -> str:
    """Harte's label of a chord, its root spelled by the key: "C#:min7/b3".

    Example:
        >>> to_harte(parse_lead_sheet("Bbm7"))
        'Bb:min7'
    """
    if chord.is_none:
        return NO_CHORD
    degree = _BASS_DEGREES[(chord.bass - chord.root) % 12]
    bass = "" if chord.bass == chord.root else f"/{degree}"
    return f"{root_name(chord, key)}:{_HARTE_NAMES.get(chord.quality, chord.quality)}{bass}"


def lead_sheet_suffix(quality: str) -> str:
    """What follows the root in a lead-sheet symbol: "m7b5" of a half-diminished seventh, "" of a triad."""
    return _LEAD_NAMES.get(quality, quality)


def bass_name(chord: Chord, key: Key | None = None) -> str:
    """Name of the bass: as it was written, else as the chord has it: E over C, F# over D7, Ab (not G#) over
    Fm."""
    if chord.written is not None and chord.written.bass:
        return chord.written.bass
    interval = (chord.bass - chord.root) % 12
    steps = _FIFTH_STEPS_OF.get((chord.quality, interval), _FIFTH_STEPS[interval])
    bass = fifths_name(fifths_position(root_name(chord, key)) + steps)
    return bass if len(bass) < 3 else pitch_class_name(chord.bass)


def lead_sheet_text(chord: Chord) -> str:
    """What follows the root in the symbol of a chord: as it was written, else as its quality is."""
    if chord.written is not None and chord.written.suffix is not None:
        return chord.written.suffix
    return lead_sheet_suffix(chord.quality)


def to_lead_sheet(chord: Chord, key: Key | None = None, *, as_written: bool = True) -> str:
    """The chord as musicians write it: "F#m7b5/C"; "N.C." for no chord.

    Args:
        chord: as it was written, where somebody wrote it.
        key: spells the root of a chord that nobody wrote.
        as_written: False names what the vocabulary holds, spelled by the key.

    Example:
        >>> to_lead_sheet(parse_harte("Eb:min7"))
        'Ebm7'
    """
    if chord.is_none:
        return "N.C."
    if not as_written:
        chord = replace(chord, written=None)
    name = root_name(chord, key) + lead_sheet_text(chord)
    return name if chord.bass == chord.root else f"{name}/{bass_name(chord, key)}"
