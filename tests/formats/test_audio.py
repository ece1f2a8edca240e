from __future__ import annotations

import io
import sys
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.arranging.arrange import BandOptions, arrange
from hrpe_jax.arranging.styles import read_band
from hrpe_jax.errors import UserError
from hrpe_jax.formats.audio import (
    LOUDNESS,
    PEAK,
    RATE,
    audio_bytes,
    check_audio,
    default_soundfont,
    has_renderer,
    loudness,
    master,
    render,
    write_audio,
)
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

BLOCK = arrange(SCORE, BandOptions(read_band("block")))


def level(samples: np.ndarray, start: float, end: float) -> float:
    """Root mean square of some seconds."""
    return float(np.sqrt((samples[int(start * RATE) : int(end * RATE)] ** 2).mean()))


@pytest.fixture(params=["sound font", "sketch"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to make sound; the first where the extra is here."""
    if request.param == "sketch":
        monkeypatch.setitem(sys.modules, "midirenderer", None)
    elif not has_renderer():
        pytest.skip("real instruments need the extra audio")
    return str(request.param)


def test_what_sounds_when_and_how_loud(way: str) -> None:
    samples = render(SCORE, BLOCK)
    assert samples.shape[1] == 2
    assert len(samples) / RATE == pytest.approx(96 / 24 + 2, abs=0.01)
    assert np.abs(samples).max() <= PEAK + 1e-4
    assert np.abs(samples).max() == pytest.approx(PEAK, abs=0.001) or loudness(samples) < LOUDNESS + 1.6
    assert LOUDNESS - 1.5 < loudness(samples) < LOUDNESS + 1.6
    assert abs(float(samples.mean())) < 1e-3
    assert level(samples, 0.05, 0.4) > 3 * level(samples, 0.9, 0.99)  # the rest after the first note
    assert np.abs(samples[-100:]).max() < 1e-3  # faded out
    first = np.abs(np.fft.rfft(samples[: RATE // 2, 0]))
    assert first[:2000].argmax() * 2 == pytest.approx(440, abs=4)  # bins of 2 Hz


def test_real_instruments_are_bright_and_wide() -> None:
    if not has_renderer():
        pytest.skip("real instruments need the extra audio")
    score = replace(SCORE, chords=(ChordSpan(0, 96, parse_lead_sheet("Am")),))
    samples = render(score, arrange(score, BandOptions(read_band("rock"))))
    spectrum = np.abs(np.fft.rfft(samples.mean(axis=1))) ** 2
    high = spectrum[np.fft.rfftfreq(len(samples), 1 / RATE) > 4000].sum() / spectrum.sum()
    assert 10 * np.log10(high) > -30
    assert np.corrcoef(samples.T)[0, 1] < 0.98
    assert not np.array_equal(samples, render(score, arrange(score, BandOptions(read_band("folk")))))


def test_silence_is_silent(way: str) -> None:
    assert not render(replace(SCORE, melody=(), chords=())).any()


def test_loudness_of_a_known_tone() -> None:
    """A sine of 997 Hz at full scale in one channel has -3.01 LUFS (ITU-R BS.1770-4, annex 1)."""
    t = np.arange(3 * RATE) / RATE
    tone = np.stack([np.sin(2 * np.pi * 997 * t), 0 * t], axis=1)
    assert loudness(tone) == pytest.approx(-3.01, abs=0.05)
    assert loudness(0 * tone) == -np.inf


def test_peaks_are_limited_not_clipped() -> None:
    t = np.arange(2 * RATE) / RATE
    tone = (0.02 * np.sin(2 * np.pi * 300 * t)).astype(np.float32)
    tone[RATE : RATE + 2000] *= 40  # a knock
    heard = master(np.stack([tone, tone], axis=1))
    assert np.abs(heard).max() <= PEAK + 1e-4
    assert (np.abs(heard) > PEAK - 1e-5).mean() < 0.002


def test_a_wave_file(tmp_path: Path, way: str) -> None:
    path = tmp_path / "tune.wav"
    write_audio(SCORE, path, BLOCK)
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (2, 2, RATE)
        heard = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, 2)
    assert np.abs(heard / 32767 - render(SCORE, BLOCK)).max() < 1e-4


def test_a_damaged_sound_font(tmp_path: Path) -> None:
    if not has_renderer():
        pytest.skip("real instruments need the extra audio")
    font = tmp_path / "half.sf2"
    font.write_bytes(default_soundfont().read_bytes()[:200_000])
    with pytest.raises(UserError, match=r"half\.sf2: cannot be played \(.*\); give another \.sf2 file"):
        write_audio(SCORE, tmp_path / "tune.wav", BLOCK, font)
    assert not (tmp_path / "tune.wav").exists()


@pytest.mark.parametrize("kind", ["ogg", "mp3", "opus"])
def test_compressed(kind: str) -> None:
    soundfile = pytest.importorskip("soundfile", reason="ogg and mp3 need the extra audio")
    samples = render(SCORE, BLOCK)
    heard, rate = soundfile.read(io.BytesIO(audio_bytes(samples, kind)))
    assert rate == RATE
    assert len(heard) == pytest.approx(len(samples), abs=3000)
    assert np.sqrt((heard**2).mean()) == pytest.approx(np.sqrt((samples**2).mean()), rel=0.05)


def test_mistakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected one of wav, ogg, mp3, opus"):
        check_audio("flac")
    with pytest.raises(UserError, match="seconds of sound; at most"):
        render(replace(SCORE, melody=(Note(0, 24 * 3000, 60),)))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    check_audio("wav")
    with pytest.raises(UserError, match=r"needs the extra audio: pip install 'hrpe_jax\[audio\]'"):
        check_audio("mp3")
