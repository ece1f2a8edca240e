"""A walking bass: a note on every beat, from root to root, by chord tones, steps and a leading note."""

from __future__ import annotations

import random
from collections.abc import Sequence

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
