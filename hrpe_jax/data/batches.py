"""From records to a batch: a matrix per record, one copy per piece, then one transposition of the whole.

Everything here is a pure function: the same seed and epoch give the same semitones on every host and after
every restart, which is what makes a batch a function of its step.

A field that is constant over a song (key, meter) is a row too where the batch wants it per position.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np

from hrpe_jax.codec import backbone_tokens, melody_tokens, plan
from hrpe_jax.codec.columns import (
    ATTRIBUTES,
    BACKBONE_FIELDS,
    BACKBONE_PADDING,
    EMPTY_ROW,
    HIGH,
    LOW,
    MELODY_FIELDS,
    MELODY_PADDING,
    MELODY_ROW_FIELDS,
    attribute_values,
    style_value,
)
from hrpe_jax.codec.melody import fold_pitch
from hrpe_jax.codec.melody_tokens import PITCHES, tempo_bin
from hrpe_jax.codec.plan import attributes_from_values
from hrpe_jax.theory.meter import Meter

LOWEST_SHIFT, HIGHEST_SHIFT = -5, 6
"""Semitones of the twelve transpositions: each key once, and as near to the written pitch as possible."""

# What the random draws of an epoch are for; each purpose has a stream of its own.
SHUFFLE, SHIFT, CROP, PLAY = 0, 1, 2, 3


def epoch_generator(seed: int, epoch: int, purpose: int) -> np.random.Generator:
    """The random generator of one purpose (`SHUFFLE`, `SHIFT`, `CROP`, `PLAY`) in one epoch.

    Args:
        seed: of the run.
        epoch: from 0.
        purpose: one of `SHUFFLE`, `SHIFT`, `CROP`, `PLAY`.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, purpose])))


def draw_shifts(seed: int, epoch: int, num_songs: int) -> np.ndarray:
    """Semitones by which each song is transposed in this epoch, int32 `[songs]` in -5..6, uniform.

    Args:
        seed: of the run.
        epoch: from 0.
        num_songs: how many.
    """
    drawn = epoch_generator(seed, epoch, SHIFT).integers(LOWEST_SHIFT, HIGHEST_SHIFT + 1, size=num_songs)
    return drawn.astype(np.int32)


def shift_to_c(tonic: int) -> int:
    """The transposition in -5..6 that brings a tonic (pitch class 0..11) to C."""
    return (-tonic - LOWEST_SHIFT) % 12 + LOWEST_SHIFT


def transpose_backbone_ids(ids: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Transposes backbone tokens, chords and keys, by `shift` semitones (broadcast over `ids`)."""
    return backbone_tokens.transpose_table()[np.mod(shift, 12), ids]


def transpose_roots(roots: np.ndarray, quality_codes: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Transposes pitch classes; where no chord sounds (quality 9) the root has no meaning and stays.

    Args:
        roots: int, pitch classes of any shape.
        quality_codes: int, of the same shape.
        shift: semitones, one or of the same shape.
    """
    return np.where(quality_codes == backbone_tokens.NO_QUALITY_CODE, roots, (roots + shift) % 12).astype(
        roots.dtype
    )


def transpose_keys(keys: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Transposes key indices 0..23 (tonic + 12 in minor)."""
    return ((keys % 12 + shift) % 12 + keys // 12 * 12).astype(keys.dtype)


def transpose_melody_ids(ids: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Transposes melody tokens: pitches move; one that would leave 0..127 comes an octave back."""
    return np.where(ids < PITCHES, fold_pitch(ids + shift), ids).astype(ids.dtype)


@dataclass(frozen=True)
class Song:
    """A decoded record.

    Attributes:
        fields: int32 `[fields, positions]`, in the order of `BACKBONE_FIELDS` or `MELODY_FIELDS`.
        row: Melody: values of `MELODY_ROW_FIELDS`; backbone: empty.
    """

    fields: np.ndarray
    row: tuple[int, ...] = ()


def backbone_song(record: Mapping[str, Any]) -> Song:
    """Decodes a backbone record; position i reads `input_ids[i]` and predicts the token after it."""
    inputs = np.asarray(record["input_ids"], np.int32)
    length = len(inputs)
    fields = np.empty((len(BACKBONE_FIELDS), length), np.int32)
    fields[0] = inputs
    fields[1, :-1] = inputs[1:]
    fields[1, -1] = record["target_id"]
    for index in range(2, 6):
        fields[index] = record[BACKBONE_FIELDS[index]]
    fields[6] = inputs[1] - backbone_tokens.KEY0
    fields[7] = backbone_tokens.id_meter(int(inputs[2])).beats_per_bar
    fields[8] = np.arange(length)
    fields[9:-1] = _backbone_plan(record, fields[5], inputs, int(fields[7, 0]))
    fields[-1] = style_value(str(record.get("style", "")))
    return Song(fields)


def _backbone_plan(
    record: Mapping[str, Any], phases: np.ndarray, inputs: np.ndarray, beats_per_bar: int
) -> np.ndarray:
    """The form's columns, and how far back the aligned bar lies, at each event: int32 `[columns, length]`."""
    # Where bars are short, an event that ends in one has passed its line all the same.
    passed = phases[:-1] + backbone_tokens.BEATS[inputs[1:]].astype(np.int64) - phases[1:]
    bar = np.concatenate([[0], np.cumsum(-(-passed // beats_per_bar))])
    outline = plan.outline(record.get("form", ()), int(bar[-1]) + bool(phases[-1]))
    rows = plan.by_event(outline, bar, bar)
    return rows[[*range(len(plan.FORM_COLUMNS)), -1]]


def melody_song(record: Mapping[str, Any]) -> Song:
    """Decodes a melody record; position i reads `event_ids[i]`, with the harmony at the clock after it."""
    events = np.asarray(record["event_ids"], np.int32)
    following = np.asarray(record["next_chord_ids"], np.int32)[:-1]
    fields = np.empty((len(MELODY_FIELDS), len(events) - 1), np.int32)
    fields[0], fields[1] = events[:-1], events[1:]
    fields[2] = record["conditioning_chord_ids"][:-1]
    fields[3] = record["conditioning_root_pc"][:-1]
    fields[4] = record["conditioning_quality_code"][:-1]
    fields[5] = record["conditioning_function_code"][:-1]
    fields[6] = following
    fields[7] = backbone_tokens.ROOT[following]
    fields[8] = backbone_tokens.QUALITY_CODE[following]
    fields[9] = record["ticks_to_next"][:-1]
    fields[10] = record["bar_phase"][:-1]
    fields[11] = np.arange(len(events) - 1)
    about = record["metadata"]
    key = int(about["key_signature_root"]) + 12 * int(is_minor(about))
    meter = Meter(int(about["time_signature_num"]), int(about["time_signature_den"]))
    clocks = np.asarray(record["bar_phase"])
    fields[12:] = melody_plan(record.get("form", ()), events, clocks, meter.bar_ticks)[:, :-1]
    attributes = attribute_values(attributes_from_values(record.get("attributes", {})))
    tempo = tempo_bin(float(about["tempo_bpm"]))
    row = (key, meter.numerator, meter.denominator, tempo, *(attributes[name] for name in ATTRIBUTES))
    return Song(fields, row)


def melody_plan(
    form: Sequence[Sequence[Any]], events: np.ndarray, clocks: np.ndarray, bar_ticks: int
) -> np.ndarray:
    """The plan of a melody at each of its events: int32 `[columns, events]`.

    Args:
        form: `(letter, first bar, bars)` of each section.
        events: tokens, BOS to EOS.
        clocks: ticks since the bar began, after each.
        bar_ticks: of a full bar.
    """
    bar = np.cumsum(events == melody_tokens.BAR) - 1
    outline = melody_outline(form, events, clocks, bar_ticks)
    return plan.by_event(outline, bar, bar + (clocks >= bar_ticks))


def melody_outline(
    form: Sequence[Sequence[Any]], events: np.ndarray, clocks: np.ndarray, bar_ticks: int
) -> np.ndarray:
    """The plan of a melody bar by bar, int32 `[bars, columns]`; arguments as for `melody_plan`.

    Args:
        form: sections (letter, first bar, bars).
        events: int [n], melody tokens.
        clocks: int [n], ticks in the bar at each.
        bar_ticks: of a full bar.
    """
    outline = plan.outline(form, int(np.sum(events == melody_tokens.BAR)), plan.melody_end(events))
    return plan.described(outline, events, clocks, bar_ticks)


def is_minor(metadata: Mapping[str, Any]) -> bool:
    """Whether a melody record's metadata name a minor key."""
    return metadata["key_signature_mode"] in ("minor", 1)


class SongCache:
    """Decoded songs by index, kept in memory up to a number of bytes; the least recently used leave first.

    Args:
        read: Returns the record of a song.
        decode: `backbone_song` or `melody_song`.
        limit: Bytes to keep.
    """

    def __init__(
        self,
        read: Callable[[int], Mapping[str, Any]],
        decode: Callable[[Mapping[str, Any]], Song],
        limit: int,
    ) -> None:
        self._read, self._decode, self._limit = read, decode, limit
        self._songs: OrderedDict[int, Song] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def record(self, index: int) -> Mapping[str, Any]:
        """The record of a song, as it is stored."""
        return self._read(index)

    def __getitem__(self, index: int) -> Song:
        with self._lock:
            if index in self._songs:
                self._songs.move_to_end(index)
                return self._songs[index]
        song = self._decode(self._read(index))  # outside the lock: two threads may decode the same song once
        with self._lock:
            if index not in self._songs and song.fields.nbytes <= self._limit:
                self._songs[index] = song
                self._bytes += song.fields.nbytes
                while self._bytes > self._limit:
                    self._bytes -= self._songs.popitem(last=False)[1].fields.nbytes
        return song


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
