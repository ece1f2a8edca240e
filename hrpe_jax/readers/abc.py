"""ABC tune books as songs: a lead sheet from every tune that has notes.

Reading is in `hrpe_jax.formats.abc.read`. Here is decided what a tune means as a Score: which voice is
the melody, where chords come from, which key and meter a tune is in.
"""

from __future__ import annotations

import os
import re
import stat
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from hrpe_jax.formats.abc.book import MAX_BYTES, MAX_TUNES, AbcError, AbcText, read_abc_book
from hrpe_jax.formats.abc.fields import AbcKey
from hrpe_jax.formats.abc.read import AbcMeasure, AbcNote, AbcTune, AbcVoice, read_abc_tune
from hrpe_jax.readers.find import SongFile
from hrpe_jax.readers.part_songs import find_voice_chords, find_voice_key
from hrpe_jax.readers.song import Song, SongError
from hrpe_jax.readers.written_music import Voice, choose_melody, find_written_key, regular_meter, with_repeats
from hrpe_jax.score.score import ChordSpan, Note, Score, ScoreError, most_common, resets_from_bars
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import MAX_BAR_TICKS, Meter

TUNES = 250
"""Tunes of a part: two or three seconds of work."""
_TUNE = re.compile(rb"(?:\A|[\r\n])[ \t]*X:")


def book_parts(song: SongFile) -> list[SongFile]:
    """The parts of a tune book that are to be read one by one; any other file as it is.

    Songs of the parts have the ids that they have in the whole, in the same order.
    """
    if song.format != "abc" or song.tunes != (0, None):
        return [song]
    try:
        about = os.stat(song.path)
        if not stat.S_ISREG(about.st_mode) or not TUNES * 4 < about.st_size <= MAX_BYTES:
            return [song]
        with open(song.path, "rb") as file:
            data = file.read(MAX_BYTES)
    except OSError:  # the reader will say so
        return [song]
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode()
    count = sum(1 for _ in _TUNE.finditer(data))
    if not TUNES < count <= MAX_TUNES:
        return [song]
    firsts = range(0, count, TUNES)
    stops = [*firsts[1:], None]
    return [replace(song, tunes=(first, stop)) for first, stop in zip(firsts, stops, strict=True)]


TEMPO_BPM = 120.0
"""Where a tune names no tempo."""
_FULL_HARMONY = 2.5
"""Notes that sound at once, on average, from which chords can be told."""
_MOST_LINES = 16
MAX_BOOK_NOTES = 3_000_000
"""Melody notes of the tunes that are read at once, with repeats."""


def read_abc(path: str | Path, first: int = 0, stop: int | None = None) -> list[Song | SongError]:
    """Read tunes of an ABC file; see `iterate_abc`, which never holds more than one.

    Args:
        path: of the file.
        first: number of the first tune, from 0.
        stop: number of the tune after the last; None for all.

    Raises:
        AbcError: if the file cannot be read at all (has `.reason`).
    """
    return list(iterate_abc(path, first, stop))


def iterate_abc(path: str | Path, first: int = 0, stop: int | None = None) -> Iterator[Song | SongError]:
    """Read an ABC file tune by tune.

    The melody is the top line of the voice that words, names, clef and notes tell (see `melody_voice`; the
    first of equals). Chords are the symbols of the voice that has most. Where no voice has any and the voices
    make full chords, as in a hymn for four, chords are found from them, and the key is found where the tune
    names no mode: hymn books write "K:F" over D minor. Other tunes keep the key that they name. Modes go to
    the major or minor key on the same tonic with the same third. Repeats and orders of parts are played out,
    and give the form.

    Warnings: "chord_names_german", "chord_names_dutch" and "chord_names_latin" (H is B natural; Sol is G),
    "chord_symbol_unread" (the chord before it went on), "melody_scored" (the notes alone say which voice is
    the melody), "meter_assumed", "meter_changes", "modal_key", "no_chords", "overlay_skipped",
    "part_order_ignored", "tempo_assumed", "text_skipped", "voices_uneven" (not all voices have as many bars,
    so they were laid side by side by time).

    Args:
        path: an ABC file, with one tune or many.
        first: the first tune wanted, from 0.
        stop: the first that is not wanted any more; None for all.

    Yields:
        A song or an error for each tune, in the order of the file. Where a number stands for several tunes
        of a file, from the second on they are named "12-2", "12-3".

    Raises:
        AbcError: if the file cannot be read at all (has `.reason`).
    """
    path = Path(path)
    notes = 0
    for text in read_abc_book(path, first, stop):
        tune = text.name
        if notes > MAX_BOOK_NOTES:
            message = (
                f"{path}: tune {tune}: more than {MAX_BOOK_NOTES} notes before it: expected a smaller file"
            )
            yield SongError("abc_too_long", message, tune)
            continue
        song = _read_song(text, path, tune)
        notes += len(song.score.melody) if isinstance(song, Song) else 0
        yield song


def _read_song(text: AbcText, path: Path, tune: str) -> Song | SongError:
    """One tune of the book."""
    where = f"{path}: tune {tune}" if tune else str(path)
    try:
        return _song(read_abc_tune(text, where), path, tune)
    except AbcError as error:
        return SongError(error.reason, str(error), tune)
    except ScoreError as error:
        return SongError("abc_no_score", f"{where}: {error}", tune)


def _song(tune: AbcTune, path: Path, name: str) -> Song:
    """The song that a tune means."""
    warnings = set(tune.warnings)
    found: set[str] = set()
    if tune.naming != "english":
        warnings.add(f"chord_names_{tune.naming}")
    melody = _top_line(_melody(tune.voices, warnings).notes)
    meter, bars = _meter(tune, warnings, found)
    resets = resets_from_bars(bars, meter.bar_ticks)

    chords = _symbols(tune.voices)
    from_voices = not chords and _is_full(tune.voices)
    lines = [line for voice in tune.voices for line in _lines(voice.notes)][:_MOST_LINES]
    if from_voices:
        chords = find_voice_chords(lines, meter, resets)
        found.add("chords")
    elif not chords:
        warnings.add("no_chords")

    named = _longest_key(tune.measures)
    if named.key is not None and (named.mode_named or not from_voices):
        key = named.key
        keys = _key_changes(tune.measures)
        if any(measure.key.modal for measure in tune.measures):
            warnings.add("modal_key")
    else:
        key, keys = _find_key(lines, chords, named, from_voices), ()
        found.add("key")
    if tune.tempo_bpm is None:
        warnings.add("tempo_assumed")
    score = Score(
        id=_id(path.stem, name),
        title=tune.title,
        key=key,
        meter=meter,
        tempo_bpm=round(tune.tempo_bpm or TEMPO_BPM, 3),
        melody=tuple(Note(note.onset, note.duration, note.pitch) for note in melody),
        chords=chords,
        source=path.name,
        bar_resets=resets,
    )
    score = with_repeats(score, [(measure.start, measure.written) for measure in tune.measures])
    source = "file" if score.form else ""
    return Song(
        score, tuple(sorted(found)), tuple(sorted(warnings)), keys=keys, tune=name, form_source=source
    )


def _id(stem: str, tune: str) -> str:
    """The id "jigs12" for tune 12 of jigs.abc; "book1-12" where the two numbers would run together."""
    return f"{stem}-{tune}" if tune and stem[-1:].isdigit() else f"{stem}{tune}"


_CLEFS = {"bass": "F", "baritone": "F"}


def _melody(voices: Sequence[AbcVoice], warnings: set[str]) -> AbcVoice:
    """The voice that carries the tune."""
    playing = [voice for voice in voices if voice.notes]
    if len(playing) == 1:
        return playing[0]
    place, guess = choose_melody(
        [
            Voice(
                voice.label or voice.name,
                np.array([(note.onset, note.duration, note.pitch) for note in voice.notes], dtype=np.int64),
                voice.lyrics,
                bool(voice.chords),
                _CLEFS.get(voice.clef, ""),
            )
            for voice in playing
        ]
    )
    if guess:
        warnings.add("melody_scored")
    return playing[place]


def _symbols(voices: Sequence[AbcVoice]) -> tuple[ChordSpan, ...]:
    """Chord symbols of the voice that has most; no-chords alone are none."""
    chords = max((voice.chords for voice in voices), key=len)
    return chords if any(not span.chord.is_none for span in chords) else ()


def _is_full(voices: Sequence[AbcVoice]) -> bool:
    """Whether the voices make chords together."""
    notes = [note for voice in voices for note in voice.notes]
    end = max(note.end for note in notes)
    return sum(note.duration for note in notes) >= _FULL_HARMONY * end


def _lines(notes: Sequence[AbcNote]) -> list[list[AbcNote]]:
    """A voice as lines of single notes: the top notes of its chords, the second ones, and so on."""
    lines: list[list[AbcNote]] = []
    onset, level = -1, 0
    for note in sorted(notes, key=lambda note: (note.onset, -note.pitch)):
        level = level + 1 if note.onset == onset else 0
        onset = note.onset
        if level == len(lines):
            lines.append([])
        lines[level].append(note)
    return lines


def _top_line(notes: Sequence[AbcNote]) -> list[AbcNote]:
    """The highest note of each onset, each cut off where the next begins."""
    line = _lines(notes)[0]
    ends = [min(note.end, after.onset) for note, after in pairwise(line)]
    return [
        AbcNote(note.onset, end - note.onset, note.pitch)
        for note, end in zip(line, [*ends, line[-1].end], strict=True)
    ]


def _meter(tune: AbcTune, warnings: set[str], found: set[str]) -> tuple[Meter, Sequence[int]]:
    """The meter of most of the time, and the ticks where bars begin.

    In free time, bars are as long as most of those that are drawn; where those are no meter, 4/4.
    """
    bars = tune.bar_starts()
    named = {measure.meter for measure in tune.measures if measure.meter is not None}
    if not named:
        found.add("meter")
        warnings.add("meter_assumed")
        ticks = most_common([measure.length for measure in tune.measures])
        beats = ticks // 12
        fits = ticks % 12 == 0 and beats >= 2 and ticks <= MAX_BAR_TICKS
        return Meter(beats if fits else 4, 4), bars
    if len(named) > 1:
        warnings.add("meter_changes")
    regular = regular_meter((m.meter, m.length) for m in tune.measures if m.meter is not None)
    return regular, bars


def _longest_key(measures: Sequence[AbcMeasure]) -> AbcKey:
    """The key that holds longest; the earlier of equals."""
    time: Counter[AbcKey] = Counter()
    for measure in measures:
        time[measure.key] += measure.length
    return max(time, key=time.__getitem__)


def _key_changes(measures: Sequence[AbcMeasure]) -> tuple[tuple[int, Key], ...]:
    """(tick, key) from where each holds; empty where one holds throughout."""
    changes: list[tuple[int, Key]] = []
    for measure in measures:
        key = measure.key.key
        if key is not None and measure.length and (not changes or changes[-1][1] != key):
            changes.append((measure.start if changes else 0, key))
    return tuple(changes) if len(changes) > 1 else ()


def _find_key(
    lines: Sequence[Sequence[AbcNote]], chords: Sequence[ChordSpan], named: AbcKey, from_voices: bool
) -> Key:
    """The key of a tune that names none, or only a signature."""
    if from_voices:
        return find_voice_key(lines, named.fifths, chords)
    notes = [(note.pitch, note.duration) for line in lines for note in line]
    return find_written_key(notes, chords, named.fifths)
