"""What has been prepared so far, on disk, so that a run that is killed loses nothing.

A journal is a hidden folder beside the output with files of frames, only ever appended to; several processes
may each write a file of their own. A frame is the results of one song file:

    4 bytes mark, 16 bytes key, 4 bytes length of header, 8 bytes length of blobs, 4 bytes CRC-32 of both
    header: JSON, a list of songs and rejects; the lengths of the songs' blobs are in it
    blobs: for each song its records, the arrays of its fingerprint, then the records of its crops

A frame that is torn or damaged ends its file: what stands behind it is not believed, and done again. The key
is a hash of the file's name, size and time of change, of the settings, and of the code that prepares.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hrpe_jax.codec.vocabulary import STAGES
from hrpe_jax.preprocessing.prepare import Result, code_version
from hrpe_jax.preprocessing.writer import Reject
from hrpe_jax.readers.find import SongFile
from hrpe_jax.utils.files import clear_locked, lock_folder, unwritable

_HEAD = struct.Struct("<4s16sIQI")
_MARK = b"HRJ1"
_ARRAYS = ("windows", "melody", "chords")
SUFFIX = ".frames"


def song_key(song: SongFile, settings: str) -> bytes:
    """16 bytes that change when the file, the settings or the code do.

    Args:
        song: the file, or part of a book; a folder counts with all that is directly in it, and so do labels
            of the form.
        settings: whatever else the results depend on.
    """
    about = f"{song.format}\n{song.id}\n{song.name}\n{song.tunes}\n{song.style}\n{song.crops}\n"
    digest = hashlib.sha256(f"{code_version()}\n{settings}\n{about}".encode())
    try:
        paths = [path for path in (song.path, song.form) if path]
        for folder in filter(os.path.isdir, list(paths)):
            paths += sorted(entry.path for entry in os.scandir(folder))
        for path in paths:
            state = os.stat(path)
            digest.update(os.fsencode(path) + b"%d %d\n" % (state.st_size, state.st_mtime_ns))
    except OSError as error:
        digest.update(str(error.errno).encode())
    return digest.digest()[:16]


def to_frame(key: bytes, results: Sequence[Result]) -> bytes:
    """The results of one file as bytes."""
    header: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for result in results:
        if isinstance(result, Reject):
            header.append({"reject": [result.file, result.reason, result.detail, result.tune]})
            continue
        arrays = [getattr(result.marks, name).astype("<u8").tobytes() for name in _ARRAYS]
        of_crops = [blob for crop in result.crops for blob in _in_order(crop.records)]
        mine = [*_in_order(result.records), *arrays, *of_crops]
        blobs += mine
        header.append(
            {
                "id": result.id,
                "file": result.file,
                "tune": result.tune,
                "format": result.format,
                "tokens": result.tokens,
                "about": result.about,
                "content": result.marks.content.hex(),
                "opening": result.marks.opening.hex(),
                "name": result.marks.name,
                "crops": [[crop.first_bar, crop.bars, crop.tokens] for crop in result.crops],
                "sizes": [len(blob) for blob in mine],
            }
        )
    head, body = json.dumps(header, ensure_ascii=False).encode(), b"".join(blobs)
    check = zlib.crc32(body, zlib.crc32(head))
    return _HEAD.pack(_MARK, key, len(head), len(body), check) + head + body


def _in_order(records: Mapping[str, bytes]) -> list[bytes]:
    return [records[stage] for stage in STAGES if stage in records]


@dataclass(frozen=True, slots=True)
class Entry:
    """A song in a journal, without its records.

    Attributes:
        id: of the song.
        file: as the user knows it.
        tune: which tune of the file.
        format: whose reader read it.
        tokens: per stage that it serves, how many.
        about: see `PreparedSong.about`.
        content: what exact duplicates share.
        opening: see `Fingerprint`.
        name: see `Fingerprint`.
        crops: for each crop its first bar, its bars, and per stage that it serves how many tokens.
        place: (number of the journal's file, position) of its first blob.
        sizes: bytes of each blob.
    """

    id: str
    file: str
    tune: str
    format: str
    tokens: dict[str, int]
    about: dict[str, Any]
    content: bytes
    opening: bytes
    name: int
    crops: tuple[tuple[int, int, dict[str, int]], ...]
    place: tuple[int, int]
    sizes: tuple[int, ...]


class Journal:
    """The frames of a folder, by key.

    Opening one locks the folder, so that no two processes prepare the same output.

    Args:
        folder: made where it is missing.

    Raises:
        UserError: another process is at work there, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index: dict[bytes, tuple[int, int]] = {}
        self._files: list[BinaryIO] = []
        self._own: BinaryIO | None = None
        self._own_number = -1
        self._lock = ExitStack()
        self._lock.enter_context(lock_folder(folder, "preprocess", "give another folder"))
        self.load()

    def load(self) -> None:
        """Reads the index of every file of frames that is there and not yet known."""
        known = {file.name for file in self._files}
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if str(path) not in known:
                self._files.append(path.open("rb"))
                number = len(self._files) - 1
                for key, position in _scan(self._files[number]):
                    self._index.setdefault(key, (number, position))

    def __contains__(self, key: bytes) -> bool:
        return key in self._index

    def __len__(self) -> int:
        return len(self._index)

    def add(self, key: bytes, results: Sequence[Result]) -> None:
        """Appends the results of one file; they are with the operating system when this returns."""
        try:
            if self._own is None:
                taken = {path.name for path in self.folder.glob(f"*{SUFFIX}")}
                number = next(n for n in range(len(taken) + 1) if f"{n:04d}{SUFFIX}" not in taken)
                path = self.folder / f"{number:04d}{SUFFIX}"
                self._own = path.open("xb", buffering=0)
                self._files.append(path.open("rb"))
                self._own_number = len(self._files) - 1
            position = self._own.tell()
            frame = memoryview(to_frame(key, results))
            while frame:
                frame = frame[self._own.write(frame) :]
        except OSError as error:
            raise unwritable(self.folder, error) from None
        self._index[key] = (self._own_number, position)

    def results(self, key: bytes) -> list[Entry | Reject]:
        """The results of a file: songs without their records, and rejects."""
        number, position = self._index[key]
        _, _, length, _, _ = _HEAD.unpack(self._read(number, _HEAD.size, position))
        header = json.loads(self._read(number, length, position + _HEAD.size))
        at = position + _HEAD.size + length
        found: list[Entry | Reject] = []
        for item in header:
            if "reject" in item:
                found.append(Reject(*item["reject"]))
                continue
            sizes = tuple(item.pop("sizes"))
            content, opening = bytes.fromhex(item.pop("content")), bytes.fromhex(item.pop("opening"))
            crops = tuple((first, bars, tokens) for first, bars, tokens in item.pop("crops"))
            found.append(
                Entry(**item, content=content, opening=opening, crops=crops, place=(number, at), sizes=sizes)
            )
            at += sum(sizes)
        return found

    def record(self, entry: Entry, stage: str) -> bytes:
        """The stored bytes of a song's record."""
        return self._blob(entry, _stages(entry.tokens).index(stage))

    def crop_record(self, entry: Entry, crop: int, stage: str) -> bytes:
        """The stored bytes of the record of a song's crop, by its index in `Entry.crops`.

        Args:
            entry: of the song.
            crop: index in `Entry.crops`.
            stage: "backbone" or "melody".
        """
        before = len(entry.tokens) + len(_ARRAYS) + sum(len(tokens) for *_, tokens in entry.crops[:crop])
        return self._blob(entry, before + _stages(entry.crops[crop][2]).index(stage))

    def array(self, entry: Entry, name: str) -> np.ndarray:
        """An array of a song's fingerprint: "windows", "melody" or "chords"."""
        return np.frombuffer(self._blob(entry, len(entry.tokens) + _ARRAYS.index(name)), "<u8")

    def _blob(self, entry: Entry, index: int) -> bytes:
        number, position = entry.place
        start = position + sum(entry.sizes[:index])
        return self._read(number, entry.sizes[index], start)

    def _read(self, number: int, size: int, position: int) -> bytes:
        file = self._files[number]
        if hasattr(os, "pread"):
            return os.pread(file.fileno(), size, position)
        file.seek(position)
        return file.read(size)

    def close(self, *, remove: bool = False) -> None:
        """Lets go of the folder, and removes it where it is of no more use."""
        for file in (*self._files, *([self._own] if self._own else [])):
            file.close()
        if remove:
            clear_locked(self.folder)
        self._lock.close()
        if remove:
            with suppress(OSError):  # somebody else may have begun
                self.folder.rmdir()


def _stages(tokens: Mapping[str, int]) -> list[str]:
    return [stage for stage in STAGES if stage in tokens]


def _scan(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Keys and positions of the whole frames of a file, up to the first that is not."""
    position = 0
    while True:
        file.seek(position)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        mark, key, length, size, check = _HEAD.unpack(head)
        if mark != _MARK:
            return
        left = length + size
        if position + _HEAD.size + left > os.fstat(file.fileno()).st_size:
            return
        found = 0
        while left:
            part = file.read(min(left, 1 << 20))
            if not part:
                return
            found, left = zlib.crc32(part, found), left - len(part)
        if found != check:
            return
        yield key, position
        position = file.tell()


__all__ = ["SUFFIX", "Entry", "Journal", "song_key", "to_frame"]
