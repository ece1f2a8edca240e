"""MIDI files of two tracks, a melody and its chords as blocks of notes, such as the Nottingham collection's.

They are known by what they hold, not by names: one track is a line of notes, the other consists of chords
whose notes begin and end together, one chord at a time, on the file's own grid. Such a file was written, not
played, so beats, meter and chords are taken as it says them.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrpe_jax.formats.midi.read import MidiFile, MidiTrack
from hrpe_jax.readers.song import Song, SongError, song_title
from hrpe_jax.readers.written_music import find_written_key, regular_meter
from hrpe_jax.score.score import ChordSpan, Note, Score, resets_from_bars
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import TICKS_PER_QUARTER, TICKS_PER_WHOLE, Meter
from hrpe_jax.theory.quality import INTERVALS, NO_CHORD, QUALITIES

_RANK = {INTERVALS[quality]: rank for rank, quality in enumerate(QUALITIES) if quality != NO_CHORD}


def exact_chord(pitches: Collection[int]) -> Chord | None:
    """The chord of the vocabulary with exactly these notes, or these and a foreign bass; None without one.

    Where several chords have the same notes (C6 and Am7), the one on the bass wins, then the simpler one;
    a bass foreign to every reading is a slash.

    Args:
        pitches: MIDI numbers of the notes, in any order.
    """
    if not pitches:
        return None
    bass = min(pitches) % 12
    return _exact(frozenset(pitch % 12 for pitch in pitches), bass)


def name_block(pitches: Collection[int]) -> Chord:
    """As `exact_chord`, or the nearest chord on the bass where there is none; at least one note."""
    chord = exact_chord(pitches)
    if chord is not None:
        return chord
    bass = min(pitches)
    return Chord.from_intervals(bass % 12, [pitch - bass for pitch in pitches])


@lru_cache(maxsize=4096)
def _exact(classes: frozenset[int], bass: int) -> Chord | None:
    return _with_bass(classes, bass) or (_with_bass(classes - {bass}, bass) if len(classes) > 3 else None)


def _with_bass(classes: frozenset[int], bass: int) -> Chord | None:
    """The best reading of some pitch classes over a bass that need not be one of them."""
    readings: list[tuple[bool, int, int]] = []
    for root in classes:
        rank = _RANK.get(frozenset((pitch - root) % 12 for pitch in classes))
        if rank is not None:
            readings.append((root != bass, rank, root))
    if not readings:
        return None
    _, rank, root = min(readings)
    return Chord(root, QUALITIES[rank], bass)


MAX_TICKS = 240_000
"""Longest piece: 5,000 bars of 4/4, over two hours."""
_MIN_CHORDS = 2
_SHARE = 0.95
"""Of the chords that must be as described; the rest are slips."""
_LINE_NOTES = 2
_LINE_SHARE = 0.75
"""Of the melody's onsets that have so many notes at most: some tunes have a second voice, a few a third."""
_CHORD_NOTES = (3, 7)


_LOW = 53
"""Median pitch below which a line under the chords is their bass."""
_UNDER = 0.9
"""Share of its notes that no note of the chord that sounds with them is below."""
_BASSES = range(32, 40)
_BASS_NAME = re.compile(r"\bbass\b|\bbaixo\b|\bbasse\b|\bbasso\b|ベース", re.IGNORECASE)
_OFF_BARS, _ON_PHASE = 0.25, 0.75
"""Share of the changes of chord on the file's bar lines up to which these are not meant, and from which on
those at another place of the bar are."""
_FEW_CHANGES, _OPENING = 4, 8


class ChordTrack(NamedTuple):
    """The two tracks of such a file.

    Attributes:
        line: the melody, or the bass under the chords.
        chords: blocks of notes.
        is_bass: whether the line is a bass.
    """

    line: MidiTrack
    chords: MidiTrack
    is_bass: bool = False


def find_chord_track(midi: MidiFile) -> ChordTrack | None:
    """The melody and the chord track of a file, or None where it is not of this kind.

    Files with more than two pitched tracks never are: there, block chords are one voice of an arrangement.
    """
    tracks = [track for track in midi.tracks if not track.is_drum]
    if len(tracks) != 2:
        return None
    for line, chords in (tracks, tracks[::-1]):
        if _is_line(line) and _is_blocks(chords, midi.ticks_per_quarter):
            return ChordTrack(line, chords, _is_bass(line, chords))
    return None


def _is_bass(line: MidiTrack, chords: MidiTrack) -> bool:
    """Whether a line is the bass of the chords: low, and below them nearly always."""
    first, _ = _blocks(chords)
    lowest = chords.rows[first, 2]  # rows are sorted by pitch within an onset
    block = np.maximum(np.searchsorted(chords.rows[first, 0], line.rows[:, 0], side="right") - 1, 0)
    under = float((line.rows[:, 2] <= lowest[block]).mean())
    named = bool(_BASS_NAME.search(line.name)) or line.program in _BASSES
    low = float(np.median(line.rows[:, 2])) < _LOW
    return under >= _UNDER and (low or named)


def _blocks(track: MidiTrack) -> tuple[np.ndarray, np.ndarray]:
    """[blocks] index of the first row of each group of notes that begin together, and the size of each."""
    first = np.flatnonzero(np.diff(track.rows[:, 0], prepend=-1))
    return first, np.diff(first, append=len(track.rows))


def _is_line(track: MidiTrack) -> bool:
    """Whether notes come alone, or in pairs at most."""
    _, sizes = _blocks(track)
    return float(np.mean(sizes <= _LINE_NOTES)) >= _LINE_SHARE


def _is_blocks(track: MidiTrack, ticks_per_quarter: int) -> bool:
    """Whether the track is nothing but chords of the vocabulary, written one after the other."""
    first, sizes = _blocks(track)
    if len(first) < _MIN_CHORDS:
        return False
    onset, duration, pitch, _ = track.rows.T
    full = (sizes >= _CHORD_NOTES[0]) & (sizes <= _CHORD_NOTES[1])
    shortest, longest = np.minimum.reduceat(duration, first), np.maximum.reduceat(duration, first)
    together = longest - shortest <= ticks_per_quarter // 8
    apart = np.append(onset[first[1:]] >= onset[first[:-1]] + longest[:-1], True)
    step = ticks_per_quarter / TICKS_PER_QUARTER
    off_grid = np.abs(onset[first] - np.round(onset[first] / step) * step)
    good = full & together & apart & (off_grid <= min(1.0, step / 8))
    if good.mean() < _SHARE:
        return False
    known = [exact_chord(notes.tolist()) is not None for notes in np.split(pitch, first[1:])]
    return sum(known) >= _SHARE * len(known)


def chord_track_song(midi: MidiFile, tracks: ChordTrack, path: str | Path) -> Song:
    """The song of a file with a chord track.

    Blocks ring until the next one where less than a bar is between them, and equal neighbours are one chord.
    The melody is the upper line where there are two; a line that is the bass gives the chords their basses,
    and there is no melody. Signatures seldom say the mode, so the key is found, with the signature as
    evidence; where it changes, every stretch has its own. Where chords never change on the file's bar lines,
    but nearly always at another place of its bars, that is where bars begin: some programs put a pickup at
    the beginning of the file.

    Args:
        midi: the file.
        tracks: what `find_chord_track` found in it.
        path: of the file, for the song's name.

    Returns:
        The song. `found` has "key" unless the signature's own key holds, "beats" where bars are not the
        file's ("bars_moved" is a warning then), and "meter" where the file has none ("meter_assumed" is a
        warning then, "meter_split" where its meter is one that scores do not have). Warning: "no_melody".

    Raises:
        SongError: with reason "too_long".
    """

    def ticks(file_ticks: np.ndarray) -> np.ndarray:
        return np.asarray(np.round(file_ticks * TICKS_PER_QUARTER / midi.ticks_per_quarter), dtype=np.int64)

    line = _line(tracks.line, ticks)
    melody = () if tracks.is_bass else line
    end = max(line[-1].end, int(ticks(tracks.chords.rows[:, :2].sum(axis=1)).max()))
    if end > MAX_TICKS:
        raise SongError("too_long", f"{path}: {end} ticks: expected at most {MAX_TICKS}")
    changes = [(int(ticks(np.array(tick))), Meter(num, den)) for tick, num, den in midi.meters]
    meter, bars = count_bars(changes, end)
    chords = _spans(tracks.chords, ticks, meter.bar_ticks)
    warnings, found = [], []
    pickup = _pickup(chords, meter) if len(changes) < 2 else 0
    if pickup:
        bars = [0, *range(pickup, max(end, pickup + 1), meter.bar_ticks)]
        found.append("beats")
        warnings.append("bars_moved")
    if tracks.is_bass:
        chords = _with_basses(chords, line)
        warnings.append("no_melody")
    if not changes:
        found.append("meter")
        warnings.append("meter_assumed")
    elif all(meter != said for _, said in changes):
        warnings.append("meter_split")
    signatures = [(int(ticks(np.array(tick))), fifths, minor) for tick, fifths, minor in midi.keys]
    keys = _keys(signatures, melody, chords)
    if [key for _, key in keys] != [_signature_key(fifths, minor) for _, fifths, minor in signatures]:
        found.append("key")
    name, title = song_title(midi, path)
    score = Score(
        id=name,
        title=title,
        key=longest_key(keys, end),
        meter=meter,
        tempo_bpm=round(_opening_tempo(midi), 3),
        melody=melody,
        chords=chords,
        source=Path(path).name,
        bar_resets=resets_from_bars(bars, meter.bar_ticks),
    )
    return Song(score, tuple(sorted(found)), tuple(sorted(warnings)), tuple(keys) if len(keys) > 1 else ())


def _opening_tempo(midi: MidiFile) -> float:
    """The tempo at the first note: some files set it a little after tick 0."""
    first = min(int(track.rows[0, 0]) for track in midi.tracks)
    return [bpm for tick, bpm in midi.tempos if tick <= first][-1]


def _pickup(chords: Sequence[ChordSpan], meter: Meter) -> int:
    """Ticks before the first bar line where the chords show that bars do not begin at tick 0; else 0."""
    places = [span.onset % meter.bar_ticks for span in chords]
    count = Counter(places)
    opening = places[:_OPENING]  # later on, sections that begin with a pickup move what follows
    if len(places) < _FEW_CHANGES or any(part.count(0) > _OFF_BARS * len(part) for part in (places, opening)):
        return 0
    most = max(count.values())
    # Where chords change twice a bar, the first of them begins one.
    phase = next(place for place in places if count[place] >= 0.7 * most)
    half = (phase + meter.bar_ticks // 2) % meter.bar_ticks if meter.beats_per_bar % 2 == 0 else phase
    on = count[phase] + (count[half] if half != phase else 0)
    return phase if on >= _ON_PHASE * len(places) else 0


_WITH_ROOT = ("7", "maj7", "min7", "hdim7", "minmaj7")
"""Sevenths whose upper three notes are a chord too: C over a bass A is Am7."""


def _with_basses(chords: Sequence[ChordSpan], line: Sequence[Note]) -> tuple[ChordSpan, ...]:
    """Every chord cut where its bass changes to another note that it is held over, with that bass."""
    onsets = [note.onset for note in line]
    spans: list[ChordSpan] = []
    for span in chords:
        first = max(0, bisect_right(onsets, span.onset) - 1)
        under = line[first] if onsets[first] <= span.onset < line[first].end else None
        if under is None and bisect_left(onsets, span.end) > first:
            under = next((note for note in line[first:] if span.onset <= note.onset < span.end), None)
        chord = span.chord if under is None or span.chord.is_none else _over(span.chord, under.pitch % 12)
        spans.append(ChordSpan(span.onset, span.duration, chord))
    return tuple(spans)


def _over(chord: Chord, bass: int) -> Chord:
    """A chord over a bass: an inversion, a seventh chord whose root the bass is, or a slash."""
    above = chord.pitch_classes - {chord.bass} | {chord.root}
    if bass in above:
        return Chord(chord.root, chord.quality, bass)
    whole = _with_bass(frozenset(above | {bass}), bass)
    if whole is not None and whole.root == bass and whole.quality in _WITH_ROOT:
        return whole
    return Chord(chord.root, chord.quality, bass)


def count_bars(changes: list[tuple[int, Meter]], end: int) -> tuple[Meter, list[int]]:
    """The regular meter and the places of bar lines, from tick 0 up to the end.

    Args:
        changes: (tick, meter), sorted; the first holds from the start, 4/4 where there is none.
        end: the tick to count to.
    """
    changes = [change for change in changes if change[0] < end]
    if not changes or changes[0][0] > 0:
        changes = [(0, changes[0][1] if changes else Meter(4, 4)), *changes]
    lengths: list[tuple[Meter, int]] = []
    bars: list[int] = []
    for (start, meter), (until, _) in pairwise([*changes, (max(end, changes[-1][0] + 1), changes[-1][1])]):
        lengths.append((meter, until - start))
        length = TICKS_PER_WHOLE * meter.numerator / meter.denominator
        bars.extend(round(start + at * length) for at in range(math.ceil((until - start) / length)))
    return regular_meter(lengths), sorted(set(bars))


def _line(track: MidiTrack, ticks: Callable[[np.ndarray], np.ndarray]) -> tuple[Note, ...]:
    """The highest note at every onset, until the next."""
    rows = track.rows
    onset = ticks(rows[:, 0])
    release = np.maximum(ticks(rows[:, 0] + rows[:, 1]), onset + 1)
    order = np.lexsort((rows[:, 2], onset))
    top = order[np.flatnonzero(np.diff(onset[order], append=onset[order[-1]] + 1))]
    onset, release = onset[top], release[top]
    release[:-1] = np.minimum(release[:-1], onset[1:])
    pitch, velocity = rows[top, 2], np.maximum(rows[top, 3], 1)
    columns = (onset, release - onset, pitch, velocity)
    return tuple(Note(*note) for note in zip(*(column.tolist() for column in columns), strict=True))


def _spans(
    track: MidiTrack, ticks: Callable[[np.ndarray], np.ndarray], bar_ticks: int
) -> tuple[ChordSpan, ...]:
    """Every block as a chord."""
    first, _ = _blocks(track)
    onset = ticks(track.rows[first, 0]).tolist()
    longest = np.maximum.reduceat(track.rows[:, 1], first)
    release = ticks(track.rows[first, 0] + longest).tolist()
    spans: list[ChordSpan] = []
    for index, notes in enumerate(np.split(track.rows[:, 2], first[1:])):
        begin, end = onset[index], release[index]
        following = onset[index + 1] if index + 1 < len(onset) else end
        end = following if following - end < bar_ticks else end
        if end <= begin:  # two blocks on one tick: the later one is the correction
            continue
        chord = name_block(notes.tolist())
        if spans and spans[-1].chord == chord and spans[-1].end == begin:
            spans[-1] = ChordSpan(spans[-1].onset, end - spans[-1].onset, chord)
        else:
            spans.append(ChordSpan(begin, end - begin, chord))
    return tuple(spans)


def _keys(
    signatures: list[tuple[int, int, int]], melody: Sequence[Note], chords: Sequence[ChordSpan]
) -> list[tuple[int, Key]]:
    """(tick, key) of every stretch with one signature; equal neighbours are one."""
    stretches: list[tuple[int, int | None, int]] = [(0, *signature[1:]) for signature in signatures[:1]]
    stretches.extend(signatures[1:])
    keys: list[tuple[int, Key]] = []
    for (start, fifths, minor), (until, _, _) in pairwise([*(stretches or [(0, None, 0)]), (1 << 60, 0, 0)]):
        notes = [(note.pitch, note.duration) for note in melody if start <= note.onset < until]
        under = [span for span in chords if start <= span.onset < until]
        if keys and not notes and not under:
            continue
        said = _signature_key(fifths, 1) if fifths is not None and minor else None
        key = find_written_key(notes, under, fifths, said)
        if not keys or keys[-1][1] != key:
            keys.append((start, key))
    return keys


def _signature_key(fifths: int, minor: int) -> Key:
    return Key((fifths * 7 + (9 if minor else 0)) % 12, "minor" if minor else "major")


def longest_key(keys: Sequence[tuple[int, Key]], end: int) -> Key:
    """The key that holds longest in all; the first of equals."""
    time: dict[Key, int] = {}
    for (start, key), (until, _) in pairwise([*keys, (max(end, keys[-1][0]), keys[-1][1])]):
        time[key] = time.get(key, 0) + until - start
    return max(time, key=time.__getitem__)
