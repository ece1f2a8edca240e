"""Scores as sound: a General MIDI sound font played by a band, normalised, with a tail of reverb.

The extra `audio` plays the font (midirenderer) and compresses the sound (soundfile). The font is the one that
pretty_midi ships, read where it lies, or any other .sf2 file. Without the extra a sketch out of sine tones is
written as WAV.
"""

from __future__ import annotations

import io
import os
import wave
from functools import lru_cache
from pathlib import Path

import numpy as np

from hrpe_jax.arranging.arrange import arrange
from hrpe_jax.arranging.arrangement import Arrangement
from hrpe_jax.errors import UserError
from hrpe_jax.formats.midi.write import midi_bytes
from hrpe_jax.formats.sketch import RATE, sketch
from hrpe_jax.score.score import Score
from hrpe_jax.theory.meter import TICKS_PER_QUARTER

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
        raise UserError("--soundfont: needs the extra audio: pip install 'hrpe_jax[audio]'") from None
    try:
        with Path(path).open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise UserError(
            f"--soundfont: {path}: cannot be read ({error.strerror}); expected a sound font (.sf2)"
        ) from None
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise UserError(f"--soundfont: {path}: is no sound font; expected an .sf2 file")


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
            raise UserError(
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
