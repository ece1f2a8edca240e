"""Music of which one knows how much structure it has: what every structure metric is printed beside.

    real        other pieces of the reference: the floor
    varied      the same pieces, in every bar one note moved to its neighbour in the key
    shuffled    the same bars in random order
    random      bars of all pieces at random
    loop        one bar, again and again
    silence     as many empty bars
    transposed  the same pieces in other keys

Chords go with their bars. Notes and chords keep their length; a note held over a bar line is not cut. Pieces
are windows of equal length (`arrays.window`), so that every control has the pieces, meters and bars of its
source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from hrpe_jax.metrics.arrays import Piece, ragged_arange

CONTROLS = ("real", "varied", "shuffled", "random", "loop", "silence", "transposed")
ORDER = ("real", "varied", "shuffled", "loop", "silence")
"""How far from real music they are, nearest first. A structure metric that does not order them so
misleads."""


@dataclass(frozen=True)
class Bars:
    """The bars of some pieces, end to end, to build new pieces from.

    Attributes:
        first: `[pieces + 1]`, index of each piece's first bar.
        lengths: ticks of each bar.
        note: `[bars + 1]`, where each bar's notes begin in the arrays of notes; `span` likewise for chords.
        offset: of notes, from the bar line.
        duration: of notes.
        pitch: of notes.
        chord_onset: of chords, cut at bar lines; from the bar line.
        chord_end: likewise.
        chord: of these chords.
        chord_tones: of these chords.
    """

    first: np.ndarray
    lengths: np.ndarray
    note: np.ndarray
    offset: np.ndarray
    duration: np.ndarray
    pitch: np.ndarray
    span: np.ndarray
    chord_onset: np.ndarray
    chord_end: np.ndarray
    chord: np.ndarray
    chord_tones: np.ndarray

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Bars:
        """The bars of these pieces."""
        first = np.cumsum([0, *(piece.bars for piece in pieces)])
        cut = [_cut_chords(piece) for piece in pieces]
        counts = [np.bincount(piece.bar, minlength=piece.bars) for piece in pieces]
        span_counts = [np.bincount(bar, minlength=p.bars) for p, (bar, *_) in zip(pieces, cut, strict=True)]
        spans = [np.concatenate(parts) for parts in zip(*cut, strict=True)]
        return cls(
            first=first,
            lengths=np.concatenate([piece.lengths for piece in pieces]),
            note=np.cumsum(np.concatenate([[0], *counts])),
            offset=np.concatenate([piece.offset for piece in pieces]),
            duration=np.concatenate([piece.duration for piece in pieces]),
            pitch=np.concatenate([piece.pitch for piece in pieces]),
            span=np.cumsum(np.concatenate([[0], *span_counts])),
            chord_onset=spans[1],
            chord_end=spans[2],
            chord=spans[3],
            chord_tones=spans[4],
        )

    def arrange(self, like: Piece, order: np.ndarray) -> Piece:
        """A piece of these bars, int64 `[bars]`, with the name, meter and key of another."""
        lengths = self.lengths[order]
        starts = np.cumsum(lengths) - lengths
        count = self.note[order + 1] - self.note[order]
        notes = ragged_arange(self.note[order], count)
        span_count = self.span[order + 1] - self.span[order]
        spans = ragged_arange(self.span[order], span_count)
        span_start = np.repeat(starts, span_count)
        return replace(
            like,
            onset=self.offset[notes] + np.repeat(starts, count),
            duration=self.duration[notes],
            pitch=self.pitch[notes],
            starts=starts,
            lengths=lengths,
            chord_onset=self.chord_onset[spans] + span_start,
            chord_end=self.chord_end[spans] + span_start,
            chord=self.chord[spans],
            chord_tones=self.chord_tones[spans],
            form=(),
        )


def _cut_chords(piece: Piece) -> tuple[np.ndarray, ...]:
    """Chord spans cut at bar lines: bar, onset and end in it, label, tones."""
    ends = piece.starts + piece.lengths
    begin = np.searchsorted(ends, piece.chord_onset, side="right")
    count = np.searchsorted(piece.starts, piece.chord_end, side="left") - begin
    bar = ragged_arange(begin, count)
    span = np.repeat(np.arange(len(piece.chord)), count)
    onset = np.maximum(piece.chord_onset[span], piece.starts[bar]) - piece.starts[bar]
    end = np.minimum(piece.chord_end[span], ends[bar]) - piece.starts[bar]
    return bar, onset, end, piece.chord[span], piece.chord_tones[span]


def make_control(name: str, pieces: Sequence[Piece], rng: np.random.Generator) -> list[Piece]:
    """The control of this name, a piece for each of these.

    Args:
        name: one of `CONTROLS`.
        pieces: windows of real music.
        rng: source of chance.
    """
    match name:
        case "real":
            return list(pieces)
        case "varied":
            return [_vary(piece, rng) for piece in pieces]
        case "silence":
            return [_silence(piece) for piece in pieces]
        case "transposed":
            return [
                transpose(piece, int(by)) for piece, by in zip(pieces, _steps(len(pieces), rng), strict=True)
            ]
    if not pieces:
        return []
    bars = Bars.of(pieces)
    lengths = {int(length): np.flatnonzero(bars.lengths == length) for length in np.unique(bars.lengths)}
    heard = np.diff(bars.note) > 0
    made = []
    for piece, first in zip(pieces, bars.first, strict=False):
        if name == "shuffled":
            order = first + rng.permutation(piece.bars)
        elif name == "random":
            order = np.array([rng.choice(lengths[length]) for length in piece.lengths.tolist()], np.int64)
        elif name == "loop":
            own = np.arange(first, first + piece.bars)
            fit = own[heard[own] & (bars.lengths[own] == piece.meter.bar_ticks)]
            order = np.full(piece.bars, rng.choice(fit if len(fit) else own))
        else:
            raise ValueError(f"control {name!r}: expected one of {', '.join(CONTROLS)}")
        made.append(bars.arrange(piece, order))
    return made


def transpose(piece: Piece, by: int) -> Piece:
    """The piece so many semitones higher; notes that would leave 0..127 go to the nearest octave inside
    it."""
    pitch = piece.pitch + by
    pitch = np.where(pitch < 0, pitch % 12, np.where(pitch > 127, 116 + (pitch - 116) % 12, pitch))
    return replace(
        piece,
        tonic=(piece.tonic + by) % 12,
        scale=np.roll(piece.scale, by),
        pitch=pitch,
        chord=piece.chord // 12 * 12 + (piece.chord + by) % 12,
        chord_tones=np.roll(piece.chord_tones, by, axis=1),
    )


def _steps(count: int, rng: np.random.Generator) -> np.ndarray:
    """One of -6..6 but 0 for each piece."""
    return rng.choice([*range(-6, 0), *range(1, 7)], count)


def _vary(piece: Piece, rng: np.random.Generator) -> Piece:
    """One note of each bar that has any, moved to the next note of the key above or below."""
    count = np.bincount(piece.bar, minlength=piece.bars)
    first = (np.cumsum(count) - count)[count > 0]
    note = first + rng.integers(0, count[count > 0])
    pitch = piece.pitch.copy()
    way = np.where(pitch[note] < 2, 1, np.where(pitch[note] > 125, -1, rng.choice([-1, 1], len(note))))
    pitch[note] += np.where(piece.scale[(pitch[note] + way) % 12], way, 2 * way)
    return replace(piece, pitch=pitch)


def _silence(piece: Piece) -> Piece:
    none, spans = piece.onset[:0], piece.chord[:0]
    return replace(
        piece, onset=none, duration=none, pitch=none,
        chord_onset=spans, chord_end=spans, chord=spans, chord_tones=piece.chord_tones[:0],
    )  # fmt: skip


def markov_melodies(pieces: Sequence[Piece], rng: np.random.Generator) -> list[Piece]:
    """For each piece a melody of a first-order Markov chain over the same bars and chords.

    A state is a note's pitch above the tonic, its duration and the time to the next onset; chains are counted
    over all pieces, and begin where the piece's melody begins.

    Args:
        pieces: windows of real music, each with a melody.
        rng: source of chance.
    """
    parts = []
    for piece in pieces:
        later = np.append(np.diff(piece.onset), piece.duration[-1:])
        parts.append(np.stack([piece.pitch - piece.tonic, piece.duration, np.maximum(later, 1)], axis=1))
    if not parts:
        return []
    states, flat = np.unique(np.concatenate(parts), axis=0, return_inverse=True)
    own = np.split(flat.reshape(-1), np.cumsum([len(part) for part in parts])[:-1])
    follows: dict[int, list[int]] = {}
    for chain in own:
        for state, after in pairwise(chain.tolist()):
            follows.setdefault(state, []).append(after)
    starts = [int(chain[0]) for chain in own]

    def draw(among: list[int]) -> int:
        return among[int(rng.integers(len(among)))]

    made = []
    for piece in pieces:
        end, tick = int(piece.starts[-1] + piece.lengths[-1]), int(piece.onset[0])
        state, notes = draw(starts), []
        while tick < end:
            degree, duration, later = states[state].tolist()
            notes.append((tick, min(duration, later), degree + piece.tonic))
            tick += later
            state = draw(follows.get(state) or starts)
        onset, length, pitch = np.array(notes, np.int64).T
        made.append(replace(piece, onset=onset, duration=length, pitch=np.clip(pitch, 0, 127)))
    return made
