"""Bars from the notes: which beats begin one, and how many beats it has.

Every beat may be the first of a bar, the middle one, or another; the accents at it say how likely each is (a
linear model). Bars of one length are laid through the piece where these agree most; beginning a bar
early costs something, so that a bar of other length is heard only where the music insists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hrpe_jax.analysis.beats.track import NoteTable
from hrpe_jax.theory.meter import MAX_BAR_TICKS, TICKS_PER_QUARTER, Meter

NEAR = 0.15
"""Beats that a note may be off a beat and still be on it."""
_HELD = 4
"""Beats for which a held note goes on counting."""

FEATURES = ("low", "bass_length", "length", "sound", "harmony", "held", "bass_moves")
_KICKS, _SNARES, _CRASHES = (35, 36), (37, 38, 39, 40), (49, 52, 55, 57)


def accents(notes: NoteTable, beats: int) -> np.ndarray:
    """Features of every beat.

    Args:
        notes: onset and end in beats from the first.
        beats: how many beats.

    Returns:
        [beats, len(FEATURES)]: how low the lowest note struck is (octaves under the middle of the piece's
        notes); the length of the longest low note and of any note struck, and the sum of these (log); how
        much the harmony of the two beats to come differs from that of the two before (1 less cosine); the
        share of what sounds that is held over; whether the bass is another pitch class than before.
    """
    table = np.zeros((beats, len(FEATURES)))
    pitched = ~notes.drum
    onset, end, pitch = notes.onset[pitched], notes.end[pitched], notes.pitch[pitched]
    if not len(onset):
        return table
    beat = np.round(onset).astype(np.int64)
    on = (np.abs(onset - beat) < NEAR) & (beat >= 0) & (beat < beats)
    struck, length, height = beat[on], np.minimum(end - onset, 4.0)[on], pitch[on]
    quarter, middle = np.percentile(pitch, [25, 50])

    lowest = np.full(beats, 128.0)
    np.minimum.at(lowest, struck, height)
    table[:, 0] = np.where(lowest < 128, np.clip((middle - lowest) / 12, -1.0, 2.0), -1.0)
    is_low = height <= quarter
    np.maximum.at(table[:, 1], struck[is_low], length[is_low] / 2)
    np.maximum.at(table[:, 2], struck, length / 2)
    table[:, 3] = np.log1p(np.bincount(struck, weights=length, minlength=beats))

    begin = np.floor(onset + NEAR).astype(np.int64)
    chroma, bass, held = np.zeros(beats * 12), np.full(beats, 128), np.zeros(beats)
    for ahead in range(_HELD + 1):
        at = begin + ahead
        share = np.minimum(end, at + 1) - np.maximum(onset, at)
        there = (share > 0.05) & (at >= 0) & (at < beats)
        at, share = at[there], share[there]
        chroma += np.bincount(at * 12 + pitch[there] % 12, weights=share, minlength=beats * 12)
        np.minimum.at(bass, at, pitch[there])
        if ahead:
            held += np.bincount(at[share > NEAR], minlength=beats)
    table[:, 4] = _change(chroma.reshape(beats, 12))
    table[:, 5] = held / (held + np.bincount(struck, minlength=beats) + 1.0)
    before = np.concatenate([[128], bass[:-1]])
    table[:, 6] = (bass < 128) & ((bass - before) % 12 != 0)
    return table


def _change(chroma: np.ndarray) -> np.ndarray:
    """[beats] 1 less the cosine between two beats before and two beats from here."""
    padded = np.concatenate([np.zeros((2, 12)), chroma, np.zeros((1, 12))])
    pairs = padded[1:] + padded[:-1]
    before, after = pairs[: len(chroma)], pairs[2:]
    size = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return np.asarray(1.0 - (before * after).sum(axis=1) / np.maximum(size, 1e-9))


def drum_accents(notes: NoteTable, beats: int) -> np.ndarray:
    """[beats, 3] whether a bass drum, a snare drum, a crash cymbal is struck."""
    beat = np.round(notes.onset).astype(np.int64)
    on = notes.drum & (np.abs(notes.onset - beat) < NEAR) & (beat >= 0) & (beat < beats)
    table = np.zeros((beats, 3))
    for column, names in enumerate((_KICKS, _SNARES, _CRASHES)):
        table[beat[on & np.isin(notes.pitch, names)], column] = 1.0
    return table


_SHORT_EVENT = 4
"""Bars up to which a meter that a Score cannot say (1/4, 5/16) is a pickup or a slip, not the piece's."""
_MOST = 0.9
"""Share of the piece in whose meters a beat must be whole for that beat to be used."""
_ROUNDING = 1e-6
SLOW_BEAT = 1.2
"""Seconds from which on a dotted quarter is too slow a beat, and the eighth is it."""


class MeterSpan(NamedTuple):
    """A meter from one place to the next, in quarters."""

    start: float
    end: float
    meter: Meter

    @property
    def bar(self) -> float:
        """Length of a bar in quarters."""
        return 4 * self.meter.numerator / self.meter.denominator


class Laid(NamedTuple):
    """What `lay_beats` returns.

    Attributes:
        places: [n] quarters of the beats.
        bars: [m] index into `places` where bars begin.
        beat_ticks: Score ticks of a beat.
        meter: the most common one.
    """

    places: np.ndarray
    bars: np.ndarray
    beat_ticks: int
    meter: Meter


def meter_spans(
    meters: tuple[tuple[int, int, int], ...], ticks_per_quarter: int, end: float
) -> list[MeterSpan] | None:
    """The file's meters up to `end` (quarters), or None where they cannot be meant.

    Meters that no Score can say are left out where they are short, and spoil the rest where they are not.

    Args:
        meters: (tick, numerator, denominator) of each mark, in order.
        ticks_per_quarter: of the file.
        end: quarters, where the music ends.
    """
    spans: list[MeterSpan] = []
    for index, (tick, numerator, denominator) in enumerate(meters):
        start = tick / ticks_per_quarter
        stop = meters[index + 1][0] / ticks_per_quarter if index + 1 < len(meters) else end
        stop = min(stop, end)
        if stop <= start:
            continue
        meter = Meter(numerator, denominator)
        if not spans and start > 0.0:
            spans.append(MeterSpan(0.0, start, meter if _can_be_said(meter) else Meter(4, 4)))
        span = MeterSpan(start, stop, meter)
        if numerator == 1 or not _can_be_said(meter):
            if stop - start > _SHORT_EVENT * span.bar:
                return None
            if not _can_be_said(meter):
                span = span._replace(meter=spans[-1].meter if spans else Meter(4, 4))
        spans.append(span)
    return spans or None


def _can_be_said(meter: Meter) -> bool:
    whole, rest = divmod(48 * meter.numerator, meter.denominator)
    return rest == 0 and whole % 6 == 0 and 6 <= whole <= MAX_BAR_TICKS and meter.is_supported


def lay_beats(spans: list[MeterSpan], first: float, end: float, seconds_per_quarter: float) -> Laid:
    """Beats and bars of these meters.

    Args:
        spans: as from `meter_spans`.
        first: quarters of the first onset.
        end: quarters that the last beat must reach.
        seconds_per_quarter: median, for choosing between slow and fast beats.
    """
    shares: dict[Meter, float] = {}
    for span in spans:
        shares[span.meter] = shares.get(span.meter, 0.0) + span.end - span.start
    meter = max(shares, key=lambda meter: shares[meter])
    unit = _unit(shares, seconds_per_quarter)

    places: list[np.ndarray] = []
    starts: list[np.ndarray] = []
    for index, span in enumerate(spans):
        last = index + 1 == len(spans)
        stop = max(span.end, end) + span.bar if last else span.end  # one bar more, from which the end is cut
        lines = np.arange(span.start, stop - _ROUNDING, span.bar)
        inside = np.arange(0.0, span.bar - 0.25 * unit, unit)
        beats = (lines[:, None] + inside).ravel()
        begins = np.tile(np.arange(len(inside)) == 0, len(lines))
        # A bar cut short by a change of meter keeps the beats that begin well before it.
        keep = begins | (beats < stop - 0.25 * unit)
        places.append(beats[keep])
        starts.append(begins[keep])
    laid, is_start = np.concatenate(places), np.concatenate(starts)
    from_bar = laid[is_start]
    from_bar = from_bar[max(0, int(np.searchsorted(from_bar, first, side="right")) - 1)]
    closing = max(from_bar + unit, end)
    kept = (laid >= from_bar) & (np.arange(len(laid)) <= np.searchsorted(laid, closing - _ROUNDING))
    bars = np.flatnonzero(is_start[kept][:-1])  # none begins where the music has ended
    return Laid(laid[kept], bars, round(unit * TICKS_PER_QUARTER), meter)


def _unit(shares: dict[Meter, float], seconds_per_quarter: float) -> float:
    """The beat in quarters: dotted where all meters are compound and the beat not too slow, else quarters
    where nearly all bars hold a whole number of them, else eighths."""
    total = sum(shares.values())
    compound = sum(share for meter, share in shares.items() if meter.is_compound)
    if compound >= _MOST * total:
        return 1.5 if 1.5 * seconds_per_quarter <= SLOW_BEAT else 0.5
    whole = sum(
        share for meter, share in shares.items() if meter.bar_ticks % 12 == 0 and not meter.is_compound
    )
    return 1.0 if whole >= _MOST * total else 0.5


FIRST, MIDDLE, OTHER = 0, 1, 2
_PATTERNS = {
    1: (FIRST,),
    2: (FIRST, OTHER),
    3: (FIRST, OTHER, OTHER),
    4: (FIRST, OTHER, MIDDLE, OTHER),
    6: (FIRST, OTHER, OTHER, MIDDLE, OTHER, OTHER),
}
HALF, RESET = 5.0, 12.0
"""Cost in nats of half a bar between whole ones, which songs have between their parts, and of any other bar
that is too short."""
_SIXES = 0.15
"""Nats a beat by which bars of six must fit better than those of three, of which they are made."""
_NAMED = 0.1
"""The same for the meter that the file names."""
_STRETCH = 96
"""Beats of one such stretch."""
_AROUND = 9
"""Beats, this one in the middle, whose mean the accents of a beat are compared with."""

_WEIGHTS = np.array([
    # against the mean around: first, middle
    [-1.18, -1.20], [0.52, -1.00], [0.43, -0.84], [-0.37, -0.14], [-1.01, -0.62], [0.41, 2.26],
    [-0.26, -1.68],
    # against the beats before and after
    [1.83, 1.87], [-0.84, 0.00], [-0.30, 0.02], [0.26, 0.36], [2.26, 0.15], [-2.18, -2.21], [0.70, 1.68],
])  # fmt: skip
"""Log-odds of each role against "other", a unit of each feature in the order of `FEATURES`: softmax
regression on the bars of POP909's 741 training songs, which have no drums."""
_BIAS = np.array([-1.0, -0.78])
_PRIOR = np.array([-1.399, -1.399, -0.68])
_DRUMS = np.array([[0.4, 0.2, 0.0], [-0.9, -0.6, 0.3], [1.2, 0.0, -0.8]])
"""What a bass drum, a snare drum and a crash cymbal say for each role; set by hand: bass drum on one, snare
drum on two and four, a crash where a part begins."""

_LOW, _ENTRY = 0.7, 6.0
"""Octaves under the middle of the piece's notes at which a note is bass, and nats for a bar line where the
bass enters: it does so on the first of a bar in seven songs of ten."""


def role_scores(notes: NoteTable, beats: int) -> np.ndarray:
    """[beats, 3] how much better than by chance (nats) the accents fit a first, middle or other beat.

    Args:
        notes: onset and end in beats from the first.
        beats: how many beats.
    """
    table = accents(notes, beats)
    padded = np.pad(table, ((_AROUND // 2, _AROUND // 2), (0, 0)), mode="edge")
    sums = np.concatenate([np.zeros((1, len(FEATURES))), np.cumsum(padded, axis=0)])
    around = (sums[_AROUND:] - sums[:-_AROUND]) / _AROUND
    beside = np.pad(table, ((1, 1), (0, 0)), mode="edge")
    beside = (beside[2:] + beside[:-2]) / 2
    logit = np.zeros((beats, 3))
    logit[:, :2] = np.concatenate([table - around, table - beside], axis=1) @ _WEIGHTS + _BIAS
    logit -= np.log(np.exp(logit).sum(axis=1, keepdims=True))
    scores = logit - _PRIOR
    if notes.drum.any():
        scores += drum_accents(notes, beats) @ _DRUMS
    entries = np.flatnonzero((table[:, 0] > _LOW) & (table[:, 1] > 0))
    if len(entries):
        scores[entries[0], FIRST] += _ENTRY
    return np.asarray(scores)


def given_score(scores: np.ndarray, starts: Sequence[int]) -> float:
    """Nats a beat in which [beats, 3] scores agree with bars that begin at these increasing beats."""
    if not len(starts):
        return 0.0
    edges = np.append(np.asarray(starts), len(scores))
    roles = np.full(len(scores), OTHER)
    for start, length in zip(edges[:-1].tolist(), np.diff(edges).tolist(), strict=True):
        pattern = _PATTERNS.get(length, ())
        roles[start : start + len(pattern)] = pattern
    roles[np.asarray(starts)] = FIRST
    return float(scores[np.arange(len(scores)), roles].mean())


def best_bars(scores: np.ndarray, beats_per_bar: int) -> tuple[float, list[int]]:
    """Lay bars of one length through the piece.

    Returns:
        Nats a beat, and the increasing beats at which bars begin; before the first, part of one.
    """
    size = beats_per_bar
    rows = scores[:, list(_PATTERNS[size])].tolist()
    costs = [HALF if 2 * beats == size else RESET for beats in range(size)]
    # best[k]: of paths whose bars begin where beat % size == k; only a path that begins one may change to it.
    best = [rows[0][-k % size] for k in range(size)]
    came = [-1] * len(rows)
    for beat in range(1, len(rows)):
        row, now = rows[beat], beat % size
        top, phase = max((best[k] - costs[now - k], k) for k in range(size))
        if top > best[now]:
            came[beat] = phase
            best[now] = top
        best = [best[k] + row[now - k] for k in range(size)]  # indices below 0 count from the end
    phase = best.index(max(best))
    total = best[phase]
    starts = []
    for beat in range(len(rows) - 1, -1, -1):
        if beat % size == phase:
            starts.append(beat)
            if came[beat] >= 0:
                phase = came[beat]
    return total / len(rows), starts[::-1]


def find_bars(scores: np.ndarray, likely: int = 0) -> tuple[float, int, list[int]]:
    """Choose the length of bars and where they begin.

    Args:
        scores: [beats, 3] as from `role_scores`.
        likely: beats to a bar that the file names, though its bars may lie elsewhere; 0 where it is silent.

    Returns:
        Nats a beat, beats to a bar, beats at which bars begin.
    """
    bonus = {4: 0.02, 3: 0.0, 6: -_SIXES}
    if likely in bonus:
        bonus[likely] += _NAMED + (_SIXES if likely == 6 else 0.0)
    size = max(bonus, key=lambda size: _fit(scores, size) + bonus[size])
    nats, starts = best_bars(scores, size)
    return nats, size, starts


def _fit(scores: np.ndarray, size: int) -> float:
    """Nats a beat of bars of this length, laid anew in every stretch of the piece: quick, and close to the
    best path."""
    beat = np.arange(len(scores))[:, None]
    phases = (beat - np.arange(size)) % size  # [beats, size] place in the bar, for each place to begin from
    laid = scores[beat, np.array(_PATTERNS[size])[phases]]
    stretches = np.add.reduceat(laid, np.arange(0, len(scores), _STRETCH), axis=0)
    return float(stretches.max(axis=1).sum() / len(scores))
