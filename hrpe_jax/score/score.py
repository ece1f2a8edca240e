"""The score: a melody and its chords on a grid of integer ticks, 12 to the quarter note.

Everything that reads music makes one of these and everything that writes music takes one. Scores never
change; operations return new ones. A score checks itself when made and says what is wrong and where.

`bar_spans` and `BeatGrid` are the grid that both codecs count on, short bars included.
"""

from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

import numpy as np

from hrpe_jax.score.form import FormError, Section, check_form
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import MAX_BAR_TICKS, Meter


class ScoreError(ValueError):
    """A score that cannot be: the message names the score, the part and the place."""


@dataclass(frozen=True, order=True)
class Note:
    """One melody note.

    Attributes:
        onset: ticks from the start.
        duration: ticks, 1 or more.
        pitch: MIDI number 0..127.
        velocity: MIDI velocity 1..127.
        lyric: syllable sung to it, with a hyphen at the ends where its word goes on ("hel-", "-lo"); empty
            for none. Notes that differ only in it are equal.
    """

    onset: int
    duration: int
    pitch: int
    velocity: int = 80
    lyric: str = field(default="", compare=False)

    @property
    def end(self) -> int:
        """The tick at which it stops."""
        return self.onset + self.duration


@dataclass(frozen=True)
class ChordSpan:
    """A chord and how long it sounds, in ticks; the chord may be `Chord.NONE`."""

    onset: int
    duration: int
    chord: Chord

    @property
    def end(self) -> int:
        """The tick at which it stops."""
        return self.onset + self.duration


@dataclass(frozen=True)
class Score:
    """A lead sheet.

    Attributes:
        id: short name, unique within its data set.
        title: for people; may be empty.
        key: the one key of the piece.
        meter: one that the codecs support.
        tempo_bpm: quarter notes a minute, more than 0.
        melody: monophonic: sorted by onset, no two notes overlapping.
        chords: sorted by onset, not overlapping; no chord sounds in the gaps.
        source: where it came from.
        license: licence of the source.
        bar_resets: ticks > 0, increasing, at which a bar begins off the grid (after a pickup, or after a 2/4
            bar in 4/4); from each on, bars are counted regularly again. Ticks where a bar begins anyway are
            dropped.
        form: the sections, in order (see `score.form`); empty where the form is not known.
        composer: for people; may be empty.

    Raises:
        ScoreError: if anything above does not hold.
    """

    id: str
    title: str
    key: Key
    meter: Meter
    tempo_bpm: float
    melody: tuple[Note, ...]
    chords: tuple[ChordSpan, ...]
    source: str = ""
    license: str = ""
    bar_resets: tuple[int, ...] = ()
    form: tuple[Section, ...] = ()
    composer: str = ""

    def __post_init__(self) -> None:
        for name in ("melody", "chords", "bar_resets", "form"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        where = f"score {self.id!r}"
        if not self.meter.is_supported:
            raise ScoreError(
                f"{where}: meter {self.meter}: expected denominator 2, 4, 8 or 16, numerator at most 18 "
                f"and at most {MAX_BAR_TICKS} ticks a bar"
            )
        if not (math.isfinite(self.tempo_bpm) and self.tempo_bpm > 0):
            raise ScoreError(f"{where}: tempo {self.tempo_bpm}: expected beats a minute above 0")
        for index, note in enumerate(self.melody):
            if not 0 <= note.pitch <= 127:
                raise ScoreError(f"{where}: melody note {index}: pitch {note.pitch}: expected 0 to 127")
            if not 1 <= note.velocity <= 127:
                raise ScoreError(f"{where}: melody note {index}: velocity {note.velocity}: expected 1 to 127")
        _check_line(f"{where}: melody note", self.melody)
        _check_line(f"{where}: chord", self.chords)
        object.__setattr__(
            self, "bar_resets", _irregular_resets(where, self.bar_resets, self.meter.bar_ticks)
        )
        if self.form:
            try:
                check_form(self.form, len(self.bar_starts()))
            except FormError as error:
                raise ScoreError(f"{where}: form: {error}") from None

    @property
    def end(self) -> int:
        """The tick at which the last note or chord span (no-chord spans too) stops; 0 for an empty score."""
        return max([line[-1].end for line in (self.melody, self.chords) if line], default=0)

    def bar_starts(self) -> tuple[int, ...]:
        """Ticks at which the bars begin that cover [0, end); the last may reach beyond the end."""
        starts: list[int] = []
        limits = [*(tick for tick in self.bar_resets if tick < self.end), self.end]
        begin = 0
        for limit in limits:
            starts.extend(range(begin, limit, self.meter.bar_ticks))
            begin = limit
        return tuple(starts)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Writes MIDI, MusicXML, ABC, JSON or sound, by the suffix; see `formats.write.write_score`."""
        # By name: writers import scores, so scores import no writer.
        written: Path = import_module("hrpe_jax.formats.write").write_score(self, path)
        return written

    def transpose(self, semitones: int) -> Score:
        """The score so many semitones higher.

        Melody notes that would leave 0..127 go to the nearest octave inside it.

        Example:
            >>> from hrpe_jax.theory.key import Key
            >>> from hrpe_jax.theory.meter import Meter
            >>> score = Score("a", "A", Key.parse("C major"), Meter(4, 4), 120.0, (Note(0, 48, 60),), ())
            >>> higher = score.transpose(2)
            >>> higher.key.name, higher.melody[0].pitch
            ('D major', 62)
        """
        return replace(
            self,
            key=self.key.transpose(semitones),
            melody=tuple(replace(note, pitch=_fold_pitch(note.pitch + semitones)) for note in self.melody),
            chords=tuple(replace(span, chord=span.chord.transpose(semitones)) for span in self.chords),
        )


def _check_line(what: str, line: Sequence[Note | ChordSpan]) -> None:
    """Raise ScoreError unless the items are integers in order, each before the next."""
    previous = 0
    for index, item in enumerate(line):
        onset, duration = item.onset, item.duration
        if not (isinstance(onset, int) and isinstance(duration, int)):
            raise ScoreError(f"{what} {index}: onset {onset!r}, duration {duration!r}: expected whole ticks")
        if duration < 1:
            raise ScoreError(f"{what} {index} at tick {onset}: duration {duration}: expected 1 or more")
        if onset < previous:
            expected = (
                f"expected {previous} or later, where the one before it ends"
                if index
                else "expected 0 or later"
            )
            raise ScoreError(f"{what} {index}: onset {onset}: {expected}")
        previous = onset + duration


def _irregular_resets(where: str, resets: tuple[int, ...], bar_ticks: int) -> tuple[int, ...]:
    """The resets that change something, so that equal bar lines are equal values."""
    kept: list[int] = []
    begin = 0
    for tick in resets:
        if tick <= 0 or (kept and tick <= kept[-1]):
            raise ScoreError(
                f"{where}: bar reset at tick {tick}: expected increasing ticks above 0, got {resets}"
            )
        if (tick - begin) % bar_ticks:
            kept.append(tick)
            begin = tick
    return tuple(kept)


def _fold_pitch(pitch: int) -> int:
    """The pitch, moved by octaves into 0..127."""
    if pitch < 0:
        return pitch % 12
    if pitch > 127:
        return pitch - 12 * math.ceil((pitch - 127) / 12)
    return pitch


def resets_from_bars(bar_starts: Sequence[int], bar_ticks: int) -> tuple[int, ...]:
    """The bar lines that regular counting from the last irregular one would not give.

    A bar of six beats in 4/4 becomes 4 + 2: counting puts a line after four, the reset comes after six.

    Args:
        bar_starts: increasing ticks; the first is where counting begins, and need not be 0 (a pickup
            precedes it).
        bar_ticks: length of a regular bar.

    Returns:
        Ticks above 0, increasing, for `Score.bar_resets`.
    """
    resets: list[int] = []
    begin = 0
    for tick in bar_starts:
        if tick > 0 and (tick - begin) % bar_ticks:
            resets.append(tick)
            begin = tick
    return tuple(resets)


def most_common(lengths: Sequence[int]) -> int:
    """The most frequent length, the larger of equals; 0 of none."""
    return max(Counter(lengths).items(), key=lambda item: (item[1], item[0]), default=(0, 0))[0]


def bar_spans(score: Score) -> list[tuple[int, int]]:
    """(start, length) in ticks of every bar that [0, score.end) touches.

    A bar ends after `meter.bar_ticks`, or at a bar reset where that comes first, be it at or behind the end.
    """
    full, end, resets, spans, start = score.meter.bar_ticks, score.end, score.bar_resets, [], 0
    while start < end:
        following = bisect_right(resets, start)
        stop = min(start + full, resets[following]) if following < len(resets) else start + full
        spans.append((start, stop - start))
        start = stop
    return spans


@dataclass(frozen=True)
class BeatGrid:
    """The beats of some bars.

    Attributes:
        ticks: int64 [beats + 1], where each beat begins; the last entry is where the last bar ends.
        phases: int64 [beats + 1], the beat's number within its bar; 0 for the last entry.
    """

    ticks: np.ndarray
    phases: np.ndarray

    @classmethod
    def of_bars(cls, spans: Sequence[tuple[int, int]], meter: Meter) -> BeatGrid:
        """The beats of bars given as (start, length); in every bar they count from its start."""
        step, end = meter.beat_ticks, 0
        ticks: list[int] = []
        phases: list[int] = []
        for start, length in spans:
            beats = range(start, start + length, step)
            ticks.extend(beats)
            phases.extend(range(len(beats)))
            end = start + length
        return cls(np.array([*ticks, end]), np.array([*phases, 0]))

    def nearest(self, ticks: np.ndarray) -> np.ndarray:
        """Number of the beat nearest to each tick; half way is the later beat, which it anticipates."""
        last = len(self.ticks) - 1
        before = np.clip(np.searchsorted(self.ticks, ticks, "right") - 1, 0, last)
        after = np.minimum(before + 1, last)
        return np.where(2 * ticks >= self.ticks[before] + self.ticks[after], after, before)


def beat_ticks(meter: Meter, bar_resets: Sequence[int], beats: int) -> list[int]:
    """The ticks of `beats` beats and of the end behind them, in bars that begin again at each reset.

    Args:
        meter: of the piece.
        bar_resets: ticks at which a bar begins anew.
        beats: how many.
    """
    step, ticks, tick, resets = meter.beat_ticks, [0], 0, list(bar_resets)
    for _ in range(beats):
        tick += step
        if resets and tick >= resets[0]:
            tick = resets.pop(0)
        ticks.append(tick)
    return ticks
