"""Comping: chords in rhythm, under the melody."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from hrpe_jax.arranging.arrangement import PlayedNote
from hrpe_jax.arranging.steps import BarPlan, Stroke
from hrpe_jax.arranging.voicing import GAP, Harmony, Window
from hrpe_jax.score.notation import bar_lengths
from hrpe_jax.score.score import Score

_LOUDNESS = {"X": 76, "o": 44, "u": 54, "d": 64}
_PLAIN, _SINGLE = 62, 58
ROLE_LOUDNESS = {"quiet": -9, "main": 0, "full": 6}
_STRUM = 0.011
"""Seconds from string to string."""
_BLOCK_CHORD, _BLOCK_BASS = 48, 60


def comp_notes(row: Sequence[tuple[Stroke, BarPlan]], harmony: Harmony, score: Score) -> list[PlayedNote]:
    """The notes of a comping row; every chord is struck in its first half at the latest.

    Args:
        row: strokes in order, with their bars.
        harmony: of the piece.
        score: the piece.
    """
    second = score.tempo_bpm * 12 / 60  # ticks
    struck = _with_missing(row, harmony, score.meter.beat_ticks)
    notes: list[PlayedNote] = []
    for index, (stroke, plan) in enumerate(struck):
        window = harmony.at(stroke.onset)
        if stroke.sign == ">" or (window is not None and stroke.onset < plan.start):
            window = _next(harmony, stroke)
        if window is None:
            continue
        after = struck[index + 1][0].onset if index + 1 < len(struck) else stroke.end
        limit = window.span_end
        end = min(max(stroke.end, stroke.onset + 1), limit if limit > stroke.onset else stroke.end)
        if stroke.sign not in "1234":
            end = min(end, max(after, stroke.onset + 1))
        voices = list(window.voicing.upper)
        if stroke.sign in "1234" and voices:
            number = min(int(stroke.sign), len(voices)) - 1
            if int(stroke.sign) > len(voices):
                number = len(voices) - 1 - (int(stroke.sign) - len(voices))
            voices = [voices[max(0, number)]]
        loud = _LOUDNESS.get(stroke.sign, _SINGLE if len(voices) == 1 else _PLAIN)
        loud += ROLE_LOUDNESS[plan.role] + 3 * (stroke.onset == plan.start)
        order = voices if stroke.sign != "u" else voices[::-1]
        for place, pitch in enumerate(order):
            late = place * _STRUM * second if stroke.sign in "du" else 0.0
            notes.append(PlayedNote(stroke.onset + late, max(end, stroke.onset + late + 1), pitch, loud))
    return notes


def _next(harmony: Harmony, stroke: Stroke) -> Window | None:
    """The chord that a stroke anticipates: the next, where it begins within a beat."""
    now = harmony.at(stroke.onset)
    if now is None:
        return harmony.at(stroke.onset + 6)
    following = harmony.after(now)
    return following if following is not None and following.start - stroke.onset <= 12 else now


def _with_missing(
    row: Sequence[tuple[Stroke, BarPlan]], harmony: Harmony, beat: int
) -> list[tuple[Stroke, BarPlan]]:
    """The row with a stroke at the beginning of every chord that it would leave out, or tell late."""
    struck = list(row)
    if not struck:
        return []
    onsets = [stroke.onset for stroke, _ in struck]
    early = {stroke.onset for stroke, plan in struck if stroke.sign == ">" or stroke.onset < plan.start}
    added = []
    for window in harmony.spans():
        place = bisect_right(onsets, window.start - 7)
        latest = window.start + max(beat, (window.span_end - window.start) / 2)
        told = onsets[place : bisect_right(onsets, latest - 1)]
        heard = any(onset >= window.start or onset in early for onset in told)
        if not heard:
            after = bisect_right(onsets, window.start)
            until = min(window.span_end, onsets[after] if after < len(onsets) else window.span_end)
            plan = struck[max(0, after - 1)][1]
            added.append((Stroke(window.start, until, "x"), plan))
    return sorted([*struck, *added], key=lambda item: item[0].onset)


def under_melody(notes: Sequence[PlayedNote], score: Score) -> list[PlayedNote]:
    """The notes without those that the melody meets: at its pitch, over it, or nearer than a third under it.

    A note that the melody comes down to later is cut off before.
    """
    kept: list[PlayedNote] = []
    ends = [note.end for note in score.melody]
    for note in notes:
        end = note.end
        for sung in score.melody[bisect_right(ends, note.onset) :]:
            if sung.onset >= end:
                break
            if sung.pitch - GAP < note.pitch:
                end = sung.onset
                break
        if end - note.onset >= min(2.0, note.end - note.onset):
            kept.append(PlayedNote(note.onset, end, note.pitch, note.velocity))
    return kept


def block_notes(score: Score) -> tuple[list[PlayedNote], list[PlayedNote]]:
    """Chords and bass: each chord as a block under the melody, struck again on every bar line it crosses."""
    bars = bar_lengths(score)
    harmony = Harmony(score, bars, 4)
    chords: list[PlayedNote] = []
    basses: list[PlayedNote] = []
    for window in harmony.windows:
        end = min(window.end, score.end)
        basses.append(PlayedNote(window.start, end, window.voicing.bass, _BLOCK_BASS))
        chords.extend(PlayedNote(window.start, end, pitch, _BLOCK_CHORD) for pitch in window.voicing.upper)
    return under_melody(chords, score), basses
