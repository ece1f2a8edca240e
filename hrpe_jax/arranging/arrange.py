"""A lead sheet played by a band: comping under the melody, a bass, drums, fills, pushes and an ending.

A bass row's signs become notes, or a walking bass.
"""

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
from hrpe_jax.arranging.comping import (
    ROLE_LOUDNESS,
    BarPlan,
    Stroke,
    block_notes,
    comp_notes,
    end_rows,
    plan_bars,
    rows_of,
    strokes,
    under_melody,
)
from hrpe_jax.arranging.styles import BLOCK, DRUMS, NONE, Band, Style, fitting_band, style_for_meter
from hrpe_jax.arranging.voicing import Harmony, Window
from hrpe_jax.score.notation import bar_lengths
from hrpe_jax.score.score import Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import TICKS_PER_QUARTER
from hrpe_jax.theory.quality import CHORD_TONES

LOW, HIGH, CENTRE = 28, 52, 40
"""E1 to E3, and E2."""


def nearest(pitch_class: int, last: int, low: int = LOW, high: int = HIGH, centre: int = CENTRE) -> int:
    """The octave of a pitch class nearest to the last note, with a pull to the middle.

    Args:
        pitch_class: 0 to 11.
        last: MIDI pitch of the note before.
        low: lowest MIDI pitch.
        high: highest MIDI pitch.
        centre: MIDI pitch of the middle.

    Returns:
        A MIDI pitch.
    """
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


_BASS_LOUDNESS = 78
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
            loud = _BASS_LOUDNESS + ROLE_LOUDNESS[plan.role] + 6 * (beat.onset == plan.start)
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
        style: of the music, such as "folk", by which a band is chosen that fits; "" where it is not known.
    """

    band: Band | None = None
    swing: float | None = None
    humanize: float = 1.0
    seed: int = 0
    programs: Programs = STYLE_PROGRAMS
    style: str = ""


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
    band = options.band or fitting_band(score, options.style)
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
