"""Humdrum files as songs: the melody among the `**kern` spines, chords from a chord spine or the notes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from hrpe_jax.formats.kern import Humdrum, KernNote, read_humdrum
from hrpe_jax.readers.part_songs import find_voice_chords
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.readers.written_music import Voice, choose_melody, find_written_key, regular_meter
from hrpe_jax.score.score import ChordSpan, Note, Score, ScoreError, resets_from_bars
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.meter import TICKS_PER_WHOLE, Meter

TEMPO_BPM = 120.0
MAX_TICKS = 240_000
"""Longest piece: 5,000 bars of 4/4, over two hours."""
_FULL = 3
"""Spines from whose notes chords are found where no spine names them."""


def read_humdrum_song(path: str | Path) -> Song:
    """Read a Humdrum file.

    Args:
        path: the file.

    Returns:
        A song. `found` has "key" where none is named, "meter" where none is named, "chords" where they are
        found from the notes. Warnings: "chord_symbol_unread", "melody_scored", "meter_assumed", "no_chords",
        "no_melody", "tempo_assumed".

    Raises:
        TextFileError: if the file cannot be read (has `.reason`).
        SongError: "too_long", or "bad_score" where a Score refuses what was read.
    """
    path = Path(path)
    file = read_humdrum(path)
    if _tick(file.end) > MAX_TICKS:
        raise SongError("too_long", f"{path}: {_tick(file.end)} ticks: expected at most {MAX_TICKS}")
    found: set[str] = set()
    warnings: set[str] = set()
    if file.unread:
        warnings.add("chord_symbol_unread")
    starts = _bars(file)
    lengths = [
        (_meter_at(file, start), _tick(end) - _tick(start)) for start, end in pairwise([*starts, file.end])
    ]
    meter = regular_meter(lengths)
    if not file.meters:
        found.add("meter")
        warnings.add("meter_assumed")
    resets = resets_from_bars([_tick(start) for start in starts], meter.bar_ticks)
    voices = _voices(file)
    melody: tuple[Note, ...] = ()
    if voices:
        place, guess = choose_melody([voice for voice, _ in voices])
        melody = _line(voices[place][1])
        if guess:
            warnings.add("melody_scored")
    else:
        warnings.add("no_melody")
    chords = _spans(file)
    lines = [line for line in (_line(notes) for _, notes in voices) if line]
    if not chords and len(lines) >= _FULL:
        chords = find_voice_chords(lines, meter, resets)
        found.add("chords")
    if not chords:
        warnings.add("no_chords")
    if file.key is None:
        found.add("key")
    if file.tempo_bpm is None:
        warnings.add("tempo_assumed")
    notes = [(note.pitch, note.duration) for note in melody]
    try:
        score = Score(
            id=path.stem,
            title=file.title or path.stem,
            key=file.key or find_written_key(notes, chords, file.fifths),
            meter=meter,
            tempo_bpm=file.tempo_bpm or TEMPO_BPM,
            melody=melody,
            chords=chords,
            source=path.name,
            bar_resets=resets,
        )
    except ScoreError as error:
        raise SongError("bad_score", f"{path}: {error}") from None
    return Song(score, tuple(sorted(found)), tuple(sorted(warnings)))


def _tick(place: Fraction) -> int:
    return round(place * TICKS_PER_WHOLE)


def _bars(file: Humdrum) -> list[Fraction]:
    """Where bars begin; the end of the piece begins none."""
    return sorted({Fraction(0), *(place for place in file.bars if place < file.end)})


def _meter_at(file: Humdrum, place: Fraction) -> Meter:
    return next((meter for start, meter in reversed(file.meters) if start <= place), Meter(4, 4))


def _voices(file: Humdrum) -> list[tuple[Voice, list[KernNote]]]:
    """The spines that have notes; scores are written from the lowest up, so the last comes first."""
    spines = sorted({note.spine for note in file.notes}, reverse=True)
    voices = []
    for spine in spines:
        notes = [note for note in file.notes if note.spine == spine]
        rows = [
            (_tick(n.onset), max(1, _tick(n.onset + n.duration) - _tick(n.onset)), n.pitch) for n in notes
        ]
        voices.append((Voice(file.names.get(spine, ""), np.array(rows, dtype=np.int64)), notes))
    return voices


def _line(notes: Sequence[KernNote]) -> tuple[Note, ...]:
    """The highest note of each onset, each cut off where the next begins."""
    top: dict[int, tuple[int, int]] = {}
    for note in notes:
        onset, end = _tick(note.onset), _tick(note.onset + note.duration)
        if end > onset and (onset not in top or note.pitch > top[onset][1]):
            top[onset] = (end, note.pitch)
    onsets = sorted(top)
    ends = [min(top[onset][0], after) for onset, after in zip(onsets, [*onsets[1:], 1 << 60], strict=False)]
    return tuple(Note(onset, end - onset, top[onset][1]) for onset, end in zip(onsets, ends, strict=True))


def _spans(file: Humdrum) -> tuple[ChordSpan, ...]:
    """The chords of the chord spine, each until the next; equal neighbours are one."""
    changes: dict[int, Chord] = {_tick(place): chord for place, chord in file.chords}
    spans: list[ChordSpan] = []
    for tick, until in pairwise([*sorted(changes), _tick(file.end)]):
        if until <= tick:
            continue
        if spans and spans[-1].chord.is_same(changes[tick]):
            spans[-1] = ChordSpan(spans[-1].onset, until - spans[-1].onset, spans[-1].chord)
        else:
            spans.append(ChordSpan(tick, until - tick, changes[tick]))
    return tuple(spans) if any(not span.chord.is_none for span in spans) else ()
