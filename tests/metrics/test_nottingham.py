"""Golden values on real music: Nottingham's tunes in 4/4, from its MIDI files.

The values are those of independent code on 524 tunes. Our reader gives 538 in 4/4 (538 files say so; 534
have chords), takes bars, pickups and repeats as the files have them, chords with their sevenths from the
chord track, and counts onsets on 16ths exactly where a tune has 32nds or triplets between them. So means are
compared, to the stated tolerance.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.metrics import harmony, rhythm, structure
from hrpe_jax.metrics.arrays import Piece, Undefined, piece_of, window
from hrpe_jax.metrics.compare import Comparison, compare
from hrpe_jax.readers.find import find_songs
from hrpe_jax.readers.read import read_first

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tunes(shared_data: Path) -> list[Piece]:
    files = find_songs(str(shared_data / "nottingham" / "MIDI")).songs
    pieces = [piece_of(read_first(file.path).score) for file in files]
    return [piece for piece in pieces if str(piece.meter) == "4/4"]


@pytest.fixture(scope="module")
def found(tunes: list[Piece]) -> Comparison:
    return compare([], tunes, bars=16, meter="4/4", draws=200)


@pytest.mark.parametrize(
    ("name", "expected", "tolerance"),
    [
        ("gs16", 0.872, 0.006),
        ("gs64", 0.968, 0.001),
        ("h1", 1.611, 0.005),
        ("h4", 2.456, 0.005),
        ("cpi", 0.392, 0.015),
        ("cpi_drop_last", 0.392, 0.005),
        ("che", 2.053, 0.02),
        ("cc", 5.25, 0.05),
        ("ctd", 1.165, 0.001),
        ("ctr", 0.734, 0.002),
        ("mctd", 1.280, 0.002),
    ],
)
def test_means_over_tunes(tunes: list[Piece], name: str, expected: float, tolerance: float) -> None:
    functions = {
        "gs16": lambda piece: rhythm.grooving_similarity(piece, 16),
        "gs64": lambda piece: rhythm.grooving_similarity(piece, 64),
        "h1": harmony.pitch_class_entropy,
        "h4": lambda piece: harmony.pitch_class_entropy(piece, 4),
        "cpi": harmony.chord_progression_irregularity,
        "cpi_drop_last": lambda piece: harmony.chord_progression_irregularity(piece, drop_last=True),
        "che": harmony.chord_histogram_entropy,
        "cc": harmony.chord_coverage,
        "ctd": harmony.chord_tonal_distance,
        "ctr": harmony.chord_tone_ratio,
        "mctd": harmony.melody_chord_tonal_distance,
    }
    values = []
    for piece in tunes:
        try:
            values.append(functions[name](piece))
        except Undefined:
            continue
    assert len(values) >= 530
    assert np.mean(values) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize(("positions", "expected", "tolerance"), [(16, 0.042, 0.006), (64, 0.011, 0.001)])
def test_spread_of_gs_over_tunes(
    tunes: list[Piece], positions: int, expected: float, tolerance: float
) -> None:
    values = [rhythm.grooving_similarity(piece, positions) for piece in tunes]
    assert np.std(values) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize(
    ("of", "ssmd", "energy"),
    [
        ("real", 1.22, 0.12),  # one split of the tunes gave 0.51; this is the mean over splits
        ("shuffled", 14.16, 8.58),
        ("random", 12.71, 12.54),
        ("loop", 79.2, 143),
        ("silence", 79.2, 144),
    ],
)
def test_statistical_ssmd(found: Comparison, of: str, ssmd: float, energy: float) -> None:
    row = found.row("ssmd", of)
    assert row["n"] in range(255, 262)
    assert row["value"] == pytest.approx(ssmd, rel=0.04, abs=0.15)
    assert found.row("energy", of)["value"] == pytest.approx(energy, rel=0.06, abs=0.05)


@pytest.mark.parametrize(("of", "expected"), [("silence", 18.5), ("real", 27.1)])
def test_paired_ssmd_rewards_silence(found: Comparison, of: str, expected: float) -> None:
    assert found.row("ssmd_paired_l1", of)["value"] == pytest.approx(expected, abs=0.3)


def test_paired_ssmd_of_shuffled_half_beats(tunes: list[Piece]) -> None:
    rng = np.random.default_rng(0)
    away = []
    for piece in tunes:
        try:
            frames = structure.chroma(window(piece, 16), 6)
        except Undefined:
            continue
        mixed = structure.cosine_ssm(frames[rng.permutation(len(frames))])
        away.append(100 * np.abs(mixed - structure.cosine_ssm(frames)).mean())
    assert np.mean(away) == pytest.approx(29.0, abs=0.3)


@pytest.mark.parametrize(("count", "expected"), [(25, 3.05), (100, 1.7), (250, 1.3)])
def test_floor_by_number_of_pieces(tunes: list[Piece], count: int, expected: float) -> None:
    # So many tunes against all others; `compare` has as many on both sides, and so a higher floor.
    ssms = []
    for piece in tunes:
        try:
            ssms.append(structure.bar_ssm(window(piece, 16)))
        except Undefined:
            continue
    rng = np.random.default_rng(0)
    floors = []
    for _ in range(100):
        order = rng.permutation(len(ssms))
        some, others = ([ssms[i] for i in part] for part in (order[:count], order[count:]))
        floors.append(structure.statistical_ssmd(np.stack(some), np.stack(others)))
    assert np.mean(floors) == pytest.approx(expected, rel=0.08)


def test_controls_are_in_order(found: Comparison) -> None:
    for metric in found.metrics:
        if metric["group"] == "structure":
            ordered = all(step["holds"] for step in metric["order"])
            assert ordered == metric["recommended"], metric["name"]
