"""The sound files of the gallery, heard by numbers: levels, spectrum, and onsets where the MIDI has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from hrpe_jax.formats.audio import LOUDNESS, RATE, loudness

STYLES = Path(__file__).parents[2] / "experiments" / "gallery" / "styles"
FILES = sorted(STYLES.glob("*/*.opus"))
HOP = 480  # 10 ms


def heard(path: Path) -> np.ndarray:
    soundfile = pytest.importorskip("soundfile", reason="Opus is read with the extra audio")
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    return np.asarray(samples)


def test_there_are_four() -> None:
    assert len(FILES) == 4
    for file in FILES:
        suffixes = {path.suffix for path in file.parent.iterdir()}
        assert suffixes >= {".html", ".pdf", ".mid", ".musicxml", ".opus"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_levels_and_spectrum(path: Path) -> None:
    samples = heard(path)
    assert samples.shape[1] == 2
    assert LOUDNESS - 1.5 < loudness(samples) < LOUDNESS + 2
    assert np.abs(samples).max() < 10 ** (0.3 / 20)  # a peak of -1 dB, and what Opus adds
    power = np.abs(np.fft.rfft(samples.mean(axis=1))) ** 2
    high = power[np.fft.rfftfreq(len(samples), 1 / RATE) > 4000].sum() / power.sum()
    assert -34 < 10 * np.log10(high) < -10
    assert np.abs(samples[-RATE // 20 :]).max() < 0.01  # it dies away


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_onsets_are_those_of_the_score(path: Path) -> None:
    samples = heard(path).mean(axis=1)
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    spectra = np.log1p(50 * np.abs(np.fft.rfft(frames * np.hanning(HOP), axis=1)))
    rise = np.maximum(0, np.diff(spectra, axis=0)).sum(axis=1)
    midi = pretty_midi.PrettyMIDI(str(path.with_suffix(".mid")))
    onsets = np.unique([round(note.start * RATE / HOP) for part in midi.instruments for note in part.notes])
    onsets = onsets[onsets < len(rise) - 4]
    near = np.array([rise[max(0, place - 3) : place + 3].max() for place in onsets])
    assert np.median(near) > 2.5 * np.median(rise)
    assert (near > 1.5 * np.median(rise)).mean() > 0.85
