"""What a band plays: notes in parts, with times that may lie between ticks."""

from __future__ import annotations

from dataclasses import dataclass

MELODY_TRACK, CHORD_TRACK, BASS_TRACK, DRUM_TRACK = "MELODY", "CHORDS", "BASS", "DRUMS"


@dataclass(frozen=True)
class PlayedNote:
    """A note as it is played: ticks (12 to the quarter), MIDI pitch and velocity."""

    onset: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Programs:
    """General MIDI programs, 0 to 127; None for what the style says."""

    melody: int | None = None
    chords: int | None = None
    bass: int | None = None


STYLE_PROGRAMS = Programs()


@dataclass(frozen=True)
class Part:
    """What one player plays.

    Attributes:
        name: of its track, such as "BASS".
        program: General MIDI program, 0 to 127; of drums without meaning.
        notes: by onset.
        drums: whether pitches are drums (MIDI channel 10).
    """

    name: str
    program: int
    notes: tuple[PlayedNote, ...]
    drums: bool = False


@dataclass(frozen=True)
class Arrangement:
    """A piece for a band.

    Attributes:
        band: the style, "none" for the melody alone.
        parts: the melody first.
        swing: share of a beat that its first eighth has; 0.5 for even eighths.
    """

    band: str
    parts: tuple[Part, ...]
    swing: float = 0.5

    def part(self, name: str) -> Part | None:
        """The part with this track name, if it plays."""
        return next((part for part in self.parts if part.name == name), None)
