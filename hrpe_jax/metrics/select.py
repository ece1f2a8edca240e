"""Which pieces of two sets can be compared: one meter, windows of as many bars. What is left out is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hrpe_jax.metrics.arrays import Music, Piece, Undefined, first_bar, piece_of, window

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
    """Windows of those pieces that have so many bars and this meter ("all" for any)."""
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
