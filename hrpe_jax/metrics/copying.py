"""How much of a piece stands in the training set already: the longest melody and progression they share.

A melody is a sequence of (interval to the next note in semitones, ticks to its onset); a progression of
(interval to the next root, quality, next quality), repeats collapsed. Both are the same in every key. What
real pieces share with the training set, which have not been in it, is the yardstick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from hrpe_jax.metrics.arrays import Music, Piece, piece_of, quality_of

Of = Literal["melody", "chords"]

MAX_GAP = 96
"""Ticks from onset to onset beyond which all gaps are the same: two bars of 4/4."""
_LONG = 8
"""So many intervals, or chord changes, in a row make a passage."""


def copying(
    generated: Sequence[Music], training: Sequence[Music], held_out: Sequence[Music]
) -> dict[str, Any]:
    """The longest n-grams that pieces share with a training set, beside the same for real pieces outside it.

    Args:
        generated: what is measured. Pieces without melody, or without chords, are not among those measured.
        training: what the generator has learned from.
        held_out: real pieces that are not in it. Those with the id of a training piece are left out and
            counted.

    Returns:
        For "melody" and "chords", for "generated" and "held_out": the `mean`, `median` and `largest` longest
        shared n-gram in notes or chords, the mean `share` of a piece within shared passages of 9 or more, and
        `pieces`, what `longest_shared` gives. None for what is empty. Also "training", pieces, and
        "held_out_in_training", how many were left out.
    """
    known = [piece_of(item) for item in training]
    names = {piece.id for piece in known}
    others = [piece_of(item) for item in held_out]
    apart = [piece for piece in others if piece.id not in names]
    result: dict[str, Any] = {"training": len(known), "held_out_in_training": len(others) - len(apart)}
    made = [piece_of(item) for item in generated]
    for of in ("melody", "chords"):
        result[of] = {
            name: _summary(longest_shared([piece for piece in pieces if _has(piece, of)], known, of))
            for name, pieces in (("generated", made), ("held_out", apart))
        }
    return result


def _has(piece: Piece, of: Of) -> bool:
    return len(piece.onset if of == "melody" else piece.chord) > 0


def longest_shared(
    pieces: Sequence[Piece], training: Sequence[Piece], of: Of = "melody"
) -> list[dict[str, Any]]:
    """For each piece the longest n-gram that it shares with any training piece, in any key.

    Suffixes of all pieces are sorted by doubling; the longest match of a position is with one of its
    neighbours from the training set. Time n log n in the notes, no matter how long the matches are.

    Args:
        pieces: whose passages are looked for.
        training: where they are looked for.
        of: "melody" or "chords".

    Returns:
        For each piece "id"; "longest": notes or chords of it, 0 where nothing is shared; "of": how many it
        has; "share": how much of it is within shared passages of 9 or more; "from": the training piece, or
        None.
    """
    sequences = [_tokens(piece, of) for piece in (*training, *pieces)]
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    begins = np.cumsum(lengths + 1) - lengths - 1
    match, source = _matches(sequences, begins, len(training))
    result = []
    for piece, begin, length in zip(pieces, begins[len(training) :], lengths[len(training) :], strict=True):
        found = match[begin : begin + length]
        best = int(found.argmax()) if length else 0
        size = int(found[best]) if length else 0
        origin = int(np.searchsorted(begins, source[begin + best], side="right") - 1) if size else -1
        result.append(
            {
                "id": piece.id,
                "longest": size + 1 if size else 0,
                "of": int(length) + 1 if length else 0,
                "share": _covered(found) if length else 0.0,
                "from": training[origin].id if size else None,
            }
        )
    return result


def _tokens(piece: Piece, of: Of) -> np.ndarray:
    if of == "melody":
        gap = np.minimum(np.diff(piece.onset), MAX_GAP)
        return (np.diff(piece.pitch) + 128) * (MAX_GAP + 1) + gap
    chords = piece.chord[piece.changes]
    quality = quality_of(chords)
    return (np.diff(chords % 12) % 12 * 64 + quality[:-1]) * 64 + quality[1:]


def _matches(
    sequences: Sequence[np.ndarray], begins: np.ndarray, training: int
) -> tuple[np.ndarray, np.ndarray]:
    """Length and place of the longest match in the training set of every place of the joined sequences."""
    size = int(sum(map(len, sequences))) + len(sequences)
    tokens = np.full(size, -1, np.int64)
    for sequence, begin in zip(sequences, begins, strict=True):
        tokens[begin : begin + len(sequence)] = sequence
    _, rank = np.unique(tokens, return_inverse=True)
    # Each sequence ends with a token of its own, so that no match runs over an end.
    ends = tokens < 0
    rank[ends] = rank.max(initial=0) + 1 + np.arange(int(ends.sum()))
    ranks = [rank]
    longest = max(map(len, sequences), default=0)
    while (1 << (len(ranks) - 1)) < longest:
        step = 1 << (len(ranks) - 1)
        after = np.zeros(size, np.int64)
        after[: size - step] = ranks[-1][step:] + 1
        _, rank = np.unique(ranks[-1] * (size + 2 * len(sequences) + 2) + after, return_inverse=True)
        ranks.append(rank)
    order = np.argsort(ranks[-1], kind="stable")
    border = begins[training] if training < len(begins) else size
    known = order < border
    at = np.arange(size)
    before = np.maximum.accumulate(np.where(known, at, -1))
    after_ = np.minimum.accumulate(np.where(known, at, size)[::-1])[::-1]
    match, source = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    mine = np.flatnonzero(~known)
    for neighbour in (before[mine], after_[mine]):
        there = (neighbour >= 0) & (neighbour < size)
        here, other = order[mine[there]], order[neighbour[there]]
        length = _common(ranks, here, other, size)
        better = length > match[here]
        match[here[better]], source[here[better]] = length[better], other[better]
    return match, source


def _common(ranks: Sequence[np.ndarray], here: np.ndarray, other: np.ndarray, size: int) -> np.ndarray:
    """How many tokens from two places on are the same."""
    length = np.zeros(len(here), np.int64)
    for level in range(len(ranks) - 1, -1, -1):
        a, b = np.minimum(here + length, size - 1), np.minimum(other + length, size - 1)
        length += np.where(ranks[level][a] == ranks[level][b], 1 << level, 0)
    return length


def _covered(match: np.ndarray) -> float:
    """How much of a piece lies in passages of at least so many tokens, by its notes or chords."""
    edge = np.zeros(len(match) + 2, np.int64)
    begin = np.flatnonzero(match >= _LONG)
    np.add.at(edge, begin, 1)
    np.add.at(edge, begin + match[begin] + 1, -1)
    return float((np.cumsum(edge)[:-1] > 0).mean())


def _summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sizes = [piece["longest"] for piece in found]
    return {
        "mean": float(np.mean(sizes)) if sizes else None,
        "median": float(np.median(sizes)) if sizes else None,
        "largest": max(sizes, default=None),
        "share": float(np.mean([piece["share"] for piece in found])) if sizes else None,
        "pieces": list(found),
    }
