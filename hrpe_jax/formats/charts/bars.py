"""Bars of chords as charts have them: what iReal Pro, ChordPro and text grids are read into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hrpe_jax.formats.repeat_signs import Signs, play_order
from hrpe_jax.theory.chord import Chord, ChordError, parse_harte, parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.theory.note_names import Naming, to_english
from hrpe_jax.theory.roman import is_nashville, parse_nashville

MAX_BARS = 10_000
"""As played."""
MAX_CELLS = 64
"""Of a bar."""


@dataclass
class ChartBar:
    """A bar as written.

    Attributes:
        cells: label of each of its equal parts; empty where the chord before goes on.
        meter: of the bar.
        signs: of repetition.
        section: the name of the section that begins here; empty for none.
    """

    cells: list[str]
    meter: Meter
    signs: Signs = field(default_factory=Signs)
    section: str = ""


@dataclass
class BarChart:
    """A piece of chords.

    Attributes:
        title, composer: may be empty.
        bars: as written.
        key: None where none is named.
        tempo_bpm: quarters a minute; None where none is named.
        meter_named: whether a meter is named before the first bar.
        warnings: codes of what could not be followed to the letter.
    """

    title: str
    composer: str
    bars: list[ChartBar]
    key: Key | None = None
    tempo_bpm: float | None = None
    meter_named: bool = True
    warnings: set[str] = field(default_factory=set)


def read_label(label: str, naming: Naming, key: Key | None) -> Chord | None:
    """The chord of a label: lead-sheet symbol, Harte's label or Nashville number; None where it is none.

    Args:
        label: as written.
        naming: whose note names the piece has.
        key: in which numbers are read.
    """
    try:
        if key is not None and is_nashville(label):
            return parse_nashville(label, key)
        return parse_harte(label) if ":" in label else parse_lead_sheet(to_english(label, naming))
    except ChordError:
        return None


def played_bars(bars: Sequence[ChartBar]) -> list[ChartBar] | None:
    """The bars in the order of playing; None where they would be more than `MAX_BARS`."""
    order = play_order([bar.signs for bar in bars], MAX_BARS)
    return None if order is None else [bars[place] for place in order]
