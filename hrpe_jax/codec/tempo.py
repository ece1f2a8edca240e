"""Tempo as the melody stage is told it: one of a few bins."""

from __future__ import annotations

import math

TEMPO_BINS, SLOWEST_BPM, FASTEST_BPM = 16, 40.0, 240.0


def tempo_bin(bpm: float) -> int:
    """The bin 0..15 of a tempo: equal ratios from 40 to 240 quarters a minute, the outer bins beyond."""
    octave = math.log(max(bpm, SLOWEST_BPM) / SLOWEST_BPM) / math.log(FASTEST_BPM / SLOWEST_BPM)
    return min(TEMPO_BINS - 1, int(TEMPO_BINS * octave))
