"""Which notes accompany: they say what the chords are, while a melody passes through notes of its own.

Where notes are in several tracks, a track speaks for the chords that plays several notes at once, or plays
low; a voice high above the rest that plays one note at a time is a line, whatever its name. Where all notes
are in one track, each is judged by itself: a note alone on top, well above what sounds below it, is probably
melody.
"""

from __future__ import annotations

import numpy as np

from hrpe_jax.analysis.chords.segments import STEPS, cells

LINE_WEIGHT = 0.1
"""Of the notes of a line: little against an accompaniment, but enough where nothing else sounds."""

_POLYPHONY = 6.0  # how much it speaks for a track that all its time has two notes or more at once
_MIDDLE = 0.5  # ... and the share at which that says neither
_HIGH = 65.0  # mean pitch that says neither
_SEMITONES = 4.0  # how far from it the pitch says as much as one unit of the score
_ENOUGH = 1.5  # notes of the accompaniment sounding at once, on average over the time in which any note does

# Log odds that a note accompanies, by the columns of `note_features`: `tools/fit_chords.py --notes`.
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
