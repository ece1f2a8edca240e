"""The form of POP909's songs as people labelled it: the raw reading of a song's folder.

    human_label1.txt, human_label2.txt    two labellings: "i4A8A8B16x1A8X2o1", letters with numbers of bars
    melody.txt                            lines of MIDI pitch (0 for a rest) and length in sixteenths

Times are sixteenths from the first label. `hrpe_jax.readers.pop909_form` puts them onto a song's beats.

Reference: S. Dai, H. Zhang and R. B. Dannenberg, "Automatic Analysis and Influence of Hierarchical Structure
on Melody, Rhythm and Harmony in Popular Music", 2020; github.com/Dsqvival/hierarchical-structure-analysis.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hrpe_jax.formats.text import TextFileError, read_lines
from hrpe_jax.score.form import FormError, Section, parse_form

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
