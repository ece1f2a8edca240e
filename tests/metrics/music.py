"""Made-up lead sheets for the tests of metrics."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

SCALE = (0, 2, 4, 5, 7, 9, 11)
QUALITIES = ("maj", "min", "7", "min7", "hdim7", "sus4")


def tune(seed: int, bars: int = 8, meter: Meter = Meter(4, 4), chords: bool = True, name: str = "") -> Score:  # noqa: B008
    """A tune with phrases that come again: A A' B A of a quarter of its bars each."""
    rng = np.random.default_rng(seed)
    key = Key(int(rng.integers(12)), "major" if rng.random() < 0.7 else "minor")
    phrases = [_phrase(rng, max(1, bars // 4), meter, key) for _ in range(2)]
    order = [phrases[0], phrases[0], phrases[1], phrases[0]] if bars >= 4 else [phrases[0]] * bars
    played = [bar for phrase in order for bar in phrase][:bars]
    notes, spans = [], []
    for index, (melody, bar_chords) in enumerate(played):
        start = index * meter.bar_ticks
        notes += [Note(start + n.onset, n.duration, n.pitch) for n in melody]
        spans += [ChordSpan(start + c.onset, c.duration, c.chord) for c in bar_chords]
    return Score(name or f"tune{seed}", "", key, meter, 120.0, tuple(notes), tuple(spans) if chords else ())


def _phrase(rng: np.random.Generator, bars: int, meter: Meter, key: Key) -> list:
    phrase = []
    for _ in range(bars):
        steps = np.flatnonzero(rng.random(meter.bar_ticks // 3) < 0.35) * 3
        onsets = steps if len(steps) else np.array([0])
        ends = np.append(onsets[1:], meter.bar_ticks)
        pitches = key.tonic + 60 + rng.choice(SCALE, len(onsets)) + (rng.random(len(onsets)) < 0.1)
        notes = [Note(int(a), int(b - a), int(p)) for a, b, p in zip(onsets, ends, pitches, strict=True)]
        half = meter.bar_ticks // 2
        chords = [
            ChordSpan(at, half, Chord(int((key.tonic + rng.choice(SCALE)) % 12), str(rng.choice(QUALITIES))))
            for at in (0, half)
        ]
        phrase.append((notes, chords))
    return phrase


tunes = st.builds(tune, st.integers(0, 2**32 - 1), st.sampled_from([4, 8]))
