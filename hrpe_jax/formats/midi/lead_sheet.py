"""Scores back from MIDI files that say everything a lead sheet needs, above all those `write_midi` made."""

from __future__ import annotations

import os
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

from hrpe_jax.arranging.arrangement import BASS_TRACK, CHORD_TRACK, DRUM_TRACK, MELODY_TRACK, even_tick
from hrpe_jax.formats.midi.read import MidiError, MidiFile, read_midi
from hrpe_jax.formats.midi.write import NO_CHORD_NAME
from hrpe_jax.score.score import ChordSpan, Note, Score, ScoreError
from hrpe_jax.theory.chord import ChordError, parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import TICKS_PER_QUARTER, Meter

OUR_TRACKS = {MELODY_TRACK, CHORD_TRACK, BASS_TRACK, DRUM_TRACK}


def score_from_midi(path: str | os.PathLike[str]) -> Score:
    """Read a MIDI file with a MELODY track and chord names as lyric events.

    Key, meter and tempo are the file's own; swing is taken out. No-chord comes back as a gap; at the end of
    the file as a span, which keeps the length. The id is the file's name.

    Args:
        path: a MIDI file, made by `write_midi` or in its manner.

    Returns:
        The score; what `write_midi` was given, apart from id, title, source, license and explicit no-chords.

    Raises:
        MidiError: with reason "midi_no_lead_sheet" where the file is not of this kind, or as `read_midi`.
    """
    return lead_sheet_score(read_midi(path), path)


def lead_sheet_score(midi: MidiFile, path: str | os.PathLike[str]) -> Score:
    """`score_from_midi` of a file already read from this path."""
    try:
        return _score(midi, Path(path).stem)
    except (ChordError, ScoreError, ValueError) as error:
        raise MidiError("midi_no_lead_sheet", os.fspath(path), f"not a written lead sheet: {error}") from None


def is_lead_sheet(midi: MidiFile) -> bool:
    """Whether a file says all that `score_from_midi` needs, and means it.

    That is: its tracks are those that `write_midi` makes, and its lyrics are chord names, the last of them no
    chord; or it has none and consists of nothing but a MELODY track, with its key and meter said.
    """
    if midi.lyrics:
        ours = {track.name.partition(",")[0] for track in midi.tracks} <= OUR_TRACKS
        closed = max(midi.lyrics)[1] == NO_CHORD_NAME
        return ours and closed and all(_is_chord(text) for _, text in midi.lyrics)
    names = [track.name for track in midi.tracks]
    return names == [MELODY_TRACK] and bool(midi.keys) and bool(midi.meters)


def _is_chord(text: str) -> bool:
    try:
        parse_lead_sheet(text)
    except ChordError:
        return False
    return True


def _score(midi: MidiFile, name: str) -> Score:
    names = [re.search(r", swing (0\.\d{1,4})$", track.name) for track in midi.tracks]
    swing = next((float(match[1]) for match in names if match), 0.5)

    def ticks(file_ticks: int, swing: float = 0.5) -> int:
        return round(even_tick(file_ticks * TICKS_PER_QUARTER / midi.ticks_per_quarter, swing))

    melody = next((track for track in midi.tracks if track.name == MELODY_TRACK), None)
    if melody is None and not midi.lyrics:
        raise ValueError(f"expected a track named {MELODY_TRACK} or chord names as lyrics")
    notes = tuple(
        _note(ticks(note.onset, swing), ticks(note.end, swing), note.pitch, note.velocity)
        for note in (melody.notes if melody else ())
    )
    labels = [(ticks(tick), parse_lead_sheet(text)) for tick, text in midi.lyrics]
    chords = [ChordSpan(a, b - a, chord) for (a, chord), (b, _) in pairwise(labels) if b > a]
    meters = midi.meters or ((0, 4, 4),)
    end = max([note.end for note in notes] + [span.end for span in chords], default=0)
    return Score(
        id=name,
        title="",
        key=next((_key(fifths, minor) for _, fifths, minor in midi.keys), Key(0, "major")),
        meter=_usual_meter([(ticks(tick), Meter(num, den)) for tick, num, den in meters], end),
        tempo_bpm=round(midi.tempos[0][1], 3),
        melody=notes,
        chords=tuple(
            span for index, span in enumerate(chords) if not span.chord.is_none or index == len(chords) - 1
        ),
        bar_resets=tuple(ticks(tick) for tick, _, _ in meters if tick > 0),
    )


def _note(onset: int, end: int, pitch: int, velocity: int) -> Note:
    return Note(onset, max(1, end - onset), pitch, max(1, velocity))


def _key(fifths: int, minor: int) -> Key:
    """The key of a signature: sharps, or minus flats, and whether it is minor."""
    return Key((fifths * 7 + (9 if minor else 0)) % 12, "minor" if minor else "major")


def _usual_meter(changes: list[tuple[int, Meter]], end: int) -> Meter:
    """The meter that holds longest."""
    lengths: Counter[Meter] = Counter()
    for (start, meter), (until, _) in pairwise([*changes, (max(end, changes[-1][0] + 1), changes[-1][1])]):
        lengths[meter] += until - start
    return max(lengths.items(), key=lambda item: item[1])[0]
