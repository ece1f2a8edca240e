"""A song as it came from a file: its score, and how much of that score the file said itself."""

from __future__ import annotations

from dataclasses import dataclass

from hrpe_jax.errors import UserError
from hrpe_jax.score.score import Score
from hrpe_jax.theory.key import Key

FOUND = ("beats", "chords", "key", "melody", "meter")
"""What a reader may have to find where a file does not say it."""


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
    """

    score: Score
    found: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    keys: tuple[tuple[int, Key], ...] = ()
    error: float | None = None
    tune: str = ""
