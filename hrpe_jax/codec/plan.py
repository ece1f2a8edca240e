"""The plan of a piece: its form bar by bar, what its melody does with it, and its attributes.

Both stages see the same plan, in training (read off the music) and in sampling (drawn, or given). A bar has
nine columns. In each of the first eight, 0 is "unknown", which training shows at random.

    letter       1 no melody, 2 the first letter of the piece, 3 the second, 4 the third, 5 any later one
    again        1 the letter is new, 2 it is heard again, 3 a third time or later
    bar          1 the section's first bar, 2 its second, ...
    left         1 the section's last bar, 2 the one before, ...
    piece_left   1 the piece's last bar, 2, 3, 4 the ones before; then at most 8, 16, 32, more bars left
    returns      1 the bar has no source, 2 differs from it, 3 has its rhythm, 4 equals it
    reuse        1 new; 2 to 5 the rhythm of the bar 1, 2, 4 or 8 before; 6 to 9 that whole bar again
    breath       1 silent, 2 the melody runs on, 3 a phrase ends in it
    back         bars to the *source*: the aligned bar where the letter was last heard; 0 for none

`returns`, `reuse` and `breath` describe a melody; the chord stage does not see them.

Attributes are what a person may ask for beside key, meter, chords and form:

    style    a short name, such as "folk"
    tempo    quarter notes a minute
    lowest   MIDI pitch of the lowest note of the melody
    highest  MIDI pitch of its highest note
    density  notes a bar, over the bars in which the melody sounds
    entry    beats of the meter from the first bar line to the first note: -1 is a pickup of one beat, 0 is
             on the bar line, 2 rests two beats, 16 is an introduction of four bars of 4/4

The first bar line is the one behind a short first bar (a pickup), or else the beginning. Everything may be
unknown: the style is then "", the others are None. Numbers are for people; `Attributes.codes` bins them for
models, where 0 is unknown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.codec.melody_tokens import TEMPO_BINS, tempo_bin
from hrpe_jax.score.score import Score, bar_spans

DENSITY_EDGES = (1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 8.0, 10.0, 12.0)
"""Notes a bar at which a new bin of density begins."""
ENTRY_EDGES = (-1.25, -0.75, -0.25, 0.25, 0.75, 1.25, 2.25, 4.25, 8.25)
"""Beats at which a new bin of entry begins: a pickup of more than a beat, of one, of less; on the bar line;
after a rest of half a beat, of one, of two; later in the first bars; later."""

TEMPO_CODES = TEMPO_BINS + 1
DENSITY_CODES = len(DENSITY_EDGES) + 2
ENTRY_CODES = len(ENTRY_EDGES) + 2
"""Values of each code, unknown among them."""
UNKNOWN_PITCH = -1
"""`lowest` and `highest` among the codes where they are not known: pitches are numbers, not bins."""

NUMBERS = ("tempo", "lowest", "highest", "density", "entry")
"""The attributes that are numbers."""


@dataclass(frozen=True)
class AttributeCodes:
    """Attributes as a model reads them.

    Attributes:
        tempo: 0 unknown, then 1 + `melody_tokens.tempo_bin`; below `TEMPO_CODES`.
        lowest: MIDI pitch, `UNKNOWN_PITCH` where it is not known.
        highest: as `lowest`.
        density: 0 unknown, then one for every bin of `DENSITY_EDGES`; below `DENSITY_CODES`.
        entry: 0 unknown, then one for every bin of `ENTRY_EDGES`; below `ENTRY_CODES`.
    """

    tempo: int
    lowest: int
    highest: int
    density: int
    entry: int


@dataclass(frozen=True)
class Attributes:
    """The attributes of a piece; see the module.

    Attributes:
        style: "" where it is not known.
        tempo: quarter notes a minute, above 0.
        lowest: MIDI pitch 0..127.
        highest: MIDI pitch, not below `lowest`.
        density: notes a bar, above 0.
        entry: beats from the first bar line to the first note.
    """

    style: str = ""
    tempo: float | None = None
    lowest: int | None = None
    highest: int | None = None
    density: float | None = None
    entry: float | None = None

    def values(self) -> dict[str, Any]:
        """As plain values, for JSON and records."""
        return asdict(self)

    def transpose(self, semitones: int) -> Attributes:
        """Those of the piece so many semitones higher."""
        return replace(
            self,
            lowest=None if self.lowest is None else self.lowest + semitones,
            highest=None if self.highest is None else self.highest + semitones,
        )

    def codes(self) -> AttributeCodes:
        """As a model reads them."""
        return AttributeCodes(
            tempo=0 if self.tempo is None else 1 + tempo_bin(self.tempo),
            lowest=UNKNOWN_PITCH if self.lowest is None else self.lowest,
            highest=UNKNOWN_PITCH if self.highest is None else self.highest,
            density=0 if self.density is None else 1 + bisect_right(DENSITY_EDGES, self.density),
            entry=0 if self.entry is None else 1 + bisect_right(ENTRY_EDGES, self.entry),
        )


def attributes_from_values(values: Mapping[str, Any]) -> Attributes:
    """The attributes of `Attributes.values`; what is missing is unknown, other keys are ignored."""
    return Attributes(**{name: values[name] for name in ("style", *NUMBERS) if name in values})


def attributes_of(score: Score, style: str = "", *, tempo_known: bool = True) -> Attributes:
    """The attributes of a score, or of a crop of one.

    Args:
        score: any score; of one without a melody, style and tempo are known at most.
        style: its style, which a score does not say.
        tempo_known: whether its tempo is more than what its reader assumed.

    Returns:
        Density and entry are rounded to hundredths, the tempo to tenths.

    Example:
        >>> from hrpe_jax.score.score import Note
        >>> from hrpe_jax.theory.key import Key
        >>> from hrpe_jax.theory.meter import Meter
        >>> notes = (Note(24, 12, 67), Note(36, 12, 71), Note(48, 48, 72))
        >>> score = Score("", "", Key(0, "major"), Meter(4, 4), 90.0, notes, ())
        >>> attributes_of(score, "pop")
        Attributes(style='pop', tempo=90.0, lowest=67, highest=72, density=1.5, entry=2.0)
    """
    tempo = round(float(score.tempo_bpm), 1) if tempo_known else None
    if not score.melody:
        return Attributes(style, tempo)
    pitches = [note.pitch for note in score.melody]
    return Attributes(style, tempo, min(pitches), max(pitches), _density(score), _entry(score))


def _density(score: Score) -> float:
    """Notes a bar over the bars in which the melody sounds; a short bar counts as the part that it is."""
    sounding, index = 0, 0
    for start, length in bar_spans(score):
        while index < len(score.melody) and score.melody[index].end <= start:
            index += 1
        if index < len(score.melody) and score.melody[index].onset < start + length:
            sounding += length
    return round(len(score.melody) * score.meter.bar_ticks / sounding, 2)


def _entry(score: Score) -> float:
    return round((score.melody[0].onset - first_bar_line(score)) / score.meter.beat_ticks, 2)


def first_bar_line(score: Score) -> int:
    """The tick of the first bar line: behind a short first bar, else 0."""
    spans = bar_spans(score)
    is_pickup = len(spans) > 1 and spans[0][1] < score.meter.bar_ticks
    return spans[1][0] if is_pickup else 0


__all__ = [
    "DENSITY_CODES",
    "DENSITY_EDGES",
    "ENTRY_CODES",
    "ENTRY_EDGES",
    "NUMBERS",
    "TEMPO_CODES",
    "UNKNOWN_PITCH",
    "AttributeCodes",
    "Attributes",
    "attributes_from_values",
    "attributes_of",
    "first_bar_line",
]


FORM_COLUMNS = {"letter": 6, "again": 4, "bar": 17, "left": 17, "piece_left": 9}
"""Columns that both stages see, and how many values each has."""
MELODY_COLUMNS = {"returns": 5, "reuse": 10, "breath": 4}
"""Columns that only the melody stage sees."""
BACK = "back"
COLUMNS = (*FORM_COLUMNS, *MELODY_COLUMNS, BACK)

LAGS = (1, 2, 4, 8)
"""Bars between a bar and the earlier one whose rhythm, or all of which, it uses again."""
RETURN_NONE, RETURN_FREE, RETURN_RHYTHM, RETURN_EXACT = 1, 2, 3, 4
REUSE_NEW, REUSE_RHYTHM, REUSE_EXACT = 1, 2, 6  # the last two are the first of four, in the order of LAGS
BREATH_SILENT, BREATH_NONE, BREATH = 1, 2, 3
RESTED, HELD = 12, 24
"""A phrase ends where a quarter rest follows a note, or the next note comes a half note later (ticks)."""

UNLIKE = "X"
"""The letter of sections that are like no other, however often it comes."""
_LONGEST_SECTION = 16
_LEFT_EDGES = np.array([2, 3, 4, 5, 9, 17, 33])  # bars left, the present one included: 1, 2, 3, 4, 5-8, ...


class Section(NamedTuple):
    """A section as records store it: letter (lower case or empty: no melody), first bar from 0, bars."""

    letter: str
    first_bar: int
    bars: int


def outline(sections: Sequence[Sequence[object]], bars: int, end: int | None = None) -> np.ndarray:
    """The plan that a form gives.

    Args:
        sections: `(letter, first bar, bars)` each, in order; bars that none covers have no letter.
        bars: of the piece.
        end: bars up to the melody's last; `bars` where not given.

    Returns:
        int32 `[bars, columns]` in the order of `COLUMNS`. What needs the notes is unknown, and all of the
        form is, where there are no sections.
    """
    plan = np.zeros((bars, len(COLUMNS)), np.int32)
    left = np.maximum((bars if end is None else end) - np.arange(bars), 1)
    plan[:, COLUMNS.index("piece_left")] = 1 + np.searchsorted(_LEFT_EDGES, left, side="right")
    letters: list[str] = []
    heard: dict[str, tuple[int, int, int]] = {}  # how often, first bar and bars of the latest
    for entry in sections:
        section = Section(str(entry[0]), int(str(entry[1])), int(str(entry[2])))
        name = section.letter.rstrip("'’")
        sung = name.isupper()
        times, source, length = heard.get(name, (0, 0, 0)) if name != UNLIKE else (0, 0, 0)
        if sung and name not in letters:
            letters.append(name)
        for place in range(section.bars):
            at = section.first_bar + place
            if not 0 <= at < bars:
                continue
            known = place < length and at > source + place
            plan[at, : len(FORM_COLUMNS) - 1] = (
                2 + min(letters.index(name), 3) if sung else 1,
                1 + min(times, 2),
                min(place + 1, _LONGEST_SECTION),
                min(section.bars - place, _LONGEST_SECTION),
            )
            plan[at, COLUMNS.index("returns")] = 0 if known else RETURN_NONE
            plan[at, -1] = at - source - place if known else 0
        heard[name] = (times + 1, section.first_bar, section.bars)
    return plan


def described(plan: np.ndarray, ids: np.ndarray, clocks: np.ndarray, bar_ticks: int) -> np.ndarray:
    """The plan with what the notes of a melody say of each bar.

    Args:
        plan: from `outline`, `[bars, columns]`.
        ids: the melody's tokens, BOS to EOS, `[events]`.
        clocks: ticks since the bar began, after each event, `[events]`.
        bar_ticks: of a full bar.
    """
    plan = plan.copy()
    bars = bars_of(ids)
    rhythms = [tuple(-1 if event < tokens.PITCHES else event for event in bar) for bar in bars]
    returns, reuse, breath = (COLUMNS.index(name) for name in MELODY_COLUMNS)
    plan[: len(bars), breath] = _breaths(ids, clocks, bar_ticks, len(bars))[: len(plan)]
    silent = [not any(event < tokens.PITCHES for event in bar) for bar in bars]
    for at in range(min(len(bars), len(plan))):
        back = int(plan[at, -1])
        if back:
            same = bars[at] == bars[at - back]
            alike = rhythms[at] == rhythms[at - back]
            plan[at, returns] = RETURN_EXACT if same else RETURN_RHYTHM if alike else RETURN_FREE
        plan[at, reuse] = REUSE_NEW
        for first, all_of in ((REUSE_RHYTHM, rhythms), (REUSE_EXACT, bars)):
            lags = [k for k, lag in enumerate(LAGS) if lag <= at and all_of[at] == all_of[at - lag]]
            if lags and not silent[at]:
                plan[at, reuse] = first + lags[0]
    return plan


def bars_of(ids: np.ndarray) -> list[tuple[int, ...]]:
    """The events of each bar, without BAR and loudness: equal where two bars sound the same."""
    ids = np.asarray(ids)
    begins = np.append(np.flatnonzero(ids == tokens.BAR), np.flatnonzero(ids == tokens.EOS)[:1])
    if len(begins) and begins[-1] < len(ids) and ids[begins[-1]] == tokens.BAR:
        begins = np.append(begins, len(ids))  # it breaks off
    loud = (ids >= tokens.VEL0) & (ids < tokens.DUR0)
    return [
        tuple(ids[first + 1 : last][~loud[first + 1 : last]].tolist())
        for first, last in pairwise(begins.tolist())
    ]


def _breaths(ids: np.ndarray, clocks: np.ndarray, bar_ticks: int, bars: int) -> np.ndarray:
    """The column `breath` of each bar."""
    ids, clocks = np.asarray(ids), np.asarray(clocks)
    found = np.full(bars, BREATH_SILENT, np.int32)
    number = np.cumsum(ids == tokens.BAR) - 1
    sung = np.flatnonzero((ids < tokens.PITCHES) & (number >= 0))
    if not len(sung):
        return found
    closing = np.flatnonzero(((ids[1:] == tokens.BAR) | (ids[1:] == tokens.EOS)) & (number[:-1] >= 0))
    lengths = np.full(bars, bar_ticks)
    lengths[number[closing]] = np.where(ids[closing] == tokens.REST, bar_ticks, clocks[closing])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ticks = starts[np.maximum(number, 0)] + clocks
    onsets = np.append(ticks[sung], starts[-1] + HELD)  # the piece's end ends a phrase
    lasts = (ids >= tokens.DUR0) & (ids < tokens.POS0)
    latest = np.maximum.accumulate(np.where(lasts, np.arange(len(ids)), 0))
    ends = ticks[latest[np.append(sung[1:] - 1, len(ids) - 1)]]
    over = (onsets[1:] - ends >= RESTED) | (onsets[1:] - onsets[:-1] >= HELD)
    np.maximum.at(found, number[sung], np.where(over, BREATH, BREATH_NONE))
    return found


def melody_end(ids: np.ndarray) -> int:
    """Bars up to and with the last in which a note begins."""
    ids = np.asarray(ids)
    sung = np.flatnonzero(ids < tokens.PITCHES)
    return int(np.count_nonzero(ids[: sung[-1]] == tokens.BAR)) if len(sung) else 0


def by_event(plan: np.ndarray, bar: np.ndarray, next_bar: np.ndarray) -> np.ndarray:
    """What the plan says at events.

    Args:
        plan: `[bars, columns]`.
        bar: int `[events]`, the bar in which each stands; it gives `back`.
        next_bar: int `[events]`, the bar in which the event after it begins; it gives all else.

    Returns:
        int32 `[columns, events]`; behind the last bar all is unknown.
    """
    padded = np.pad(plan, ((0, 1), (0, 0)))
    last = len(plan)
    rows = padded[np.clip(next_bar, 0, last)].T
    rows[-1] = padded[np.clip(bar, 0, last), -1]
    return rows
