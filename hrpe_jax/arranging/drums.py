"""Drums: rows as strokes of General MIDI's percussion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hrpe_jax.arranging.arrangement import PlayedNote
from hrpe_jax.arranging.comping import ROLE_LOUDNESS
from hrpe_jax.arranging.pattern_file import DRUMS
from hrpe_jax.arranging.steps import BarPlan, Stroke

_LOUDNESS = {"x": 82, "X": 104, "o": 50}
_SOFTER = {"hat": -22, "ride": -18, "shaker": -26, "pedal": -20, "open": -18, "tambourine": -24, "brush": -16}
_LENGTH = 3
"""Ticks; drums ring by themselves."""


def drum_notes(rows: Mapping[str, Sequence[tuple[Stroke, BarPlan]]]) -> list[PlayedNote]:
    """The strokes of all drums, in order."""
    notes = []
    for drum, row in rows.items():
        for stroke, plan in row:
            loud = _LOUDNESS[stroke.sign] + _SOFTER.get(drum, 0) + ROLE_LOUDNESS[plan.role]
            end = stroke.onset + _LENGTH
            notes.append(PlayedNote(stroke.onset, end, DRUMS[drum], max(1, min(127, loud))))
    return sorted(notes, key=lambda note: (note.onset, note.pitch))
