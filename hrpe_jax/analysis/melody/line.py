"""The melody among the notes of one track: how probably each note belongs to it, then one note at a time.

A small network gives every note a first probability from `note_features`: what sounds above and below, how
long, loud and high a note is beside its neighbours, all relative to the song. A second one adds
`LineFeatures`: how a note joins the line that the first probabilities draw. It runs twice, the second time on
its own result. So a passage without melody stays empty even though something is always on top.

Both have one hidden layer of tanh units. The weights (`fitted/melody_notes.json`, `tools/fit/melody.py`) are
fitted to songs as they are, transposed, without dynamics, on a grid, and without other instruments.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from hrpe_jax.analysis.fitted import read_fitted
from hrpe_jax.formats.midi.read import MidiFile

TOGETHER = 0.03
"""Seconds within which notes are struck together."""
_BEFORE, _AFTER = 12, 6
"""Neighbours, in order of onset, that a note is compared with."""
_LINE_REACH = 8
"""The same on either side, among the candidates of the line."""
_FAR = 1e6


class Notes(NamedTuple):
    """Notes of a piece, sorted by onset, then pitch.

    Attributes:
        onset: [n] seconds.
        end: [n] seconds.
        pitch: [n] MIDI numbers, as floats.
        velocity: [n] 0 to 127, as floats.
    """

    onset: np.ndarray
    end: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray


class _Around:
    """Sums and means over the notes that begin within some seconds of each note."""

    def __init__(self, onset: np.ndarray, seconds: float) -> None:
        self.low = np.searchsorted(onset, onset - seconds, side="left")
        self.high = np.searchsorted(onset, onset + seconds, side="right")
        self.count = (self.high - self.low).astype(np.float64)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """[n] sums of [n] values."""
        total = np.concatenate([[0.0], np.cumsum(values)])
        return np.asarray(total[self.high] - total[self.low])

    def mean(self, values: np.ndarray) -> np.ndarray:
        """[n] means of [n] values."""
        return self.sum(values) / self.count


def _neighbours(values: np.ndarray, before: int, after: int, outside: float) -> np.ndarray:
    """[before + after, n]: the values of the notes before and after each note, the nearest in the middle."""
    padded = np.concatenate(
        [np.full(before, outside), values, np.full(after, outside)], dtype=np.float32, casting="same_kind"
    )
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(values))
    return np.concatenate([windows[:before], windows[before + 1 :]])


def _nearest(distance: np.ndarray, among: np.ndarray, most: float) -> np.ndarray:
    """[n] least of [m, n] distances among those marked, `most` where there is none."""
    return np.asarray(np.where(among, distance, np.float32(most)).min(axis=0))


def _waits(onset: np.ndarray, before: int, after: int) -> np.ndarray:
    """[before + after, n] seconds from each note to its neighbours; far away where there is none."""
    count = len(onset)
    index = np.arange(count)
    offsets = np.concatenate([np.arange(-before, 0), np.arange(1, after + 1)])[:, None]
    # Differences in double precision: late onsets have no milliseconds in single precision.
    waits = onset[np.clip(index + offsets, 0, count - 1)] - onset
    return np.where(
        (index + offsets >= 0) & (index + offsets < count), waits, np.sign(offsets) * _FAR
    ).astype(np.float32)


NOTE_FEATURES = (
    "highest", "highest_struck", "above", "below", "gap_above", "gap_below", "struck_gap_above",
    "struck_gap_below", "alone", "later_above", "later_below", "octave_below", "octave_above", "length",
    "length_here", "pitch", "pitch_squared", "pitch_in_song", "pitch_here", "pitch_spread", "pitch_in_top",
    "pitch_off_top", "density", "density_here", "loud", "loud_here", "loud_beside", "loud_in_top",
    "wait_before", "wait_after", "repeat_before", "repeat_after", "joins_next", "joins_previous",
)  # fmt: skip
"""Columns of `note_features`."""


def note_features(notes: Notes) -> np.ndarray:
    """What each note looks like by itself.

    Args:
        notes: one or more, without percussion.

    Returns:
        [n, columns] by `NOTE_FEATURES`: numbers of notes, lengths and waits as logarithms of seconds,
        intervals in parts of an octave or so, loudness in standard deviations of the piece (0 where all
        notes are equally loud).
    """
    onset, end, pitch, velocity = notes
    held = (end - onset).astype(np.float32)
    wait = _waits(onset, _BEFORE, _AFTER)
    interval = _neighbours(pitch, _BEFORE, _AFTER, _FAR) - pitch.astype(np.float32)
    before, after = wait < -TOGETHER, wait > TOGETHER
    struck = ~(before | after)
    until = wait + _neighbours(held, _BEFORE, _AFTER, 0.0)  # from here to their ends
    sounding = ~after & (until > TOGETHER)
    later = after & (wait < held - np.float32(TOGETHER))
    up, down, size = interval > 0, interval < 0, np.abs(interval)

    sounding_up, sounding_down = sounding & up, sounding & down
    struck_up, struck_down = struck & up, struck & down
    above = sounding_up.sum(axis=0)
    highest_struck = np.asarray(~struck_up.any(axis=0), dtype=np.float64)
    length = np.log(np.clip(end - onset, 0.03, 8.0))
    near, wide, far = _Around(onset, 1.0), _Around(onset, 4.0), _Around(onset, 8.0)
    mean_here = wide.mean(pitch)
    spread = np.sqrt(np.maximum(wide.mean(pitch * pitch) - mean_here**2, 1.0))
    tops = np.maximum(wide.sum(highest_struck), 1.0)
    in_top = (pitch - wide.sum(pitch * highest_struck) / tops) / 8

    deviation = velocity.std()
    loud = (velocity - velocity.mean()) / deviation if deviation > 0.5 else np.zeros(len(pitch))
    beside = np.where(sounding, _neighbours(loud, _BEFORE, _AFTER, 0.0), np.float32(-_FAR)).max(axis=0)

    close, same = size <= 5, size == 0
    moves = (size > 0) & (size <= 9)
    elapsed = np.abs(wait)
    rest_after, rest_before = np.abs(wait - held), np.abs(until)
    columns = (
        above == 0, highest_struck, np.minimum(above, 4), np.minimum(sounding_down.sum(axis=0), 4),
        _nearest(size, sounding_up, 16.0) / 8, _nearest(size, sounding_down, 24.0).clip(0, 24) / 8,
        _nearest(size, struck_up, 16.0).clip(0, 16) / 8, _nearest(size, struck_down, 24.0).clip(0, 24) / 8,
        ~struck.any(axis=0), np.minimum((later & up).sum(axis=0), 4),
        np.minimum((later & down).sum(axis=0), 6) / 2, (struck & (interval == -12)).any(axis=0),
        (struck & (interval == 12)).any(axis=0), length, length - wide.mean(length), (pitch - 66) / 12,
        ((pitch - 66) / 12) ** 2, (pitch - pitch.mean()) / 8, (pitch - mean_here) / 8,
        (pitch - mean_here) / spread, in_top, np.abs(in_top), np.log(near.count),
        np.log(8 * near.count / far.count), loud, loud - wide.mean(loud),
        np.where(beside > -_FAR, loud - beside, 0.0), loud - wide.sum(loud * highest_struck) / tops,
        np.log(_nearest(elapsed, before & close, 3.0) + 0.03),
        np.log(_nearest(elapsed, after & close, 3.0) + 0.03),
        np.log(_nearest(elapsed, before & same, 3.0) + 0.03),
        np.log(_nearest(elapsed, after & same, 3.0) + 0.03),
        np.log(_nearest(rest_after, after & moves, 9.0) + 0.03),
        np.log(_nearest(rest_before, before & moves, 9.0) + 0.03),
    )  # fmt: skip
    return np.stack(columns, axis=1, dtype=np.float32, casting="same_kind")


_REACHES = (1.0, 3.0, 10.0, 30.0)
_SURE = (0.3, 0.6)
LINE_FEATURES = (
    "odds", "rival", "held", "covered", "pitch_in_line", "pitch_off_line",
    *(f"{name}_{reach:g}" for reach in _REACHES for name in (
        "pitch_near", "pitch_far", "share", "activity", "louder", "loudness_off")),
    *(f"{name}_{side}_{sure}" for side in ("previous", "next") for sure in _SURE for name in (
        "leap", "wait", "gap", "overlap", "loud_step")),
)  # fmt: skip
"""Columns of `line_features`."""


class LineFeatures:
    """How each note joins the line that the probabilities of all draw.

    Args:
        notes: candidates, sorted.
    """

    def __init__(self, notes: Notes) -> None:
        onset, end, _, velocity = self._notes = notes
        reach = _LINE_REACH
        wait = _waits(onset, reach, reach)
        self._before, self._after = wait < -TOGETHER, wait > TOGETHER
        self._struck = ~(self._before | self._after)
        held = self._before & (_neighbours(end - onset, reach, reach, 0.0) + wait > TOGETHER)
        covered = self._after & (wait < (end - onset - 2 * TOGETHER).astype(np.float32))
        self._sides = self._struck, held, covered
        self._distance = np.abs(wait)
        self._around = [(seconds, _Around(onset, seconds)) for seconds in _REACHES]
        self._has_dynamics = bool(velocity.std() > 0.5)
        self._offsets = np.concatenate([np.arange(-reach, 0), np.arange(1, reach + 1)])

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """[n, columns] by `LINE_FEATURES`, given [n] how probably each note belongs to the melody."""
        pitch = self._notes.pitch
        reach = _LINE_REACH
        clipped = np.clip(probability, 1e-3, 1 - 1e-3)
        weight = probability**2
        theirs = _neighbours(probability, reach, reach, 0.0)
        in_line = (pitch - (weight * pitch).sum() / max(weight.sum(), 1e-9)) / 8
        columns = [
            np.log(clipped / (1 - clipped)),
            *((theirs * which).max(axis=0) for which in self._sides),
            in_line,
            np.abs(in_line),
        ]
        for seconds, around in self._around:
            columns += self._near(around, seconds, probability, weight)
        for rows, side in ((slice(None, reach), self._before), (slice(reach, None), self._after)):
            for sure in _SURE:
                columns += self._joint(rows, (theirs[rows] > sure) & side[rows])
        return np.stack(columns, axis=1, dtype=np.float32, casting="same_kind")

    def _near(
        self, around: _Around, seconds: float, probability: np.ndarray, weight: np.ndarray
    ) -> list[np.ndarray]:
        """Pitch and loudness beside the line's within some seconds, and how much line there is."""
        pitch, velocity = self._notes.pitch, self._notes.velocity
        others = around.sum(weight) - weight
        known = others > 0.05
        others = np.maximum(others, 1e-6)
        near = np.where(known, (pitch - (around.sum(weight * pitch) - weight * pitch) / others) / 8, 0.0)
        share = around.mean(probability)
        louder = np.zeros(len(pitch))
        if self._has_dynamics:
            mean = (around.sum(weight * velocity) - weight * velocity) / others
            louder = np.where(known, np.clip((velocity - mean) / 10, -3, 3), 0.0)
        activity = np.log(share * around.count / seconds + 0.05)
        return [near, np.abs(near), share, activity, louder, np.abs(louder)]

    def _joint(self, rows: slice, among: np.ndarray) -> list[np.ndarray]:
        """Leap, wait and rest to the nearest of the notes marked on one side."""
        onset, end, pitch, velocity = self._notes
        index = np.arange(len(pitch))
        distance = np.where(among, self._distance[rows], np.float32(_FAR))
        best = distance.argmin(axis=0)
        nearest = distance[best, index]
        found = nearest < _FAR
        other = np.where(found, index + self._offsets[rows][best], index)
        gap = onset - end[other] if rows.start is None else onset[other] - end
        return [
            np.where(found, np.minimum(np.abs(pitch[other] - pitch), 15) / 4, 1.0),
            np.log(np.minimum(nearest, 4.0) + 0.03),
            np.where(found, np.log(np.abs(gap) + 0.03), 1.0),
            np.where(found, np.clip(gap, -1, 1), 0.0),
            np.abs(velocity[other] - velocity) / 10,
        ]


_FEWEST = 8
"""Notes of a track below which it is not the upper hand, where another has them."""
_OVERLAP = 0.1
"""Quarters by which a note may go on under the next and still be over."""


def skyline(midi: MidiFile) -> np.ndarray:
    """The highest line of the highest track: a pianist's right hand, or the top of a score.

    A note that begins under a higher one that still sounds is not heard as the tune.

    Args:
        midi: any file.

    Returns:
        [n, 4] onset, duration, pitch and velocity in file ticks, one note at a time; empty where there is
        nothing but percussion.
    """
    tracks = [track for track in midi.tracks if not track.is_drum]
    full = [track for track in tracks if len(track.rows) >= _FEWEST] or tracks
    if not full:
        return np.zeros((0, 4), dtype=np.int64)
    highest = max(full, key=lambda track: float(np.median(track.rows[:, 2])))
    rows = highest.rows
    kept = _upper(rows, round(_OVERLAP * midi.ticks_per_quarter))
    line = rows[kept].copy()
    line[:-1, 1] = np.minimum(line[:-1, 1], np.diff(line[:, 0]))
    return line


def _upper(rows: np.ndarray, overlap: int) -> list[int]:
    """Places of the notes that are highest where they begin, of rows sorted by onset and pitch."""
    kept: list[int] = []
    until = pitch_now = started = -1
    for place, (onset, duration, pitch, _) in enumerate(rows.tolist()):
        if kept and onset == started:
            kept[-1] = place  # sorted by pitch, so this one is higher
        elif pitch < pitch_now and onset < until - overlap:
            continue
        else:
            kept.append(place)
        started, pitch_now, until = onset, pitch, onset + duration
    return kept


CANDIDATE = 0.04
"""Notes less probable than this at first sight are not looked at again."""
KEEP = 0.4
"""Least probability of a note of the melody; set on validation songs, where precision and recall meet."""


LOOKS = 2
"""How often the second network is asked."""
_PART = 16384
"""Notes that are looked at together."""


class Network(NamedTuple):
    """One hidden layer: sigmoid(tanh(x @ hidden + bias) @ out + out_bias).

    Attributes:
        hidden: [features, units] float32.
        bias: [units] float32.
        out: [units] float32.
        out_bias: a number.
    """

    hidden: np.ndarray
    bias: np.ndarray
    out: np.ndarray
    out_bias: float

    def probability(self, features: np.ndarray) -> np.ndarray:
        """[n] probabilities of [n, features]."""
        odds = np.tanh(features @ self.hidden + self.bias) @ self.out + self.out_bias
        return np.asarray(0.5 + 0.5 * np.tanh(odds / 2))


@cache
def fitted_networks() -> tuple[Network, Network]:
    """The first and the second network that `tools/fit/melody.py` fitted."""
    tables = read_fitted("melody_notes")
    return _network(tables["first"]), _network(tables["second"])


def _network(tables: Mapping[str, Any]) -> Network:
    hidden, bias, out = (np.array(tables[part], np.float32) for part in ("hidden", "bias", "out"))
    return Network(hidden, bias, out, tables["out_bias"])


def candidates(probability: np.ndarray) -> np.ndarray:
    """[m] places of the notes that are looked at again."""
    return np.flatnonzero(probability > CANDIDATE)


def struck_once(notes: Notes) -> np.ndarray:
    """[m] places of the notes that do not double an earlier one: same pitch, struck together."""
    order = np.lexsort((notes.onset, notes.pitch))
    pitch, onset = notes.pitch[order], notes.onset[order]
    double = (np.diff(pitch) == 0) & (np.diff(onset) <= TOGETHER)
    return np.sort(order[np.concatenate([[True], ~double])]) if len(order) else order


def line_probability(notes: Notes, first: Network, second: Network) -> np.ndarray:
    """[n] how probably each note belongs to the melody; long pieces in parts, so that memory is bounded.

    Args:
        notes: of one piece, by onset.
        first: the network that sees each note alone.
        second: the network that also sees the line.
    """
    parts = [
        _probability(Notes(*(column[begin : begin + _PART] for column in notes)), first, second)
        for begin in range(0, len(notes.onset), _PART)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _probability(notes: Notes, first: Network, second: Network) -> np.ndarray:
    own = note_features(notes)
    probability = first.probability(own)
    chosen = candidates(probability)
    if len(chosen):
        own = own[chosen]
        features = LineFeatures(Notes(*(column[chosen] for column in notes)))
        for _ in range(LOOKS):
            seen = np.concatenate([own, features(probability[chosen])], axis=1)
            probability[chosen] = second.probability(seen)
    return probability


def one_at_a_time(onset: np.ndarray, probability: np.ndarray, keep: float = KEEP) -> np.ndarray:
    """[m] places of the melody's notes: the most probable of those struck together, if probable enough.

    Args:
        onset: float [n], in quarters, sorted.
        probability: float [n], that a note is of the melody.
        keep: the least probability of a note that stays.
    """
    chosen: list[int] = []
    for place in np.flatnonzero(probability > keep).tolist():
        if chosen and onset[place] - onset[chosen[-1]] <= TOGETHER:
            if probability[place] > probability[chosen[-1]]:
                chosen[-1] = place
        else:
            chosen.append(place)
    return np.array(chosen, dtype=np.int64)
