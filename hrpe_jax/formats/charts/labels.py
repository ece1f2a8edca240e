"""Label files beside recordings and MIDI files: .lab chords in seconds, and the text files of POP909.

Times stay in seconds here. `hrpe_jax.readers.pop909.read_pop909` puts them together with the melody into a
Score: that needs quantisation (`analysis`), which this package must not import.

    human_label1.txt, human_label2.txt    two labellings: "i4A8A8B16x1A8X2o1", letters with numbers of bars
    melody.txt                            lines of MIDI pitch (0 for a rest) and length in sixteenths

Times are sixteenths from the first label. `hrpe_jax.readers.pop909_form` puts them onto a song's beats.

Reference: S. Dai, H. Zhang and R. B. Dannenberg, "Automatic Analysis and Influence of Hierarchical Structure
on Melody, Rhythm and Harmony in Popular Music", 2020; github.com/Dsqvival/hierarchical-structure-analysis.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrpe_jax.errors import UserError
from hrpe_jax.formats.text import TextFileError, read_lines
from hrpe_jax.score.form import FormError, Section, parse_form
from hrpe_jax.theory.chord import Chord, ChordError, parse_harte, parse_lead_sheet

MAX_LABELS = 20_000
MAX_SECONDS = 24 * 3600.0


class TimedChord(NamedTuple):
    """A chord and its stretch of time in seconds."""

    start: float
    end: float
    chord: Chord


class ChordLabels(NamedTuple):
    """Chords in order of time; `unknown` counts labels that say no chord ("X") or cannot be read."""

    chords: tuple[TimedChord, ...]
    unknown: int


def read_chord_labels(path: str | Path) -> ChordLabels:
    """Read a .lab file.

    Columns are parted by blanks, tabs, commas or semicolons. Labels are in Harte's syntax, or as in lead
    sheets; comments (`#`, `%`, `;`), a header and blank lines are passed over. Overlaps up to 20 ms are cut.

    Raises:
        TextFileError: names file and line.
    """
    rows: list[TimedChord] = []
    known: dict[str, Chord | None] = {}
    unknown = 0
    first_unknown = ""
    for number, line in enumerate(read_lines(path), start=1):
        text = line.strip()
        if not text or text[0] in "#%;":
            continue
        where = f"{path}:{number}"
        fields = re.split(r"[\s,;]+", text, maxsplit=2)
        times = [_number(field) for field in fields[:2]]
        if not rows and not unknown and (len(fields) < 2 or None in times[:1]):
            continue  # a header
        start, end = times if len(times) == 2 else (None, None)
        if start is None or end is None or len(fields) < 3:
            raise TextFileError("bad_line", f"{where}: {text[:40]!r}: expected start, end and chord")
        if not (0 <= start <= end <= MAX_SECONDS):
            raise TextFileError(
                "bad_number",
                f"{where}: {start:g} to {end:g} s: expected times in order, within a day",
            )
        if rows and start < rows[-1].end:
            if start < rows[-1].end - 0.02:
                raise TextFileError(
                    "bad_line",
                    f"{where}: begins at {start:g} s, before the chord above ends at {rows[-1].end:g}",
                )
            start = min(rows[-1].end, end)
        label = fields[2].strip().strip("\"'")
        if label not in known:
            known[label] = _parse(label)
        chord = known[label]
        if chord is None:
            unknown += 1
            first_unknown = first_unknown or f"{where}: chord {label[:30]!r}"
        rows.append(TimedChord(start, end, chord or Chord.NONE))
        if len(rows) > MAX_LABELS:
            raise TextFileError("too_long", f"{path}: more than {MAX_LABELS} chords")
    if not any(not row.chord.is_none for row in rows):
        said = f"; {first_unknown} cannot be read" if first_unknown else ""
        raise TextFileError("no_chords", f"{path}: no chords: expected lines of start, end and chord{said}")
    if unknown > 0.5 * len(rows):
        raise TextFileError(
            "bad_chord",
            f"{first_unknown}: expected Harte's syntax, such as C:maj7; {unknown} of {len(rows)} are not",
        )
    return ChordLabels(tuple(rows), unknown)


def _number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _parse(label: str) -> Chord | None:
    """The chord of a label in either syntax; None where it has no meaning."""
    if label in ("&pause", "-", ""):
        return Chord.NONE
    if label in ("X", "*", "?"):
        return None
    for parse in (parse_harte, parse_lead_sheet):
        try:
            return parse(label)
        except ChordError:
            continue
    return None


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
        seconds = _finite_number(where, time)
        if beats and seconds <= beats[-1][0]:
            raise LabelError(
                "bad_line", f"{where}: beat at {seconds} s: expected a time after {beats[-1][0]} s"
            )
        beats.append((seconds, _finite_number(where, half) == 1, _finite_number(where, bar) == 1))
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
        row = TimedLabel(_finite_number(where, start), _finite_number(where, end), label)
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


def _finite_number(where: str, text: str) -> float:
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


LABELS = ("human_label1.txt", "human_label2.txt")
MELODY = "melody.txt"
MAX_SIXTEENTHS = 100_000


@dataclass(frozen=True)
class FormLabels:
    """What the files of a song say.

    Attributes:
        labellings: the sections as each person labelled them, counted in the labels' own bars.
        onsets: int64 `[notes]`, sixteenths from the first label.
        pitches: int64 `[notes]`, MIDI numbers.
    """

    labellings: tuple[tuple[Section, ...], ...]
    onsets: np.ndarray
    pitches: np.ndarray


def has_form_labels(folder: str | Path) -> bool:
    """Whether a folder has a labelling and the melody that it was made by."""
    return all((Path(folder) / name).is_file() for name in (LABELS[0], MELODY))


def read_form_labels(folder: str | Path) -> FormLabels:
    """Reads a song's labels; the second labelling may be missing.

    Raises:
        TextFileError: a file is missing or damaged ("missing_file", "bad_line", "too_long").
    """
    folder = Path(folder)
    labellings = [_labelling(folder / LABELS[0])]
    if (folder / LABELS[1]).is_file():
        labellings.append(_labelling(folder / LABELS[1]))
    onsets, pitches, now = [], [], 0
    for number, line in enumerate(read_lines(folder / MELODY), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2 or not all(field.isdecimal() and len(field) < 7 for field in fields):
            where = f"{folder / MELODY}:{number}"
            raise TextFileError(
                "bad_line", f"{where}: {line[:40]!r}: expected a pitch and a number of sixteenths"
            )
        pitch, length = map(int, fields)
        if pitch:
            onsets.append(now)
            pitches.append(pitch)
        now += length
        if now > MAX_SIXTEENTHS:
            raise TextFileError("too_long", f"{folder / MELODY}: more than {MAX_SIXTEENTHS} sixteenths")
    return FormLabels(tuple(labellings), np.array(onsets, np.int64), np.array(pitches, np.int64))


def _labelling(path: Path) -> tuple[Section, ...]:
    try:
        return parse_form("".join(read_lines(path)))
    except FormError as error:
        raise TextFileError("bad_line", f"{path}: {error}") from None
