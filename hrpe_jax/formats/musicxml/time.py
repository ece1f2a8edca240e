"""What MusicXML says of time: meters and metronome marks."""

from __future__ import annotations

import re
from fractions import Fraction
from xml.etree.ElementTree import Element

from hrpe_jax.theory.meter import Meter

_MOST_PAIRS = 8
"""Of a <time>."""
_QUARTERS = {
    "maxima": 32.0, "long": 16.0, "breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5,
    "16th": 0.25, "32nd": 0.125, "64th": 0.0625, "128th": 0.03125, "256th": 0.015625,
}  # fmt: skip


def text_of(element: Element | None) -> str:
    """The text of an element without the blanks around it; empty where there is no element."""
    return (element.text or "").strip() if element is not None else ""


def read_meter(element: Element) -> Meter | None:
    """The meter of a <time>: "4", "4", added "3+2", "8", or a sum of several such pairs (3/8 + 2/4 is 7/8);
    None for senza misura and nonsense."""
    whole, finest = Fraction(0), 1
    pairs = list(zip(element.findall("beats"), element.findall("beat-type"), strict=False))
    for beats, beat_type in ((text_of(a), text_of(b)) for a, b in pairs[:_MOST_PAIRS]):
        if not re.fullmatch(r"\d{1,2}( ?\+ ?\d{1,2})*", beats) or not re.fullmatch(r"\d{1,2}", beat_type):
            return None
        if not int(beat_type):
            return None
        whole += Fraction(sum(int(n) for n in re.findall(r"\d+", beats)), int(beat_type))
        finest = max(finest, int(beat_type))
    numerator = whole * finest
    try:
        return Meter(int(numerator), finest) if pairs and numerator.denominator == 1 else None
    except ValueError:
        return None


def read_metronome(element: Element) -> float | None:
    """Quarters a minute of a printed tempo such as "dotted quarter = 60"; other uses of the sign say none."""
    unit = _QUARTERS.get(text_of(element.find("beat-unit")))
    figure = re.search(r"\d{1,4}(\.\d{1,6})?", text_of(element.find("per-minute"))[:40])
    if unit is None or figure is None:
        return None
    dots = min(2, len(element.findall("beat-unit-dot")))
    return float(figure[0]) * unit * (2 - 0.5**dots)
