"""POP909's forms, labelled by people, on the beats of a song as `readers.pop909` counts them.

The labels count regular bars of a transcription of the same melody. Its notes are matched with the song's:
equal pitch class, and an onset that lies a constant number of sixteenths later. The number may change a few
times in a song, where the labels' bars leave out half a bar that the song has; the cheapest sequence of
changes is found by dynamic programming (Viterbi). Where enough notes match, the labels' bars are better than
those of the beat tracker, which put short bars into 745 of 880 songs in 4/4. In 65 songs the transcription
lies a beat or two beside the song's chords; its bars then go where the chords change.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from hrpe_jax.errors import UserError
from hrpe_jax.formats.charts.labels import LABELS, MELODY, FormLabels, has_form_labels
from hrpe_jax.readers.find import SongFile
from hrpe_jax.score.form import Section
from hrpe_jax.score.score import Score

LEAST_MATCH = 0.5
"""Share of the labels' notes that a song must have where they say; by chance it is below 0.2."""

_BAR = 16
"""Sixteenths in a bar of the labels, in 4/4."""
_UNITS = {4: (16,), 3: (12,), 2: (8,), 6: (12, 16, 24)}
"""Beats in the song's bar -> sixteenths that one bar of the labels may have; beats of 6/8 are eighths that
the labels count as quarters."""
_CANDIDATES = 16
_LEAST_COUNT = 8
_FARTHEST = 64
"""Sixteenths that an offset may be away from the most frequent one."""
_CHANGE = 6.0
"""What a change of the offset costs, in notes that match."""
_LATE = 0.75
"""Sixteenths between onsets that are the same."""
_SHIFTS = (0, -4, 8, 4)
"""Sixteenths by which a transcription may lie beside the chords; half a bar is later, as after a pickup."""
_LEAST_GAIN = 0.15
"""Share of the bars that a shift must bring onto chord changes."""
_TOO_LONG = 1.1
"""A labelling that is so much longer than its song has a mistake in a number."""


@dataclass(frozen=True)
class Alignment:
    """Where a song's labels lie on its beats.

    Attributes:
        match: share of the labels' notes that the song has at their places.
        starts: sixteenths of the labels from which each offset holds, increasing; the first holds before,
            too.
        offsets: sixteenths from the labels' time to the song's, one for each start; whole beats.
        shift: sixteenths of the offsets by which the labels were moved onto the chords' bars.
    """

    match: float
    starts: tuple[int, ...]
    offsets: tuple[int, ...]
    shift: int = 0

    def beat(self, sixteenth: int) -> int:
        """The song's beat at a beat of the labels."""
        index = max(0, bisect_right(self.starts, sixteenth) - 1)
        return (sixteenth + self.offsets[index]) // 4


def align_labels(
    labels: FormLabels,
    onsets: np.ndarray,
    pitches: np.ndarray,
    downbeats: Collection[int],
    changes: Collection[int],
) -> Alignment | None:
    """Finds the song's beats under the labels.

    Args:
        labels: of the song.
        onsets: float `[notes]`, beats of the song's melody.
        pitches: `[notes]`, MIDI numbers of the song's melody.
        downbeats: beats that the song's files mark as first of a bar; they decide where in a rest the offset
            changes.
        changes: beats on which the song's chords change.

    Returns:
        The alignment; None where less than `LEAST_MATCH` of the notes match.
    """
    heard = 4 * np.asarray(onsets, float)
    candidates = _candidates(labels, heard, pitches)
    if not len(candidates):
        return None
    hits = _hits(labels, heard, pitches, candidates)
    path = _cheapest_path(hits)
    match = float(hits[path, np.arange(len(path))].mean())
    if match < LEAST_MATCH:
        return None
    starts, offsets = [0], [int(candidates[path[0]])]
    marked = set(downbeats)
    for note in (np.flatnonzero(np.diff(path)) + 1).tolist():
        before, after = offsets[-1], int(candidates[path[note]])
        rest = (int(labels.onsets[note - 1]), int(labels.onsets[note]))
        starts.append(_change_place(rest, before, after, marked))
        offsets.append(after)
    whole = [4 * round(offset / 4) for offset in offsets]
    shifted = [
        Alignment(match, tuple(starts), tuple(offset + shift for offset in whole), shift) for shift in _SHIFTS
    ]
    beats = set(changes)
    shares = [float(np.mean([bar in beats for bar in label_bars(labels, one)])) for one in shifted]
    best = int(np.argmax(shares))
    return shifted[best if shares[best] > shares[0] + _LEAST_GAIN else 0]


def label_bars(labels: FormLabels, alignment: Alignment) -> list[int]:
    """The beats on which the bars of the labels begin, in 4/4; increasing."""
    end = max([form[-1].end_bar * _BAR for form in labels.labellings] + labels.onsets[-1:].tolist())
    bars: list[int] = []
    for sixteenth in range(0, end, _BAR):
        beat = alignment.beat(sixteenth)
        if not bars or beat > bars[-1]:
            bars.append(beat)
    return bars


def place_form(
    form: Sequence[Section], alignment: Alignment, score: Score, *, start: int, beats: int, bar_beats: int
) -> tuple[Section, ...]:
    """A labelling as sections of a score; each begins with the bar that is nearest to its label.

    Args:
        form: in bars of the labels.
        alignment: of the labels with the song.
        score: the song.
        start: the song's beat at tick 0.
        beats: how many the song has.
        bar_beats: beats in a bar of the song.

    Returns:
        The sections that lie in the score; none of a labelling that is much longer than the song.
    """
    beat_ticks = score.meter.bar_ticks // bar_beats
    bar_starts = list(score.bar_starts())
    if not bar_starts:
        return ()
    left = 4 * beats - alignment.offsets[0]
    unit = min(_UNITS[bar_beats], key=lambda unit: abs(form[-1].end_bar * unit - left))
    if form[-1].end_bar * unit > _TOO_LONG * left:
        return ()
    edges = [*bar_starts, bar_starts[-1] + score.meter.bar_ticks]
    borders = [section.first_bar for section in form] + [form[-1].end_bar]
    places = [_nearest(edges, (alignment.beat(bar * unit) - start) * beat_ticks) for bar in borders]
    return tuple(
        Section(section.letter, first, end - first)
        for section, (first, end) in zip(form, pairwise(places), strict=True)
        if first < end
    )


def with_form_labels(songs: Sequence[SongFile], folder: str | Path) -> list[SongFile]:
    """The songs, those of POP909 with the folder of their labels.

    Args:
        songs: any.
        folder: holds a folder for each song, by the name of the song's own: "001".

    Raises:
        UserError: it holds labels of none of them.
    """
    labelled = []
    for song in songs:
        labels = Path(folder) / Path(song.path).name
        if song.format == "pop909" and has_form_labels(labels):
            song = replace(song, form=str(labels))
        labelled.append(song)
    if not any(song.form for song in labelled):
        raise UserError(
            f"--form={folder}: holds no labels of these songs; expected a folder for each song of POP909, "
            f"such as {Path(folder) / '001'}, with {LABELS[0]} and {MELODY}"
        )
    return labelled


def _candidates(labels: FormLabels, heard: np.ndarray, pitches: np.ndarray) -> np.ndarray:
    """The most frequent distances in sixteenths between equal pitch classes: int64, increasing."""
    rounded = np.round(heard).astype(np.int64)
    found = [np.empty(0, np.int64)]
    for pitch_class in range(12):
        ours = rounded[pitches % 12 == pitch_class]
        theirs = labels.onsets[labels.pitches % 12 == pitch_class]
        found.append((ours[:, None] - theirs).ravel())
    distances, counts = np.unique(np.concatenate(found), return_counts=True)
    if not len(distances):
        return distances
    near = np.abs(distances - distances[counts.argmax()]) <= _FARTHEST
    distances, counts = distances[near], counts[near]
    most = np.argsort(-counts, kind="stable")[:_CANDIDATES]
    return np.sort(distances[most[counts[most] >= _LEAST_COUNT]])


def _hits(labels: FormLabels, heard: np.ndarray, pitches: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Whether the song has each note of the labels at each offset: bool `[candidates, notes]`."""
    hits = np.zeros((len(candidates), len(labels.onsets)), bool)
    for pitch_class in range(12):
        ours = np.sort(heard[pitches % 12 == pitch_class])
        mine = np.flatnonzero(labels.pitches % 12 == pitch_class)
        if not len(ours) or not len(mine):
            continue
        wanted = labels.onsets[mine] + candidates[:, None]
        after = np.clip(np.searchsorted(ours, wanted), 1, len(ours) - 1) if len(ours) > 1 else 0
        distance = np.abs(ours[after] - wanted)
        if len(ours) > 1:
            distance = np.minimum(distance, np.abs(ours[after - 1] - wanted))
        hits[:, mine] = distance <= _LATE
    return hits


def _cheapest_path(hits: np.ndarray) -> np.ndarray:
    """The candidate of each note: most hits less `_CHANGE` for every change; int64 `[notes]`."""
    count, notes = hits.shape
    scores = hits[:, 0].astype(float)
    came_from = np.zeros((notes, count), np.int64)
    for note in range(1, notes):
        best = int(scores.argmax())
        change = scores[best] - _CHANGE
        came_from[note] = np.where(scores >= change, np.arange(count), best)
        scores = np.maximum(scores, change) + hits[:, note]
    path = np.empty(notes, np.int64)
    now = int(scores.argmax())
    for note in range(notes - 1, -1, -1):
        path[note] = now
        now = int(came_from[note, now])
    return path


def _change_place(rest: tuple[int, int], before: int, after: int, downbeats: set[int]) -> int:
    """The sixteenth from which the later offset holds: a bar line between two notes, if there is one.

    Of several, the one after and before which most bar lines fall on marked downbeats.
    """
    lines = range(-(-(rest[0] + 1) // _BAR) * _BAR, rest[1] + 1, _BAR)
    if not lines:
        return rest[1]
    early = [round((line + before) / 4) in downbeats for line in lines]
    late = [round((line + after) / 4) in downbeats for line in lines]
    scores = [sum(early[:index]) + sum(late[index:]) for index in range(len(lines))]
    return lines[int(np.argmax(scores))]


def _nearest(places: Sequence[int], value: float) -> int:
    """Index of the nearest of increasing places."""
    index = bisect_left(places, value)
    if index == len(places) or (index and value - places[index - 1] < places[index] - value):
        return index - 1
    return index
