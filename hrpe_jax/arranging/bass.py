"""Bass lines: the signs of a bass row as notes, and a walking bass."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hrpe_jax.arranging.arrangement import PlayedNote
from hrpe_jax.arranging.comping import ROLE_LOUDNESS
from hrpe_jax.arranging.steps import BarPlan, Stroke
from hrpe_jax.arranging.voicing import Harmony, Window
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.quality import CHORD_TONES

LOW, HIGH, CENTRE = 28, 52, 40
"""E1 to E3, and E2."""


def nearest(pitch_class: int, last: int, low: int = LOW, high: int = HIGH, centre: int = CENTRE) -> int:
    """The octave of a pitch class nearest to the last note, with a pull to the middle."""
    options = [pitch for pitch in range(low, high + 1) if pitch % 12 == pitch_class % 12]
    return min(options, key=lambda pitch: (abs(pitch - last) + 0.4 * abs(pitch - centre), pitch))


def walk(
    chord: Chord, following: Chord | None, beats: int, last: int, key: Key, draws: random.Random
) -> list[int]:
    """The notes over one chord.

    Args:
        chord: what sounds.
        following: what comes next; None at the end.
        beats: how many notes.
        last: pitch of the note before.
        key: whose scale passing notes are of.
        draws: for the choice among ways that are equally good.

    Returns:
        `beats` MIDI pitches; the first is the chord's bass.
    """
    line = [nearest(chord.bass, last)]
    target = nearest(following.bass, line[0]) if following is not None else line[0]
    tones = {(chord.root + tone) % 12 for tone in CHORD_TONES[chord.quality]}
    scale = tones | {*key.scale}
    for beat in range(1, beats):
        if beat == beats - 1:
            line.append(_leading(line[-1], target, scale, draws))
            continue
        left = beats - beat
        options = [pitch for pitch in range(LOW, HIGH + 1) if pitch != line[-1] and pitch % 12 in scale]

        def cost(pitch: int, left: int = left) -> float:
            step = abs(pitch - line[-1])
            reach = max(0, abs(target - pitch) - 3 * left)
            strong = 0.0 if pitch % 12 in tones else 1.6
            return step + strong + 2.0 * reach + 4.0 * (pitch in line[-2:]) + 2.5 * draws.random()

        line.append(min(options, key=cost))
    return line


def _leading(last: int, target: int, scale: Sequence[int] | set[int], draws: random.Random) -> int:
    """The note before the next root: a half step or a step of the scale away, or its fifth."""
    options = [target - 1, target + 1, target - 2, target + 2, target + 7, target - 5]

    def cost(pitch: int) -> float:
        far = abs(pitch - last)
        foreign = 0.0 if pitch % 12 in scale else 0.8
        leap = 1.5 * (abs(pitch - target) > 2)
        outside = 50.0 * (not LOW <= pitch <= HIGH)
        return far + foreign + leap + outside + 8.0 * (pitch == last) + 3.0 * draws.random()

    return min(options, key=cost)


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
