"""POP909 songs as scores: melody from the MIDI file, chords, bars and key from the label files beside it.

The raw reading is in `hrpe_jax.formats.charts.labels` and `hrpe_jax.formats.midi.read`; the assembly
needs quantisation (`hrpe_jax.analysis`), so it lives here. The form, where people's labels of it are given,
comes from `hrpe_jax.readers.pop909_form`, and with it the bars.

Reference: Z. Wang et al., "POP909: A Pop-song Dataset for Music Arrangement Generation", ISMIR 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrpe_jax.analysis.quantize import QuantizedMelody, quantize_melody
from hrpe_jax.formats.charts.labels import (
    FormLabels,
    LabelError,
    Pop909Labels,
    TimedLabel,
    read_form_labels,
    read_pop909_labels,
)
from hrpe_jax.formats.midi.read import read_midi
from hrpe_jax.formats.text import TextFileError
from hrpe_jax.readers.pop909_form import Alignment, align_labels, label_bars, place_form
from hrpe_jax.score.form import Section
from hrpe_jax.score.score import ChordSpan, Score, most_common, resets_from_bars
from hrpe_jax.theory.chord import Chord, parse_harte
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

MELODY_TRACK = "MELODY"
SOURCE = "POP909"
LICENSE = "MIT (annotations and MIDI); the songs are commercial"

_METERS = {2: (Meter(2, 4), 12), 3: (Meter(3, 4), 12), 4: (Meter(4, 4), 12), 6: (Meter(6, 8), 6)}
"""Beats in the most common bar -> meter, and ticks in a beat as the file counts them (eighths in 6/8)."""


@lru_cache(maxsize=4096)  # a song repeats a dozen labels a hundred times
def _chord(label: str) -> Chord:
    try:
        return parse_harte(label)
    except ValueError as error:
        raise LabelError("bad_label", f"chord_midi.txt: {error}") from None


_SHORTEST_BEAT, _LONGEST_BEAT = 0.02, 30.0
"""Seconds; what lies outside would make millions of bars of a song, or less than one."""

_EARLY = 0.125
"""Beats by which an event may anticipate the bar line that it belongs to: half a sixteenth."""


def is_pop909_song(folder: str | Path) -> bool:
    """Whether a folder looks like a song of the data set: NNN/NNN.mid with chord_midi.txt beside it."""
    folder = Path(folder)
    return (folder / f"{folder.name}.mid").is_file() and (folder / "chord_midi.txt").is_file()


def read_pop909(folder: str | Path) -> Score:
    """Read one song, such as POP909/001.

    Tick 0 is the bar line at or before the first chord or note, so a pickup stands at the end of a full
    first bar. Bars of irregular length become `bar_resets`. Songs whose bars have six beats are in 6/8, the
    given beats being eighths. The key is the one that lasts longest; 152 songs modulate and a Score has one
    key. Equal neighbouring chords are merged, and the no-chord before the first and after the last chord is
    left out.

    Raises:
        LabelError: if a label file is missing or damaged, or the song has no melody (has `.reason`).
        MidiError: if the MIDI file is (has `.reason`).
    """
    return read_pop909_song(folder).score


class Pop909Song(NamedTuple):
    """A score with what its making measured.

    Attributes:
        score: the song, with its form where labels are given and lie on it.
        melody: with the quantisation error.
        warnings: "form_unreadable" or "form_not_aligned" where labels could not be used.
        forms: the form by each labelling that lies on the song; the first is the score's.
        keys: (tick, key) from the bar line where each key begins, the first at 0; () of a song in one key.
    """

    score: Score
    melody: QuantizedMelody
    warnings: tuple[str, ...] = ()
    forms: tuple[tuple[Section, ...], ...] = ()
    keys: tuple[tuple[int, Key], ...] = ()


def read_pop909_song(folder: str | Path, form: str | Path = "") -> Pop909Song:
    """As `read_pop909`, with the form and what else was found out.

    Args:
        folder: of the song.
        form: folder with people's labels of its form (see `formats.charts.labels`). Where they match
            the melody, the bars of a song in 4/4 are those of the labels.
    """
    folder = Path(folder)
    labels = read_pop909_labels(folder)
    downbeats = np.flatnonzero(labels.bars)
    if len(labels.beats) < 2 or len(downbeats) < 2:
        raise LabelError("empty", f"{folder}/beat_midi.txt: expected at least two bars marked in column 3")
    bar_beats = most_common(np.diff(downbeats).tolist())
    if bar_beats not in _METERS:
        raise LabelError(
            "bad_line", f"{folder}/beat_midi.txt: {bar_beats} beats in most bars: expected 2, 3, 4 or 6"
        )
    meter, beat_ticks = _METERS[bar_beats]
    beat = float(np.median(np.diff(labels.beats)))
    if not _SHORTEST_BEAT <= beat <= _LONGEST_BEAT:
        raise LabelError(
            "bad_line",
            f"{folder}/beat_midi.txt: {beat:.3g} s a beat: expected {_SHORTEST_BEAT} to {_LONGEST_BEAT}",
        )

    onset, offset, pitch, velocity = _melody_seconds(folder / f"{folder.name}.mid")
    onset, offset = _to_beats(labels.beats, onset), _to_beats(labels.beats, offset)
    spans = _chord_spans(labels)
    first = min([float(onset.min()), *(float(begin) for begin, _, _ in spans[:1])])
    form_labels, alignment, warnings = _form_labels(
        form, onset, pitch, downbeats.tolist(), [begin for begin, _, _ in spans]
    )
    if form_labels and alignment and bar_beats == 4:
        downbeats = np.array(label_bars(form_labels, alignment))
    bars = _bar_beats(downbeats, bar_beats, first)
    start = bars[0]

    melody = quantize_melody(
        np.maximum(onset - start, 0.0), offset - start, pitch, velocity, beat_ticks=beat_ticks
    )
    score = Score(
        id=folder.name,
        title="",
        key=_longest_key(labels.keys),
        meter=meter,
        tempo_bpm=round(60.0 / float(np.median(np.diff(labels.beats))) * beat_ticks / 12, 3),
        melody=melody.notes,
        chords=tuple(
            ChordSpan((begin - start) * beat_ticks, (end - begin) * beat_ticks, chord)
            for begin, end, chord in spans
        ),
        source=SOURCE,
        license=LICENSE,
        bar_resets=resets_from_bars([(bar - start) * beat_ticks for bar in bars], meter.bar_ticks),
    )
    forms: list[tuple[Section, ...]] = []
    if form_labels and alignment:
        about = {"start": start, "beats": len(labels.beats), "bar_beats": bar_beats}
        placed = (place_form(people, alignment, score, **about) for people in form_labels.labellings)
        forms = [sections for sections in placed if sections]
    if forms:
        score = replace(score, form=forms[0])
    ticks = (_to_beats(labels.beats, np.array([row.start for row in labels.keys])) - start) * beat_ticks
    keys = _key_changes(labels.keys, ticks.tolist(), score.bar_starts())
    return Pop909Song(score, melody, warnings, tuple(forms), keys)


def _form_labels(
    folder: str | Path, onset: np.ndarray, pitch: np.ndarray, downbeats: list[int], changes: list[int]
) -> tuple[FormLabels | None, Alignment | None, tuple[str, ...]]:
    """People's labels of the form, where they lie on the song, and a warning where they cannot be used."""
    if not str(folder):
        return None, None, ()
    try:
        labels = read_form_labels(folder)
    except TextFileError:
        return None, None, ("form_unreadable",)
    alignment = align_labels(labels, onset, pitch, downbeats, changes)
    return labels, alignment, () if alignment else ("form_not_aligned",)


def _melody_seconds(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Onsets and ends in seconds, pitches and velocities of the MELODY track."""
    midi = read_midi(path)
    track = next((track for track in midi.tracks if track.name == MELODY_TRACK), None)
    if track is None:
        raise LabelError(
            "no_melody", f"{path}: no notes in a track named {MELODY_TRACK}: expected POP909's tracks"
        )
    onset, duration, pitch, velocity = track.array().T
    return midi.seconds(onset), midi.seconds(onset + duration), pitch, velocity


def _to_beats(beats: tuple[float, ...], seconds: np.ndarray) -> np.ndarray:
    """Times in seconds as places on the beat grid, continued at its median tempo past both ends."""
    grid = np.asarray(beats)
    beat = float(np.median(np.diff(grid)))
    place = np.interp(seconds, grid, np.arange(len(grid)))
    place = np.where(seconds < grid[0], (seconds - grid[0]) / beat, place)
    return np.where(seconds > grid[-1], len(grid) - 1 + (seconds - grid[-1]) / beat, place)


def _chord_spans(labels: Pop909Labels) -> list[tuple[int, int, Chord]]:
    """(first beat, end beat, chord): equal neighbours merged, no-chords at both ends left out."""
    begins = (
        np.round(_to_beats(labels.beats, np.array([row.start for row in labels.chords]))).astype(int).tolist()
    )
    ends = (
        np.round(_to_beats(labels.beats, np.array([row.end for row in labels.chords]))).astype(int).tolist()
    )
    spans: list[tuple[int, int, Chord]] = []
    for row, begin, end in zip(labels.chords, begins, ends, strict=True):
        chord = _chord(row.label)
        begin = max(begin, spans[-1][1]) if spans else begin
        if end <= begin:
            continue
        if spans and spans[-1][2] == chord and spans[-1][1] == begin:
            spans[-1] = (spans[-1][0], end, chord)
        elif spans or not chord.is_none:
            spans.append((begin, end, chord))
    while spans and spans[-1][2].is_none:
        spans.pop()
    return spans


def _bar_beats(downbeats: np.ndarray, bar_beats: int, first: float) -> list[int]:
    """Beats on which bars begin, from the last at or before `first` (in beats); counted back where none is
    given."""
    given = downbeats.tolist()
    missing = max(0, math.ceil((given[0] - first - _EARLY) / bar_beats))
    given = [given[0] - bar * bar_beats for bar in range(missing, 0, -1)] + given
    return [bar for i, bar in enumerate(given) if i + 1 == len(given) or given[i + 1] > first + _EARLY]


def _key(row: TimedLabel) -> Key:
    try:
        return Key.parse(row.label)
    except ValueError as error:
        raise LabelError("bad_label", f"key_audio.txt: {error}") from None


def _key_changes(
    rows: Sequence[TimedLabel], ticks: Sequence[float], bars: Sequence[int]
) -> tuple[tuple[int, Key], ...]:
    """(tick, key) of a song that modulates, each from the nearest bar line; () of any other.

    Args:
        rows: the keys in order.
        ticks: where each begins.
        bars: ticks of the bar lines.
    """
    held: dict[int, Key] = {}  # of keys that begin at one line, the last
    for row, tick in zip(rows, ticks, strict=True):
        held[min(bars, key=lambda bar: abs(bar - tick)) if held else 0] = _key(row)
    changes: list[tuple[int, Key]] = []
    for tick, key in held.items():
        if not changes or changes[-1][1] != key:
            changes.append((tick, key))
    return tuple(changes) if len(changes) > 1 else ()


def _longest_key(keys: tuple[TimedLabel, ...]) -> Key:
    """The key that holds longest in all; the earlier of equals."""
    seconds: dict[Key, float] = {}
    for row in keys:
        key = _key(row)
        seconds[key] = seconds.get(key, 0.0) + row.end - row.start
    return max(seconds, key=seconds.__getitem__)
