from __future__ import annotations

import io
import sys
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.errors import UserError
from hrpe_jax.formats.audio import RATE, audio_bytes, check_audio, render, write_audio
from hrpe_jax.formats.midi.write import Programs
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

SCORE = Score(
    id="tune",
    title="",
    key=Key(0, "major"),
    meter=Meter(4, 4),
    tempo_bpm=120.0,
    melody=(Note(0, 12, 69), Note(24, 12, 72)),
    chords=(ChordSpan(48, 48, parse_lead_sheet("Am")),),
)


def level(samples: np.ndarray, start: float, end: float) -> float:
    """Root mean square of some seconds."""
    return float(np.sqrt((samples[int(start * RATE) : int(end * RATE)] ** 2).mean()))


def test_what_sounds_when_and_how_loud() -> None:
    samples = render(SCORE)
    assert samples.shape[1] == 2
    assert len(samples) / RATE == pytest.approx(96 / 24 + 1.6, abs=0.01)
    assert np.abs(samples).max() == pytest.approx(0.89, abs=0.001)  # loud, not clipped
    assert abs(float(samples.mean())) < 1e-3
    assert level(samples, 0.05, 0.4) > 5 * level(samples, 0.85, 0.99)  # the rest after the first note
    assert level(samples, 5.5, 5.6) < 0.01  # and the end
    first = np.abs(np.fft.rfft(samples[: RATE // 2, 0]))
    assert first[:2000].argmax() * 2 == pytest.approx(440, abs=4)  # bins of 2 Hz


def test_programs_sound_different_and_silence_is_silent() -> None:
    held = render(replace(SCORE, chords=()), Programs(melody=73))
    struck = render(replace(SCORE, chords=()))
    assert level(held, 0.3, 0.45) / level(held, 0.1, 0.2) > 1.1 * level(struck, 0.3, 0.45) / level(
        struck, 0.1, 0.2
    )
    assert not render(replace(SCORE, melody=(), chords=())).any()


def test_a_wave_file(tmp_path: Path) -> None:
    path = tmp_path / "tune.wav"
    write_audio(SCORE, path)
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (2, 2, RATE)
        heard = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, 2)
    assert np.abs(heard / 32767 - render(SCORE)).max() < 1e-4


@pytest.mark.parametrize("kind", ["ogg", "mp3"])
def test_compressed(kind: str) -> None:
    soundfile = pytest.importorskip("soundfile", reason="ogg and mp3 need the extra audio")
    samples = render(SCORE)
    heard, rate = soundfile.read(io.BytesIO(audio_bytes(samples, kind)))
    assert rate == RATE
    assert len(heard) == pytest.approx(len(samples), abs=3000)
    assert np.sqrt((heard**2).mean()) == pytest.approx(np.sqrt((samples**2).mean()), rel=0.05)


def test_mistakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected one of wav, ogg, mp3"):
        check_audio("flac")
    with pytest.raises(UserError, match="seconds of sound; at most"):
        render(replace(SCORE, melody=(Note(0, 24 * 3000, 60),)))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    check_audio("wav")
    with pytest.raises(UserError, match=r"needs the extra audio: pip install 'hrpe_jax\[audio\]'"):
        check_audio("mp3")
