"""Made-up pieces for reports: phrases that come again, in several keys and meters."""

from __future__ import annotations

import numpy as np

from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def piece(seed: int, bars: int = 8, meter: str = "4/4", chords: bool = True, melody: bool = True) -> Score:
    """A melody of quarters whose second half says the first again, over I, IV, V and vi."""
    rng = np.random.default_rng(seed)
    meter_ = Meter.parse(meter)
    quarters = meter_.bar_ticks // 12
    half = rng.choice([0, 2, 4, 5, 7, 9, 11], (bars // 2 or 1, quarters))
    pitches = 60 + np.concatenate([half] * 2)[:bars]
    key = Key(int(rng.integers(12)), "major")
    notes, spans = [], []
    for bar, row in enumerate(pitches):
        start = bar * meter_.bar_ticks
        sung = [(start + 12 * at, int(pitch)) for at, pitch in enumerate(row) if rng.random() < 0.9]
        notes += [Note(onset, 12, pitch + key.tonic) for onset, pitch in sung]
        root, quality = [(0, "maj"), (5, "maj"), (7, "maj"), (9, "min")][int(rng.integers(4))]
        spans.append(ChordSpan(start, meter_.bar_ticks, Chord((root + key.tonic) % 12, quality)))
    line, under = notes if melody else (), spans if chords else ()
    return Score(f"piece-{seed}", "", key, meter_, 120.0, tuple(line), tuple(under))
