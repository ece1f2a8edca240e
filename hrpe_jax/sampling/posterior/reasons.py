"""What is particular about a suggestion, in a few words: chords, cadence, contour, density."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hrpe_jax.sampling.posterior.spans import Span
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import CHORD_TONES, Chord
from hrpe_jax.theory.function import roman_numeral
from hrpe_jax.theory.key import Key

_DEGREES = {0: "root", 3: "third", 4: "third", 7: "fifth", 10: "seventh", 11: "seventh"}
_SURE, _OPEN = 0.6, 0.35
"""Shares of the votes from which chords are called sure, and below which open."""
_MOST = 8  # numerals that are listed


def melody_reason(before: Score, after: Score, span: Span) -> str:
    """What a melody does in a span.

    Args:
        before: the score as it was.
        after: with the suggestion.
        span: the bars.
    """
    notes = _inside(after, span)
    if not notes:
        return "silent"
    was = len(_inside(before, span))
    parts = [f"{len(notes)} notes" + (f" (were {was})" if was else ""), _contour(notes)]
    last = notes[-1]
    chord = _chord_at(after, last.onset)
    if chord is not None:
        degree = _DEGREES.get((last.pitch - chord.root) % 12)
        inside = (last.pitch - chord.root) % 12 in CHORD_TONES[chord.quality]
        name = roman_numeral(chord, after.key)
        parts.append(f"ends on the {degree} of {name}" if degree and inside else f"ends beside {name}")
    behind = next((note for note in after.melody if note.onset >= span.end), None)
    if behind is not None:
        parts.append(f"leads on {_interval(behind.pitch - last.pitch)}")
    return ", ".join(parts)


def chord_reason(
    before: Score, after: Score, span: Span, votes: Sequence[float] | np.ndarray, ticks: np.ndarray
) -> str:
    """What chords do in a span.

    Args:
        before: the score as it was.
        after: with the suggestion.
        span: the bars.
        votes: share of the votes for each beat's chord; NaN where it was given.
        ticks: of the beats, and behind the last.
    """
    chords = [chord for chord in after.chords if chord.onset < span.end and chord.end > span.begin]
    numerals = [roman_numeral(chord.chord, after.key) for chord in chords]
    shown = " ".join(numerals[:_MOST]) + (" ..." if len(numerals) > _MOST else "")
    parts = [shown] if shown else ["no chord"]
    cadence = _cadence([chord.chord for chord in chords], after.key)
    if cadence:
        parts.append(cadence)
    was = [chord for chord in before.chords if chord.onset < span.end and chord.end > span.begin]
    if was:
        parts.append(f"{len(chords)} chords (were {len(was)})")
    here = np.asarray(votes)[(ticks[:-1] >= span.begin) & (ticks[:-1] < span.end)]
    here = here[~np.isnan(here)]
    if len(here):
        sure = int((here >= _SURE).sum())
        parts.append(f"{sure} of {len(here)} beats sure" if here.mean() >= _OPEN else "other chords fit too")
    return ", ".join(parts)


def _inside(score: Score, span: Span) -> list[Note]:
    return [note for note in score.melody if span.begin <= note.onset < span.end]


def _chord_at(score: Score, tick: int) -> Chord | None:
    found: ChordSpan | None = next((span for span in score.chords if span.onset <= tick < span.end), None)
    return None if found is None or found.chord.is_none else found.chord


def _contour(notes: Sequence[Note]) -> str:
    """Rising, falling, an arch, a valley or level."""
    pitches = [note.pitch for note in notes]
    first, last, high, low = pitches[0], pitches[-1], max(pitches), min(pitches)
    if high - low <= 2:
        return "level"
    if high - max(first, last) >= 3 and high - max(first, last) >= min(first, last) - low:
        return "an arch"
    if min(first, last) - low >= 3:
        return "a valley"
    return "rising" if last > first else "falling" if last < first else "comes back to its first note"


def _interval(semitones: int) -> str:
    if semitones == 0:
        return "on the same pitch"
    size = abs(semitones)
    kind = "by step" if size <= 2 else "by a skip" if size <= 4 else "by a leap"
    return f"{kind} {'up' if semitones > 0 else 'down'}"


def _cadence(chords: Sequence[Chord], key: Key) -> str:
    """How the last two chords close; empty where they are none of the usual ways."""
    sounding = [chord for chord in chords if not chord.is_none]
    if len(sounding) < 2:
        return ""
    before, last = ((chord.root - key.tonic) % 12 for chord in sounding[-2:])
    if last == 7:
        return "half cadence"
    if (before, last) == (7, 0):
        return "authentic cadence"
    if (before, last) == (5, 0):
        return "plagal cadence"
    if before == 7 and last in (8, 9):
        return "deceptive cadence"
    return ""
