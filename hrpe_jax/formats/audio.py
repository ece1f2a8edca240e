"""Scores as sound: a General MIDI sound font played by a band, normalised, with a tail of reverb.

The extra `audio` plays the font (midirenderer) and compresses the sound (soundfile). The font is the one that
pretty_midi ships, read where it lies, or any other .sf2 file. Without the extra a sketch out of sine tones is
written as WAV.

Sound with numpy alone, where no sound font can be played: struck and sustained tones out of partials.

A sketch to listen to, without drums; with the extra `audio` real instruments are heard instead.
"""

from __future__ import annotations

import io
import os
import wave
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from hrpe_jax.arranging.arrange import arrange
from hrpe_jax.arranging.arrangement import BASS_TRACK, CHORD_TRACK, MELODY_TRACK, Arrangement, Part
from hrpe_jax.errors import Unusable, UserError
from hrpe_jax.formats.midi.write import midi_bytes, part_bytes
from hrpe_jax.score.score import Score
from hrpe_jax.theory.meter import TICKS_PER_QUARTER

RATE = 48000
"""Samples a second: what sound-font renderers and Opus have."""
_MIX = {MELODY_TRACK: (1.0, 0.5), CHORD_TRACK: (0.62, 0.36), BASS_TRACK: (0.85, 0.54)}
"""Loudness, and place between the ears (0 left, 1 right)."""
_RELEASE, _STRIKE = 0.12, 0.006  # seconds
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
    attack = _STRIKE if decay else 0.06
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


MAX_SECONDS = 1200
AUDIO_FORMATS = ("wav", "ogg", "mp3", "opus")
LOUDNESS = -16.0
"""LUFS, as streaming services have it."""
PEAK = 10 ** (-1 / 20)
"""-1 dB."""

_TAIL, _FADE = 2.0, 0.6  # seconds behind the last note, and of them faded out
_QUIET = 10 ** (-60 / 20)
_LOUDER = 10 ** (1.5 / 20)
"""By how much sound with room under the peak is made louder than `LOUDNESS` at most."""
_BLOCK = 1 << 16
_ATTACK = 0.005
"""Seconds in which the limiter goes down before a peak."""


def render(
    score: Score, arrangement: Arrangement | None = None, soundfont: str | os.PathLike[str] | None = None
) -> np.ndarray:
    """Plays a score.

    Args:
        score: what to play.
        arrangement: by whom; None for the band that fits.
        soundfont: an .sf2 file; None for the one that pretty_midi ships.

    Returns:
        float32 `[samples, 2]` at `RATE`, at about `LOUDNESS` and within `PEAK`; silence for an empty score.

    Raises:
        UserError: it lasts longer than `MAX_SECONDS`, or the sound font cannot be played.
    """
    seconds = 60.0 / (score.tempo_bpm * TICKS_PER_QUARTER)
    length = score.end * seconds
    if length > MAX_SECONDS:
        raise UserError(
            f"{score.id}: {length:.0f} seconds of sound; at most {MAX_SECONDS} expected: fewer bars, or no "
            "audio"
        )
    arrangement = arrange(score) if arrangement is None else arrangement
    ends = [note.end for part in arrangement.parts for note in part.notes]
    total = int((max([score.end, *ends]) * seconds + _TAIL) * RATE)
    if not ends:
        return np.zeros((total, 2), np.float32)
    if soundfont is None and not has_renderer():
        return master(sketch(arrangement, seconds, total))
    samples = _play(midi_bytes(score, arrangement), soundfont)[:total]
    return master(np.pad(samples, ((0, total - len(samples)), (0, 0))))


def render_part(part: Part, tempo_bpm: float, seconds: float) -> np.ndarray:
    """Plays one part alone, as loud as its font makes it in a band: parts may be added up.

    Args:
        part: what is played; ticks from 0 on.
        tempo_bpm: quarter notes a minute.
        seconds: how long the sound is; what lies behind is cut.

    Returns:
        float32 `[samples, 2]` at `RATE`.
    """
    total = int(seconds * RATE)
    if not part.notes:
        return np.zeros((total, 2), np.float32)
    if has_renderer():
        samples = _play(part_bytes(part, tempo_bpm), None)[:total]
    else:
        tick = 60.0 / (tempo_bpm * TICKS_PER_QUARTER)
        samples = sketch(Arrangement(part.name, (part,)), tick, total)
    return np.pad(samples, ((0, total - len(samples)), (0, 0)))


def has_renderer() -> bool:
    """Whether a sound font can be played: the extra `audio` and pretty_midi's font are there."""
    try:
        import midirenderer  # noqa: F401
    except ImportError:
        return False
    return default_soundfont().is_file()


def default_soundfont() -> Path:
    """The General MIDI sound font that pretty_midi ships."""
    import pretty_midi

    return Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"


def check_soundfont(path: str | os.PathLike[str] | None) -> None:
    """Finds out before any work whether a sound font can be played; None is the one of pretty_midi.

    Raises:
        UserError: the file is missing or no sound font, or the extra is missing.
    """
    if path is None:
        return
    try:
        import midirenderer  # noqa: F401
    except ImportError:
        raise Unusable("--soundfont: needs the extra audio: pip install 'hrpe_jax[audio]'") from None
    try:
        with Path(path).open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise Unusable(
            f"--soundfont: {path}: cannot be read ({error.strerror}); expected a sound font (.sf2)"
        ) from None
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise Unusable(f"--soundfont: {path}: is no sound font; expected an .sf2 file")


def _play(midi: bytes, soundfont: str | os.PathLike[str] | None) -> np.ndarray:
    """A MIDI file as float32 `[samples, 2]`, as loud as the font makes it."""
    import midirenderer

    path = default_soundfont() if soundfont is None else Path(soundfont)
    check_soundfont(soundfont)
    try:
        sound = midirenderer.render_wave_from(_font(path, path.stat().st_mtime_ns), midi)
    except (OSError, RuntimeError) as error:
        raise UserError(f"--soundfont: {path}: cannot be played ({error}); give another .sf2 file") from None
    with wave.open(io.BytesIO(sound)) as file:
        assert file.getframerate() == RATE, file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.reshape(-1, 2).astype(np.float32) / 32768


@lru_cache(maxsize=2)
def _font(path: Path, _: int) -> bytes:
    return path.read_bytes()


def master(samples: np.ndarray) -> np.ndarray:
    """Sound at the loudness that people expect, with its tail cut and faded.

    Args:
        samples: float32 `[samples, 2]`.

    Returns:
        The sound at `LOUDNESS`; peaks over `PEAK` are limited, and where there is room the sound is made a
        little louder, to peak there.
    """
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    level = loudness(samples)
    if level == -np.inf:
        return samples
    samples = samples * np.float32(10 ** ((LOUDNESS - level) / 20))
    loud = np.abs(samples).max(axis=1)
    if loud.max() > PEAK:
        window = int(_ATTACK * RATE)
        gain = minimum_filter1d(np.minimum(1, PEAK / np.maximum(loud, 1e-9)), 2 * window + 1)
        samples = samples * uniform_filter1d(gain, window)[:, None].astype(np.float32)
    peak = float(np.abs(samples).max())
    samples = samples * np.float32(min(_LOUDER, PEAK / peak))
    fade = min(len(samples), int(_FADE * RATE))
    samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None] ** 2
    return np.ascontiguousarray(samples, np.float32)


def loudness(samples: np.ndarray) -> float:
    """Integrated loudness in LUFS by ITU-R BS.1770-4, with its two gates; -inf for silence.

    Args:
        samples: `[samples, channels]` at `RATE`.
    """
    from scipy.signal import lfilter

    shelf = (
        [1.53512485958697, -2.69169618940638, 1.19839281085285],
        [1, -1.69065929318241, 0.73248077421585],
    )
    high = ([1.0, -2.0, 1.0], [1, -1.99004745483398, 0.99007225036621])
    weighted = lfilter(*high, lfilter(*shelf, samples, axis=0), axis=0)
    hop = RATE // 10
    count = len(weighted) // hop
    if count < 4:
        weighted = np.pad(weighted, ((0, 4 * hop - len(weighted)), (0, 0)))
        count = 4
    tenths = (weighted[: count * hop] ** 2).reshape(count, hop, -1).mean(axis=1).sum(axis=1)
    power = np.convolve(tenths, np.ones(4) / 4, "valid")  # blocks of 0.4 s, every 0.1 s
    loud = power[power > 10 ** ((-70 + 0.691) / 10)]
    if not len(loud):
        return -np.inf
    loud = loud[loud > loud.mean() / 10]
    return float(-0.691 + 10 * np.log10(loud.mean()))


def write_audio(
    score: Score,
    path: str | os.PathLike[str],
    arrangement: Arrangement | None = None,
    soundfont: str | os.PathLike[str] | None = None,
) -> None:
    """Writes a score as sound; the suffix (.wav, .ogg, .mp3, .opus) says how.

    Args:
        score: what to play.
        path: the file; its folder must exist.
        arrangement: by whom; None for the band that fits.
        soundfont: see `render`.

    Raises:
        UserError: another suffix, the extra that is needed is missing, or as `render`.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    check_audio(kind)
    Path(path).write_bytes(audio_bytes(render(score, arrangement, soundfont), kind))


def check_audio(kind: str) -> None:
    """Finds out before any work whether a kind of sound file can be written.

    Raises:
        UserError: it cannot.
    """
    if kind not in AUDIO_FORMATS:
        raise UserError(f"audio {kind!r}: expected one of {', '.join(AUDIO_FORMATS)}")
    if kind != "wav":
        try:
            import soundfile
        except (ImportError, OSError):
            raise Unusable(
                f"audio {kind}: needs the extra audio: pip install 'hrpe_jax[audio]'; wav needs nothing"
            ) from None
        known = (
            "OPUS" in soundfile.available_subtypes("OGG")
            if kind == "opus"
            else kind.upper() in soundfile.available_formats()
        )
        if not known:
            raise UserError(f"audio {kind}: the installed libsndfile cannot write it; take wav or ogg")


def audio_bytes(samples: np.ndarray, kind: str = "wav") -> bytes:
    """A sound file of float samples `[samples, channels]` in -1..1."""
    file = io.BytesIO()
    if kind == "wav":
        with wave.open(file, "wb") as sound:
            sound.setnchannels(samples.shape[1])
            sound.setsampwidth(2)
            sound.setframerate(RATE)
            sound.writeframes((samples * 32767).round().astype("<i2").tobytes())
    else:
        import soundfile

        container, coding = ("OGG", "OPUS") if kind == "opus" else (kind.upper(), None)
        with soundfile.SoundFile(file, "w", RATE, samples.shape[1], coding, format=container) as sound:
            # In blocks: libsndfile overflows its stack on a long write of Vorbis.
            for start in range(0, len(samples), _BLOCK):
                sound.write(samples[start : start + _BLOCK])
    return file.getvalue()
