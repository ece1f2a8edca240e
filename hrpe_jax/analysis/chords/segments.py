"""Chords of songs: every stretch of a bar is scored as a whole, and the best division of each bar is taken.

A model of segments rather than of beats (a semi-Markov model): an arpeggio is a chord although no beat of it
is, and a passing note is no chord although it fills a beat. The score of a chord over a segment is linear in

    cover    how much of the segment each pitch class sounds
    presence the same, but full from `PRESENT` on: whether it is there at all
    bass     how much of the segment it is the lowest
    first    whether it is the lowest where the segment begins

and a weight depends on what a pitch class is to the chord only: its root, third, suspension, fifth, seventh,
sixth, an added ninth or higher, or the interval that a foreign note makes with the root. All qualities share
these weights, so chords that the training songs do not have can be found as well. The weights are those of a
conditional random field, fitted by `tools/fit/chords.py`.

References: S. Sarawagi and W. Cohen, "Semi-Markov Conditional Random Fields for Information Extraction", NIPS
2004; K. Masada and R. Bunescu, "Chord Recognition in Symbolic Music: A Segmental CRF Model, Segment-Level
Features, and Comparative Evaluations on Classical and Popular Music", TISMIR 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from hrpe_jax.theory.quality import CHORD_TONES

STEPS = 8
"""Parts of a slot at which notes are looked at: thirty-seconds where slots are quarters."""

_HEAVY = 0.5  # notes that weigh less are no bass while others sound
_LONGEST = 64 * STEPS  # a note held for longer has said what it says; bounds the work a damaged file asks for
_CELLS = 4_000_000  # looked at in one go


class Evidence(NamedTuple):
    """[slots, 12] each, by pitch class.

    Attributes:
        cover: share of the slot in which the pitch class sounds, 0 to 1, times the weight of its notes.
        bass: share of the slot in which it is the lowest.
        first: weight of the note that is lowest where the slot begins, at its pitch class.
    """

    cover: np.ndarray
    bass: np.ndarray
    first: np.ndarray


def song_evidence(
    begin: np.ndarray, end: np.ndarray, pitch: np.ndarray, weight: np.ndarray, slots: int
) -> Evidence:
    """Evidence of every slot.

    A pitch class counts once however many notes play it: octaves and repeated notes say nothing new about
    the chord.

    Args:
        begin: [n] where notes start, in slots from the first; may lie before it or after the last.
        end: [n] where they stop.
        pitch: [n] MIDI numbers.
        weight: [n] 0 to 1.
        slots: how many there are.
    """
    steps = slots * STEPS
    inside = (end > 0) & (begin < slots) & (weight > 0)
    pitch, weight = pitch[inside], weight[inside]
    first = np.clip(np.rint(begin[inside] * STEPS).astype(np.int64), 0, steps - 1)
    last = np.minimum(np.maximum(np.rint(end[inside] * STEPS).astype(np.int64), first + 1), steps)

    # Where several notes claim one cell the last assignment holds, so notes are written in order of what is
    # to win: the heaviest of a pitch class, then the lowest of the heavy ones.
    loud = np.zeros((12, steps))
    for note, step in cells(np.argsort(weight, kind="stable"), first, last):
        loud[pitch[note] % 12, step] = weight[note]
    cover = loud.reshape(12, slots, STEPS).mean(axis=2).T

    lowest = np.full(steps, -1)
    for note, step in cells(np.lexsort((-pitch, weight >= _HEAVY)), first, last):
        lowest[step] = note
    bass, start = np.zeros((slots, 12)), np.zeros((slots, 12))
    step = np.flatnonzero(lowest >= 0)
    note = lowest[step]
    np.add.at(bass, (step // STEPS, pitch[note] % 12), weight[note] / STEPS)
    begins = step % STEPS == 0
    start[step[begins] // STEPS, pitch[note[begins]] % 12] = weight[note[begins]]
    return Evidence(cover, bass, start)


def cells(order: np.ndarray, first: np.ndarray, last: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every (note, step) where a note sounds, note after note in this order, in pieces of bounded size.

    Args:
        order: int [notes], the notes in the order in which they are given.
        first: int [notes], the first step in which each sounds.
        last: int [notes], the step after its last.

    Returns:
        Arrays of note and of step, equally long, piece after piece.
    """
    length = np.minimum((last - first)[order], _LONGEST)
    until = np.cumsum(length)
    piece = 0
    while piece < len(order):
        done = int(until[piece - 1]) if piece else 0
        stop = max(int(np.searchsorted(until, done + _CELLS, side="right")), piece + 1)
        notes, many = order[piece:stop], length[piece:stop]
        begin = np.repeat(first[notes] - (until[piece:stop] - done) + many, many)
        yield np.repeat(notes, many), begin + np.arange(len(begin))
        piece = stop


LONGEST = 6
"""Slots of the longest segment; what lasts longer is several segments with one chord."""

PRESENT = 0.3
"""Share of a segment from which a pitch class is fully there."""

KINDS = ("cover", "presence", "bass", "first")
ROLES = ("root", "third", "suspension", "fifth", "seventh", "sixth", "added")

Row = tuple[float, ...]
Piece = tuple[int, int, int]

_UNHEARD = 0.01  # share of a piece that any chord is taken to have


@dataclass(frozen=True)
class SegmentParams:
    """A fitted model. Scores are log odds; those of cover, presence and bass are per slot.

    Attributes:
        qualities: (fine quality, score of a chord, score of each of its slots).
        member: weights of chord notes by kind, then role, in the order of `KINDS` and `ROLES`.
        foreign_major: weights of foreign notes by kind, then interval over the root, of chords without
            minor third.
        foreign_minor: the same of chords with minor third.
        none: score of no chord, of each of its slots, of each slot by how much sounds (up to one pitch class
            all the time), and of the chord by the same.
        begin: score of a segment that begins on a strong slot, in the middle between two, and elsewhere.
        familiar: how much a chord gains that the rest of the piece has as well (see `familiarity`); tried out
            on 60 training songs after the rest was fitted.
    """

    qualities: tuple[tuple[str, float, float], ...]
    member: tuple[Row, ...]
    foreign_major: tuple[Row, ...]
    foreign_minor: tuple[Row, ...]
    none: tuple[float, float, float, float]
    begin: tuple[float, float, float]
    familiar: float = 0.45


class Segments(NamedTuple):
    """All stretches that could be one chord.

    Attributes:
        first: [n] first slot, increasing.
        length: [n] slots.
        place: [n] how the first slot stands in its bar: index into `SegmentParams.begin`.
    """

    first: np.ndarray
    length: np.ndarray
    place: np.ndarray


def roles(quality: str) -> dict[int, int]:
    """Interval over the root -> index into `ROLES` of every note of a quality."""
    found: dict[int, int] = {}
    for position, tone in enumerate(CHORD_TONES[quality]):
        if position == 0 or tone == 7:
            role = "root" if position == 0 else "fifth"
        elif position == 1:
            role = "third" if tone in (3, 4) else "suspension"
        elif position == 2:
            role = "fifth"
        elif position == 3 and tone < 12:
            role = "sixth" if tone == 9 and quality != "dim7" else "seventh"
        else:
            role = "added"
        found[tone % 12] = ROLES.index(role)
    return found


def find_segments(slots: int, strong: np.ndarray | None) -> Segments:
    """All segments of up to `LONGEST` slots that no strong slot divides.

    Args:
        slots: how many there are.
        strong: [slots] whether a bar begins on each; where not given any slot may be inside a segment.
    """
    slot = np.arange(slots)
    place = np.ones(slots, dtype=np.int64)
    until = np.full(slots, slots)
    if strong is not None:
        bars = np.append(np.flatnonzero(strong), slots)
        following = np.searchsorted(bars, slot, side="right")
        until = bars[np.minimum(following, len(bars) - 1)]
        begin = np.where(following > 0, bars[np.maximum(following - 1, 0)], 0)
        place = np.where(slot == begin, 0, np.where(2 * (slot - begin) == until - begin, 1, 2))
    length = np.arange(1, LONGEST + 1)
    fits = slot[:, None] + length <= until[:, None]
    first, index = np.nonzero(fits)
    return Segments(first, length[index], place[first])


def segment_features(evidence: Evidence, segments: Segments) -> np.ndarray:
    """[segments, 48] float32: twelve pitch classes of each of `KINDS`, in this order."""
    first, length = segments.first, segments.length
    sums = np.zeros((len(evidence.cover) + 1, 24), dtype=np.float32)
    np.cumsum(np.hstack([evidence.cover, evidence.bass]), axis=0, out=sums[1:])
    total = sums[first + length] - sums[first]
    slots = length[:, None].astype(np.float32)
    features = np.empty((len(first), 48), dtype=np.float32)
    features[:, :12] = total[:, :12]
    np.minimum(total[:, :12] / np.float32(PRESENT), slots, out=features[:, 12:24])
    features[:, 24:36] = total[:, 12:]
    features[:, 36:] = evidence.first[first]
    return features


def segment_scores(features: np.ndarray, segments: Segments, params: SegmentParams) -> np.ndarray:
    """[segments, 12 * qualities + 1] score of every chord (root fastest) over every segment; no chord
    last.

    Args:
        features: float [segments, features].
        segments: which slots they cover.
        params: fitted weights.
    """
    table, chord, slot = _tables(params)
    length = segments.length.astype(np.float32)
    sound = np.minimum(features[:, :12].sum(axis=1) / length, 1.0)
    scores = np.empty((len(features), table.shape[1] + 1), dtype=np.float32)
    np.matmul(features, table, out=scores[:, :-1])
    scores[:, :-1] += chord
    scores[:, :-1] += length[:, None] * slot
    none = params.none
    scores[:, -1] = none[0] + length * none[1] + sound * length * none[2] + sound * none[3]
    scores += np.array(params.begin, dtype=np.float32)[segments.place, None]
    return scores


@lru_cache(maxsize=16)
def _tables(params: SegmentParams) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[48, 12 * qualities] weights of features, [12 * qualities] scores of a chord, and of each slot."""
    count = len(params.qualities)
    weights = np.zeros((4, count, 12))
    for index, (quality, _, _) in enumerate(params.qualities):
        own = roles(quality)
        foreign = params.foreign_minor if 3 in own else params.foreign_major
        for kind in range(4):
            weights[kind, index] = foreign[kind]
            for interval, role in own.items():
                weights[kind, index, interval] = params.member[kind][role]
    turned = np.stack([np.roll(weights, root, axis=2) for root in range(12)], axis=2)
    table = turned.reshape(4, count * 12, 12).transpose(0, 2, 1).reshape(48, count * 12)
    chord, slot = (
        np.repeat(np.array([row[i] for row in params.qualities], dtype=np.float32), 12) for i in (1, 2)
    )
    return np.ascontiguousarray(table, dtype=np.float32), chord, slot


def song_chords(evidence: Evidence, strong: np.ndarray | None, params: SegmentParams) -> list[Piece]:
    """The chords of a piece, found twice: where the notes leave a doubt, those that it has elsewhere are
    likelier.

    Args:
        evidence: of its slots.
        strong: [slots] whether a bar begins on each; None where not known.
        params: of the model.

    Returns:
        First slot, slot after the last, and state of each segment: 12 times the index of its quality plus the
        root, or 12 times the number of qualities where there is no chord.
    """
    slots = len(evidence.cover)
    segments = find_segments(slots, strong)
    scores = segment_scores(segment_features(evidence, segments), segments, params)
    pieces = best_division(scores, segments, slots)
    if not params.familiar:
        return pieces
    scores += np.float32(params.familiar) * familiarity(pieces, slots, scores.shape[1])
    return best_division(scores, segments, slots)


def familiarity(pieces: list[Piece], slots: int, states: int) -> np.ndarray:
    """[states] float32: how many times as likely each chord is, as a logarithm, for being heard for its share
    of a piece; 0 for chords that are not heard, and for no chord.

    Args:
        pieces: segments with their states, as `best_division` gives them.
        slots: of the piece.
        states: how many chords there are, no chord included.
    """
    first, last, state = np.array(pieces).T
    share = np.bincount(state, weights=(last - first) / slots, minlength=states)
    share[-1] = 0.0
    return np.log1p(share / _UNHEARD).astype(np.float32)


def best_division(scores: np.ndarray, segments: Segments, slots: int) -> list[Piece]:
    """The segments whose scores have the highest sum: first slot, slot after the last, and state (column of
    `scores`) of each.

    Args:
        scores: float [segments, states].
        segments: which slots they cover.
        slots: of the piece.
    """
    state = scores.argmax(axis=1)
    value = scores[np.arange(len(scores)), state].tolist()
    first, last = segments.first.tolist(), (segments.first + segments.length).tolist()
    best, came = [0.0] + [-np.inf] * slots, [-1] * (slots + 1)
    for index, (begin, end) in enumerate(zip(first, last, strict=True)):
        total = best[begin] + value[index]
        if total > best[end]:
            best[end], came[end] = total, index
    pieces = []
    end = slots
    while end > 0:
        index = came[end]
        pieces.append((first[index], end, int(state[index])))
        end = first[index]
    return pieces[::-1]
