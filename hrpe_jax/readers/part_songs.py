"""Chords and key of music for several voices that says neither: chorales, hymns, part songs.

A voice of broken chords (an Alberti bass, an arpeggio) is no voice beside others, but an accompaniment:
`held_chords` holds its notes as a pedal would.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from hrpe_jax.analysis.chords.find_chords import CHORALE, ChordParams, find_chords
from hrpe_jax.analysis.chords.templates import ornament_weights
from hrpe_jax.readers.midi_two_tracks import exact_chord
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.key import Key, key_scores
from hrpe_jax.theory.meter import Meter


class VoiceNote(Protocol):
    """A note of a voice, in ticks."""

    @property
    def onset(self) -> int:
        """Where it begins."""

    @property
    def duration(self) -> int:
        """How long it lasts."""

    @property
    def pitch(self) -> int:
        """MIDI number."""


Voice = Sequence[VoiceNote]


def find_voice_chords(
    voices: Sequence[Voice], meter: Meter, resets: Sequence[int], *, params: ChordParams = CHORALE
) -> tuple[ChordSpan, ...]:
    """Chords beat by beat from all voices together.

    Ornaments weigh less than notes struck on the beat, and a chord lasts through rests up to a bar long.

    Args:
        voices: each one line of notes by onset, at least one.
        meter: of the piece.
        resets: ticks at which irregular bars begin, as in `Score.bar_resets`.
        params: of the chord finder.
    """
    end = max(voice[-1].onset + voice[-1].duration for voice in voices)
    grid, beat_of_bar = _beat_grid(resets, meter.bar_ticks, meter.beat_ticks, end)
    chords = find_chords(
        **_all_notes(voices, grid),
        grid=grid,
        strong=_strong_beats(beat_of_bar, meter.beats_per_bar),
        params=params,
    )
    return _through_rests(chords, meter.bar_ticks)


def find_voice_key(voices: Sequence[Voice], fifths: int | None, chords: Sequence[ChordSpan]) -> Key:
    """The key: profiles judge, the signature and the last chord weigh in.

    Chorale signatures are often modal: D minor with none (Dorian), G major with none (Mixolydian). So four
    keys agree with a signature, the plain ones a little more. A minor piece may end with a major chord.

    Args:
        voices: notes of all voices.
        fifths: sharps (positive) or flats of the signature; None if there is none.
        chords: of the whole piece.

    Returns:
        The best of the 24 keys.
    """
    sounding = np.zeros(12)
    for voice in voices:
        for note in voice:
            sounding[note.pitch % 12] += note.duration
    scores = key_scores(sounding)
    if fifths is not None:
        tonic = 7 * fifths % 12
        for key, bonus in (
            (Key(tonic, "major"), 0.12),
            (Key((tonic + 9) % 12, "minor"), 0.12),
            (Key((tonic + 2) % 12, "minor"), 0.08),
            (Key((tonic + 7) % 12, "major"), 0.04),
        ):
            scores[key.index] += bonus
    last = next((span.chord for span in reversed(chords) if not span.chord.is_none), None)
    if last is not None:
        scores[Key(last.root, "major").index] += 0.1 if last.quality.startswith("maj") else 0.0
        scores[Key(last.root, "minor").index] += 0.1
        scores[Key((last.root + 5) % 12, "minor").index] += 0.06  # Phrygian close, heard as a dominant
    return Key.from_index(int(np.argmax(scores)))


_LEAPS = 0.7
"""Share of the moves of a line that are thirds or larger, from which on it is broken chords."""
_FEWEST = 8
"""Notes of a line that can be told to be broken chords."""


def held_chords(rows: np.ndarray, bars: Sequence[int]) -> np.ndarray | None:
    """The notes of a line of broken chords, each held as long as its chord.

    A chord begins in each bar, and within a bar in its middle or at a low note, where another one follows.

    Args:
        rows: [n, 3] onset, duration and pitch of a line, sorted by onset.
        bars: ticks at which bars begin.

    Returns:
        [m, 3] rows, sorted by onset, then pitch; None where the line moves by steps as melodies do, or has
        less than two notes a bar.
    """
    onset, duration, pitch = rows.T
    moves = np.abs(np.diff(pitch))
    moves = moves[moves > 0]
    heard = len(np.unique(np.searchsorted(bars, onset, side="right")))
    if len(rows) < max(_FEWEST, 2 * heard) or len(moves) < len(rows) / 2 or (moves > 2).mean() < _LEAPS:
        return None
    before, after = np.append(128, pitch[:-1]), np.append(pitch[1:], 128)
    new_bar = np.diff(np.searchsorted(bars, onset, side="right"), prepend=-1) > 0
    middles = np.array([(bar + following) / 2 for bar, following in pairwise(bars)])
    begins = np.flatnonzero(new_bar | np.isin(onset, middles) | ((pitch < before) & (pitch <= after)))
    cells: list[tuple[int, int, set[int]]] = []  # first tick, tick after the last, pitches
    for first, last in pairwise([*begins.tolist(), len(rows)]):
        start, end = int(onset[first]), int((onset[first:last] + duration[first:last]).max())
        notes = set(pitch[first:last].tolist())
        if cells and not new_bar[first] and _is_one_chord(cells[-1][2], notes):
            start, _, earlier = cells.pop()
            notes |= earlier
        cells.append((start, end, notes))
    return np.array([(start, end - start, note) for start, end, notes in cells for note in sorted(notes)])


def _is_one_chord(held: set[int], notes: set[int]) -> bool:
    """Whether notes go on with a chord: they are its own, or complete it (its fifth may be left out)."""
    classes, more = ({note % 12 for note in group} for group in (held, notes))
    if more <= classes:
        return True
    both = held | notes
    named = exact_chord(both) or exact_chord(both | {min(both) + 7})
    return len(classes) < 3 and named is not None


def _through_rests(chords: Sequence[ChordSpan], longest: int) -> tuple[ChordSpan, ...]:
    """Chords that last through short general rests: a breath between phrases is no change of harmony."""
    spans: list[ChordSpan] = []
    for span in chords:
        last = spans[-1] if spans else None
        if span.chord.is_none and last is not None and not last.chord.is_none and span.duration <= longest:
            span = ChordSpan(last.onset, span.end - last.onset, last.chord)
            spans.pop()
        elif last is not None and last.chord == span.chord:
            span = ChordSpan(last.onset, span.end - last.onset, span.chord)
            spans.pop()
        spans.append(span)
    return tuple(spans)


def _beat_grid(resets: Sequence[int], bar: int, beat: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """[slots + 1] beat places up to `end` (beats restart at every bar), and [slots] their number in the
    bar."""
    starts = [0, *(tick for tick in resets if tick < end)]
    places: list[int] = []
    numbers: list[int] = []
    for index, start in enumerate(starts):
        limit = starts[index + 1] if index + 1 < len(starts) else end
        # Beats of a pickup are counted from the bar line that it leads to.
        shift = -(limit - start) % bar if index == 0 and len(starts) > 1 else 0
        for tick in range(start, limit, beat):
            places.append(tick)
            numbers.append((tick - start + shift) % bar // beat)
    return np.array([*places, end]), np.array(numbers)


def _strong_beats(beat_of_bar: np.ndarray, beats_per_bar: int) -> np.ndarray:
    """[slots] whether each beat is strong: the first, and the middle one of bars that halve."""
    half = beats_per_bar // 2 if beats_per_bar % 2 == 0 and beats_per_bar > 2 else beats_per_bar
    return beat_of_bar % half == 0


def _all_notes(voices: Sequence[Voice], grid: np.ndarray) -> dict[str, np.ndarray]:
    """Arguments of `find_chords`: the notes of all voices, ornaments weighing less."""
    columns: dict[str, list[np.ndarray]] = {"onsets": [], "durations": [], "pitches": [], "weights": []}
    for voice in voices:
        onset, duration, pitch = np.array([(n.onset, n.duration, n.pitch) for n in voice]).T
        columns["onsets"].append(onset)
        columns["durations"].append(duration)
        columns["pitches"].append(pitch)
        columns["weights"].append(ornament_weights(onset, duration, pitch, np.isin(onset, grid)))
    return {name: np.concatenate(parts) for name, parts in columns.items()}
