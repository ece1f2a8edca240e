"""Chords from notes: names with basses for what sounds, slot after slot of a beat grid.

Two finders share this entrance: `segments` for accompanied songs, fitted on POP909, and
`templates` for voices that change chords with every beat (chorales).

Notes that accompany tell the chords best, while a melody passes through notes of its own. A track that plays
several notes at once, or plays low, accompanies; a voice high above the rest that plays one note at a time is
a line, whatever its name. Where all notes are in one track, a note alone on top, well above what sounds below
it, is probably melody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from hrpe_jax.analysis.chords.segments import (
    ROLES,
    STEPS,
    Piece,
    SegmentParams,
    cells,
    song_chords,
    song_evidence,
)
from hrpe_jax.analysis.chords.templates import CHORALE, ChordParams, best_path, slot_features, slot_scores
from hrpe_jax.analysis.fitted import read_fitted
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.quality import CHORD_TONES

LINE_WEIGHT = 0.1
"""Of the notes of a line: little against an accompaniment, but enough where nothing else sounds."""

_POLYPHONY = 6.0  # how much it speaks for a track that all its time has two notes or more at once
_MIDDLE = 0.5  # ... and the share at which that says neither
_HIGH = 65.0  # mean pitch that says neither
_SEMITONES = 4.0  # how far from it the pitch says as much as one unit of the score
_ENOUGH = 1.5  # notes of the accompaniment sounding at once, on average over the time in which any note does

# Log odds that a note accompanies, by the columns of `note_features`: `tools/fit/chords.py --notes`.
_NOTE = (-0.82, -1.65, -2.85, -0.15, -0.13, 0.46, 0.78, 0.05, 2.07)


def accompaniment_weights(
    begin: np.ndarray, end: np.ndarray, pitch: np.ndarray, track: np.ndarray
) -> np.ndarray:
    """How much each note says about the chords, from `LINE_WEIGHT` to 1.

    Args:
        begin: [n] where notes start, in beats.
        end: [n] where they stop.
        pitch: [n] MIDI numbers.
        track: [n] any number per track; one number for all where tracks are not known.
    """
    if not len(pitch):
        return np.ones(0)
    first = np.rint(begin * STEPS).astype(np.int64)
    first -= first.min()
    last = np.maximum(np.rint(end * STEPS - begin * STEPS).astype(np.int64), 1) + first
    names, index = np.unique(track, return_inverse=True)
    if len(names) > 1:
        return np.where(_accompanies(first, last, pitch, index)[index], 1.0, LINE_WEIGHT)
    odds = note_features(first, last, pitch) @ np.array(_NOTE)
    return LINE_WEIGHT + (1 - LINE_WEIGHT) / (1 + np.exp(-odds))


def _accompanies(first: np.ndarray, last: np.ndarray, pitch: np.ndarray, index: np.ndarray) -> np.ndarray:
    """[tracks] whether each accompanies.

    Where the accompaniment is thin (two voices over a bass, each in a track of its own), the next lower lines
    are taken in until there is enough of it.
    """
    tracks = int(index.max()) + 1
    steps = int(last.max()) + 1
    heard = np.zeros(steps, dtype=bool)
    score, total = np.zeros(tracks), np.zeros(tracks)
    for name in range(tracks):
        own = index == name
        starts, stops = (np.bincount(place[own], minlength=steps) for place in (first, last))
        sounding = np.cumsum(starts - stops)
        heard |= sounding > 0
        time = last[own] - first[own]
        total[name] = time.sum()
        height = (pitch[own] * time).sum() / total[name]
        polyphony = np.count_nonzero(sounding > 1) / np.count_nonzero(sounding)
        score[name] = _POLYPHONY * (polyphony - _MIDDLE) + (_HIGH - height) / _SEMITONES
    order = np.argsort(-score, kind="stable")
    density = np.cumsum(total[order]) / np.count_nonzero(heard)
    needed = int(np.searchsorted(density, _ENOUGH)) + 1
    accompanies = np.zeros(tracks, dtype=bool)
    accompanies[order[: max(needed, int((score > 0).sum()))]] = True
    return accompanies


def note_features(first: np.ndarray, last: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """What each note is among all others.

    Args:
        first: [n] step in which notes start, from 0.
        last: [n] step after their last.
        pitch: [n] MIDI numbers.

    Returns:
        [n, 9]: share of its time in which it is the highest; octaves down to the next lower note that is not
        the highest when it starts, where it is the highest itself; octaves over the median pitch; notes
        struck with it and length in beats, as powers of two; products of the first with the next two; square
        of the octaves over the median; 1.
    """
    steps, length = int(last.max()) + 1, last - first
    upward = np.argsort(pitch, kind="stable")
    highest = np.full(steps, -1)
    for note, step in cells(upward, first, last):
        highest[step] = note
    top = np.bincount(highest[highest >= 0], minlength=len(pitch)) / length
    on_top = pitch[highest[first]] == pitch
    second = np.full(steps, _NOTHING)
    for note, step in cells(upward[~on_top[upward]], first, last):
        second[step] = pitch[note]
    gap = np.where(on_top, np.clip(pitch - second[first], 0, 24), 0) / 12

    time = np.cumsum(length[upward])
    median = pitch[upward][np.searchsorted(time, time[-1] / 2)]
    height = (pitch - median) / 12
    struck = np.log2(np.bincount(first, minlength=steps)[first])
    beats = np.log2(length / STEPS + 0.1)
    above = np.maximum(height, 0) ** 2
    one = np.ones(len(pitch))
    return np.column_stack([top, gap, height, struck, beats, top * height, top * gap, above, one])


_NOTHING = 30  # a pitch below all that matter


__all__ = ["CHORALE", "FULL", "POP", "ChordParams", "SegmentParams", "find_chords"]


def _fitted() -> SegmentParams:
    tables: dict[str, Any] = {
        name: tuple(tuple(row) if isinstance(row, list) else row for row in table)
        for name, table in read_fitted("chords").items()
    }
    return SegmentParams(**tables)


POP = _fitted()
"""The 15 qualities of POP909, fitted on 100 of its training songs by `tools/fit/chords.py`."""

_ADDED = (0.9, 1.9, -0.8, -1.0)
"""Weights of an added ninth or higher: by the side of the sixth's, the nearest that was fitted."""

# Quality, the nearest fitted one, and how much rarer it is taken to be, a chord and a slot. A note is worth
# about 6 a slot where it sounds all the time: each added note must be heard in more than half of it, as the
# fitted sevenths must. A power chord needs a whole bar without any third: most bare fifths are of chords
# whose third was heard before.
_RARER = (
    ("5", "maj", 1.2, -0.32), ("add9", "maj", 0.5, 3.6), ("minadd9", "min", 0.5, 3.6), ("9", "7", 0.5, 3.3),
    ("maj9", "maj7", 0.5, 3.3), ("min9", "min7", 0.5, 3.3), ("11", "7", 1.0, 6.6), ("13", "7", 1.0, 6.6),
    ("min11", "min7", 1.0, 6.6), ("maj13", "maj7", 1.0, 6.6), ("7b9", "7", 0.5, 3.6), ("7#9", "7", 0.5, 3.6),
    ("7#11", "7", 0.5, 3.6), ("7#5", "7", 0.5, 2.0), ("6/9", "maj6", 0.5, 3.3), ("maj7#5", "maj7", 0.5, 2.0),
    ("9sus4", "7sus4", 0.5, 3.3),
)  # fmt: skip


def _with_rarer() -> tuple[tuple[str, float, float], ...]:
    known = {name: (chord, slot) for name, chord, slot in POP.qualities}
    rarer = [(name, known[near][0] - a, known[near][1] - b) for name, near, a, b in _RARER]
    return (*POP.qualities, *rarer)


FULL = replace(
    POP,
    qualities=_with_rarer(),
    member=tuple(
        (*row[: ROLES.index("added")], added) for row, added in zip(POP.member, _ADDED, strict=True)
    ),
)
"""All 32 qualities of the vocabulary; the rarer ones by hand, where every note of theirs is clear."""


def find_chords(
    onsets: Sequence[float] | np.ndarray,
    durations: Sequence[float] | np.ndarray,
    pitches: Sequence[int] | np.ndarray,
    *,
    grid: Sequence[float] | np.ndarray,
    strong: Sequence[bool] | np.ndarray | None = None,
    weights: Sequence[float] | np.ndarray | None = None,
    tracks: Sequence[int] | np.ndarray | None = None,
    params: ChordParams | SegmentParams = POP,
) -> tuple[ChordSpan, ...]:
    """Name the chords under a set of notes.

    Args:
        onsets: [n] starts, in the unit of the grid (ticks, beats or seconds).
        durations: [n] lengths.
        pitches: [n] MIDI numbers; leave percussion out.
        grid: [slots + 1] increasing places where a chord may change, and the end.
        strong: [slots] whether a slot begins a bar (`POP`, `FULL`: chords change there or are heard anew) or
            is a strong beat (`CHORALE`: where changes cost less). All slots are equal where not given.
        weights: [n] how much each note counts, 0 to 1; for melodies and known passing notes.
        tracks: [n] any number for the track of each note. Lines above an accompaniment count less; with
            tracks it is better known which notes these are (not for `CHORALE`).
        params: `POP` for accompanied songs, with the 15 qualities of POP909; `FULL` for the same with all
            32; `CHORALE` for voices; or your own.

    Returns:
        Spans that cover the grid (no chord where nothing sounds), in grid units rounded to integers.

    Raises:
        ValueError: if lengths differ, or the grid does not increase.
    """
    grid = np.asarray(grid, dtype=np.float64)
    if len(grid) < 2 or (np.diff(grid) <= 0).any():
        raise ValueError("find_chords: the grid must have two increasing places or more")
    onset, duration = np.asarray(onsets, dtype=np.float64), np.asarray(durations, dtype=np.float64)
    pitch = np.asarray(pitches, dtype=np.int64)
    weight = np.ones(len(pitch)) if weights is None else np.asarray(weights, dtype=np.float64)
    track = np.zeros(len(pitch), dtype=np.int64) if tracks is None else np.asarray(tracks, dtype=np.int64)
    if not len(onset) == len(duration) == len(pitch) == len(weight) == len(track):
        raise ValueError("find_chords: onsets, durations, pitches, weights and tracks must have one length")
    is_strong = None if strong is None else np.asarray(strong, dtype=bool)
    if is_strong is not None and len(is_strong) != len(grid) - 1:
        raise ValueError("find_chords: strong must have one value a slot")

    if isinstance(params, ChordParams):
        if is_strong is None:
            is_strong = np.ones(len(grid) - 1, dtype=bool)
        chroma, bass = slot_features(onset, duration, pitch, grid, weight, params)
        costs = np.where(is_strong, params.change, params.weak_change)
        pieces = _pieces(best_path(slot_scores(chroma, bass, params), costs))
        split = params.split_bass
    else:
        begin, end = _in_slots(onset, grid), _in_slots(onset + duration, grid)
        weight = weight * accompaniment_weights(begin, end, pitch, track)
        evidence = song_evidence(begin, end, pitch, weight, len(grid) - 1)
        pieces, bass, split = song_chords(evidence, is_strong, params), evidence.bass, False
    qualities = [row[0] for row in params.qualities]
    return _spell_diminished(_spans(pieces, bass, grid, qualities, split))


def _in_slots(place: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Places as slots of the grid; those outside it stay outside."""
    slot = np.interp(place, grid, np.arange(len(grid)))
    return np.where(place < grid[0], -1.0, np.where(place > grid[-1], len(grid), slot))


def _pieces(path: np.ndarray) -> list[Piece]:
    """(first slot, slot after the last, state) wherever the state stays the same."""
    edges = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    return [(first, last, int(path[first])) for first, last in pairwise(edges)]


def _spans(
    pieces: Sequence[Piece], bass: np.ndarray, grid: np.ndarray, qualities: Sequence[str], split: bool
) -> tuple[ChordSpan, ...]:
    """The pieces as spans of equal chords, the bass chosen among the chord's own notes."""
    place = np.round(grid).astype(np.int64).tolist()
    table = bass.tolist() if split else _shares(pieces, bass)
    chords: list[tuple[int, int, Chord]] = []
    for index, (first, last, state) in enumerate(pieces):
        if state == 12 * len(qualities):
            chords.append((first, last, Chord.NONE))
            continue
        quality, root = qualities[state // 12], state % 12
        if not split:
            chords.append((first, last, _name(root, quality, table[index], root)))
            continue
        low = root
        for slot in range(first, last):
            chord = _name(root, quality, table[slot], low)
            low = chord.bass
            chords.append((slot, slot + 1, chord))
    spans: list[ChordSpan] = []
    for first, last, chord in chords:
        begin = place[first]
        if spans and spans[-1].chord == chord:
            begin = spans.pop().onset
        spans.append(ChordSpan(begin, place[last] - begin, chord))
    return tuple(spans)


def _shares(pieces: Sequence[Piece], bass: np.ndarray) -> list[list[float]]:
    """[pieces][12] what is lowest: a chord is named where it begins, later basses move through it."""
    first, last, _ = np.array(pieces).T
    sums = np.concatenate([np.zeros((1, 12)), np.cumsum(bass, axis=0)])
    later = (sums[last] - sums[first + 1]) / np.maximum(last - first - 1, 1)[:, None]
    later[later < 1e-9] = 0.0
    shares: list[list[float]] = (bass[first] + 0.25 * later).tolist()
    return shares


def _name(root: int, quality: str, share: Sequence[float], otherwise: int) -> Chord:
    """The chord over the lowest of its own notes; over another bass where none of them is low."""
    own = [(root + tone) % 12 for tone in CHORD_TONES[quality]]
    low = max(own, key=share.__getitem__)
    return _chord(root, quality, low if share[low] > 0 else otherwise)


@cache  # at most 12 * 32 * 12 answers
def _chord(root: int, quality: str, bass: int) -> Chord:
    return Chord(root, quality, bass)


def _spell_diminished(spans: tuple[ChordSpan, ...]) -> tuple[ChordSpan, ...]:
    """Diminished sevenths named as leading-tone chords of what follows: sound alone gives them four equal
    roots."""
    named = list(spans)
    for index in range(len(named) - 2, -1, -1):
        span, following = named[index], named[index + 1].chord
        if span.chord.quality != "dim7" or following.is_none:
            continue
        same = following.quality == "dim7" and following.pitch_classes == span.chord.pitch_classes
        root = following.root if same else (following.root - 1) % 12
        if root in span.chord.pitch_classes:
            named[index] = replace(span, chord=Chord(root, "dim7", span.chord.bass))
    return tuple(named)
