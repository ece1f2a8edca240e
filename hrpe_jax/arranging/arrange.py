"""A lead sheet played by a band: comping under the melody, a bass, drums, fills, pushes and an ending."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from hrpe_jax.arranging.arrangement import (
    BASS_TRACK,
    CHORD_TRACK,
    DRUM_TRACK,
    MELODY_TRACK,
    STYLE_PROGRAMS,
    Arrangement,
    Part,
    PlayedNote,
    Programs,
    humanize,
    swing_part,
)
from hrpe_jax.arranging.bass import bass_notes
from hrpe_jax.arranging.comping import ROLE_LOUDNESS, block_notes, comp_notes, under_melody
from hrpe_jax.arranging.steps import BarPlan, Stroke, end_rows, plan_bars, rows_of, strokes
from hrpe_jax.arranging.styles import BLOCK, DRUMS, NONE, Band, Style, fitting_band, style_for_meter
from hrpe_jax.arranging.voicing import Harmony
from hrpe_jax.score.notation import bar_lengths
from hrpe_jax.score.score import Score
from hrpe_jax.theory.meter import TICKS_PER_QUARTER

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


_PUSHES = 0.6
"""Share of the sections that are begun early, in styles that push."""
_BLOCK_PROGRAMS = {"melody": 0, "comp": 4, "bass": 33}


@dataclass(frozen=True)
class BandOptions:
    """How a band plays.

    Attributes:
        band: None for what fits the piece.
        swing: share of a beat that its first eighth has, 0.5 to 0.75; None for the style's.
        humanize: how far times and loudnesses differ from the pattern; 0 for not at all, 1 for as usual.
        seed: of all choices.
        programs: of the parts.
    """

    band: Band | None = None
    swing: float | None = None
    humanize: float = 1.0
    seed: int = 0
    programs: Programs = STYLE_PROGRAMS


DEFAULT_BAND = BandOptions()


def arrange(score: Score, options: BandOptions = DEFAULT_BAND) -> Arrangement:
    """Plays a lead sheet.

    Args:
        score: any.
        options: how.

    Returns:
        The melody as it is, swung where the band swings, and the parts of the band under it. Equal arguments
        give equal arrangements.
    """
    band = options.band or fitting_band(score)
    style = style_for_meter(band.style, score.meter)[0] if band.style else None
    programs = style.programs if style else _BLOCK_PROGRAMS
    sung = tuple(PlayedNote(n.onset, n.end, n.pitch, n.velocity) for n in score.melody)
    melody = Part(MELODY_TRACK, _program(options.programs.melody, programs["melody"]), sung)
    parts: dict[str, Part] = {}
    if band.name != NONE and any(not span.chord.is_none for span in score.chords):
        if style is None:
            comp, bass = block_notes(score)
            drums: list[PlayedNote] = []
        else:
            comp, bass, drums = _play(score, style, options.seed)
        parts = {
            "comp": Part(CHORD_TRACK, _program(options.programs.chords, programs["comp"]), tuple(comp)),
            "bass": Part(BASS_TRACK, _program(options.programs.bass, programs["bass"]), tuple(bass)),
            "drums": Part(DRUM_TRACK, 0, tuple(drums), drums=True),
        }
    playing = [melody, *(p for name, p in parts.items() if p.notes and name not in band.without)]
    swing = options.swing if options.swing is not None else style.swing if style else 0.5
    if score.meter.is_compound or score.meter.beat_ticks != TICKS_PER_QUARTER:
        swing = 0.5
    name = band.name if style is None else style.name
    arrangement = Arrangement(name, tuple(swing_part(part, swing) for part in playing), swing)
    amount = 0.0 if name in (NONE, BLOCK) else options.humanize
    return humanize(arrangement, amount, score.tempo_bpm, options.seed)


def _program(asked: int | None, own: int) -> int:
    return own if asked is None else asked


def _play(
    score: Score, style: Style, seed: int
) -> tuple[list[PlayedNote], list[PlayedNote], list[PlayedNote]]:
    """Comping, bass and drums on the grid."""
    bars = bar_lengths(score)
    plans = plan_bars(score, bars)
    harmony = Harmony(score, bars, style.voices)
    begin = harmony.first
    ending = _ending(plans[-1], harmony)
    rows: dict[str, list[tuple[Stroke, BarPlan]]] = {}
    for plan in plans:
        until = ending if plan.last else plan.start + plan.length
        for part, row in rows_of(style, plan, seed).items():
            for stroke in strokes(row, style.meter.bar_ticks, plan.place, plan.start, plan.length):
                if begin <= stroke.onset < until:
                    stroke = replace(stroke, end=min(stroke.end, until))
                    rows.setdefault(part, []).append((stroke, plan))
    last = plans[-1]
    for part, row in end_rows(style).items():
        for stroke in strokes(row, style.meter.bar_ticks, 0, ending, last.start + last.length - ending):
            if part in ("comp", "bass"):
                stroke = replace(stroke, end=last.start + last.length)
            rows.setdefault(part, []).append((stroke, replace(last, role="full")))
    pushes = _pushes(plans, style, harmony, seed)
    for part in ("comp", "bass", "kick", "crash", "snare"):
        if part in rows:
            rows[part] = _pushed(rows[part], pushes)
    comp = comp_notes(rows.get("comp", []), harmony, score)
    bass = bass_notes(rows.get("bass", []), harmony, score.key, random.Random(f"{seed} bass"))
    drums = drum_notes({part: rows[part] for part in rows if part not in ("comp", "bass")})
    return under_melody(comp, score), bass, drums


def _ending(last: BarPlan, harmony: Harmony) -> int:
    """Where the last stroke of all falls: where the last chord begins, at the earliest with the last bar."""
    return max(last.start, min(harmony.last, last.start + last.length - 1))


def _pushes(plans: list[BarPlan], style: Style, harmony: Harmony, seed: int) -> dict[int, int]:
    """Bar lines that are played early -> the tick at which."""
    if not style.push:
        return {}
    found = {}
    for before, plan in pairwise(plans):
        new = plan.section != before.section and harmony.changes_at(plan.start)
        if new and not plan.last and random.Random(f"{seed} push {plan.section}").random() < _PUSHES:
            found[plan.start] = plan.start - style.push
    return found


def _pushed(row: list[tuple[Stroke, BarPlan]], pushes: dict[int, int]) -> list[tuple[Stroke, BarPlan]]:
    """A row whose strokes on these bar lines come early, and cut off what sounds until then."""
    early = sorted(pushes.values())
    lines = {tick: line for line, tick in pushes.items()}
    moved = []
    for stroke, plan in row:
        if stroke.onset in pushes:
            moved.append((replace(stroke, onset=pushes[int(stroke.onset)]), plan))
            continue
        place = bisect_right(early, stroke.onset)
        tick = early[place] if place < len(early) else None
        inside = place > 0 and stroke.onset < lines[early[place - 1]]
        if inside:
            continue
        if tick is not None and stroke.end > tick:
            stroke = replace(stroke, end=tick)
        moved.append((stroke, plan))
    return sorted(moved, key=lambda item: item[0].onset)
