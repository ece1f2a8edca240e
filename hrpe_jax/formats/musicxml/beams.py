"""Beams as MusicXML says them: which notes of a bar hang together, and how each of their beams goes on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from hrpe_jax.score.notation import Bar, Symbol

_BEAMS = {8: 1, 16: 2, 32: 3}


def beams(bar: Bar) -> dict[int, tuple[str, ...]]:
    """What MusicXML says of the beams of a bar.

    Returns:
        Tick of a beamed note -> for each of its beams "begin", "continue", "end", "forward hook" or
        "backward hook".
    """
    found: dict[int, tuple[str, ...]] = {}
    for group in _groups(bar):
        counts = [_BEAMS[symbol.shape[0]] for symbol in group]
        for place, symbol in enumerate(group):
            found[symbol.onset] = tuple(_beam(counts, place, level) for level in range(1, counts[place] + 1))
    return found


def _groups(bar: Bar) -> list[list[Symbol]]:
    groups: list[list[Symbol]] = []
    for _, window in groupby(bar.symbols, key=lambda symbol: _window(bar, symbol)):
        for beamed, run in groupby(window, key=lambda s: s.note is not None and s.shape[0] in _BEAMS):
            symbols = list(run)
            if beamed and len(symbols) > 1:
                groups.append(symbols)
    return groups


def _window(bar: Bar, symbol: Symbol) -> tuple[int, int]:
    """(size, number) of the stretch of the bar in which beams hold together."""
    place = symbol.onset - bar.start
    if bar.meter.is_compound:
        return 18, place // 18
    if bar.meter.denominator > 4:
        size = 18 if bar.length == 18 else 12
        return size, place // size
    half = [s for s in bar.symbols if (s.onset - bar.start) // 24 == place // 24]
    eighths = all(s.duration == 6 and s.note is not None for s in half)
    size = 24 if bar.length == 48 and eighths else 12
    return size, place // size


def _beam(counts: Sequence[int], place: int, level: int) -> str:
    before = place > 0 and counts[place - 1] >= level
    after = place + 1 < len(counts) and counts[place + 1] >= level
    if before and after:
        return "continue"
    if before or after:
        return "end" if before else "begin"
    return "forward hook" if place == 0 else "backward hook"
