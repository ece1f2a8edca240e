"""The styles that there are, and which of them fits a piece."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from statistics import median

from hrpe_jax.arranging.pattern_file import Style, parse_style, read_style
from hrpe_jax.errors import UserError
from hrpe_jax.score.score import Score
from hrpe_jax.theory.meter import Meter

NONE, BLOCK = "none", "block"
PARTS = ("comp", "bass", "drums")
_ALIASES = {"6/8": "six_eight", "jazz": "swing", "strum": "folk", "bossa_nova": "bossa", "hymns": "hymn"}
_SEVENTHS = 0.5
"""Share of chords with a seventh from which a piece is taken for jazz."""


@dataclass(frozen=True)
class Band:
    """What plays.

    Attributes:
        name: of the style, or "none" or "block".
        style: its patterns; None for "none" and "block".
        without: parts that are left out, among `PARTS`.
    """

    name: str
    style: Style | None = None
    without: frozenset[str] = frozenset()


@cache
def band_names() -> tuple[str, ...]:
    """What `--band` may be, apart from a pattern file."""
    names = sorted(entry.name for entry in files(__package__).joinpath("patterns").iterdir())
    return (NONE, BLOCK, *(name.removesuffix(".txt") for name in names if name.endswith(".txt")))


@cache
def load_style(name: str) -> Style:
    """The style of the package with this name."""
    with as_file(files(__package__).joinpath("patterns", f"{name}.txt")) as path:
        return parse_style(path.read_text(encoding="utf-8"), name, f"{name}.txt")


def read_band(text: str) -> Band:
    """Reads what a user asks for: "swing", "swing-drums" (without them), or a pattern file.

    Raises:
        UserError: no such style, with the nearest names; or a pattern file that is wrong.
    """
    if text.endswith(".txt"):
        style = read_style(Path(text))
        return Band(style.name, style)
    words = re.split(r"\s*-\s*", text.strip().lower())
    name, left_out = words[0].replace(" ", "_"), words[1:]
    name = _ALIASES.get(name, name)
    unknown = [part for part in left_out if part not in PARTS]
    if unknown:
        raise UserError(f"--band: part {unknown[0]!r}: expected {', '.join(PARTS)}, such as swing-drums")
    if name not in band_names():
        near = difflib.get_close_matches(name, band_names(), 3, 0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UserError(
            f"--band: {text!r}: {hint}expected one of {', '.join(band_names())}, or a pattern file (.txt)"
        )
    return Band(name, None if name in (NONE, BLOCK) else load_style(name), frozenset(left_out))


def fitting_band(score: Score) -> Band:
    """The band that fits a piece, by meter, tempo and harmony."""
    return Band(name := _fitting(score), load_style(name))


def _fitting(score: Score) -> str:
    spans = [span for span in score.chords if not span.chord.is_none]
    if score.meter.is_compound:
        return "six_eight"
    if score.meter.numerator % 3 == 0 and score.meter.numerator < 9:
        return "waltz"
    if spans and median(span.duration for span in spans) <= score.meter.beat_ticks:
        return "hymn"
    rich = sum(len(span.chord.pitch_classes) > 3 for span in spans)
    if spans and rich >= _SEVENTHS * len(spans):
        return "swing" if score.tempo_bpm >= 110 else "bossa" if score.tempo_bpm >= 85 else "ballad"
    if score.tempo_bpm < 84:
        return "ballad"
    return "pop" if score.tempo_bpm < 132 else "rock"


def style_for_meter(style: Style, meter: Meter) -> tuple[Style, str]:
    """A style that can play a meter.

    Returns:
        The style itself, or the nearest that has such bars; and what to tell about that, in a line ("" where
        there is nothing to tell).
    """
    if _beats_alike(style.meter, meter):
        return style, ""
    if meter.is_compound:
        other = load_style("six_eight")
    elif meter.numerator % 3 == 0:
        other = load_style("waltz")
    elif style.meter.is_compound or style.meter.numerator % 3 == 0:
        other = load_style("pop")
    else:  # bars of fours, cut or gone on with
        return style, f"{style.name} has no pattern for {meter}: its {style.meter} bars are cut to fit"
    return other, f"{style.name} has no pattern for {meter}: the band plays {other.name}"


def _beats_alike(own: Meter, other: Meter) -> bool:
    """Whether whole bars of the pattern fill whole bars of the piece, or halves of them."""
    if own.is_compound != other.is_compound:
        return False
    longer, shorter = max(own.bar_ticks, other.bar_ticks), min(own.bar_ticks, other.bar_ticks)
    return longer % shorter == 0 and (longer // shorter in (1, 2))
