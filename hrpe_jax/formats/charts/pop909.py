"""Label files beside recordings and MIDI files: the raw reading of POP909's text files.

Times stay in seconds here. `hrpe_jax.readers.pop909.read_pop909` puts them together with the melody into a
Score: that needs quantisation (`analysis`), which this package must not import.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from hrpe_jax.errors import UserError


class LabelError(UserError):
    """A label file that cannot be read.

    Attributes:
        reason: short code for reject lists: "missing_file", "bad_number", "bad_line", "too_large", "empty",
            "bad_label" or "no_melody".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class TimedLabel:
    """A label and its stretch of time in seconds."""

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Pop909Labels:
    """The label files of one POP909 song.

    Attributes:
        beats: times in seconds, strictly increasing.
        half_bars: whether each beat begins a bar or half bar (column 2 of beat_midi.txt).
        bars: whether each beat begins a bar (column 3).
        chords: Harte labels from chord_midi.txt, as written.
        keys: from key_audio.txt, such as "Gb:maj".
    """

    beats: tuple[float, ...]
    half_bars: tuple[bool, ...]
    bars: tuple[bool, ...]
    chords: tuple[TimedLabel, ...]
    keys: tuple[TimedLabel, ...]


_MAX_BYTES = 1_000_000
_MAX_SECONDS = 86_400.0


def read_pop909_labels(folder: str | Path) -> Pop909Labels:
    """Read beat_midi.txt, chord_midi.txt and key_audio.txt of a song's folder.

    `chord_midi` and not `chord_audio`: against human labels its roots are right 95 % of the time, the
    other's 80 %.

    Raises:
        LabelError: if a file is missing, empty or damaged; names file and line.
    """
    folder = Path(folder)
    beats: list[tuple[float, bool, bool]] = []
    for where, (time, half, bar) in _rows(folder / "beat_midi.txt", 3):
        seconds = _number(where, time)
        if beats and seconds <= beats[-1][0]:
            raise LabelError(
                "bad_line", f"{where}: beat at {seconds} s: expected a time after {beats[-1][0]} s"
            )
        beats.append((seconds, _number(where, half) == 1, _number(where, bar) == 1))
    times, half_bars, bars = zip(*beats, strict=True)
    return Pop909Labels(
        beats=times,
        half_bars=half_bars,
        bars=bars,
        chords=_read_timed(folder / "chord_midi.txt"),
        keys=_read_timed(folder / "key_audio.txt"),
    )


def _read_timed(path: Path) -> tuple[TimedLabel, ...]:
    """Lines of start, end, label, in order."""
    rows: list[TimedLabel] = []
    for where, (start, end, label) in _rows(path, 3):
        row = TimedLabel(_number(where, start), _number(where, end), label)
        if row.end < row.start or (rows and row.start < rows[-1].start):
            raise LabelError("bad_line", f"{where}: {start} to {end}: expected times in order")
        rows.append(row)
    return tuple(rows)


def _rows(path: Path, columns: int) -> list[tuple[str, list[str]]]:
    """The non-empty lines of a table, each with "file:line" for messages."""
    if not path.is_file():
        raise LabelError(
            "missing_file", f"{path}: no such file: expected the label files of POP909 in its song folder"
        )
    if path.stat().st_size > _MAX_BYTES:
        raise LabelError("too_large", f"{path}: {path.stat().st_size} bytes: expected at most {_MAX_BYTES}")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        fields = line.split()
        if fields:
            if len(fields) != columns:
                raise LabelError("bad_line", f"{path}:{number}: {len(fields)} columns: expected {columns}")
            rows.append((f"{path}:{number}", fields))
    if not rows:
        raise LabelError("empty", f"{path}: empty: expected lines of {columns} columns")
    return rows


def _number(where: str, text: str) -> float:
    """A number that can be a time in a song."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= _MAX_SECONDS:  # nor NaN
        raise LabelError(
            "bad_number", f"{where}: {text[:40]!r}: expected a number of at most {_MAX_SECONDS:.0f}"
        )
    return value
