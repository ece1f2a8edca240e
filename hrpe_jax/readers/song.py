"""A song as it came from a file: its score, and how much of that score the file said itself.

`written_pieces` reads pieces that `sample` wrote as JSON, with their keys, chords and forms.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hrpe_jax.errors import UserError
from hrpe_jax.formats.json import score_from_values
from hrpe_jax.formats.midi.read import MidiFile
from hrpe_jax.score.score import Score
from hrpe_jax.theory.key import Key

_EMPTY = re.compile(
    r"[\W\d_]*(untitled|no title|track|seq|sequence|song|new|midi|standard midi file|conductor|tempo|piano|"
    r"grand piano|acoustic grand piano|soft karaoke|words|lyrics|control track|setup|right|left|melody|"
    r"chords|treble|bass|drums|vocals?|unnamed|staff|instrument)[\W\d_]*"
)
_KARAOKE = re.compile(r"[-_. ]*kar(?=$|[-_. ])[-_. ]?\w{0,4}$|\.kar$", re.IGNORECASE)


def song_title(midi: MidiFile, path: str | Path) -> tuple[str, str]:
    """(id, title) of a song: the file's stem, and the title that the file gives, else its stem in words."""
    stem = Path(path).stem
    if len(midi.title) > 1 and not _EMPTY.fullmatch(midi.title.lower()):
        return stem, midi.title
    words = re.sub(r"[_\s]+", " ", _KARAOKE.sub("", stem)).strip()
    return stem, words or stem


FOUND = ("beats", "chords", "key", "melody", "meter")
"""What a reader may have to find where a file does not say it."""


FORM_SOURCES = ("labels", "file", "found")
"""Where a form may come from: people's labels beside the song, the song's file, or analysis."""


class SongError(UserError):
    """A file, or one tune of a book, that gives no song.

    Attributes:
        reason: short code for reject lists, such as "no_notes".
        tune: which tune of the file, where it holds several; else empty.
    """

    def __init__(self, reason: str, message: str, tune: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.tune = tune


@dataclass(frozen=True)
class Song:
    """What a reader returns.

    Attributes:
        score: the lead sheet; without chords, or without melody, where the file has none.
        found: which of `FOUND` were found by analysis, not said by the file; sorted.
        warnings: short codes of what a careful user would want to know, such as "melody_skyline" or
            "meter_assumed"; sorted.
        keys: (tick, key) from where each key holds, the first at 0; empty where the song does not modulate.
        error: mean distance in ticks of the melody's notes, as played, from where the score puts them; None
            where the file counts beats itself.
        tune: the name of the tune in a file that holds several ("12" for X:12); else empty.
        form_source: one of `FORM_SOURCES` where the score has a form; else empty.
    """

    score: Score
    found: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    keys: tuple[tuple[int, Key], ...] = ()
    error: float | None = None
    tune: str = ""
    form_source: str = ""


def written_pieces(folder: Path) -> Iterator[tuple[str, Score]]:
    """Names of files and scores of a folder, in order of the names; other JSON files are passed over.

    Args:
        folder: where `python -m hrpe_jax.sample` wrote; anything else gives nothing.
    """
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(values, dict) and isinstance(values.get("score"), dict):
                yield file.name, score_from_values(values["score"])
        except (OSError, ValueError):
            continue
