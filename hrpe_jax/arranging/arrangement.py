"""What a band plays: notes in parts, with times between ticks; swing, and small differences of a player."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from hrpe_jax.theory.meter import TICKS_PER_QUARTER

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


_LATEST = 0.02
"""Seconds by which a note is early or late at most."""
_SPREAD = {DRUM_TRACK: 0.004, "BASS": 0.005}
"""Standard deviations of times in seconds; of others `_OTHER_SPREAD`."""
_OTHER_SPREAD, _LOUDNESS = 0.007, 5.0


def swing_tick(tick: float, swing: float) -> float:
    """Where a place of the grid is played.

    Args:
        tick: 12 to the quarter.
        swing: share of a beat that its first eighth has.

    Returns:
        The tick, later in the middle of beats; beats stay.
    """
    beat, inside = divmod(tick, TICKS_PER_QUARTER)
    half = TICKS_PER_QUARTER / 2
    first = TICKS_PER_QUARTER * swing
    if inside <= half:
        inside = inside / half * first
    else:
        inside = first + (inside - half) / half * (TICKS_PER_QUARTER - first)
    return beat * TICKS_PER_QUARTER + inside


def even_tick(tick: float, swing: float) -> float:
    """Where a place that was played with swing stands on the grid; the inverse of `swing_tick`."""
    if not 0 < swing < 1:
        return tick
    beat, inside = divmod(tick, TICKS_PER_QUARTER)
    half, first = TICKS_PER_QUARTER / 2, TICKS_PER_QUARTER * swing
    if inside <= first:
        inside = inside / first * half
    else:
        inside = half + (inside - first) / (TICKS_PER_QUARTER - first) * half
    return beat * TICKS_PER_QUARTER + inside


def swing_part(part: Part, swing: float) -> Part:
    """A part with its eighths swung."""
    if swing == 0.5:
        return part
    notes = (
        replace(note, onset=swing_tick(note.onset, swing), end=swing_tick(note.end, swing))
        for note in part.notes
    )
    return replace(part, notes=tuple(notes))


def humanize(arrangement: Arrangement, amount: float, tempo_bpm: float, seed: int) -> Arrangement:
    """The arrangement as people would play it; the melody keeps what was sung.

    Args:
        arrangement: on the grid.
        amount: 0 for none, 1 for as usual, 2 for twice that.
        tempo_bpm: quarter notes a minute.
        seed: equal seeds give equal times and loudnesses.
    """
    if not amount:
        return arrangement
    second = tempo_bpm * TICKS_PER_QUARTER / 60  # ticks
    parts = [
        part
        if part.name == MELODY_TRACK
        else _played(part, amount, second, random.Random(f"{seed} {part.name}"))
        for part in arrangement.parts
    ]
    return replace(arrangement, parts=tuple(parts))


def _played(part: Part, amount: float, second: float, draws: random.Random) -> Part:
    spread = _SPREAD.get(part.name, _OTHER_SPREAD) * amount
    notes: list[PlayedNote] = []
    together: dict[float, tuple[float, float]] = {}  # what is struck at once moves together
    for note in part.notes:
        if note.onset not in together:
            together[note.onset] = draws.gauss(0, spread), draws.gauss(0, _LOUDNESS * amount)
        late, louder = together[note.onset]
        late = max(-_LATEST, min(_LATEST, late + draws.gauss(0, spread / 4))) * second
        onset = max(0.0, note.onset + late)
        velocity = round(note.velocity + louder + draws.gauss(0, _LOUDNESS * amount / 2))
        end = max(note.end, onset + 0.5)
        notes.append(replace(note, onset=onset, end=end, velocity=max(1, min(127, velocity))))
    return replace(part, notes=tuple(notes))
