"""Attributes of a piece: what a person may ask for beside key, meter, chords and form.

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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

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
