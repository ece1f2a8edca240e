"""Beats of a performance: from notes in seconds, without a clock to go by.

First the tempo: onsets as a curve, its autocorrelation in overlapping windows, each period judged by how
well its multiples agree, and the smoothest good path of periods through the piece. Then the beats: the
sequence of times with the most onset weight, whose steps keep to the period of their place, by dynamic
programming.

References: D. Ellis, "Beat Tracking by Dynamic Programming", Journal of New Music Research 36 (2007);
the tempo curve after P. Grosche and M. Mueller, "Extracting Predominant Local Pulse Information from Music
Recordings", IEEE Transactions on Audio, Speech and Language Processing 19 (2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hrpe_jax.formats.midi.read import MidiFile

MAX_HELD = 2.0
"""Quarters (or beats) from which on a longer note says no more about where beats are."""


class NoteTable(NamedTuple):
    """[n] columns, sorted by onset.

    Attributes:
        onset: in the file's ticks, or in seconds or beats once mapped.
        end: the same.
        pitch: MIDI number; of percussion, the instrument.
        velocity: 1-127.
        drum: whether it is percussion.
    """

    onset: np.ndarray
    end: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    drum: np.ndarray

    def at(self, onset: np.ndarray, end: np.ndarray) -> NoteTable:
        """The same notes at other times."""
        return self._replace(onset=onset, end=end)


def note_table(midi: MidiFile) -> NoteTable:
    """Every note of the file, in ticks."""
    tracks = [track for track in midi.tracks if len(track.rows)]
    rows = np.concatenate([track.rows for track in tracks] or [np.empty((0, 4), dtype=np.int64)])
    drum = np.repeat([track.is_drum for track in tracks], [len(track.rows) for track in tracks])
    order = np.argsort(rows[:, 0], kind="stable")
    onset, duration, pitch, velocity = rows[order].T
    return NoteTable(
        onset.astype(np.float64), (onset + duration).astype(np.float64), pitch, velocity, drum[order] > 0
    )


RATE = 50
"""Frames a second."""
MAX_SECONDS = 2 * 3600.0
"""Longer performances are left to the caller: time and memory grow with length."""


@dataclass(frozen=True)
class TrackParams:
    """What the tracker believes about beats.

    Attributes:
        slowest: longest period, in seconds a beat.
        fastest: shortest period, in seconds a beat.
        likely: the period expected, and
        octaves: how many octaves off it is one standard deviation.
        window: seconds of music that say what the tempo is, and
        hop: seconds from one such window to the next.
        drift: cost of a change of tempo from window to window, a squared octave.
        steady: cost of a beat early or late, a squared octave, in mean onset weights.
        bass: what a low note adds to the weight of an onset.
        drum: weight of an onset of percussion.
        held: seconds from which on a note's length adds no weight.
    """

    slowest: float = 1.5
    fastest: float = 0.27
    likely: float = 0.62
    octaves: float = 0.9
    window: float = 8.0
    hop: float = 2.0
    drift: float = 60.0
    steady: float = 60.0
    bass: float = 0.5
    drum: float = 0.7
    held: float = 1.0


def track_beats(notes: NoteTable, params: TrackParams | None = None) -> np.ndarray:
    """Find the beats.

    Args:
        notes: two or more, onset and end in seconds.
        params: see `TrackParams`.

    Returns:
        Seconds of beats, increasing, from at most one beat before the first onset to past the last one.
    """
    params = params or TrackParams()
    first = float(notes.onset[0])
    weight = onset_weights(notes, params)
    curve = onset_curve(notes.onset, weight)
    period = tempo_path(curve, params)
    beats = _seconds(_best_beats(curve, period, params.steady), first)
    if _is_half_beat(beats, notes.onset, weight):
        beats = _seconds(_best_beats(curve, 2 * period, params.steady), first)
    return _snap(beats, notes.onset, weight)


_LEAD = 4
"""Frames of the curve before the first onset."""
_SNAP = 0.025
"""Seconds, one standard deviation, from which onsets pull a beat towards them."""


def _seconds(frames: np.ndarray, first: float) -> np.ndarray:
    """[n] seconds of these frames, which were counted from just before the first onset."""
    return np.asarray(first + (frames - _LEAD) / RATE)


def _snap(beats: np.ndarray, onset: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Beats where the onsets around them say, exact where these are."""
    moved = beats
    for _ in range(2):
        nearest = np.searchsorted((moved[1:] + moved[:-1]) / 2, onset)
        away = onset - moved[nearest]
        pull = weight * np.exp(-0.5 * (away / _SNAP) ** 2)
        total = np.bincount(nearest, weights=pull, minlength=len(moved))
        moved = moved + np.bincount(nearest, weights=pull * away, minlength=len(moved)) / (total + 1e-3)
    return np.asarray(np.where(np.diff(moved, prepend=-np.inf) > 0.05, moved, beats))


def _is_half_beat(beats: np.ndarray, onset: np.ndarray, weight: np.ndarray) -> bool:
    """Whether every other beat only is one: a fast pulse, one in two much stronger, and little between.

    The three coefficients were fitted on performances made of 290 songs (POP909's training songs among them).
    """
    if len(beats) < 8:
        return False
    quarters = np.round(np.interp(onset, beats, np.arange(len(beats))) * 4).astype(np.int64)
    on = np.bincount(quarters % 8, weights=weight, minlength=8)
    between = (on[1::2].sum()) / max(on[0] + on[4], 1e-9)
    contrast = max(on[0], on[4]) / max(min(on[0], on[4]), 1e-9)
    speed = np.log2(60 / float(np.median(np.diff(beats))) / 120)
    return bool(3.8 * speed - 2.5 * np.sqrt(between) + 1.6 * np.log2(contrast) > 2.3)


def onset_weights(notes: NoteTable, params: TrackParams) -> np.ndarray:
    """[n] how much each note says that a beat is where it begins: long, loud and low notes more."""
    length = np.minimum(notes.end - notes.onset, params.held) / params.held
    pitched = 0.25 + length
    if not notes.drum.all():
        low = np.percentile(notes.pitch[~notes.drum], 25)
        pitched = pitched + params.bass * (notes.pitch <= low) * length
    loud = np.sqrt(notes.velocity / max(1.0, float(notes.velocity.mean())))
    return np.asarray(np.where(notes.drum, params.drum, pitched) * loud)


def onset_curve(onset: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """[frames] smoothed onset weight, 1 on average where there is any."""
    place = (onset - onset[0]) * RATE + _LEAD
    frames = int(place[-1]) + _LEAD + 2
    below = np.floor(place).astype(np.int64)
    share = place - below
    curve = np.bincount(below, weights=weight * (1 - share), minlength=frames)
    curve += np.bincount(below + 1, weights=weight * share, minlength=frames)
    curve = np.convolve(np.log1p(curve), np.exp(-0.5 * np.arange(-3.0, 4.0) ** 2), mode="same")
    return np.asarray(curve / float(curve[curve > 0].mean()))


def tempo_path(curve: np.ndarray, params: TrackParams) -> np.ndarray:
    """[frames] the period of the beat in frames, through the piece."""
    window, hop = int(params.window * RATE), int(params.hop * RATE)
    count = max(1, int(np.ceil((len(curve) - window) / hop)) + 1)
    padded = np.zeros((count - 1) * hop + window)
    padded[: len(curve)] = curve[: len(padded)]
    pieces = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * np.hanning(window)
    size = 1 << int(np.ceil(np.log2(2 * window)))
    spectrum = np.fft.rfft(pieces - pieces.mean(axis=1, keepdims=True), size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, size)[:, :window]
    taper = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(window), size)) ** 2, size)[:window]
    correlation /= np.maximum(taper, 0.05 * taper[0])
    correlation /= np.maximum(correlation[:, :1], 1e-9)

    steps = int(np.ceil(24 * np.log2(params.slowest / params.fastest)))
    periods = params.fastest * 2 ** (np.arange(steps + 1) / 24) * RATE
    score = np.zeros((count, len(periods)))
    for multiple, weight in ((1, 1.0), (2, 0.8), (3, 0.3), (4, 0.6)):
        place = np.minimum(periods * multiple, window - 2)
        below = np.floor(place).astype(np.int64)
        share = place - below
        score += weight * (correlation[:, below] * (1 - share) + correlation[:, below + 1] * share)
    score += score.mean(axis=0)
    score -= 0.5 * (np.log2(periods / (params.likely * RATE)) / params.octaves) ** 2
    chosen = periods[_smooth_path(score, params.drift / 24**2)]
    middle = np.arange(count) * hop + window / 2
    return np.interp(np.arange(len(curve)), middle, chosen)


def _smooth_path(score: np.ndarray, cost: float) -> np.ndarray:
    """[windows] index of the best path through [windows, states], steps costing their square."""
    states = np.arange(score.shape[1])
    move = -cost * (states[:, None] - states[None, :]) ** 2
    best, came = score[0], np.zeros(score.shape, dtype=np.int64)
    for index in range(1, len(score)):
        total = best[None, :] + move
        came[index] = total.argmax(axis=1)
        best = total.max(axis=1) + score[index]
    path = np.empty(len(score), dtype=np.int64)
    path[-1] = best.argmax()
    for index in range(len(score) - 1, 0, -1):
        path[index - 1] = came[index, path[index]]
    return path


def _best_beats(curve: np.ndarray, period: np.ndarray, steady: float) -> np.ndarray:
    """[beats] frames of the beats.

    A block of frames no longer than the shortest step is solved at once: none of them can follow another.
    Frames before the first are as good as any to begin from, and count nothing.
    """
    before = int(float(period.max()) * _LONGEST) + 2
    best = np.concatenate([np.zeros(before), curve])
    came = np.zeros(len(best), dtype=np.int64)
    steps = np.round(period * 2).astype(np.int64).tolist()  # in half frames, few distinct
    costs: dict[int, tuple[int, int, np.ndarray]] = {}
    position, end = before, len(best)
    while position < end:
        step = steps[position - before]
        if step not in costs:
            lags = np.arange(int(step / 2 * _LONGEST) + 1, max(1, int(step / 2 * _SHORTEST)) - 1, -1)
            costs[step] = int(lags[0]), int(lags[-1]), steady * np.log2(lags / (step / 2)) ** 2
        longest, shortest, cost = costs[step]
        size = min(shortest, end - position)
        earlier = np.ndarray((size, len(cost)), np.float64, best, 8 * (position - longest), (8, 8))
        total = earlier - cost
        pick = total.argmax(axis=1)
        best[position : position + size] += total[_COUNT[:size], pick]
        came[position : position + size] = pick - longest
        position += size
    tail = max(before, end - int(period[-1]) - 1)
    at = tail + int(best[tail:].argmax())
    beats = []
    while at >= before:
        beats.append(at - before)
        at += int(came[at])
    return np.array(beats[::-1], dtype=np.float64)


_SHORTEST, _LONGEST = 0.7, 1.45
"""Steps from beat to beat that are looked at, in periods."""
_COUNT = np.arange(1024)
