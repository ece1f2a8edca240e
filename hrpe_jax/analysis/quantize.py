"""From real-valued note times to ticks.

Sung and played notes fall near a grid, not on it, and the grid differs from beat to beat: sixteenths here,
triplets there. Each beat takes the grid that its onsets fit better, triplets paying a penalty because their
finer mix of positions would otherwise win by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hrpe_jax.score.score import Note

STRAIGHT_STEP = 3
"""A sixteenth, in ticks."""


@dataclass(frozen=True)
class QuantizeParams:
    """Choices of the quantiser, all in ticks (12 to the quarter).

    Attributes:
        triplet_penalty: squared ticks that a beat's onsets must gain, summed, before it is read as triplets.
            Two true triplets cost 2 on the sixteenth grid, one costs 1.
        close_gap: rests up to this long before the next onset are closed: singers breathe, notation does not.
        ornament_gap: onsets nearer than this to each other are one onset: a grace note, or two notes at once.
    """

    triplet_penalty: float = 1.0
    close_gap: int = 3
    ornament_gap: float = 1.0


class QuantizedMelody(NamedTuple):
    """What `quantize_melody` returns.

    Attributes:
        notes: monophonic, onsets strictly increasing.
        mean_error: mean distance in ticks between the onsets given and those returned; 0 without notes.
        dropped: how many notes were left out as ornaments or as the lower of two at once.
    """

    notes: tuple[Note, ...]
    mean_error: float
    dropped: int


def quantize_melody(
    onsets: Sequence[float] | np.ndarray,
    offsets: Sequence[float] | np.ndarray,
    pitches: Sequence[int] | np.ndarray,
    velocities: Sequence[int] | np.ndarray | None = None,
    *,
    beat_ticks: int = 12,
    params: QuantizeParams | None = None,
) -> QuantizedMelody:
    """Put a melody on the grid.

    Per beat the sixteenth grid (every 3 ticks) or the triplet grid (every third of a beat). Overlaps are
    trimmed at the next onset. Notes that fall on one grid point go to neighbouring points where they were
    played apart, and are thinned to one (the longer, or higher) where they were not.

    Args:
        onsets: [n] starts in beats, 0 or more, any order.
        offsets: [n] ends in beats.
        pitches: [n] MIDI numbers.
        velocities: [n] MIDI velocities; 80 where not given.
        beat_ticks: length of the beats that times are counted in: 12 for quarters, 6 where they are eighths,
            18 for dotted quarters (which have no triplet grid).
        params: see `QuantizeParams`.

    Returns:
        The notes and how far they had to move.

    Raises:
        ValueError: if lengths differ, or a time is negative or not finite.
    """
    params = params or QuantizeParams()
    start, end = np.asarray(onsets, dtype=np.float64), np.asarray(offsets, dtype=np.float64)
    pitch = np.asarray(pitches, dtype=np.int64)
    velocity = np.full(len(pitch), 80) if velocities is None else np.asarray(velocities, dtype=np.int64)
    if not len(start) == len(end) == len(pitch) == len(velocity):
        raise ValueError(
            f"quantize_melody: {len(start)} onsets, {len(end)} offsets, {len(pitch)} pitches, "
            f"{len(velocity)} velocities: expected as many of each"
        )
    if not (np.isfinite(start).all() and np.isfinite(end).all() and (start >= 0).all()):
        raise ValueError("quantize_melody: times must be finite and onsets 0 or more")
    if not len(start):
        return QuantizedMelody((), 0.0, 0)

    order = np.lexsort((-pitch, start))
    start, end = start[order] * beat_ticks, end[order] * beat_ticks
    pitch, velocity = pitch[order], velocity[order]

    kept = _thin(start, end, pitch, params.ornament_gap)
    start, end, pitch, velocity = start[kept], end[kept], pitch[kept], velocity[kept]
    steps = _grid_steps(start, beat_ticks, params.triplet_penalty)
    onset = _snap_onsets(start, end, steps, beat_ticks)

    kept = onset >= 0
    start, end, pitch, velocity = start[kept], end[kept], pitch[kept], velocity[kept]
    onset = onset[kept]
    release = _snap_offsets(onset, end, steps, beat_ticks, params.close_gap)
    notes = tuple(
        Note(o, r - o, p, v)
        for o, r, p, v in zip(
            onset.tolist(), release.tolist(), pitch.tolist(), velocity.tolist(), strict=True
        )
    )
    return QuantizedMelody(notes, float(np.abs(start - onset).mean()), len(order) - len(notes))


def _thin(start: np.ndarray, end: np.ndarray, pitch: np.ndarray, ornament_gap: float) -> np.ndarray:
    """Indices of the notes left when onsets nearer than `ornament_gap` to each other are made one."""
    begins, ends, pitches = start.tolist(), end.tolist(), pitch.tolist()
    kept: list[int] = []
    for i in range(len(begins)):
        if kept and begins[i] - begins[kept[-1]] < ornament_gap:
            last = kept[-1]
            grace = ends[last] <= begins[i] + ornament_gap  # over when this one begins: this one is the note
            if grace or (ends[i] > begins[i] + ornament_gap and pitches[i] > pitches[last]):
                kept[-1] = i
        else:
            kept.append(i)
    return np.asarray(kept)


def _grid_steps(start: np.ndarray, beat_ticks: int, triplet_penalty: float) -> np.ndarray:
    """[beats] grid step in ticks of every beat from 0 to that of the last onset."""
    beat = (start // beat_ticks).astype(np.int64)
    steps = np.full(beat.max() + 1, STRAIGHT_STEP)
    triplet = beat_ticks // 3
    if beat_ticks % 3 or triplet % STRAIGHT_STEP == 0:  # no such ticks, or they say nothing new
        return steps
    cost = {
        step: np.bincount(beat, weights=(start - np.round(start / step) * step) ** 2, minlength=len(steps))
        for step in (STRAIGHT_STEP, triplet)
    }
    steps[cost[triplet] + triplet_penalty < cost[STRAIGHT_STEP]] = triplet
    return steps


def _snap(time: np.ndarray, steps: np.ndarray, beat_ticks: int) -> np.ndarray:
    """Times in ticks to the nearest grid point of their own beat (beats past the last onset: sixteenths)."""
    beat = (time // beat_ticks).astype(np.int64)
    step = np.where(beat < len(steps), steps[np.clip(beat, 0, len(steps) - 1)], STRAIGHT_STEP)
    return (beat * beat_ticks + np.round((time - beat * beat_ticks) / step) * step).astype(np.int64)


def _snap_onsets(start: np.ndarray, end: np.ndarray, steps: np.ndarray, beat_ticks: int) -> np.ndarray:
    """[n] onsets on the grid, strictly increasing where 0 or more; -1 marks a note for which there was no
    room."""
    onset = _snap(start, steps, beat_ticks).tolist()  # lists: a loop over arrays takes five times as long
    begins, ends, sizes = start.tolist(), end.tolist(), steps.tolist()
    last = -1  # index of the last note placed
    free = -1  # onset of the note placed before that one
    for i in range(len(onset)):
        if last >= 0 and onset[i] <= onset[last]:
            at = onset[last]
            step = sizes[min(at // beat_ticks, len(sizes) - 1)]
            before = at - step
            # This one moves on or the one before moves back, whichever strays less; else the shorter goes.
            on, back = abs(at + step - begins[i]), abs(before - begins[last])
            if min(on, back if before > free else math.inf) >= step:
                if ends[i] - begins[i] > ends[last] - begins[last]:
                    onset[last], onset[i] = -1, at
                    last = i
                else:
                    onset[i] = -1
                continue
            if before > free and back < on:
                onset[last], onset[i] = before, at
            else:
                onset[i] = at + step
        if last >= 0:
            free = onset[last]
        last = i
    return np.asarray(onset, dtype=np.int64)


def _snap_offsets(
    onset: np.ndarray, end: np.ndarray, steps: np.ndarray, beat_ticks: int, close_gap: int
) -> np.ndarray:
    """[n] ends on the grid: after their onset, at most at the next onset, and there where only a small gap
    is left."""
    shortest = steps[np.minimum(onset // beat_ticks, len(steps) - 1)]
    release = np.maximum(_snap(end, steps, beat_ticks), onset + shortest)
    following = np.append(onset[1:], np.iinfo(np.int64).max)
    return np.where(following - release <= close_gap, following, np.minimum(release, following))
