"""MIDI files out: a track for each part of a band, and everything a notation program asks for.

Chord names are lyric events, so that `score_from_midi` gets the very same score back; meters change where
bars are irregular, so that bar lines fall where the score has them. The bytes depend on score and band
alone.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hrpe_jax.arranging.arrange import DEFAULT_BAND, BandOptions, arrange
from hrpe_jax.arranging.arrangement import (
    BASS_TRACK,
    CHORD_TRACK,
    DRUM_TRACK,
    MELODY_TRACK,
    Arrangement,
    Part,
)
from hrpe_jax.score.notation import meter_of
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import Chord, to_lead_sheet
from hrpe_jax.theory.meter import TICKS_PER_QUARTER

if TYPE_CHECKING:
    import pretty_midi

FILE_TICKS_PER_QUARTER = 480

_MIX = {
    MELODY_TRACK: (112, 64, 52),
    CHORD_TRACK: (88, 44, 46),
    BASS_TRACK: (104, 66, 18),
    DRUM_TRACK: (96, 72, 32),
}
"""Volume, place from left to right, and reverb of each part, 0 to 127."""

NO_CHORD_NAME = to_lead_sheet(Chord.NONE)


def write_midi(score: Score, path: str | os.PathLike[str], options: BandOptions = DEFAULT_BAND) -> None:
    """Write a score as a MIDI file.

    Args:
        score: what to write.
        path: the file; its folder must exist.
        options: the band that accompanies it. Chord names are written with any.
    """
    Path(path).write_bytes(midi_bytes(score, arrange(score, options)))


def midi_bytes(score: Score, arrangement: Arrangement | None = None) -> bytes:
    """The MIDI file of a score, a track for each part; equal arguments give equal bytes.

    Args:
        score: what to write.
        arrangement: what is played; None for the band that fits.

    Example:
        >>> from hrpe_jax.theory.key import Key
        >>> from hrpe_jax.theory.meter import Meter
        >>> from hrpe_jax.score.score import Note, Score
        >>> score = Score("a", "A", Key.parse("C major"), Meter(4, 4), 120.0, (Note(0, 48, 60),), ())
        >>> midi_bytes(score)[:4]
        b'MThd'
    """
    import pretty_midi  # here, so that importing this package starts nothing

    arrangement = arrange(score) if arrangement is None else arrangement
    midi = pretty_midi.PrettyMIDI(resolution=FILE_TICKS_PER_QUARTER, initial_tempo=float(score.tempo_bpm))
    seconds = 60.0 / (score.tempo_bpm * TICKS_PER_QUARTER)
    for place, part in enumerate(arrangement.parts):
        # A reader takes the swing out again by the name of the second track.
        swung = f", swing {arrangement.swing:g}" if arrangement.swing != 0.5 and place == 1 else ""
        track = pretty_midi.Instrument(part.program, part.drums, part.name + swung)
        track.notes = [
            pretty_midi.Note(note.velocity, note.pitch, note.onset * seconds, note.end * seconds)
            for note in part.notes
        ]
        if len(arrangement.parts) > 1:
            settings = zip((7, 10, 91), _MIX.get(part.name, _MIX[MELODY_TRACK]), strict=True)
            track.control_changes = [
                pretty_midi.ControlChange(number, value, 0) for number, value in settings
            ]
        midi.instruments.append(track)
    midi.key_signature_changes.append(pretty_midi.KeySignature(score.key.index, 0.0))
    _add_meters(midi, score, seconds)
    for tick, label in _labels(score):
        midi.lyrics.append(pretty_midi.Lyric(label, tick * seconds))
    file = io.BytesIO()
    midi.write(file)
    return file.getvalue()


def part_bytes(part: Part, tempo_bpm: float) -> bytes:
    """A MIDI file of one part alone, set as in a band.

    Args:
        part: what is played; ticks from 0 on.
        tempo_bpm: quarter notes a minute.
    """
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(resolution=FILE_TICKS_PER_QUARTER, initial_tempo=float(tempo_bpm))
    seconds = 60.0 / (tempo_bpm * TICKS_PER_QUARTER)
    track = pretty_midi.Instrument(part.program, part.drums, part.name)
    track.notes = [
        pretty_midi.Note(note.velocity, note.pitch, note.onset * seconds, note.end * seconds)
        for note in part.notes
    ]
    settings = zip((7, 10, 91), _MIX.get(part.name, _MIX[MELODY_TRACK]), strict=True)
    track.control_changes = [pretty_midi.ControlChange(number, value, 0) for number, value in settings]
    midi.instruments.append(track)
    file = io.BytesIO()
    midi.write(file)
    return file.getvalue()


def _labels(score: Score) -> list[tuple[int, str]]:
    """(tick, chord name); gaps are named "N.C.", and so is the end, which closes the last chord."""
    if not score.chords:
        return []
    labels: list[tuple[int, str]] = []
    now = 0
    for span in score.chords:
        if span.onset > now:
            labels.append((now, NO_CHORD_NAME))
        name = to_lead_sheet(span.chord, score.key)
        if not name.isascii():  # the texts of MIDI files have no encoding that all programs agree on
            name = to_lead_sheet(span.chord, score.key, as_written=False)
        labels.append((span.onset, name))
        now = span.end
    if now < score.end:
        labels.append((now, NO_CHORD_NAME))
    return [*labels, (score.end, NO_CHORD_NAME)]


def _add_meters(midi: pretty_midi.PrettyMIDI, score: Score, seconds: float) -> None:
    """The meter, and short bars as bars of their own; one that no meter can say leaves the count as it is."""
    from pretty_midi import TimeSignature

    now = None
    starts = score.bar_starts() or (0,)
    for start, end in zip(starts, (*starts[1:], starts[-1] + score.meter.bar_ticks), strict=True):
        short = end - start != score.meter.bar_ticks
        meter = (meter_of(end - start) if short else None) or score.meter
        if meter != now:
            midi.time_signature_changes.append(
                TimeSignature(meter.numerator, meter.denominator, start * seconds)
            )
            now = meter
