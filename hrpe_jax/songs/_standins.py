from __future__ import annotations
from typing import NamedTuple
import numpy as np
from hrpe_jax.score.midi import MidiFile
from hrpe_jax.theory.key import Key, key_scores
from hrpe_jax.theory.meter import Meter

class Keys(NamedTuple):
    key: Key
    segments: tuple[tuple[int, Key], ...]

def find_keys(onsets, durations, pitches, chords, *, bars, weights=None):
    c = np.bincount(np.asarray(pitches) % 12, weights=np.asarray(durations, float), minlength=12)
    for s in chords:
        for p in s.chord.pitch_classes: c[p] += s.duration
    k = Key.from_index(int(key_scores(c).argmax()))
    return Keys(k, ((0, k),))

class Beats(NamedTuple):
    seconds: np.ndarray
    bars: np.ndarray
    meter: Meter
    beat_ticks: int
    tempo_bpm: float
    found: tuple[str, ...]
    warnings: tuple[str, ...]

def find_beats(midi: MidiFile) -> Beats:
    meters = midi.meters or ((0, 4, 4),)
    _, num, den = meters[0]
    meter = Meter(num, den)
    if not meter.is_supported: meter = Meter(4, 4)
    step = meter.beat_ticks * midi.ticks_per_quarter / 12
    n = int(midi.end / step) + 2
    sec = midi.seconds(np.arange(n) * step)
    return Beats(sec, np.arange(0, n, meter.beats_per_bar), meter, meter.beat_ticks, float(np.median([b for _, b in midi.tempos])), (), ())

class FoundMelody(NamedTuple):
    notes: np.ndarray
    how: str
    track: int

def find_melody(midi: MidiFile) -> FoundMelody:
    tr = [(i, t) for i, t in enumerate(midi.tracks) if not t.is_drum]
    named = [(i, t) for i, t in tr if any(w in t.name.lower() for w in ("melod", "vocal", "lead", "voice"))]
    i, t = named[0] if named else max(tr, key=lambda it: it[1].rows[:, 2].mean())
    r = t.rows
    last = np.flatnonzero(np.diff(r[:, 0], append=r[-1, 0] + 1))
    r = r[last].copy()
    r[:-1, 1] = np.minimum(r[:-1, 1], np.diff(r[:, 0]))
    return FoundMelody(r, "named" if named else "scored", i)
