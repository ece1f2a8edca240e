"""From the pieces of a plan to a batch: one copy per piece, then one transposition of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from hrpe_jax.codec.columns import (
    BACKBONE_FIELDS,
    BACKBONE_PADDING,
    EMPTY_ROW,
    HIGH,
    LOW,
    MELODY_FIELDS,
    MELODY_PADDING,
    MELODY_ROW_FIELDS,
)
from hrpe_jax.data.augment import (
    transpose_backbone_ids,
    transpose_keys,
    transpose_melody_ids,
    transpose_roots,
)
from hrpe_jax.data.features import Song, SongCache


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


Batch = dict[str, np.ndarray]


def _blank(names: tuple[str, ...], padding: dict[str, int], size: tuple[int, int, int]) -> np.ndarray:
    values = np.asarray([padding.get(name, 0) for name in names], np.int32)
    return np.broadcast_to(values[:, None, None, None], (len(names), *size)).copy()


def blank_batch(stage: str, shape: BatchShape) -> Batch:
    """A batch of padding alone: what can be asked of a program before there is data.

    Args:
        stage: "backbone" or "melody".
        shape: Size of the batch.
    """
    layout = backbone_batch if stage == "backbone" else melody_batch
    nothing = SongCache(lambda _: {}, lambda _: Song(np.zeros((0, 0), np.int32)), 0)
    return layout([], nothing, shape, range(shape.rows))


def backbone_batch(pieces: list[Piece], songs: SongCache, shape: BatchShape, rows: Sequence[int]) -> Batch:
    """Lays out a backbone batch.

    The key and the meter of the prefix are targets like any other, so that a model can choose them when
    nobody asks for one; tasks leave them out of what they report.

    Args:
        pieces: What the plan found for `rows`.
        songs: Decoded songs.
        shape: Size of the whole batch.
        rows: The rows to lay out.

    Returns:
        int32 leaves `[segments, len(rows), length]` named by `BACKBONE_FIELDS`, with `segment_ids` (0
        padding, songs of a row from 1) and `weights` (float32).
    """
    size = (shape.segments, len(rows), shape.length)
    fields = _blank(BACKBONE_FIELDS, BACKBONE_PADDING, size)
    segment_ids, shifts, weights = (
        np.zeros(size, np.int32),
        np.zeros(size, np.int32),
        np.zeros(size, np.float32),
    )
    place_of = {row: place for place, row in enumerate(rows)}
    for piece in pieces:
        stop = piece.column + piece.stop - piece.start
        place = (piece.segment, place_of[piece.row], slice(piece.column, stop))
        fields[:, *place] = songs[piece.song].fields[:, piece.start : piece.stop]
        segment_ids[place], shifts[place], weights[place] = piece.number, piece.shift, piece.counts
    batch = dict(zip(BACKBONE_FIELDS, fields, strict=True))
    if shifts.any():
        for name in ("input_ids", "target_ids"):
            batch[name] = transpose_backbone_ids(batch[name], shifts)
        batch["root_pc"] = transpose_roots(batch["root_pc"], batch["quality_code"], shifts)
        batch["key"] = transpose_keys(batch["key"], shifts)
    return {**batch, "segment_ids": segment_ids, "weights": weights}


def melody_batch(pieces: list[Piece], songs: SongCache, shape: BatchShape, rows: Sequence[int]) -> Batch:
    """Lays out a melody batch.

    Args:
        pieces: What the plan found for `rows`, at most one for each segment of a row.
        songs: Decoded songs.
        shape: Size of the whole batch.
        rows: The rows to lay out.

    Returns:
        int32 leaves `[segments, len(rows), length]` named by `MELODY_FIELDS` and `weights` (float32); int32
        leaves `[segments, len(rows)]` named by `MELODY_ROW_FIELDS` and `reset` (bool: forget what this row
        played before).
    """
    size = (shape.segments, len(rows), shape.length)
    fields, weights = _blank(MELODY_FIELDS, MELODY_PADDING, size), np.zeros(size, np.float32)
    shifts, reset = np.zeros(size[:2], np.int32), np.ones(size[:2], np.bool_)
    about = np.empty((len(MELODY_ROW_FIELDS), *size[:2]), np.int32)
    about[:] = np.asarray(EMPTY_ROW, np.int32)[:, None, None]
    place_of = {row: place for place, row in enumerate(rows)}
    for piece in pieces:
        song, place = songs[piece.song], (piece.segment, place_of[piece.row])
        length = piece.stop - piece.start
        fields[:, *place, :length] = song.fields[:, piece.start : piece.stop]
        weights[*place, :length] = 1.0
        shifts[place], reset[place] = piece.shift, piece.start == 0
        about[:, *place] = song.row
    batch = dict(zip(MELODY_FIELDS, fields, strict=True)) | dict(zip(MELODY_ROW_FIELDS, about, strict=True))
    if shifts.any():
        by_position = np.broadcast_to(shifts[:, :, None], size)
        for name in ("event_ids", "target_ids"):
            batch[name] = transpose_melody_ids(batch[name], by_position)
        for name in ("chord_id", "next_chord_id"):
            batch[name] = transpose_backbone_ids(batch[name], by_position)
        for name, quality in (("root_pc", "quality_code"), ("next_root_pc", "next_quality_code")):
            batch[name] = transpose_roots(batch[name], batch[quality], by_position)
        batch["key"] = transpose_keys(batch["key"], shifts)
        for name in (LOW, HIGH):
            batch[name] = np.where(batch[name] >= 0, np.clip(batch[name] + shifts, 0, 127), batch[name])
    return {**batch, "weights": weights, "reset": reset}
