"""Bass lines: the signs of a bass row as notes, and walking."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hrpe_jax.arranging.arrangement import PlayedNote
from hrpe_jax.arranging.comping import ROLE_LOUDNESS
from hrpe_jax.arranging.harmony import Harmony, Window
from hrpe_jax.arranging.steps import BarPlan, Stroke
from hrpe_jax.arranging.walking import CENTRE, HIGH, LOW, nearest, walk
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.quality import CHORD_TONES

_LOUDNESS = 78
_TOLERANCE = 3
"""Ticks after a chord begins by which the bass must have played."""


def bass_notes(
    row: Sequence[tuple[Stroke, BarPlan]], harmony: Harmony, key: Key, draws: random.Random
) -> list[PlayedNote]:
    """The notes of a bass row; every chord has its bass note where it begins.

    Args:
        row: strokes in order, with their bars.
        harmony: of the piece.
        key: for passing notes.
        draws: for the choices of a walking bass.
    """
    strokes = _with_roots(row, harmony)
    placed: list[tuple[Stroke, BarPlan, Window, Window | None]] = []
    for stroke, plan in strokes:
        window = harmony.at(stroke.onset)
        following = harmony.after(window) if window is not None else harmony.at(stroke.onset + 6)
        if stroke.sign == ">" or stroke.onset < plan.start:
            window = following if following is not None else window
        if window is not None:
            placed.append((stroke, plan, window, harmony.after(window)))
    notes: list[PlayedNote] = []
    last, index, span = CENTRE, 0, -1
    while index < len(placed):
        stroke, _, window, following = placed[index]
        if stroke.sign == "w":
            run = index
            while run < len(placed) and placed[run][0].sign == "w" and placed[run][2].span == window.span:
                run += 1
            pitches = walk(
                window.chord, following.chord if following else None, run - index, last, key, draws
            )
        else:
            sign = stroke.sign if window.span == span else "1"  # a chord begins with its bass
            run, pitches = index + 1, [_pitch(sign, window, following, last)]
        for (beat, plan, own, _), pitch in zip(placed[index:run], pitches, strict=True):
            limit = own.span_end if own.span_end > beat.onset else beat.end
            end = max(min(beat.end, limit), beat.onset + 1)
            loud = _LOUDNESS + ROLE_LOUDNESS[plan.role] + 6 * (beat.onset == plan.start)
            notes.append(PlayedNote(beat.onset, end, pitch, loud + 6 * (beat.sign == "X")))
        last, index, span = pitches[-1], run, window.span
    return _one_at_a_time(notes)


def _pitch(sign: str, window: Window, following: Window | None, last: int) -> int:
    """The pitch that a sign stands for."""
    chord = window.chord
    root = nearest(chord.bass, last)
    if sign in "1xX>" or (sign == "a" and following is None):
        return root
    if sign == "a" and following is not None:
        target = nearest(following.chord.bass, last)
        below = target - 1 >= LOW and (last <= target or (target + 1) % 12 == root % 12)
        return target - 1 if below else target + 1
    if sign == "8":
        return root + 12 if root + 12 <= HIGH + 3 else root - 12
    tones = CHORD_TONES[chord.quality]
    wanted = {"3": (4, 3, 5, 2), "5": (7, 6, 8), "7": (10, 11, 9, 7)}[sign]
    tone = next((tone for tone in wanted if tone in tones), 0)
    return nearest(chord.root + tone, root)


def _with_roots(row: Sequence[tuple[Stroke, BarPlan]], harmony: Harmony) -> list[tuple[Stroke, BarPlan]]:
    """The row with the bass note of every chord that begins where nothing is played."""
    strokes = list(row)
    if not strokes:
        return []
    added = []
    for window in harmony.spans():
        near = [
            (stroke, plan)
            for stroke, plan in strokes
            if window.start <= stroke.onset <= window.start + _TOLERANCE
            or (stroke.onset < plan.start <= window.start < stroke.end)
            or (stroke.sign == ">" and window.start - 7 <= stroke.onset < window.start)
        ]
        if near:
            continue
        before = [plan for stroke, plan in strokes if stroke.onset <= window.start]
        later = [stroke.onset for stroke, _ in strokes if stroke.onset > window.start]
        end = min([window.span_end, *later[:1]])
        added.append((Stroke(window.start, end, "1"), before[-1] if before else strokes[0][1]))
    return sorted([*strokes, *added], key=lambda item: item[0].onset)


def _one_at_a_time(notes: Sequence[PlayedNote]) -> list[PlayedNote]:
    """Each note until the next begins at the latest."""
    line: list[PlayedNote] = []
    for note in sorted(notes, key=lambda note: note.onset):
        if line and line[-1].end > note.onset:
            before = line.pop()
            if note.onset > before.onset:
                line.append(PlayedNote(before.onset, note.onset, before.pitch, before.velocity))
        line.append(note)
    return line
