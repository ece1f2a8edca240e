"""MIDI files out: tracks MELODY, CHORDS and BASS, and everything a notation program asks for.

Chord names are lyric events, so that `score_from_midi` gets the very same score back; meters change where
bars are irregular, so that bar lines fall where the score has them. The bytes depend on score and programs
alone.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from hrpe_jax.score.notation import meter_of
from hrpe_jax.score.score import Score
from hrpe_jax.score.voicing import voice_progression
from hrpe_jax.theory.chord import Chord, to_lead_sheet
from hrpe_jax.theory.meter import TICKS_PER_QUARTER

if TYPE_CHECKING:
    import pretty_midi

MELODY_TRACK, CHORD_TRACK, BASS_TRACK = "MELODY", "CHORDS", "BASS"
FILE_TICKS_PER_QUARTER = 480

NO_CHORD_NAME = to_lead_sheet(Chord.NONE)
_BASS_VELOCITY, _CHORD_VELOCITY = 60, 48


@dataclass(frozen=True)
class Programs:
    """General MIDI programs, 0 to 127: by default grand piano over electric piano and fingered bass."""

    melody: int = 0
    chords: int = 4
    bass: int = 33


@dataclass(frozen=True)
class PlayedNote:
    """A note of the accompaniment: ticks, MIDI pitch and velocity."""

    onset: int
    end: int
    pitch: int
    velocity: int


DEFAULT_PROGRAMS = Programs()


def write_midi(
    score: Score,
    path: str | os.PathLike[str],
    accompaniment: bool = True,
    programs: Programs = DEFAULT_PROGRAMS,
) -> None:
    """Write a score as a MIDI file.

    Args:
        score: what to write.
        path: the file; its folder must exist.
        accompaniment: whether to add CHORDS and BASS. Chord names are written either way.
        programs: of the tracks.
    """
    Path(path).write_bytes(midi_bytes(score, accompaniment, programs))


def midi_bytes(score: Score, accompaniment: bool = True, programs: Programs = DEFAULT_PROGRAMS) -> bytes:
    """The MIDI file of a score; equal scores give equal bytes."""
    import pretty_midi  # here, so that importing this package starts nothing

    midi = pretty_midi.PrettyMIDI(resolution=FILE_TICKS_PER_QUARTER, initial_tempo=float(score.tempo_bpm))
    seconds = 60.0 / (score.tempo_bpm * TICKS_PER_QUARTER)

    def add_track(name: str, program: int, notes: list[PlayedNote]) -> None:
        track = pretty_midi.Instrument(program=program, name=name)
        track.notes = [
            pretty_midi.Note(note.velocity, note.pitch, note.onset * seconds, note.end * seconds)
            for note in notes
        ]
        midi.instruments.append(track)

    melody = [PlayedNote(note.onset, note.end, note.pitch, note.velocity) for note in score.melody]
    add_track(MELODY_TRACK, programs.melody, melody)
    if accompaniment and score.chords:
        chords, bass = accompany(score)
        add_track(CHORD_TRACK, programs.chords, chords)
        add_track(BASS_TRACK, programs.bass, bass)
    midi.key_signature_changes.append(pretty_midi.KeySignature(score.key.index, 0.0))
    _add_meters(midi, score, seconds)
    for tick, label in _labels(score):
        midi.lyrics.append(pretty_midi.Lyric(label, tick * seconds))
    file = io.BytesIO()
    midi.write(file)
    return file.getvalue()


def accompany(score: Score) -> tuple[list[PlayedNote], list[PlayedNote]]:
    """Chords and bass: each chord as a block, struck again on every bar line that it crosses."""
    bars = score.bar_starts()
    chords: list[PlayedNote] = []
    basses: list[PlayedNote] = []
    voicings = voice_progression([span.chord for span in score.chords])
    for span, voicing in zip(score.chords, voicings, strict=True):
        if voicing is None:
            continue
        strokes = [span.onset, *(bar for bar in bars if span.onset < bar < span.end), span.end]
        for onset, end in pairwise(strokes):
            basses.append(PlayedNote(onset, end, voicing.bass, _BASS_VELOCITY))
            chords.extend(PlayedNote(onset, end, pitch, _CHORD_VELOCITY) for pitch in voicing.upper)
    return chords, basses


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
