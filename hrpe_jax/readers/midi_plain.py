"""MIDI files as songs: lead sheets, files of two tracks, and plain notes with nothing said about them.

Of plain notes, beats, melody, chords and key are found. The parts of the analysis are in `hrpe_jax.analysis`;
here they are put together into a clean score: what is too little to learn from is left out or refused, long
stretches with one half of the lead sheet only are cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from hrpe_jax.analysis.beats.find_beats import Beats, find_beats
from hrpe_jax.analysis.chords.find_chords import FULL, find_chords
from hrpe_jax.analysis.keys import Keys, find_keys
from hrpe_jax.analysis.melody.find_melody import find_melody
from hrpe_jax.analysis.melody.line import skyline
from hrpe_jax.analysis.quantize import QuantizedMelody, quantize_melody
from hrpe_jax.formats.midi.lead_sheet import is_lead_sheet, lead_sheet_score
from hrpe_jax.formats.midi.read import MidiError, MidiFile, read_midi
from hrpe_jax.readers.midi_two_tracks import MAX_TICKS, chord_track_song, find_chord_track
from hrpe_jax.readers.song import Song, SongError, song_title
from hrpe_jax.readers.written_music import find_melody_key, find_written_key
from hrpe_jax.score.score import ChordSpan, Note, Score, resets_from_bars
from hrpe_jax.theory.key import Key

MIN_NOTES, MIN_PITCHES = 8, 3
"""Fewer notes, or fewer different ones, are no melody."""
SPARSE = 0.5
"""Notes a bar below which what `find_melody` found is no melody, and the upper line is taken for it."""
MIN_CHORDS = 3
"""Chord changes below which a song has no chords to learn from."""
MIN_BARS = 4
ALONE_BARS = 16
"""Longest lead-in or tail with chords alone or melody alone, and longest silence within."""
SHORT_BARS = 16
"""Bars up to which a melody alone has one key, in whose scale its notes are."""
MAX_BEATS = 20_000
MELODY_WEIGHT = 0.3
"""How much a melody note counts as evidence for a chord."""

_FIRST_EFFECT = 112
"""General MIDI programs from here on are percussion and noises, whose pitches say nothing about harmony."""
_MODULATING = 0.25
"""Share of a piece that has the key of its signature from which on the signature says where it began."""
_ALONE = 1.15
"""Notes that sound at once, on average, below which a file is one line without accompaniment."""


def read_plain_midi(path: str | Path) -> Song:
    """Read a MIDI file that says nothing but its notes; see `plain_song`.

    Raises:
        MidiError: if the file cannot be read (has `.reason`).
        SongError: if it holds no song.
    """
    return plain_song(read_midi(path), path)


def plain_song(midi: MidiFile, path: str | Path) -> Song:
    """The lead sheet behind the notes.

    The melody is what `find_melody` finds, or the upper line where that is next to nothing, as in pieces for
    the piano. Chords are those that the file names; where it names none, all qualities are looked for.

    Tick 0 is the bar line at or before the first chord or melody note. Of a lead-in or tail in which only
    chords or only the melody sound, the last or first `ALONE_BARS` bars stay; where all is silent for longer
    than that, the longer part of the song stays. A melody of fewer than `MIN_NOTES` notes and chords that
    change less than `MIN_CHORDS` times are left out, and the song is kept for the other stage.

    Args:
        midi: the file.
        path: where it is, for the song's name and messages.

    Returns:
        The song. `found` has "chords", "key" and "melody" where they are there, and what `find_beats` found;
        `error` is the quantisation error. Warnings: those of `find_beats`, "melody_skyline" and
        "melody_scored" (neither words nor names say which track it is), "no_chords", "no_melody", "cut"
        (parts were left out, see above).

    Raises:
        SongError: with reason "no_notes", "drums_only", "one_pitch", "too_short" or "too_long".
    """
    where = str(path)
    notes, owner = _pitched(midi, where)
    beats = find_beats(midi)
    if len(beats.seconds) > MAX_BEATS:
        raise SongError("too_long", f"{where}: {len(beats.seconds)} beats: expected at most {MAX_BEATS}")
    how, sung = _found_melody(midi, len(beats.bars))
    melody = _quantize(midi, beats, sung)
    warnings = set(beats.warnings)
    line = melody.notes
    if len(line) < MIN_NOTES or len({note.pitch for note in line}) < MIN_PITCHES:
        line = ()
    chords = _named_chords(midi, beats) if midi.chords else _chords(midi, beats, notes, owner, sung)
    if not midi.chords and sum(not span.chord.is_none for span in chords) < MIN_CHORDS:
        chords = ()
    if not line and not chords:
        reason = "one_pitch" if len(np.unique(notes[:, 2] % 12)) < MIN_PITCHES else "too_short"
        raise SongError(
            reason, f"{where}: {len(notes)} notes make no melody and no chords: expected a piece of music"
        )

    bars = _bar_lines(beats, max(_ends(line), _ends(chords)))
    start, end, is_cut = _frame(line, chords, bars)
    if end - start < MIN_BARS * beats.meter.bar_ticks:
        raise SongError("too_short", f"{where}: less than {MIN_BARS} bars of music: expected as many or more")
    bars = [bar - start for bar in bars if start <= bar < end]
    line, chords = _clip_notes(line, start, end), _clip_chords(chords, start, end)
    keys = _keys(midi, beats, notes, chords, bars, start)
    if line and not chords and len(bars) <= SHORT_BARS:
        key = find_melody_key(line)
        keys = Keys(key, ((0, key),))
    keys = _weigh_signature(midi, keys, line, chords)

    found = {"key", *beats.found}
    if line:
        found.add("melody")
        alone = midi.chords and sum(not track.is_drum for track in midi.tracks) == 1
        if chords and not alone and how in ("scored", "skyline"):  # one line alone leaves no choice
            warnings.add(f"melody_{how}")
    else:
        warnings.add("no_melody")
    if chords and not midi.chords:
        found.add("chords")
    elif not chords:
        warnings.add("no_chords")
    if is_cut:
        warnings.add("cut")
    name, title = song_title(midi, path)
    score = Score(
        id=name,
        title=title,
        key=keys.key,
        meter=beats.meter,
        tempo_bpm=round(float(beats.tempo_bpm), 3),
        melody=line,
        chords=chords,
        source=Path(path).name,
        bar_resets=resets_from_bars(bars, beats.meter.bar_ticks),
    )
    return Song(
        score=score,
        found=tuple(sorted(found)),
        warnings=tuple(sorted(warnings)),
        keys=_clip_keys(keys.segments, score.end),
        error=melody.mean_error if line else None,
    )


def _pitched(midi: MidiFile, where: str) -> tuple[np.ndarray, np.ndarray]:
    """[notes, 4] the rows of all tracks that can carry harmony, and [notes] the track of each."""
    if not midi.tracks:
        raise SongError("no_notes", f"{where}: no notes: expected music")
    tracks = [(index, track) for index, track in enumerate(midi.tracks) if not track.is_drum]
    if not tracks:
        raise SongError("drums_only", f"{where}: nothing but drums: expected notes with pitches")
    musical = [(index, track) for index, track in tracks if track.program < _FIRST_EFFECT] or tracks
    rows = np.concatenate([track.rows for _, track in musical])
    return rows, np.repeat([index for index, _ in musical], [len(track.rows) for _, track in musical])


def _found_melody(midi: MidiFile, bars: int) -> tuple[str, np.ndarray]:
    """How the melody was found, and its [n, 4] notes: the upper line where too few notes look like one."""
    found = find_melody(midi)
    enough = len(found.notes) >= max(MIN_NOTES, SPARSE * bars)
    if enough and len(np.unique(found.notes[:, 2])) >= MIN_PITCHES:
        return found.how, found.notes
    return "skyline", skyline(midi)


def _to_ticks(midi: MidiFile, beats: Beats, file_ticks: np.ndarray) -> np.ndarray:
    """[n] real-valued score ticks, counted from the first beat, of places in the file."""
    place = np.interp(midi.seconds(file_ticks), beats.seconds, np.arange(len(beats.seconds)))
    return np.asarray(place * beats.beat_ticks)


def _quantize(midi: MidiFile, beats: Beats, sung: np.ndarray) -> QuantizedMelody:
    onset = _to_ticks(midi, beats, sung[:, 0]) / beats.beat_ticks
    release = _to_ticks(midi, beats, sung[:, 0] + sung[:, 1]) / beats.beat_ticks
    return quantize_melody(onset, release, sung[:, 2], np.maximum(sung[:, 3], 1), beat_ticks=beats.beat_ticks)


def _chords(
    midi: MidiFile, beats: Beats, notes: np.ndarray, owner: np.ndarray, sung: np.ndarray
) -> tuple[ChordSpan, ...]:
    """The chords under all notes, on the grid of beats; none where one line is all there is."""
    if len(beats.seconds) < 2 or _density(notes) < _ALONE:
        return ()
    onset, end = _to_ticks(midi, beats, notes[:, 0]), _to_ticks(midi, beats, notes[:, 0] + notes[:, 1])
    is_sung = np.isin(notes[:, 0] * 128 + notes[:, 2], sung[:, 0] * 128 + sung[:, 2])
    slots = len(beats.seconds) - 1
    begins_bar = np.zeros(slots, dtype=bool)
    begins_bar[beats.bars[beats.bars < slots]] = True
    return find_chords(
        onset,
        end - onset,
        notes[:, 2],
        grid=np.arange(slots + 1) * beats.beat_ticks,
        strong=begins_bar,
        weights=np.where(is_sung, MELODY_WEIGHT, 1.0),
        tracks=owner,
        params=FULL,
    )


def _named_chords(midi: MidiFile, beats: Beats) -> tuple[ChordSpan, ...]:
    """The chords that the file names, each until the next, the last until the music ends; on half beats."""
    half = max(1, beats.beat_ticks // 2)
    places = np.array([tick for tick, _ in midi.chords] + [max(midi.end, midi.chords[-1][0])])
    ticks = (np.maximum(np.round(_to_ticks(midi, beats, places) / half), 0) * half).astype(np.int64).tolist()
    ticks[-1] = max(ticks[-1], ticks[-2] + beats.beat_ticks)
    spans: list[ChordSpan] = []
    for (_, chord), onset, end in zip(midi.chords, ticks, ticks[1:], strict=False):
        if end <= onset:
            continue
        if spans and spans[-1].chord.is_same(chord) and spans[-1].end == onset:
            spans[-1] = ChordSpan(spans[-1].onset, end - spans[-1].onset, spans[-1].chord)
        else:
            spans.append(ChordSpan(onset, end - onset, chord))
    return tuple(spans) if any(not span.chord.is_none for span in spans) else ()


def _density(notes: np.ndarray) -> float:
    """How many notes sound at once, on average over the time in which any does."""
    order = np.argsort(notes[:, 0], kind="stable")
    onset, end = notes[order, 0], notes[order, 0] + notes[order, 1]
    until = np.maximum.accumulate(end)
    covered = until - np.maximum(onset, np.concatenate([onset[:1], until[:-1]]))
    return float((end - onset).sum() / max(1, np.maximum(covered, 0).sum()))


def _bar_lines(beats: Beats, end: int) -> list[int]:
    """Ticks at which bars begin, from at or before 0 up to the first at or after the end."""
    length = beats.meter.bar_ticks
    bars = (np.asarray(beats.bars, dtype=np.int64) * beats.beat_ticks).tolist() or [0]
    before = range(bars[0] - length * -(-bars[0] // length), bars[0], length)
    after = range(bars[-1] + length, end + length, length)
    return [*before, *bars, *after]


def _ends(line: Sequence[Note | ChordSpan]) -> int:
    return line[-1].end if line else 0


def _frame(line: Sequence[Note], chords: Sequence[ChordSpan], bars: list[int]) -> tuple[int, int, bool]:
    """(start, end, whether music was left out) of the part of the song that is kept; both are bar lines."""
    with_notes = _in_bars([(note.onset, note.end) for note in line], bars)
    with_chords = _in_bars([(span.onset, span.end) for span in chords if not span.chord.is_none], bars)
    heard = np.flatnonzero(with_notes | with_chords)
    parts = np.split(heard, np.flatnonzero(np.diff(heard) > ALONE_BARS + 1) + 1)
    part = max(parts, key=len)
    first, last = int(part[0]), int(part[-1])
    both = part[(with_notes & with_chords)[part]]
    if len(both):
        first, last = max(first, int(both[0]) - ALONE_BARS), min(last, int(both[-1]) + ALONE_BARS)
    is_cut = bool(first > heard[0] or last < heard[-1])
    end = bars[last + 1] if last + 1 < len(bars) else 2 * bars[last] - bars[last - 1]
    return bars[first], end, is_cut


def _in_bars(spans: list[tuple[int, int]], bars: list[int]) -> np.ndarray:
    """[bars] whether any of the (onset, end) spans sounds in a bar."""
    places = np.array(spans, dtype=np.int64).reshape(-1, 2)
    begin = np.searchsorted(bars, places[:, 0], side="right") - 1
    until = np.searchsorted(bars, places[:, 1], side="left")
    count = np.bincount(begin, minlength=len(bars) + 1) - np.bincount(until, minlength=len(bars) + 1)
    return np.asarray(np.cumsum(count)[: len(bars)] > 0)


def _clip_notes(line: Sequence[Note], start: int, end: int) -> tuple[Note, ...]:
    if not start and _ends(line) <= end:
        return tuple(line)
    return tuple(
        Note(note.onset - start, min(note.end, end) - note.onset, note.pitch, note.velocity)
        for note in line
        if start <= note.onset < end
    )


def _clip_chords(chords: Sequence[ChordSpan], start: int, end: int) -> tuple[ChordSpan, ...]:
    """The chords between two ticks, without the no-chords at either end."""
    spans = [
        ChordSpan(max(span.onset, start) - start, min(span.end, end) - max(span.onset, start), span.chord)
        for span in chords
        if span.onset < end and span.end > start
    ]
    sounding = [index for index, span in enumerate(spans) if not span.chord.is_none]
    return tuple(spans[sounding[0] : sounding[-1] + 1]) if sounding else ()


def _keys(
    midi: MidiFile, beats: Beats, notes: np.ndarray, chords: Sequence[ChordSpan], bars: list[int], start: int
) -> Keys:
    """The key and its changes, of the part that is kept."""
    onset = _to_ticks(midi, beats, notes[:, 0]) - start
    end = _to_ticks(midi, beats, notes[:, 0] + notes[:, 1]) - start
    limit = bars[-1] + beats.meter.bar_ticks
    kept = (onset < limit) & (end > 0)
    onset, end = np.maximum(onset[kept], 0), np.minimum(end[kept], limit)
    return find_keys(onset, end - onset, notes[kept, 2], chords, bars=np.array(bars))


def _weigh_signature(midi: MidiFile, keys: Keys, line: Sequence[Note], chords: Sequence[ChordSpan]) -> Keys:
    """The keys that were found, unless the file's one signature speaks against nearly all of them and the
    notes bear it out. C major is what programs write unasked, so it says nothing."""
    signatures = {fifths for _, fifths, _ in midi.keys}
    if len(signatures) != 1 or 0 in signatures:
        return keys
    fifths = signatures.pop()
    end = max(_ends(line), _ends(chords))
    ends = [tick for tick, _ in keys.segments[1:]] + [end]
    signed = sum(
        until - tick for (tick, key), until in zip(keys.segments, ends, strict=True) if key.fifths == fifths
    )
    if keys.key.fifths == fifths or signed >= _MODULATING * end:
        return keys
    key = find_written_key([(note.pitch, note.duration) for note in line], chords, fifths)
    return Keys(key, ((0, key),)) if key.fifths == fifths else keys


def _clip_keys(segments: Sequence[tuple[int, Key]], end: int) -> tuple[tuple[int, Key], ...]:
    """The key changes within the score; none of a single key."""
    inside = [(max(0, tick), key) for tick, key in segments if tick < end]
    return tuple(inside) if len(inside) > 1 else ()


def read_midi_song(path: str | Path) -> Song:
    """Read a MIDI file by what it holds.

    A file that `write_midi` made is a lead sheet and taken as it is; one of two tracks, a melody or a bass
    line and block chords, is read by `chord_track_song`; from any other, beats, melody, key, and chords that
    it does not name, are found by `plain_song`. A damaged file is read as far as it goes, as plain notes.

    Args:
        path: a MIDI file.

    Returns:
        The song; its id is the file's stem. Warnings: "damaged" (a part of the file was lost),
        "bytes_clamped" (data bytes over 127 were taken as 127), "channels_joined" (a voice was played over
        several channels), "chord_names_german" and the like (whose note names the chords have).

    Raises:
        MidiError: if the file cannot be read (has `.reason`).
        SongError: if it holds no song (has `.reason`).
    """
    midi = read_midi(path, damaged=True)
    warnings = set()
    if midi.damage:
        warnings.add("damaged")
    if midi.clamped:
        warnings.add("bytes_clamped")
    if midi.joined:
        warnings.add("channels_joined")
    if midi.chords and midi.chord_naming != "english":
        warnings.add(f"chord_names_{midi.chord_naming}")
    song = _read(midi, path)
    return replace(song, warnings=tuple(sorted({*song.warnings, *warnings}))) if warnings else song


def _read(midi: MidiFile, path: str | Path) -> Song:
    """The song of a file, by what it holds."""
    if midi.damage:
        return plain_song(midi, path)
    if is_lead_sheet(midi):
        with suppress(MidiError):  # notes that overlap, say: not written by us, and plain MIDI all the same
            score = lead_sheet_score(midi, path)
            if score.end <= MAX_TICKS and (score.chords or score.melody):
                return Song(score)
    tracks = None if midi.chords else find_chord_track(midi)
    if tracks is not None:
        return chord_track_song(midi, tracks, path)
    return plain_song(midi, path)
