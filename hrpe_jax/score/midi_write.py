"""MIDI files out: a MELODY track, a CHORDS track, and everything a notation program asks for.

Chord names are lyric events, so that `score_from_midi` gets the very same score back; meters change where
bars are irregular, so that bar lines fall where the score has them. The bytes depend on the score alone.
"""

from __future__ import annotations

import io
import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from hrpe_jax.score.score import Score
from hrpe_jax.score.voicing import Voicing, voice_chord
from hrpe_jax.theory.chord import Chord, to_lead_sheet
from hrpe_jax.theory.meter import TICKS_PER_QUARTER, TICKS_PER_WHOLE

if TYPE_CHECKING:
    import pretty_midi

MELODY_TRACK, CHORD_TRACK = "MELODY", "CHORDS"
FILE_TICKS_PER_QUARTER = 480

_MELODY_PROGRAM, _CHORD_PROGRAM = 0, 4  # grand piano over electric piano
NO_CHORD_NAME = to_lead_sheet(Chord.NONE)
_BASS_VELOCITY, _CHORD_VELOCITY = 60, 48


def write_midi(score: Score, path: str | os.PathLike[str], accompaniment: bool = True) -> None:
    """Write a score as a MIDI file.

    Args:
        score: what to write.
        path: the file; its folder must exist.
        accompaniment: whether to add the CHORDS track. Chord names are written either way.
    """
    Path(path).write_bytes(midi_bytes(score, accompaniment))


def midi_bytes(score: Score, accompaniment: bool = True) -> bytes:
    """The MIDI file of a score; equal scores give equal bytes."""
    import pretty_midi  # here, so that importing this package starts nothing

    midi = pretty_midi.PrettyMIDI(resolution=FILE_TICKS_PER_QUARTER, initial_tempo=float(score.tempo_bpm))
    seconds = 60.0 / (score.tempo_bpm * TICKS_PER_QUARTER)

    def add_track(name: str, program: int, notes: list[tuple[int, int, int, int]]) -> None:
        track = pretty_midi.Instrument(program=program, name=name)
        track.notes = [
            pretty_midi.Note(velocity, pitch, onset * seconds, end * seconds)
            for onset, end, pitch, velocity in notes
        ]
        midi.instruments.append(track)

    add_track(MELODY_TRACK, _MELODY_PROGRAM, [(n.onset, n.end, n.pitch, n.velocity) for n in score.melody])
    if accompaniment and score.chords:
        add_track(CHORD_TRACK, _CHORD_PROGRAM, _chord_notes(score))
    midi.key_signature_changes.append(pretty_midi.KeySignature(score.key.index, 0.0))
    _add_meters(midi, score, seconds)
    for tick, label in _labels(score):
        midi.lyrics.append(pretty_midi.Lyric(label, tick * seconds))
    file = io.BytesIO()
    midi.write(file)
    return file.getvalue()


def _chord_notes(score: Score) -> list[tuple[int, int, int, int]]:
    """(onset, end, pitch, velocity): each chord as a block, struck again on every bar line it crosses."""
    bars = score.bar_starts()
    notes: list[tuple[int, int, int, int]] = []
    voicing: Voicing | None = None
    for span in score.chords:
        if span.chord.is_none:
            continue
        voicing = voice_chord(span.chord, voicing)
        strokes = [span.onset, *(bar for bar in bars if span.onset < bar < span.end), span.end]
        for onset, end in pairwise(strokes):
            notes.append((onset, end, voicing.bass, _BASS_VELOCITY))
            notes.extend((onset, end, pitch, _CHORD_VELOCITY) for pitch in voicing.upper)
    return notes


def _labels(score: Score) -> list[tuple[int, str]]:
    """(tick, chord name); gaps are named "N.C.", and so is the end, which closes the last chord."""
    if not score.chords:
        return []
    labels: list[tuple[int, str]] = []
    now = 0
    for span in score.chords:
        if span.onset > now:
            labels.append((now, NO_CHORD_NAME))
        labels.append((span.onset, to_lead_sheet(span.chord, score.key)))
        now = span.end
    if now < score.end:
        labels.append((now, NO_CHORD_NAME))
    return [*labels, (score.end, NO_CHORD_NAME)]


def _add_meters(midi: pretty_midi.PrettyMIDI, score: Score, seconds: float) -> None:
    """The meter, and short bars as bars of their own; one that no meter can say leaves the count as it is."""
    from pretty_midi import TimeSignature

    usual = (score.meter.numerator, score.meter.denominator)
    now: tuple[int, int] | None = None
    starts = score.bar_starts() or (0,)
    for start, end in zip(starts, (*starts[1:], starts[-1] + score.meter.bar_ticks), strict=True):
        meter = usual if end - start == score.meter.bar_ticks else _meter_of(end - start) or usual
        if meter != now:
            midi.time_signature_changes.append(TimeSignature(*meter, start * seconds))
            now = meter


def _meter_of(ticks: int) -> tuple[int, int] | None:
    """The meter with the longest beats that fills so many ticks."""
    for denominator in (4, 8, 16, 32):
        numerator, rest = divmod(ticks * denominator, TICKS_PER_WHOLE)
        if not rest:
            return numerator, denominator
    return None
