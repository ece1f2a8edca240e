"""Scores as plain values for JSON, and back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hrpe_jax.score.form import form_from_values, form_values
from hrpe_jax.score.score import ChordSpan, Note, Score, ScoreError
from hrpe_jax.theory.chord import (
    Chord,
    ChordError,
    parse_harte,
    parse_lead_sheet,
    to_harte,
    to_lead_sheet,
)
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def score_values(score: Score) -> dict[str, Any]:
    """A score as JSON values; times in ticks, 12 to the quarter note.

    Notes are `[onset, duration, pitch, velocity]`, with the syllable that is sung behind, if any; chords
    `{onset, duration, chord (Harte), symbol}`;
    sections, where the form is known, `[letter, first bar, bars]`.
    """
    return {
        "id": score.id,
        "title": score.title,
        "key": score.key.name,
        "meter": str(score.meter),
        "tempo_bpm": score.tempo_bpm,
        "melody": [
            [note.onset, note.duration, note.pitch, note.velocity, *([note.lyric] if note.lyric else [])]
            for note in score.melody
        ],
        "chords": [
            {
                "onset": span.onset,
                "duration": span.duration,
                "chord": to_harte(span.chord, score.key),
                "symbol": to_lead_sheet(span.chord, score.key),
            }
            for span in score.chords
        ],
        "bar_resets": list(score.bar_resets),
        **({"form": form_values(score.form)} if score.form else {}),
        **({"composer": score.composer} if score.composer else {}),
        "source": score.source,
        "license": score.license,
    }


def score_from_values(values: Mapping[str, Any]) -> Score:
    """The score of `score_values`.

    Raises:
        ScoreError: they are no score.

    Example:
        >>> from hrpe_jax.theory.key import Key
        >>> from hrpe_jax.theory.meter import Meter
        >>> from hrpe_jax.score.score import Note, Score
        >>> score = Score("a", "A", Key.parse("C major"), Meter(4, 4), 120.0, (Note(0, 48, 60),), ())
        >>> score_from_values(score_values(score)) == score
        True
    """
    try:
        return Score(
            id=values["id"],
            title=values["title"],
            key=Key.parse(values["key"]),
            meter=Meter.parse(values["meter"]),
            tempo_bpm=float(values["tempo_bpm"]),
            melody=tuple(Note(*note) for note in values["melody"]),
            chords=tuple(
                ChordSpan(span["onset"], span["duration"], _chord(span["chord"], span.get("symbol", "")))
                for span in values["chords"]
            ),
            source=values.get("source", ""),
            license=values.get("license", ""),
            bar_resets=tuple(values.get("bar_resets", ())),
            form=form_from_values(values.get("form", ())),
            composer=values.get("composer", ""),
        )
    except (KeyError, TypeError, ChordError, ValueError) as error:
        if isinstance(error, ScoreError):
            raise
        raise ScoreError(f"these values are no score: {type(error).__name__}: {error}") from None


def _chord(label: str, symbol: str) -> Chord:
    """The chord of a label, shown as the symbol beside it where that is the same chord."""
    chord = parse_harte(label)
    try:
        shown = parse_lead_sheet(symbol)
    except (ChordError, AttributeError):
        return replace(chord, written=None)
    return shown if shown == chord else replace(chord, written=None)


def write_score_json(score: Score, path: str | os.PathLike[str]) -> None:
    """Writes the values as a JSON file; its folder must exist."""
    text = json.dumps(score_values(score), ensure_ascii=False, indent=1)
    Path(path).write_text(text + "\n", encoding="utf-8", newline="\n")
