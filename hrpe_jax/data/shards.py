"""A prepared data set on disk, and reading it.

    DIR/manifest.json     what is here; written last, so a folder without it is not whole
    DIR/rejects.jsonl     what was left out, one {"file", "tune", "reason", "detail"} a line
    DIR/backbone/train-00000-of-00001.arrayrecord
                          one JSON record a song; likewise valid and test, and melody/
    DIR/backbone/train-00000-of-00001.jsonl
                          the same, a record a line, where array_record has no wheels (Windows); either is
                          read everywhere, so a data set may be carried from one machine to another

A song without chords is in melody/ alone, one without a melody in backbone/ alone. Where `preprocess --crops`
was given, training pieces cut from songs of train stand in shards of their own, and only who asks for them
sees them.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from hrpe_jax.codec import backbone, melody
from hrpe_jax.codec.vocabulary import STAGES, vocabulary_hash
from hrpe_jax.errors import UserError
from hrpe_jax.score.score import BeatGrid, Score
from hrpe_jax.utils.files import checksum

Record = dict[str, Any]

_TOKENS = {"backbone": "input_ids", "melody": "event_ids"}


def records_of(score: Score, beats: tuple[BeatGrid, np.ndarray] | None = None) -> dict[str, Record]:
    """The record of every stage (see `codec.backbone.encode` and `codec.melody.encode` for the fields).

    Args:
        score: any score.
        beats: what `backbone.harmony_of_beats(score)` returned, where it is at hand.
    """
    beats = backbone.harmony_of_beats(score) if beats is None else beats
    return {"backbone": backbone.encode(score, beats), "melody": melody.encode(score, beats)}


def token_count(stage: str, record: Record) -> int:
    """How many tokens a song has, BOS and EOS included (the backbone keeps its last as `target_id`)."""
    return len(record[_TOKENS[stage]]) + (stage == "backbone")


def to_bytes(record: Record) -> bytes:
    """A record as it is stored."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def from_bytes(data: bytes) -> Record:
    """A stored record."""
    record: Record = json.loads(data)
    return record


__all__ = ["STAGES", "Record", "from_bytes", "records_of", "to_bytes", "token_count"]


FORMAT_VERSION = 1
MANIFEST = "manifest.json"
REJECTS = "rejects.jsonl"
ARRAYS, LINES = ".arrayrecord", ".jsonl"
"""Suffixes of shards."""
SPLITS = ("train", "valid", "test")
CROPS = "crops"
"""Name of the training pieces cut from songs, among the shards and in the manifest."""
UseOfCrops = Literal["none", "also", "only"]
"""Which records are meant: songs, songs and then crops, or crops alone."""

_PREPARE = "prepare one with: python -m hrpe_jax.preprocess --input=... --output="


class Lines(Sequence[bytes]):
    """The lines of files of text, read one by one when asked for, from any thread.

    The files stay open: what is put in their place meanwhile is another data set.

    Args:
        files: in order; each line ends with a newline.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._names = list(files)
        self._files: list[int] = []
        self._places: list[tuple[int, int, int]] = []  # file, first byte, length
        self._lock = threading.Lock()
        weakref.finalize(self, _close, self._files)
        for number, name in enumerate(self._names):
            self._files.append(os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0)))
            with open(self._files[-1], "rb", closefd=False) as file:
                at = 0
                for line in file:
                    self._places.append((number, at, len(line)))
                    at += len(line)

    def __reduce__(self) -> tuple[Any, ...]:
        return Lines, (self._names,)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[at] for at in range(len(self))[index]]
        number, at, length = self._places[index]
        if hasattr(os, "pread"):
            return os.pread(self._files[number], length, at)
        with self._lock:
            os.lseek(self._files[number], at, os.SEEK_SET)
            return os.read(self._files[number], length)


def _close(files: list[int]) -> None:
    for file in files:
        os.close(file)


def open_records(files: Sequence[str]) -> Sequence[bytes]:
    """The stored records of some shards, by random access.

    Raises:
        UserError: they need array_record, which is not here.
        RuntimeError: a file is damaged; so does an access later on.
    """
    if all(name.endswith(LINES) for name in files):
        return Lines(files)
    try:
        from array_record.python.array_record_data_source import ArrayRecordDataSource
    except ImportError:
        raise UserError(
            f"{files[0]}: reading this needs the package array-record, which has no wheels for Windows; "
            f"prepare the data set on this machine: its shards are then {LINES}"
        ) from None
    source: Sequence[bytes] = ArrayRecordDataSource(list(files))
    return source


class Records(Sequence[Record]):
    """The songs of one split for one stage, read one by one when asked for; opened at the first.

    Args:
        files: the shards, in order.
        count: how many songs they hold together.
    """

    def __init__(self, files: Sequence[Path], count: int) -> None:
        self._files, self._count = [str(file) for file in files], count

    @cached_property
    def _source(self) -> Any:
        return open_records(self._files)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[at] for at in range(self._count)[index]]
        at = range(self._count)[index]  # IndexError before a shard is opened: there may be none
        try:
            return from_bytes(self._source[at])
        except UserError:
            raise
        # What the reader of shards raises on a broken block, and JSON on what is none.
        except (RuntimeError, ValueError, RecursionError, IndexError) as error:
            detail = str(error).partition(";")[0][:120]
            raise UserError(
                f"{self._files[0]}: damaged shard ({detail}); prepare the data set again"
            ) from None


@dataclass(frozen=True)
class Dataset:
    """A prepared data set.

    Attributes:
        path: its folder.
        manifest: `format_version`; `vocabulary` (version and hash of each stage); `counts` of songs, files
            and rejects; `songs`, for each split a list of {id, group, file, format, backbone, melody} with
            the tokens of each stage that has the song, in the order of the records; `shards`, for each stage
            and split a list of {file, records, bytes, sha256}; `sha256` of all the rest; and what
            `preprocessing.assemble` adds. Where there are crops, `crops` lists {id, song, first_bar, bars,
            style, backbone, melody} of each, and `shards` has them beside the splits.

    `songs`, `lengths` and `records` say the same of crops where `crops` is "also" or "only"; crops are cut
    from training songs alone.
    """

    path: Path
    manifest: dict[str, Any]

    def songs(
        self, split: str, stage: str | None = None, *, crops: UseOfCrops = "none"
    ) -> list[dict[str, Any]]:
        """What the manifest says about the songs of a split (and stage), in the order of the records.

        Args:
            split: one of `SPLITS`.
            stage: only songs that serve it.
            crops: whether crops are listed, behind the songs or alone.
        """
        if split not in SPLITS:
            raise ValueError(f"split {split!r}: expected one of {', '.join(SPLITS)}")
        if crops != "none" and split != "train":
            raise ValueError(f"crops {crops!r} of {split}: only training songs are cut")
        songs: list[dict[str, Any]] = [] if crops == "only" else self.manifest["songs"][split]
        if crops != "none":
            songs = [*songs, *self.manifest.get(CROPS, ())]
        return songs if stage is None else [song for song in songs if stage in song]

    def num_songs(self, split: str, stage: str | None = None) -> int:
        """How many songs a split has (for a stage)."""
        return len(self.songs(split, stage))

    def lengths(self, stage: str, split: str, *, crops: UseOfCrops = "none") -> np.ndarray:
        """Tokens of each song, BOS and EOS included: int64 [songs].

        Args:
            stage: "backbone" or "melody".
            split: "train", "valid" or "test".
            crops: whether crops of songs are added or taken instead.
        """
        return np.array([song[stage] for song in self.songs(split, stage, crops=crops)], np.int64)

    def styles(self, stage: str, split: str, *, crops: UseOfCrops = "none") -> list[str]:
        """The style of each song; "" where it has none.

        Args:
            stage: "backbone" or "melody".
            split: "train", "valid" or "test".
            crops: whether crops of songs are added or taken instead.
        """
        return [song.get("style", "") for song in self.songs(split, stage, crops=crops)]

    def records(self, stage: str, split: str, *, crops: UseOfCrops = "none") -> Records:
        """The songs themselves, by random access.

        Args:
            stage: "backbone" or "melody".
            split: "train", "valid" or "test".
            crops: whether crops of songs are added or taken instead.
        """
        shards = self.manifest["shards"][stage]
        listed = [] if crops == "only" else shards[split]
        if crops != "none":
            listed = [*listed, *shards.get(CROPS, ())]
        count = len(self.songs(split, stage, crops=crops))
        return Records([self.path / shard["file"] for shard in listed], count)


def open_dataset(path: str | Path, *, verify: bool = False) -> Dataset:
    """Opens a prepared data set.

    Args:
        path: its folder.
        verify: compare the checksum of every shard, not only its size.

    Raises:
        UserError: if it is missing, unfinished or damaged, or was made by a version with other meanings of
            tokens.
    """
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"{path}: no such data set; {_PREPARE}{path}")
    manifest = read_manifest(path)
    if manifest is None:
        raise UserError(f"{path}: no prepared data set ({MANIFEST} is missing or damaged); {_PREPARE}{path}")
    again = "prepare the data set again (preprocess --overwrite)"
    if manifest["format_version"] != FORMAT_VERSION:
        found = manifest["format_version"]
        raise UserError(
            f"{path}: its format is version {found}, this program reads {FORMAT_VERSION}; {again}"
        )
    for stage in STAGES:
        found, expected = manifest["vocabulary"].get(stage), vocabulary_hash(stage)
        if found != expected:
            raise UserError(f"{path}: {stage} vocabulary {found}, this program's is {expected}; {again}")
    if manifest.get("sha256", own := manifest_checksum(manifest)) != own:
        raise UserError(f"{path / MANIFEST}: its content has changed since it was made; {again}")
    for shard in _shards(manifest):
        file = path / shard["file"]
        size = file.stat().st_size if file.is_file() else None
        if size != shard["bytes"]:
            found = "is missing" if size is None else f"has {size} bytes instead of {shard['bytes']}"
            raise UserError(f"{file}: this shard {found}; copy it again, or {again}")
        if verify and checksum(file) != shard["sha256"]:
            raise UserError(f"{file}: this shard's content has changed since it was made; {again}")
    return Dataset(path, manifest)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a folder, or None where there is no whole one."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        _shards(manifest)
        whole = {"format_version", "vocabulary", "songs"} <= manifest.keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return manifest if whole else None


def manifest_checksum(manifest: dict[str, Any]) -> str:
    """SHA-256 of what a manifest says, its own `sha256` aside."""
    said = {name: value for name, value in manifest.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _shards(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [shard for splits in manifest["shards"].values() for shards in splits.values() for shard in shards]
