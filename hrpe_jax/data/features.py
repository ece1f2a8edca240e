"""A record as one int32 matrix `[fields, positions]`, so that placing a stretch of a song is a single copy.

A field that is constant over a song (key, meter) is a row too where the batch wants it per position.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from hrpe_jax.codec import backbone_tokens, melody_tokens, plan
from hrpe_jax.codec.attributes import attributes_from_values
from hrpe_jax.codec.columns import (
    ATTRIBUTES,
    BACKBONE_FIELDS,
    MELODY_FIELDS,
    attribute_values,
    style_value,
)
from hrpe_jax.codec.melody_tokens import tempo_bin
from hrpe_jax.theory.meter import Meter


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
    """The plan of a melody bar by bar, int32 `[bars, columns]`; arguments as for `melody_plan`."""
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
