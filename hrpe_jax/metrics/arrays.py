"""A piece as arrays, made once from a Score and shared by all metrics.

Every metric takes a `Score` or a `Piece`; whoever computes several of them on one piece makes the `Piece`
first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from hrpe_jax.score.form import Section, crop_form
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import QUALITIES, Chord
from hrpe_jax.theory.key import Key, Mode
from hrpe_jax.theory.meter import Meter

TICKS_PER_16TH = 3

_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 9, 10, 11)}
"""Minor is the union of natural, harmonic and melodic minor, since all three are in the key to a listener."""


class Undefined(ValueError):
    """A metric has no value for a piece. The message is what follows "not defined, because"."""


class Overlaps(NamedTuple):
    """Every stretch in which one note sounds over one chord.

    Attributes:
        note: int64 `[stretches]`, index of the note.
        span: int64 `[stretches]`, index of the chord span.
        ticks: int64 `[stretches]`, how long.
        begins: bool `[stretches]`, whether the note begins there (else the chord changed under it).
    """

    note: np.ndarray
    span: np.ndarray
    ticks: np.ndarray
    begins: np.ndarray


@dataclass(frozen=True, eq=False)
class Piece:
    """A lead sheet as arrays; times in ticks, 12 to the quarter note.

    Attributes:
        id: of the score.
        meter: of the score.
        tonic: pitch class of the key's tonic.
        mode: of the key.
        scale: bool `[12]`, pitch classes of the key; minor has both sixths and both sevenths.
        onset: int64 `[notes]`, sorted.
        duration: int64 `[notes]`.
        pitch: int64 `[notes]`.
        starts: int64 `[bars]`, where each bar begins.
        lengths: int64 `[bars]`, ticks; shorter than the meter says where a pickup or a reset makes it so.
        chord_onset: int64 `[spans]`; no-chord spans are left out.
        chord_end: int64 `[spans]`.
        chord: int64 `[spans]`, root + 12 * index of the fine quality (32 of them): the label set of all chord
            metrics. The bass is no part of it.
        chord_tones: bool `[spans, 12]`, pitch classes; a foreign bass is among them.
        no_chords: why it has no chords, where it has none.
        form: of the score; empty where it is not known.
    """

    id: str
    meter: Meter
    tonic: int
    mode: Mode
    scale: np.ndarray
    onset: np.ndarray
    duration: np.ndarray
    pitch: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    chord_onset: np.ndarray
    chord_end: np.ndarray
    chord: np.ndarray
    chord_tones: np.ndarray
    no_chords: str = "it has no chords"
    form: tuple[Section, ...] = ()

    @property
    def bars(self) -> int:
        """How many bars it has."""
        return len(self.starts)

    @cached_property
    def bar(self) -> np.ndarray:
        """In which bar each note begins, int64 `[notes]`."""
        return np.searchsorted(self.starts, self.onset, side="right") - 1

    @cached_property
    def offset(self) -> np.ndarray:
        """Ticks from its bar line to each note's onset, int64 `[notes]`."""
        return self.onset - self.starts[self.bar]

    @cached_property
    def strong(self) -> np.ndarray:
        """Whether each note begins on a strong beat, bool `[notes]`.

        That is the first beat of its bar, and the bar's middle where it has four (or eight) beats.
        """
        strong = self.offset == 0
        if self.meter.beats_per_bar % 4 == 0:
            strong |= self.offset == self.meter.bar_ticks // 2
        return strong

    @cached_property
    def overlaps(self) -> Overlaps:
        """Where notes sound over chords, in order of time."""
        end = self.onset + self.duration
        first = np.searchsorted(self.chord_end, self.onset, side="right")
        count = np.maximum(np.searchsorted(self.chord_onset, end, side="left") - first, 0)
        note = np.repeat(np.arange(len(self.onset)), count)
        span = ragged_arange(first, count)
        begin = np.maximum(self.onset[note], self.chord_onset[span])
        ticks = np.minimum(end[note], self.chord_end[span]) - begin
        return Overlaps(note, span, ticks, begin == self.onset[note])

    @cached_property
    def changes(self) -> np.ndarray:
        """Indices of the spans whose label differs from the one before, int64 `[changes]`."""
        if not len(self.chord):
            return np.zeros(0, np.int64)
        return np.flatnonzero(np.append(True, self.chord[1:] != self.chord[:-1]))


Music = Score | Piece


def piece_of(music: Music) -> Piece:
    """The arrays of a Score; a Piece is returned as it is."""
    if isinstance(music, Piece):
        return music
    notes = np.array([(n.onset, n.duration, n.pitch) for n in music.melody], np.int64).reshape(-1, 3)
    spans = [span for span in music.chords if not span.chord.is_none]
    times = np.array([(span.onset, span.end) for span in spans], np.int64).reshape(-1, 2)
    labels = [_label(span.chord) for span in spans]
    starts = np.array(music.bar_starts(), np.int64)
    return Piece(
        id=music.id,
        meter=music.meter,
        tonic=music.key.tonic,
        mode=music.key.mode,
        scale=_scale(music.key),
        onset=notes[:, 0],
        duration=notes[:, 1],
        pitch=notes[:, 2],
        starts=starts,
        lengths=np.diff(starts, append=starts[-1:] + music.meter.bar_ticks),
        chord_onset=times[:, 0],
        chord_end=times[:, 1],
        chord=np.array([label for label, _ in labels], np.int64),
        chord_tones=np.array([tones for _, tones in labels], np.bool_).reshape(-1, 12),
        form=music.form,
    )


def sung(music: Music) -> Piece:
    """The arrays of a piece that has a melody.

    Raises:
        Undefined: it has none.
    """
    piece = piece_of(music)
    if not len(piece.onset):
        raise Undefined("it has no melody")
    return piece


def window(music: Music, bars: int) -> Piece:
    """So many bars of a piece, from its first full bar in which a melody note begins (or a chord, without
    melody).

    Pickups and introductions are passed over; see `cut`.

    Raises:
        Undefined: the piece has fewer bars from there on, or is empty.
    """
    piece = piece_of(music)
    first = first_bar(piece)
    if piece.bars - first < bars:
        raise Undefined(f"it is shorter than {bars} bars")
    return cut(piece, first, bars)


def cut(piece: Piece, first: int, bars: int) -> Piece:
    """So many bars of a piece from a bar on, all of which it must have.

    Notes belong to the bar in which they begin and keep their length; chords are cut at both ends. Ticks
    count from the new beginning.

    Args:
        piece: the piece.
        first: number of the first bar.
        bars: how many.
    """
    begin, end = piece.starts[first], piece.starts[first + bars - 1] + piece.lengths[first + bars - 1]
    note = slice(*np.searchsorted(piece.bar, [first, first + bars]))
    span = (piece.chord_end > begin) & (piece.chord_onset < end)
    return replace(
        piece,
        onset=piece.onset[note] - begin,
        duration=piece.duration[note],
        pitch=piece.pitch[note],
        starts=piece.starts[first : first + bars] - begin,
        lengths=piece.lengths[first : first + bars],
        chord_onset=np.maximum(piece.chord_onset[span], begin) - begin,
        chord_end=np.minimum(piece.chord_end[span], end) - begin,
        chord=piece.chord[span],
        chord_tones=piece.chord_tones[span],
        form=crop_form(piece.form, first, bars),
    )


def first_bar(piece: Piece) -> int:
    """Index of the first full bar in which a melody note begins, or a chord where there is no melody.

    Raises:
        Undefined: there is none.
    """
    heard = np.zeros(piece.bars, np.bool_)
    heard[
        piece.bar if len(piece.onset) else np.searchsorted(piece.starts, piece.chord_onset, "right") - 1
    ] = True
    full = np.flatnonzero(heard & (piece.lengths == piece.meter.bar_ticks))
    if not len(full):
        raise Undefined("it is empty" if not heard.any() else "it has no full bar")
    return int(full[0])


def ragged_arange(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """`first[i] .. first[i] + count[i] - 1` for every i, end to end."""
    before = np.cumsum(count) - count
    return np.repeat(first - before, count) + np.arange(int(count.sum()))


def quality_of(chord: np.ndarray) -> np.ndarray:
    """Index of the fine quality of chord labels."""
    return chord // 12


@lru_cache(maxsize=4096)
def _label(chord: Chord) -> tuple[int, tuple[bool, ...]]:
    tones = chord.pitch_classes
    return chord.root + 12 * QUALITIES.index(chord.quality), tuple(pc in tones for pc in range(12))


@lru_cache(maxsize=24)
def _scale(key: Key) -> np.ndarray:
    scale = np.zeros(12, np.bool_)
    scale[[(key.tonic + step) % 12 for step in _SCALES[key.mode]]] = True
    scale.setflags(write=False)
    return scale


WINDOWS = (32, 16, 8, 4)
ENOUGH = 0.9
"""A window is long where so large a share of both sets has so many bars."""


@dataclass(frozen=True)
class Selection:
    """The pieces of a set that are compared.

    Attributes:
        given: how many the set has.
        pieces: windows of equal length, in the order given.
        left_out: (id, reason) of the others.
    """

    given: int
    pieces: tuple[Piece, ...]
    left_out: tuple[tuple[str, str], ...]

    def account(self) -> dict[str, object]:
        """It as plain data: counts, and each piece that was left out."""
        return {
            "given": self.given,
            "used": len(self.pieces),
            "reasons": dict(Counter(reason for _, reason in self.left_out).most_common()),
            "left_out": [{"id": id_, "reason": reason} for id_, reason in self.left_out],
        }


def select(music: Sequence[Music], bars: int, meter: str) -> Selection:
    """Windows of those pieces that have so many bars and this meter ("all" for any).

    Args:
        music: pieces.
        bars: of a window.
        meter: such as "4/4", or "all".
    """
    pieces, left_out = [], []
    for item in music:
        piece = piece_of(item)
        try:
            if meter not in ("all", str(piece.meter)):
                raise Undefined(f"it is in {piece.meter}, not in {meter}")
            pieces.append(window(piece, bars))
        except Undefined as reason:
            left_out.append((piece.id, str(reason)))
    return Selection(len(music), tuple(pieces), tuple(left_out))


def common_meter(reference: Sequence[Piece], generated: Sequence[Piece]) -> str:
    """The commonest meter of the reference among those that generated pieces have, "4/4" where there are
    none."""
    known = {str(piece.meter) for piece in generated}
    counts = Counter(str(piece.meter) for piece in reference)
    shared = [(count, meter) for meter, count in counts.items() if meter in known]
    return max(shared)[1] if shared else counts.most_common(1)[0][0] if counts else "4/4"


def common_bars(*sets: Sequence[Piece]) -> int:
    """The largest of `WINDOWS` that nine in ten pieces of each set have; the smallest where there is none."""
    lengths = [[_length(piece) for piece in pieces] for pieces in sets if pieces]
    for bars in WINDOWS:
        if all(sum(length >= bars for length in each) >= ENOUGH * len(each) for each in lengths):
            return bars
    return WINDOWS[-1]


def _length(piece: Piece) -> int:
    try:
        return piece.bars - first_bar(piece)
    except Undefined:
        return 0
