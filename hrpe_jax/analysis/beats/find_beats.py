"""Beats and bars of any MIDI file.

Sequenced music has them in its tempo and meter events. Whether it is that is asked of the notes: do their
onsets lie on the file's grid (`beat_grid`)? If they do, its tempo is used, and its bars unless accents speak
clearly against them; if not, beats are tracked (`beat_track`). Bars that the file does not give are found
from accents (`beat_bars`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hrpe_jax.analysis.beats.find_bars import find_bars, given_score, lay_beats, meter_spans, role_scores
from hrpe_jax.analysis.beats.given_beats import OWN, Grid, file_grids
from hrpe_jax.analysis.beats.track import MAX_SECONDS, NoteTable, note_table, track_beats
from hrpe_jax.formats.midi.read import MidiFile
from hrpe_jax.theory.meter import Meter

MAX_BEATS = 50_000
"""Longer pieces get longer beats."""
_DEFAULT_TEMPO = 120.0
_SLOWEST, _FASTEST = 25.0, 300.0
"""Quarters a minute outside of which a file's quarter cannot be the beat."""
_AGAINST_COMMON, _AGAINST_OTHER = 0.25, 0.5
"""Nats a beat by which other bars must fit better for the file's to be given up: 4/4 is what programs write
unasked, another meter somebody chose."""
_GOOD = 0.45
"""Nats a beat with which the file's bars fit too well to be asked about."""
_EARLY = 0.15
"""Beats by which a note may come before the bar it belongs to."""
_DOUBT, _DOUBT_NEAR, _DOUBT_EMPTY, _DOUBT_CARED = 0.55, 0.3, 0.2, 1.2
"""Nats by which quarters must be better than the file's own: where notes lie on its grid, near it, where its
meter says nothing; and how many more where there is percussion or its meter changes."""
_BARS_SAY = 1.0
"""Nats a beat by which bars on one grid fit better than on another, at most."""
_JUDGED = 400
"""Beats that are looked at to choose a grid."""


@dataclass(frozen=True, eq=False)
class Beats:
    """Where the beats of a file are.

    Attributes:
        seconds: [n] float64 of every beat, increasing, n >= 2; the first begins a bar and may be negative (a
            pickup at the start of the file), the last is at or after the end of the last note.
        bars: [m] index into `seconds` where bars begin, increasing, the first 0.
        meter: of most bars.
        beat_ticks: Score ticks of a beat: 12, or 18 in compound meters, or 6 where the beat is an eighth.
        tempo_bpm: median, in quarter notes a minute.
        found: which of "beats" and "meter" are from the notes, not from the file.
        warnings: "beats_shifted": the file's tempo fits, its beats lie elsewhere; "beats_tracked": the notes
            ignore its tempo; "beats_assumed": too long to track, its tempo was used all the same;
            "beats_sparse": so long that beats were left out.
    """

    seconds: np.ndarray
    bars: np.ndarray
    meter: Meter
    beat_ticks: int
    tempo_bpm: float
    found: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def find_beats(midi: MidiFile) -> Beats:
    """Find the beats and bars of a file.

    Time grows with the number of notes and beats; there are at most `MAX_BEATS` and a few.

    Args:
        midi: a file with one note or more.

    Returns:
        Beats that cover all notes.

    Raises:
        ValueError: if the file has no notes.
    """
    notes = note_table(midi)
    if not len(notes.onset):
        raise ValueError("find_beats: expected a file with notes")
    grids = file_grids(notes, midi.ticks_per_quarter)
    if grids and (grids[0].sure or _says_tempo(midi)):
        return _on_grid(midi, notes, _choose(midi, notes, grids))
    seconds = notes.at(midi.seconds(notes.onset), midi.seconds(notes.end))
    if seconds.onset[-1] - seconds.onset[0] > MAX_SECONDS:
        return _on_grid(midi, notes, OWN, ("beats_assumed",))
    tracked = track_beats(seconds)
    if grids and _at_default_tempo(tracked):
        return _on_grid(midi, notes, _choose(midi, notes, grids))
    return _tracked(tracked, seconds)


def _says_tempo(midi: MidiFile) -> bool:
    """Whether tempo and meter are others than those of files that say none."""
    return (
        len(midi.tempos) > 1
        or abs(midi.tempos[0][1] - _DEFAULT_TEMPO) > 0.01
        or any(meter != (0, 4, 4) for meter in midi.meters)
    )


def _at_default_tempo(seconds: np.ndarray) -> bool:
    """Whether tracked beats are quarters at the default tempo, halves or eighths of it."""
    if len(seconds) < 2:
        return True
    octaves = float(np.log2(np.median(np.diff(seconds)) * _DEFAULT_TEMPO / 60))
    return abs(octaves - round(octaves)) < 0.02


def _choose(midi: MidiFile, notes: NoteTable, grids: list[Grid]) -> Grid:
    """The file's own quarters, or those on which most sound begins.

    These win by how much more that is, and how much better bars fit there. Where there is percussion, or the
    meter changes, somebody saw to the beats; not so where notes lie only near the file's grid, or its meter
    is of one beat, as programs write that know of none.
    """
    others = [grid for grid in grids if not grid.own]
    if not others:
        return grids[0]
    other = others[0]
    if len(others) > 1:
        other = max(others, key=lambda grid: np.log(grid.sound) + _fit(midi, notes, grid))
    if not grids[0].own:
        return other
    own = grids[0]
    doubt = np.log(other.sound / max(own.sound, 1e-9))
    empty_meter = bool(midi.meters) and all(numerator == 1 for _, numerator, _ in midi.meters)
    needed = _DOUBT_EMPTY if empty_meter else _DOUBT if own.exact else _DOUBT_NEAR
    if notes.drum.any() or len(midi.meters) > 1:
        needed += _DOUBT_CARED
    if abs(doubt - needed) < _BARS_SAY:  # else bars could not change it
        doubt += _fit(midi, notes, other) - _fit(midi, notes, own)
    return other if doubt > needed else own


def _fit(midi: MidiFile, notes: NoteTable, grid: Grid) -> float:
    """Nats a beat that the best bars reach on a grid."""
    onset = (notes.onset - grid.offset) / midi.ticks_per_quarter
    end = (notes.end - grid.offset) / midi.ticks_per_quarter
    first = np.floor(onset[0] + _EARLY)
    beats = min(int(end.max() - first) + 1, _JUDGED)
    return find_bars(role_scores(notes.at(onset - first, end - first), beats))[0]


def _on_grid(midi: MidiFile, notes: NoteTable, grid: Grid, warnings: tuple[str, ...] = ()) -> Beats:
    """Beats at the file's own tempo."""
    quarter = float(midi.ticks_per_quarter)
    first, end = float(notes.onset[0]), float(notes.end.max())
    times = midi.seconds([first, max(end, first + quarter)])
    mean = float(times[1] - times[0]) / (max(end, first + quarter) - first) * quarter
    scale = _scale(60.0 / mean)
    beats = end / quarter / scale
    if beats > MAX_BEATS:
        scale *= float(2 ** np.ceil(np.log2(beats / MAX_BEATS)))
        warnings += ("beats_sparse",)

    def to_seconds(quarters: np.ndarray) -> np.ndarray:
        return midi.seconds(quarters * quarter + grid.offset)

    spans = None
    if grid.own and scale == 1.0:
        spans = meter_spans(midi.meters, midi.ticks_per_quarter, end / quarter)
    placed = notes.at((notes.onset - grid.offset) / quarter, (notes.end - grid.offset) / quarter)
    if spans is not None:
        laid = lay_beats(spans, float(placed.onset[0]) + _EARLY, float(placed.end.max()), mean)
        if "beats_assumed" in warnings or _bars_hold(laid.places, laid.bars, laid.meter, placed):
            return _beats(to_seconds(laid.places), laid.bars, laid.meter, laid.beat_ticks, (), warnings)

    if not grid.own:
        warnings += ("beats_shifted",)
    shift = _heavier_phase(placed, scale) if scale > 1 else 0.0
    low = np.floor((float(placed.onset[0]) - shift) / scale + _EARLY)
    high = np.ceil((float(placed.end.max()) - shift) / scale - 1e-6)
    places = np.arange(low, max(high, low + 1) + 1)
    likely = midi.meters[0][1] if midi.meters else 0
    counted = placed.at((placed.onset - shift) / scale, (placed.end - shift) / scale)
    starts, places, meter, beat_ticks = _laid_bars(places, counted, likely)
    found = ("beats", "meter") if not grid.own or scale != 1.0 else ("meter",)
    return _beats(to_seconds(places * scale + shift), starts, meter, beat_ticks, found, warnings)


def _scale(bpm: float) -> float:
    """Quarters that make a beat: 1, or a power of two where a quarter is no possible beat."""
    scale = 1.0
    while bpm / scale > _FASTEST:
        scale *= 2
    while bpm / scale < _SLOWEST:
        scale /= 2
    return scale


def _heavier_phase(notes: NoteTable, scale: float) -> float:
    """Which of `scale` quarters (a whole number) begins the beat: the one where most sound does."""
    length = np.minimum(notes.end - notes.onset, 2 * scale)
    phase = np.round(notes.onset).astype(np.int64) % int(scale)
    return float(np.bincount(phase, weights=length).argmax())


def _bars_hold(places: np.ndarray, bars: np.ndarray, meter: Meter, notes: NoteTable) -> bool:
    """Whether accents do not speak clearly against the file's bars (judged where its beats are quarters)."""
    if len(places) < 16 or not np.allclose(np.diff(places), 1.0):
        return True
    scores = role_scores(notes.at(notes.onset - places[0], notes.end - places[0]), len(places))
    given = given_score(scores, bars.tolist())
    if given > _GOOD:
        return True
    common = meter == Meter(4, 4) and len(set(np.diff(bars)[:-1].tolist())) <= 1
    return find_bars(scores)[0] - given < (_AGAINST_COMMON if common else _AGAINST_OTHER)


def _laid_bars(
    places: np.ndarray, notes: NoteTable, likely: int
) -> tuple[np.ndarray, np.ndarray, Meter, int]:
    """Bar starts, beats with those before the first bar line added, meter and ticks of a beat."""
    scores = role_scores(notes.at(notes.onset - places[0], notes.end - places[0]), len(places))
    _, size, starts = find_bars(scores, likely)
    starts = [start for start in starts if start < len(places) - 1] or [0]
    if starts[0] > 0:
        missing = size - starts[0]
        places = np.concatenate([places[0] - np.arange(missing, 0, -1), places])
        starts = [0, *(start + missing for start in starts)]
    meter, beat_ticks = (Meter(6, 8), 6) if size == 6 else (Meter(size, 4), 12)
    return np.asarray(starts, dtype=np.int64), places, meter, beat_ticks


def _extended(beats: np.ndarray, notes: NoteTable) -> np.ndarray:
    """Tracked beats, continued at the tempo of either end until they cover all notes."""
    steps = np.diff(beats)
    before = float(np.median(steps[:8])) if len(steps) else 0.5
    after = float(np.median(steps[-8:])) if len(steps) else 0.5
    first, end = float(notes.onset[0]) + _EARLY * before, float(notes.end.max())
    after = max(after, (end - float(beats[-1])) / MAX_BEATS)
    head = max(0, int(np.ceil((float(beats[0]) - first) / before)))
    tail = max(1 if len(beats) < 2 else 0, int(np.ceil((end - float(beats[-1])) / after)))
    return np.concatenate(
        [beats[0] - before * np.arange(head, 0, -1), beats, beats[-1] + after * np.arange(1, tail + 1)]
    )


def _tracked(tracked: np.ndarray, notes: NoteTable) -> Beats:
    """Bars of these beats, and what they do not cover; all in seconds."""
    seconds = _extended(tracked, notes)
    index = np.arange(float(len(seconds)))

    def to_beats(times: np.ndarray) -> np.ndarray:
        placed = np.interp(times, seconds, index)
        return np.where(times < seconds[0], (times - seconds[0]) / (seconds[1] - seconds[0]), placed)

    counted = notes.at(to_beats(notes.onset), to_beats(notes.end))
    starts, places, meter, beat_ticks = _laid_bars(index, counted, likely=0)
    step = float(np.median(np.diff(seconds[:9])))
    before = seconds[0] - step * np.arange(len(places) - len(seconds), 0, -1)
    seconds = np.concatenate([before, seconds])
    return _beats(seconds, starts, meter, beat_ticks, ("beats", "meter"), ("beats_tracked",))


def _beats(
    seconds: np.ndarray,
    bars: np.ndarray,
    meter: Meter,
    beat_ticks: int,
    found: tuple[str, ...],
    warnings: tuple[str, ...],
) -> Beats:
    step = float(np.median(np.diff(seconds)))
    tempo = 60.0 / max(step, 1e-3) * beat_ticks / 12
    return Beats(seconds, bars.astype(np.int64), meter, beat_ticks, tempo, found, warnings)
