"""The melody of a MIDI file that does not say which notes are sung.

In this order: a track that is named as the melody; the track whose notes carry the words; the track that
looks most like a melody beside the others (`melody_choice`). A track of chords, or the only one, is searched
note by note (`melody_line`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from hrpe_jax.analysis.melody.line import (
    TOGETHER,
    Notes,
    fitted_networks,
    line_probability,
    one_at_a_time,
    skyline,
    struck_once,
)
from hrpe_jax.formats.midi.read import MidiFile, MidiTrack

_STEPS = 20_000
"""Most places at which tracks are compared, `_STEP` seconds apart or more."""
_STEP = 0.25
_WINDOW = 2.0
"""Seconds that count as covered where a note begins within them."""

TRACK_WEIGHTS = {
    "chords": -3.09, "overlap": -2.44, "coverage": -0.25, "too_low": -1.97, "highest": 0.89,
    "highest_of_all": 1.73, "lowest": -0.3, "leap": -3.0, "wide_leaps": -0.29, "repeats": -2.24,
    "range": -0.88, "legato": 1.36, "variety": -3.9, "loudness": 1.36, "notes": 0.34, "entry": 4.42,
    "sparse": -3.53, "held": -1.24,
}  # fmt: skip
"""Score of a track: the sum of these times `track_features`."""

_OUT = -10.0
"""Score of programs that never sing: basses, timpani, percussion, effects."""
_NEVER = frozenset({*range(32, 40), 47, *range(112, 128)})


def track_scores(tracks: list[Notes], programs: list[int]) -> np.ndarray:
    """[tracks] how much each track looks like a sung melody; differences of 2 are nearly certain.

    Args:
        tracks: one or more, each with one or more notes sorted by onset, then pitch; without percussion.
        programs: General MIDI programs of the tracks.
    """
    never = np.array([never_sings(program) for program in programs])
    return np.asarray(track_features(tracks) @ np.array(list(TRACK_WEIGHTS.values())) + _OUT * never)


def never_sings(program: int) -> bool:
    """Whether a General MIDI program is a bass, percussion or an effect."""
    return program in _NEVER


def track_features(tracks: list[Notes]) -> np.ndarray:
    """What each track looks like beside the others.

    Args:
        tracks: as for `track_scores`.

    Returns:
        [tracks, columns] in the order of `TRACK_WEIGHTS`: shares, octaves, logarithms of counts.
    """
    begin = min(float(track.onset[0]) for track in tracks)
    length = max(float(track.end.max()) for track in tracks) - begin
    steps = max(1, min(int(length / _STEP) + 1, _STEPS))
    step = max(length / steps, 1e-3)
    heard = np.zeros((len(tracks), steps))
    for row, track in zip(heard, tracks, strict=True):
        first = np.minimum(((track.onset - begin) / step).astype(np.int64), steps - 1)
        last = np.minimum(((track.end - begin) / step).astype(np.int64), steps - 1)
        np.maximum.at(row, first, track.pitch)
        # A long note counts in its middle too; that is enough to compare tracks.
        np.maximum.at(row, (first + last) // 2, track.pitch)
    sounds = heard > 0
    top = heard.max(axis=0)
    bottom = np.where(sounds, heard, 200.0).min(axis=0)
    together = sounds.sum(axis=0) > 1
    loudness = np.array([track.velocity.mean() for track in tracks])
    rows = []
    for index, track in enumerate(tracks):
        onset, pitch = track.onset, track.pitch
        wait = np.diff(onset)
        apart = wait > TOGETHER
        line = np.flatnonzero(np.append(apart, True))  # the highest of each chord
        sung = pitch[line]
        moves = np.abs(np.diff(sung))
        windows = ((onset - begin) / _WINDOW).astype(np.int64)
        sorted_pitch = np.sort(pitch)
        low, middle, high = sorted_pitch[[len(pitch) // 20, len(pitch) // 2, -1 - len(pitch) // 20]]
        held = np.minimum(track.end[line] - onset[line], 3.0)[:-1] / np.maximum(np.diff(onset[line]), 0.02)
        shared = together & sounds[index]
        triples = sung[:-2] * 16384 + sung[1:-1] * 128 + sung[2:]
        covered = (1 + np.count_nonzero(np.diff(windows))) / (int(length / _WINDOW) + 1)
        rows.append(
            (
                1 - len(line) / len(pitch),
                float((track.end[:-1] > onset[1:] + 0.1).mean()) if len(wait) else 0.0,
                covered,
                max(0.0, 57 - middle) / 6,
                float((heard[index] == top)[shared].mean()) if shared.any() else 1.0,
                float((heard[index] == top)[top > 0].mean()) if top.any() else 0.0,
                float((heard[index] == bottom)[shared].mean()) if shared.any() else 0.0,
                float(np.minimum(moves, 12).mean()) / 4 if len(moves) else 2.0,
                float((moves > 9).mean()) if len(moves) else 1.0,
                float((moves == 0).mean()) if len(moves) else 1.0,
                (high - low) / 12,
                np.log(np.median(held) + 0.05) if len(held) else 0.0,
                len(np.unique(triples)) / max(len(triples), 8),
                (loudness[index] - loudness.mean()) / 20,
                np.log(len(pitch)),
                min(float(onset[0]) - begin, 6.0) / 10,
                max(0.0, 0.45 - covered) * 4,
                max(0.0, float(np.median(np.log(np.maximum(track.end - onset, 0.05)))) + 0.3),
            )
        )
    return np.array(rows, dtype=np.float64)


FEWEST = 8
"""Notes that a track must have to be the melody, where another has them."""
CHORDS = 0.2
"""Share of notes that are struck with a higher one from which on a track is searched note by note."""
SILENT = 0.35
"""Share of a track's time with melody below which the notes were chosen too strictly."""
_SILENCE = 8
"""Quarters of silence in a singer's line from which on another singer may have them."""
SUNG = 0.75
"""Least agreement (F1 of places) of a track with the lyrics to be the one that is sung."""

# Best first. Words in the names of tracks, whole where they are Latin.
_NAMES = (
    r"melod(y|ie|ia|ía|i|ies)|mélodie|mel|旋律|主旋律|メロディー?|멜로디|мелодия",
    r"lead voc(al|als|s)?|lead vox|lead voice|main voc(al|als)|singer|sing|主唱",
    r"vocals?|vox|voc|voices?|voz|voce|canto|cantus|chant|gesang|singstimme|zang|sång|soprano"
    r"|人声|歌|ボーカル|ヴォーカル|うた|보컬|노래|вокал|голос",
    r"lead|leadsheet|tune|air",
)
_OTHERS = re.compile(
    r"\b(back\w*|bg|bv|bvox|harmon\w+|choir|chorus|choirs|oohs?|aahs?|guitars?|gtr|synth|brass|bass|drums?|pad"
    r"|square|sawtooth|saw|calliope|chiff|charang|fifths|counter\w*|second|2nd|[2-9])\b",
    re.IGNORECASE,
)
_PATTERNS = tuple(
    re.compile(
        "|".join(rf"\b{word}\b" if word.isascii() else word for word in re.split(r"\|(?![^(]*\))", names)),
        re.IGNORECASE,
    )
    for names in _NAMES
)


class FoundMelody(NamedTuple):
    """What `find_melody` returns.

    Attributes:
        notes: [n, 4] int64: onset, duration, pitch and velocity in the file's ticks, one note at a time,
            onsets strictly increasing. Empty where the file has nothing but percussion.
        how: "named" (the file says so: names or lyrics), "scored" (a track that looks like a melody) or
            "skyline" (notes chosen one by one).
        track: the index of the track that was chosen or searched; -1 where there is none.
    """

    notes: np.ndarray
    how: Literal["named", "scored", "skyline"]
    track: int


def find_melody(midi: MidiFile) -> FoundMelody:
    """Find the notes that are sung, or would be.

    Args:
        midi: any file within the limits of `formats.midi.limits`.

    Returns:
        The melody and how it was found.
    """
    places = [index for index, track in enumerate(midi.tracks) if not track.is_drum]
    if not places:
        return FoundMelody(np.zeros((0, 4), dtype=np.int64), "skyline", -1)
    tables = {index: midi.tracks[index].array() for index in places}
    long = [index for index in places if len(tables[index]) >= FEWEST]
    places = long or places
    if len(places) > 1:
        named = _named([midi.tracks[index].name for index in places])
        some = [places[i] for i in named] or sung_tracks(midi, places) or places
        notes = [_in_seconds(midi, tables[index]) for index in places]
        best = some[0]
        if len(some) > 1:
            scores = track_scores(notes, [midi.tracks[index].program for index in places])
            best = max(some, key=lambda index: scores[places.index(index)])
        if len(some) < len(places):
            line = _highest(midi, tables[best])
            singers = [places[i] for i in named] if best in (places[i] for i in named) else []
            others = [i for i in places if i != best and (i in singers or _is_singer(midi, i, best))]
            return FoundMelody(_together(midi, line, [tables[i] for i in others]), "named", best)
        if _chords(notes[places.index(best)]) <= CHORDS:
            others = [i for i in places if i != best and _is_same(midi, i, best)]
            line = _together(midi, _highest(midi, tables[best]), [tables[i] for i in others])
            return FoundMelody(line, "scored", best)
    else:
        best = places[0]
        if _chords(_in_seconds(midi, tables[best])) == 0:
            return FoundMelody(_highest(midi, tables[best]), "scored", best)
    found = _line(midi, tables[best])
    if _coverage(midi, found, tables[best]) < SILENT:
        found = _highest_held(midi, tables[best])  # an instrumental: the tune is on top all the time
    return FoundMelody(found, "skyline", best)


def _named(names: list[str]) -> list[int]:
    """Places of the names that say melody best; none where all tracks have one name (the song's)."""
    common, count = Counter(names).most_common(1)[0]
    names = ["" if count > 1 and count == len(names) and name == common else name for name in names]
    words = [re.sub(r"[_\-.:/]+", " ", name) for name in names]
    for pattern in _PATTERNS:
        found = [
            place for place, name in enumerate(words) if pattern.search(name) and not _OTHERS.search(name)
        ]
        if found:
            return found
    return []


def _is_singer(midi: MidiFile, index: int, best: int) -> bool:
    """Whether a track is named as the best one is, but for a number: "Voice 2" beside "Voice 1"."""
    name, other = (re.sub(r"[\d\W_]+", " ", midi.tracks[i].name.lower()).strip() for i in (index, best))
    return bool(name) and name == other and any(pattern.search(name) for pattern in _PATTERNS)


def _is_same(midi: MidiFile, index: int, best: int) -> bool:
    """Whether two tracks have one name and one sound: a line that was cut in two.

    A name that all tracks have is the song's.
    """
    one, other = midi.tracks[index], midi.tracks[best]
    told_apart = len({track.name for track in midi.tracks}) > 1
    return told_apart and bool(one.name) and (one.name, one.program) == (other.name, other.program)


def _together(midi: MidiFile, line: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    """A line with what other tracks sing where it is silent for long, as in a duet."""
    long = _SILENCE * midi.ticks_per_quarter
    for other in (_highest(midi, table) for table in others):
        if not len(line) or not len(other):
            continue
        ends = np.maximum.accumulate(line[:, 0] + line[:, 1])
        before = np.searchsorted(line[:, 0], other[:, 0], side="right") - 1
        begins = np.where(before >= 0, ends[np.maximum(before, 0)], -long)
        after = np.append(line[:, 0], np.iinfo(np.int64).max)[before + 1]
        alone = (other[:, 0] >= begins) & (other[:, 0] + other[:, 1] <= after) & (after - begins >= long)
        if alone.sum() >= FEWEST:
            line = np.concatenate([line, other[alone]])
            line = line[np.argsort(line[:, 0], kind="stable")]
    return line


def sung_tracks(midi: MidiFile, places: list[int]) -> list[int]:
    """Tracks whose notes begin where the words of a karaoke file are sung, one to one.

    Args:
        midi: the file.
        places: indices of the tracks that may be.

    Returns:
        The one that fits best and those that fit as well; none where the file has no words or no track fits.
    """
    syllables = np.array(midi.syllables, dtype=np.int64)
    if len(syllables) < 2 * FEWEST:
        return []
    near = midi.ticks_per_quarter / 8
    agreement = []
    for index in places:
        onsets = np.unique(midi.tracks[index].rows[:, 0])
        hit = _share_near(syllables, onsets, near), _share_near(onsets, syllables, near)
        agreement.append(2 * hit[0] * hit[1] / max(sum(hit), 1e-9))
    most = max(agreement)
    if most < SUNG:
        return []
    return [index for index, value in zip(places, agreement, strict=True) if value > most - 0.03]


def _share_near(places: np.ndarray, others: np.ndarray, reach: float) -> float:
    """Share of places with one of the others within reach; both sorted."""
    right = np.minimum(np.searchsorted(others, places), len(others) - 1)
    left = np.maximum(right - 1, 0)
    distance = np.minimum(np.abs(others[right] - places), np.abs(others[left] - places))
    return float((distance <= reach).mean())


def _in_seconds(midi: MidiFile, table: np.ndarray) -> Notes:
    onset, duration, pitch, velocity = table.T
    times = midi.seconds(np.concatenate([onset, onset + duration]))
    return Notes(times[: len(onset)], times[len(onset) :], pitch.astype(float), velocity.astype(float))


def _chords(notes: Notes) -> float:
    """Share of notes that are struck together with the next."""
    return float((np.diff(notes.onset) <= TOGETHER).mean()) if len(notes.onset) > 1 else 0.0


def _highest(midi: MidiFile, table: np.ndarray) -> np.ndarray:
    """A track, of notes struck together the highest."""
    return _alone(table, one_at_a_time(midi.seconds(table[:, 0]), table[:, 2] / 128, keep=-1.0))


def _line(midi: MidiFile, table: np.ndarray) -> np.ndarray:
    """The melody among the notes of a track that has more."""
    notes = _in_seconds(midi, table)
    once = struck_once(notes)
    notes = Notes(*(column[once] for column in notes))
    probability = line_probability(notes, *fitted_networks())
    return _alone(table, once[one_at_a_time(notes.onset, probability)])


def _coverage(midi: MidiFile, melody: np.ndarray, table: np.ndarray) -> float:
    """Share of the stretches of two seconds in which notes begin, in which one of the melody does."""
    every, ours = (np.unique(midi.seconds(rows[:, 0]) // 2.0) for rows in (table, melody))
    return len(ours) / max(len(every), 1)


def _highest_held(midi: MidiFile, table: np.ndarray) -> np.ndarray:
    """The upper line of a track: what begins below a note that still sounds is not the tune."""
    track = MidiTrack("", 0, False, table)
    return skyline(replace(midi, tracks=(track,)))


def _alone(table: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows of a note table, each ending where the next begins."""
    chosen = table[places]
    chosen = chosen[np.append(np.diff(chosen[:, 0]) > 0, True)] if len(chosen) else chosen
    chosen[:-1, 1] = np.minimum(chosen[:-1, 1], np.diff(chosen[:, 0]))
    return np.asarray(chosen)
