"""Chord symbols as notes to play: a bass note and a close right hand that moves as little as it can.

The right hand leaves out what the ear does not miss (the root of a five-note chord, the fifth of an
eleventh), since the bass has the root or the player's left hand implies it.
"""

from __future__ import annotations

from dataclasses import dataclass

from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.quality import CHORD_TONES

BASS_LOW, BASS_HIGH = 36, 52
"""C2 to E3: above the mud, below the right hand."""

_HAND_LOW, _HAND_HIGH, _HAND_CENTRE = 53, 76, 63
_BASS_CENTRE = 43


@dataclass(frozen=True)
class Voicing:
    """MIDI pitches of one chord: the bass, and the upper notes from low to high."""

    bass: int
    upper: tuple[int, ...]

    @property
    def pitches(self) -> tuple[int, ...]:
        """All notes, bass first."""
        return (self.bass, *self.upper)


def voice_chord(chord: Chord, previous: Voicing | None = None) -> Voicing:
    """The voicing of a chord nearest to the one before it.

    Args:
        chord: any chord but the no-chord.
        previous: what was played before; None at the start.

    Returns:
        A bass in C2..E3 and two to four upper notes in close position in F3..E5.
    """
    return Voicing(_bass(chord.bass, previous), _upper(chord, previous))


def voice_progression(chords: list[Chord]) -> list[Voicing | None]:
    """Voicings of a progression, each led from the one before; None for no-chords."""
    voicings: list[Voicing | None] = []
    last: Voicing | None = None
    for chord in chords:
        if chord.is_none:
            voicings.append(None)
            continue
        last = voice_chord(chord, last)
        voicings.append(last)
    return voicings


def _bass(pitch_class: int, previous: Voicing | None) -> int:
    """Of the octaves in range, the nearest to the last bass, with a pull to the middle against drift."""
    options = [pitch for pitch in range(BASS_LOW, BASS_HIGH + 1) if pitch % 12 == pitch_class]
    last = previous.bass if previous else _BASS_CENTRE
    return min(options, key=lambda pitch: (abs(pitch - last) + 0.5 * abs(pitch - _BASS_CENTRE), pitch))


def _upper(chord: Chord, previous: Voicing | None) -> tuple[int, ...]:
    tones = [(chord.root + tone) % 12 for tone in _hand_tones(chord)]
    options = [
        notes
        for lowest in range(_HAND_LOW, _HAND_HIGH)
        if lowest % 12 in tones and (notes := _close_position(tones, lowest))[-1] <= _HAND_HIGH
    ]

    def cost(notes: tuple[int, ...]) -> tuple[float, int]:
        middle = sum(notes) / len(notes)
        moved = abs(middle - _HAND_CENTRE) * 0.5
        if previous:
            moved += sum(min(abs(note - old) for old in previous.upper) for note in notes)
            moved += abs(notes[-1] - previous.upper[-1])  # the top note is the one heard
        semitone_on_top = len(notes) > 2 and notes[-1] - notes[-2] == 1
        return moved + 3.0 * semitone_on_top, notes[0]

    return min(options, key=cost)


def _hand_tones(chord: Chord) -> tuple[int, ...]:
    """At most four tones over the root: first the root goes, if the bass has it, then the fifth."""
    tones = CHORD_TONES[chord.quality]
    for spare in (0, 7, 14) if chord.bass == chord.root else (7, 0, 14):
        if len(tones) > 4:
            tones = tuple(tone for tone in tones if tone != spare)
    return tones


def _close_position(tones: list[int], lowest: int) -> tuple[int, ...]:
    """The tones stacked upward from `lowest` within one octave."""
    return tuple(sorted(lowest + (tone - lowest) % 12 for tone in tones))
