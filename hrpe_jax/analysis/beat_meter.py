"""Bars and beats that a file's meter events give."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hrpe_jax.theory.meter import MAX_BAR_TICKS, TICKS_PER_QUARTER, Meter

_SHORT_EVENT = 4
"""Bars up to which a meter that a Score cannot say (1/4, 5/16) is a pickup or a slip, not the piece's."""
_MOST = 0.9
"""Share of the piece in whose meters a beat must be whole for that beat to be used."""
_ROUNDING = 1e-6
SLOW_BEAT = 1.2
"""Seconds from which on a dotted quarter is too slow a beat, and the eighth is it."""


class MeterSpan(NamedTuple):
    """A meter from one place to the next, in quarters."""

    start: float
    end: float
    meter: Meter

    @property
    def bar(self) -> float:
        """Length of a bar in quarters."""
        return 4 * self.meter.numerator / self.meter.denominator


class Laid(NamedTuple):
    """What `lay_beats` returns.

    Attributes:
        places: [n] quarters of the beats.
        bars: [m] index into `places` where bars begin.
        beat_ticks: Score ticks of a beat.
        meter: the most common one.
    """

    places: np.ndarray
    bars: np.ndarray
    beat_ticks: int
    meter: Meter


def meter_spans(
    meters: tuple[tuple[int, int, int], ...], ticks_per_quarter: int, end: float
) -> list[MeterSpan] | None:
    """The file's meters up to `end` (quarters), or None where they cannot be meant.

    Meters that no Score can say are left out where they are short, and spoil the rest where they are not.
    """
    spans: list[MeterSpan] = []
    for index, (tick, numerator, denominator) in enumerate(meters):
        start = tick / ticks_per_quarter
        stop = meters[index + 1][0] / ticks_per_quarter if index + 1 < len(meters) else end
        stop = min(stop, end)
        if stop <= start:
            continue
        meter = Meter(numerator, denominator)
        if not spans and start > 0.0:
            spans.append(MeterSpan(0.0, start, meter if _can_be_said(meter) else Meter(4, 4)))
        span = MeterSpan(start, stop, meter)
        if numerator == 1 or not _can_be_said(meter):
            if stop - start > _SHORT_EVENT * span.bar:
                return None
            if not _can_be_said(meter):
                span = span._replace(meter=spans[-1].meter if spans else Meter(4, 4))
        spans.append(span)
    return spans or None


def _can_be_said(meter: Meter) -> bool:
    whole, rest = divmod(48 * meter.numerator, meter.denominator)
    return rest == 0 and whole % 6 == 0 and 6 <= whole <= MAX_BAR_TICKS and meter.is_supported


def lay_beats(spans: list[MeterSpan], first: float, end: float, seconds_per_quarter: float) -> Laid:
    """Beats and bars of these meters.

    Args:
        spans: as from `meter_spans`.
        first: quarters of the first onset.
        end: quarters that the last beat must reach.
        seconds_per_quarter: median, for choosing between slow and fast beats.
    """
    shares: dict[Meter, float] = {}
    for span in spans:
        shares[span.meter] = shares.get(span.meter, 0.0) + span.end - span.start
    meter = max(shares, key=lambda meter: shares[meter])
    unit = _unit(shares, seconds_per_quarter)

    places: list[np.ndarray] = []
    starts: list[np.ndarray] = []
    for index, span in enumerate(spans):
        last = index + 1 == len(spans)
        stop = max(span.end, end) + span.bar if last else span.end  # one bar more, from which the end is cut
        lines = np.arange(span.start, stop - _ROUNDING, span.bar)
        inside = np.arange(0.0, span.bar - 0.25 * unit, unit)
        beats = (lines[:, None] + inside).ravel()
        begins = np.tile(np.arange(len(inside)) == 0, len(lines))
        # A bar cut short by a change of meter keeps the beats that begin well before it.
        keep = begins | (beats < stop - 0.25 * unit)
        places.append(beats[keep])
        starts.append(begins[keep])
    laid, is_start = np.concatenate(places), np.concatenate(starts)
    from_bar = laid[is_start]
    from_bar = from_bar[max(0, int(np.searchsorted(from_bar, first, side="right")) - 1)]
    closing = max(from_bar + unit, end)
    kept = (laid >= from_bar) & (np.arange(len(laid)) <= np.searchsorted(laid, closing - _ROUNDING))
    bars = np.flatnonzero(is_start[kept][:-1])  # none begins where the music has ended
    return Laid(laid[kept], bars, round(unit * TICKS_PER_QUARTER), meter)


def _unit(shares: dict[Meter, float], seconds_per_quarter: float) -> float:
    """The beat in quarters: dotted where all meters are compound and the beat not too slow, else quarters
    where nearly all bars hold a whole number of them, else eighths."""
    total = sum(shares.values())
    compound = sum(share for meter, share in shares.items() if meter.is_compound)
    if compound >= _MOST * total:
        return 1.5 if 1.5 * seconds_per_quarter <= SLOW_BEAT else 0.5
    whole = sum(
        share for meter, share in shares.items() if meter.bar_ticks % 12 == 0 and not meter.is_compound
    )
    return 1.0 if whole >= _MOST * total else 0.5
