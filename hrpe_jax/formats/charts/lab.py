"""Chord label files (.lab): a line for each chord, with its start and end in seconds and a label."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

from hrpe_jax.formats.text import TextFileError, read_lines
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
