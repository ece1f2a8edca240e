"""Sound with numpy alone, where no sound font can be played: struck and sustained tones out of partials.

A sketch to listen to, without drums; with the extra `audio` real instruments are heard instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hrpe_jax.arranging.arrangement import BASS_TRACK, CHORD_TRACK, MELODY_TRACK, Arrangement

RATE = 48000
"""Samples a second: what sound-font renderers and Opus have."""
_MIX = {MELODY_TRACK: (1.0, 0.5), CHORD_TRACK: (0.62, 0.36), BASS_TRACK: (0.85, 0.54)}
"""Loudness, and place between the ears (0 left, 1 right)."""
_RELEASE, _ATTACK = 0.12, 0.006  # seconds
_SUSTAINED = (*range(16, 24), *range(40, 45), *range(48, 104))  # programs of organs, strings, winds, pads


@dataclass(frozen=True)
class Timbre:
    """A tone.

    Attributes:
        partials: loudness of each, from the fundamental up.
        decay: seconds in which the fundamental of middle C falls to 1/e; higher notes and partials are
            faster. 0 for a tone that is held.
        bell: loudness of a partial at 14 times the fundamental that fades at once, as of a tine.
    """

    partials: tuple[float, ...]
    decay: float
    bell: float = 0.0


_PIANO = Timbre((1.0, 0.52, 0.3, 0.19, 0.11, 0.07, 0.045, 0.03), 1.5)
_TINES = Timbre((1.0, 0.16, 0.22, 0.04, 0.05), 1.9, bell=0.1)
_PLUCKED = Timbre((1.0, 0.62, 0.3, 0.16, 0.09, 0.05), 0.95)
_HELD = Timbre((1.0, 0.5, 0.33, 0.22, 0.13, 0.09, 0.06, 0.04), 0.0)


def timbre_of(program: int) -> Timbre:
    """The nearest tone to a General MIDI program, 0 to 127."""
    if program in (4, 5, *range(8, 16)):
        return _TINES
    if program < 8:
        return _PIANO
    return _HELD if program in _SUSTAINED else _PLUCKED


def sketch(arrangement: Arrangement, seconds: float, total: int) -> np.ndarray:
    """Plays an arrangement, without its drums.

    Args:
        arrangement: what is played.
        seconds: of a tick.
        total: samples.

    Returns:
        float32 `[samples, 2]` at `RATE`, of any loudness.
    """
    dry = np.zeros((2, total), np.float32)
    for part in arrangement.parts:
        if part.drums:
            continue
        gain, pan = _MIX.get(part.name, (0.7, 0.5))
        for note in part.notes:
            length = max(1, round((note.end - note.onset) * seconds * RATE))
            at = round(note.onset * seconds * RATE)
            sound = _tone(note.pitch, length, timbre_of(part.program))[: max(0, total - at)]
            sound = sound * (gain * (note.velocity / 127) ** 1.4)
            dry[0, at : at + len(sound)] += sound * np.float32(np.cos(pan * np.pi / 2))
            dry[1, at : at + len(sound)] += sound * np.float32(np.sin(pan * np.pi / 2))
    return np.ascontiguousarray((dry + 0.22 * _room(dry)).T.astype(np.float32))


@lru_cache(maxsize=512)
def _tone(pitch: int, length: int, timbre: Timbre) -> np.ndarray:
    """One note: float32 `[length + release]`, about 1 at its loudest."""
    release = int(_RELEASE * RATE)
    t = np.arange(length + release, dtype=np.float32) / RATE
    frequency = 440.0 * 2 ** ((pitch - 69) / 12)
    decay = timbre.decay * 2 ** ((60 - pitch) / 24)
    sound = np.zeros_like(t)
    for number, loudness in enumerate(timbre.partials, 1):
        # Strings are a little stiff: upper partials lie a trace too high.
        partial = frequency * number * (1 + 0.0002 * number**2 * (decay > 0))
        if partial > 0.4 * RATE:
            break
        # Bright low notes, rounder high ones, so that the line does not grow shrill.
        soft = loudness * 2 ** (-(number - 1) * max(0, pitch - 60) / 36)
        wavering = 0.004 * np.sin(2 * np.pi * 5.2 * t) * np.minimum(t, 1) if decay == 0 else 0
        wave_ = np.sin(2 * np.pi * partial * t + wavering * number * 20)
        fade = np.exp(-t * (0.55 + 0.45 * number) / decay) if decay else 1.0
        sound += np.float32(soft) * wave_ * fade
    if timbre.bell and 14 * frequency < 0.4 * RATE:
        sound += np.float32(timbre.bell) * np.sin(2 * np.pi * 14.01 * frequency * t) * np.exp(-t / 0.07)
    attack = _ATTACK if decay else 0.06
    envelope = np.minimum(t / attack, 1)
    envelope[length:] *= np.cos(np.linspace(0, np.pi / 2, release, dtype=np.float32)) ** 2
    return (sound * envelope / sum(timbre.partials) * 1.6).astype(np.float32)


def _room(dry: np.ndarray) -> np.ndarray:
    """The sound of a small room: `[2, samples]` against decaying noise, another one for each ear."""
    length = int(1.3 * RATE)
    noise = np.random.default_rng(0).normal(size=(2, length)).astype(np.float32)
    t = np.arange(length, dtype=np.float32) / RATE
    answer = noise * np.exp(-t / 0.26) * np.minimum(t / 0.012, 1)
    answer = np.cumsum(
        answer - answer.mean(axis=1, keepdims=True), axis=1
    )  # duller: noise falls with frequency
    answer -= np.linspace(0, 1, length, dtype=np.float32) * answer[:, -1:]
    answer *= np.exp(-t / 0.4)
    answer -= answer.mean(axis=1, keepdims=True)
    answer /= np.sqrt((answer**2).sum(axis=1, keepdims=True))
    size = 1 << (dry.shape[1] + length).bit_length()
    spectrum = np.fft.rfft(dry, size) * np.fft.rfft(answer, size)
    spectrum[:, : int(180 * size / RATE)] = 0  # no booming
    return np.fft.irfft(spectrum, size)[:, : dry.shape[1]].astype(np.float32)
