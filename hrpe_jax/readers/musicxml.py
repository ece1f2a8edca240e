"""Written scores (MusicXML) as songs: lead sheets first of all, and whatever else programs write.

With chord symbols, the file says melody and chords. Without, chords are found from the notes of all parts
where there are enough of them; one line alone is a melody.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from hrpe_jax.analysis.chords.find_chords import FULL, find_chords
from hrpe_jax.analysis.chords.templates import ornament_weights
from hrpe_jax.formats.musicxml.read import MusicXmlDocument, XmlNote, XmlPart, read_musicxml
from hrpe_jax.readers.part_songs import find_voice_chords, find_voice_key, held_chords
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.readers.written_music import (
    Voice,
    choose_melody,
    find_written_key,
    regular_meter,
    said_key,
    with_repeats,
)
from hrpe_jax.score.score import ChordSpan, Note, Score, ScoreError, resets_from_bars
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def melody_part(parts: Sequence[XmlPart]) -> tuple[XmlPart | None, bool]:
    """The part that carries the tune, see `melody_voice`.

    Args:
        parts: in the order of the page.

    Returns:
        The part, None where no part has notes; and whether it is a guess.
    """
    playing = [part for part in parts if part.notes]
    if not playing:
        return None, False
    voices = [
        Voice(
            part.name,
            np.array([(note.onset, note.duration, note.pitch) for note in part.notes], dtype=np.int64),
            part.lyrics,
            bool(part.chords),
            part.clef,
        )
        for part in (playing if len(playing) > 1 else ())
    ]
    place, guess = choose_melody(voices) if voices else (0, False)
    return playing[place], guess


def melody_line(part: XmlPart) -> tuple[XmlNote, ...]:
    """The highest sounding note of the part's first staff, as a line.

    A note that begins under a higher one that still sounds is not heard as the tune, so an inner voice moving
    under a held melody note does not break it. A note is cut off where a higher one begins.

    Args:
        part: one with notes.

    Returns:
        Notes by onset, none overlapping.
    """
    staff = min(note.staff for note in part.notes)
    return skyline([note for note in part.notes if note.staff == staff])


def skyline(notes: Sequence[XmlNote]) -> tuple[XmlNote, ...]:
    """The notes that are the highest where they begin, each until a higher one begins or it ends."""
    line: list[XmlNote] = []
    for note in sorted(notes, key=lambda note: (note.onset, -note.pitch, -note.duration)):
        last = line[-1] if line else None
        if last is not None and note.onset < last.end:
            if note.pitch <= last.pitch:
                continue
            line[-1] = replace(last, duration=note.onset - last.onset)
        line.append(note)
    return tuple(line)


def is_line(notes: Sequence[XmlNote]) -> bool:
    """Whether no two notes (by onset) sound together."""
    return all(before.end <= after.onset for before, after in pairwise(notes))


TEMPO_BPM = 120.0
"""Where the file names none, as in MIDI."""
MAX_TICKS = 240_000
"""Longest piece: 5,000 bars of 4/4, over two hours."""
_MAX_SLOTS = 30_000
_MAX_KEYS = 100
_MELODY_WEIGHT = 0.3
"""Of a melody over broken chords: its notes say less about the chords."""
_MIN_DENSITY = 1.6
"""Notes that sound at once, on average, below which chords are not looked for."""
_VOICE_NAMES = ("soprano", "alto", "tenor", "bass")
_PLACEHOLDERS = ("", "music21 fragment", "title", "untitled", "untitled score", "score")


def read_lead_sheet(path: str | Path) -> Song:
    """Read a MusicXML file (.musicxml, .xml, .mxl) of any shape.

    Repeats and endings are played out, and give the form. Bars that are shorter or longer than the most
    common meter says, pickups and changes of meter included, become `bar_resets`. The key is found, with the
    signature as evidence; where the signature changes, every stretch has its own.

    Args:
        path: the file.

    Returns:
        A song. `found` has "key" unless the file names a mode other than "major" that the notes bear out,
        "chords" where there are no chord symbols, "meter" where no meter is named. Warnings: "meter_assumed",
        "meter_split" (a meter that a Score cannot have: 7/4 is read as 4/4 and 3/4), "tempo_assumed",
        "melody_skyline" (a line out of notes that sound together), "melody_scored" (the notes alone say which
        part is the melody), "measures_repeated" (empty bars were filled under signs of repetition),
        "chord_symbol_unread" (the chord before it went on), "no_chords", "no_melody".

    Raises:
        MusicXmlError: if the file cannot be read (has `.reason`).
        SongError: "too_long", or "bad_score" where a Score refuses what was read.
    """
    path = Path(path)
    document = read_musicxml(path)
    if document.end > MAX_TICKS:
        raise SongError("too_long", f"{path}: {document.end} ticks: expected at most {MAX_TICKS}")
    found: set[str] = set()
    warnings: set[str] = set()

    meter, resets = _bars(document, found, warnings)
    part, guess = melody_part(document.parts)
    line: tuple[XmlNote, ...] = ()
    if part is None:
        warnings.add("no_melody")
    else:
        line = melody_line(part)
        if not is_line(part.notes):
            warnings.add("melody_skyline")
        if guess:
            warnings.add("melody_scored")
    if document.unread_symbols:
        warnings.add("chord_symbol_unread")
    if document.copied_measures:
        warnings.add("measures_repeated")
    chords = max(document.parts, key=lambda p: len(p.chords)).chords
    voices: list[tuple[XmlNote, ...]] = []
    if all(span.chord.is_none for span in chords):
        if document.end // meter.beat_ticks + len(document.measures) > _MAX_SLOTS:
            raise SongError("too_long", f"{path}: expected at most {_MAX_SLOTS} beats to find chords for")
        held = _held_lines(document, part)
        voices = [] if held else _voices(document)
        if held:
            chords = _found_chords(document, meter, held, part)
        elif voices:
            chords = find_voice_chords(voices, meter, resets)
        elif _density(document.parts) >= _MIN_DENSITY:
            chords = _found_chords(document, meter)
        if chords:
            found.add("chords")
        else:
            warnings.add("no_chords")
    keys = _keys(document, line, voices, chords, found)
    if document.tempo_bpm is None:
        warnings.add("tempo_assumed")
    try:
        score = Score(
            id=path.stem,
            title=path.stem if document.title.lower() in _PLACEHOLDERS else document.title,
            key=_main_key(keys, document.end),
            meter=meter,
            tempo_bpm=document.tempo_bpm or TEMPO_BPM,
            melody=tuple(Note(note.onset, note.duration, note.pitch, lyric=note.lyric) for note in line),
            chords=chords,
            source=path.name,
            bar_resets=resets,
            composer=document.composer,
        )
    except ScoreError as error:
        raise SongError("bad_score", f"{path}: {error}") from None
    score = with_repeats(score, [(measure.start, measure.written) for measure in document.measures])
    return Song(
        score=score,
        form_source="file" if score.form else "",
        found=tuple(sorted(found)),
        warnings=tuple(sorted(warnings)),
        keys=tuple(keys) if len(keys) > 1 else (),
    )


def _bars(document: MusicXmlDocument, found: set[str], warnings: set[str]) -> tuple[Meter, tuple[int, ...]]:
    """The regular meter, and where bars begin off its grid."""
    named = [(measure.meter, measure.length) for measure in document.measures if measure.meter is not None]
    meter = regular_meter(named or [(document.meter, document.end)])
    if not named:
        found.add("meter")
        warnings.add("meter_assumed")
    elif not any(meter == said for said, _ in named):
        warnings.add("meter_split")
    return meter, resets_from_bars(document.bar_starts(), meter.bar_ticks)


def _voices(document: MusicXmlDocument) -> list[tuple[XmlNote, ...]]:
    """The lines of music for voices: soprano to bass where parts have these names (instruments are left out),
    or three parts and more of one line each; none for other music."""
    sung = [
        next((part for part in document.parts if part.name.lower().startswith(name) and part.notes), None)
        for name in _VOICE_NAMES
    ]
    four = [part.top_line() for part in sung if part is not None]
    if len(four) == len(_VOICE_NAMES):
        return four
    parts = [part for part in document.parts if part.notes]
    return [part.notes for part in parts] if len(parts) > 2 and all(is_line(p.notes) for p in parts) else []


def _keys(
    document: MusicXmlDocument,
    line: Sequence[XmlNote],
    voices: Sequence[Sequence[XmlNote]],
    chords: Sequence[ChordSpan],
    found: set[str],
) -> list[tuple[int, Key]]:
    """(tick, key) of every stretch with one signature; equal neighbours are one."""
    starts: list[tuple[int, int | None, str]] = []
    for measure in document.measures:
        if not starts or (measure.fifths, measure.mode) != starts[-1][1:]:
            starts.append((measure.start, measure.fifths, measure.mode))
    if len(starts) > _MAX_KEYS:  # nobody modulates so often: the first signature stands for all
        starts = starts[:1]
    keys: list[tuple[int, Key]] = []
    note_onsets, chord_onsets = [note.onset for note in line], [span.onset for span in chords]
    for (start, fifths, mode), end in zip(starts, [*(s[0] for s in starts[1:]), document.end], strict=True):
        under = chords[bisect_left(chord_onsets, start) : bisect_left(chord_onsets, end)]
        over = line[bisect_left(note_onsets, start) : bisect_left(note_onsets, end)]
        notes = [(note.pitch, note.duration) for note in over]
        said = said_key(fifths, mode)
        if voices and len(starts) == 1 and said is None:
            key = find_voice_key(voices, fifths, chords)
        else:
            key = find_written_key(notes, under, fifths, said)
        if key != said:
            found.add("key")
        if not keys or keys[-1][1] != key:
            keys.append((start, key))
    return keys


def _main_key(keys: Sequence[tuple[int, Key]], end: int) -> Key:
    """The key of most of the time; of equals, the first."""
    time: dict[Key, int] = {}
    for (start, key), (until, _) in zip(keys, [*keys[1:], (end, None)], strict=True):
        time[key] = time.get(key, 0) + until - start
    return max(time, key=lambda key: time[key])


Lines = dict[tuple[int, int], np.ndarray]
"""[notes, 3] onset, duration and pitch, by place of the part and number of the staff."""


def _held_lines(document: MusicXmlDocument, tune: XmlPart | None) -> Lines:
    """The staves of broken chords beside the staff of the tune, each note as long as its chord."""
    found: Lines = {}
    for (place, staff), notes in _staves(document).items():
        own = document.parts[place] is tune and staff == min(
            note.staff for note in document.parts[place].notes
        )
        if not own and is_line(notes):
            held = held_chords(_table(notes), document.bar_starts())
            found |= {} if held is None else {(place, staff): held}
    return found


def _staves(document: MusicXmlDocument) -> dict[tuple[int, int], list[XmlNote]]:
    """The notes of each staff of each part, by onset."""
    staves: dict[tuple[int, int], list[XmlNote]] = {}
    for place, part in enumerate(document.parts):
        for note in part.notes:
            staves.setdefault((place, note.staff), []).append(note)
    return staves


def _table(notes: Sequence[XmlNote]) -> np.ndarray:
    return np.array([(note.onset, note.duration, note.pitch) for note in notes], dtype=np.int64)


def _found_chords(
    document: MusicXmlDocument, meter: Meter, held: Lines | None = None, tune: XmlPart | None = None
) -> tuple[ChordSpan, ...]:
    """Chords from the notes of all parts.

    Args:
        document: with notes.
        meter: its regular one.
        held: staves of broken chords, from `_held_lines`.
        tune: the part of the melody over them.
    """
    grid = _beats(document, meter)
    columns: list[np.ndarray] = []
    for track, part in enumerate(document.parts):
        own = [rows for (place, _), rows in held.items() if place == track] if held else []
        notes = [note for note in part.notes if not held or (track, note.staff) not in held]
        if notes:
            table = _table(notes)
            weights = np.full(len(table), _MELODY_WEIGHT if held and part is tune else 1.0)
            if is_line(notes):
                weights *= ornament_weights(table[:, 0], table[:, 1], table[:, 2], np.isin(table[:, 0], grid))
            columns.append(np.column_stack([table, weights, np.full(len(table), track)]))
        for rows in own:
            tracks = np.full(len(rows), len(document.parts) + len(columns))
            columns.append(np.column_stack([rows, np.ones(len(rows)), tracks]))
    onset, duration, pitch, weight, owner = np.concatenate(columns).T
    return find_chords(
        onset,
        duration,
        pitch.astype(np.int64),
        grid=grid,
        strong=np.isin(grid[:-1], document.bar_starts()),
        weights=weight,
        tracks=owner.astype(np.int64),
        params=FULL,
    )


def _density(parts: Sequence[XmlPart]) -> float:
    """How many notes sound at once, on average over the time in which any does."""
    spans = sorted((note.onset, note.end) for part in parts for note in part.notes)
    covered = until = 0
    for onset, end in spans:
        covered += max(0, end - max(onset, until))
        until = max(until, end)
    return sum(end - onset for onset, end in spans) / covered if covered else 0.0


def _beats(document: MusicXmlDocument, meter: Meter) -> np.ndarray:
    """[slots + 1] places of beats, counted from every bar line; of a pickup, back from the next one."""
    starts = [*document.bar_starts(), document.end]
    beat = meter.beat_ticks
    places: list[int] = []
    for index, (start, end) in enumerate(pairwise(starts)):
        pickup = index == 0 and end - start < meter.bar_ticks
        shift = meter.bar_ticks - (end - start) if pickup else 0  # ticks of the bar that are not there
        first = -shift % beat
        places += ([start] if first else []) + list(range(start + first, end, beat))
    return np.array([*places, document.end])
