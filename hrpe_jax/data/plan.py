"""What the planners of both stages hand to the assembler: which stretch of which song goes where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Piece(NamedTuple):
    """A stretch of one song at its place in a batch.

    Attributes:
        segment: Index along the batch's first axis.
        row: Row of the whole batch, counted over all hosts.
        column: First column.
        song: Index of the song in its split.
        start: First input position of the stretch.
        stop: Position after the last one.
        shift: Semitones of transposition.
        number: The song's number within its row, from 1; 0 is padding.
        counts: False where the stretch is shown again only as context: its targets get no weight.
    """

    segment: int
    row: int
    column: int
    song: int
    start: int
    stop: int
    shift: int
    number: int
    counts: bool


class Plan(Protocol):
    """A pure function from the step to the pieces of its batch."""

    def pieces(self, step: int, rows: Sequence[int]) -> list[Piece]:
        """The pieces of batch `step` that lie in `rows`."""
        ...


@dataclass(frozen=True)
class BatchShape:
    """Size of a whole batch over all hosts: leaves are `[segments, rows, length]`."""

    rows: int
    length: int
    segments: int = 1

    def __post_init__(self) -> None:
        for name in ("rows", "length", "segments"):
            if getattr(self, name) < 1:
                raise ValueError(f"batch {name} is {getattr(self, name)}, expected at least 1")
