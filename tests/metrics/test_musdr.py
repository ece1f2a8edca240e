"""Golden values of MusDr on its five test solos, and its definitions on made-up tokens.

The solos are not part of this project. Whoever has the token files of Wu and Yang's "The Jazz Transformer on
the Front Line" (ISMIR 2020; `musdr/testdata/symbolic/*.csv`) sets HRPE_MUSDR to a folder that holds them; a
solo that is not there is skipped. Values are those of all bar pairs, where MusDr takes 1,000 at random.
"""

from __future__ import annotations

import csv
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.metrics.arrays import Piece
from hrpe_jax.metrics.harmony import chord_progression_irregularity, pitch_class_entropy
from hrpe_jax.metrics.rhythm import grooving_similarity
from hrpe_jax.theory.meter import Meter

SOLOS = {
    "BennyCarter_LongAgo": (35, 2.1029, 2.9463, 0.8261, 0.5510),
    "ChetBaker_ThereWillNeverBe": (45, 1.7015, 2.4795, 0.8811, 0.7059),
    "DickieWells_Dickie": (33, 1.1525, 2.1917, 0.9074, 0.2593),
    "GerryMulligan_Scrapple": (132, 1.9271, 2.9222, 0.8611, 0.1656),
    "HenryAllen_BabyWon": (39, 1.4617, 2.6174, 0.8863, 0.4902),
}
"""Beginning of the file's name: bars, H1, H4, GS on 64 positions, CPI."""
BAR, POSITIONS, ROOTS, BASSES, TYPES = 192, range(193, 257), range(322, 334), range(334, 346), range(346, 393)
METER = Meter(16, 4)  # 192 ticks a bar: three to each of MusDr's 64 positions


def musdr_tokens(path: Path) -> list[int]:
    """The column ENCODING of a token file."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [int(row["ENCODING"]) for row in csv.DictReader(stream)]


def piece_of_tokens(tokens: list[int]) -> Piece:
    """The solo on MusDr's grid, one note an onset; its chords have MusDr's own labels, the bass included."""
    if tokens[-1] == BAR:
        tokens = tokens[:-1]
    bar, position = -1, 0
    notes: list[tuple[int, int]] = []
    chords: list[tuple[int, int, int]] = []
    seen: list[int] = []
    for token in tokens:
        if token == BAR:
            bar, position = bar + 1, 0
        elif token in POSITIONS:
            position = token - POSITIONS[0]
        elif token < 128 and bar >= 0:
            notes.append((192 * bar + 3 * position, token))
        elif token in ROOTS or token in TYPES or token in BASSES:
            seen.append(token)
            if token in BASSES:
                chords.append((seen[-3], seen[-2], seen[-1]))
    names = {chord: number for number, chord in enumerate(dict.fromkeys(chords))}
    onset = np.array([onset for onset, _ in notes], np.int64)
    places = np.arange(len(chords))
    return Piece(
        id="solo",
        meter=METER,
        tonic=0,
        mode="major",
        scale=np.ones(12, np.bool_),
        onset=onset,
        duration=np.full(len(notes), 3),
        pitch=np.array([pitch for _, pitch in notes], np.int64),
        starts=192 * np.arange(bar + 1),
        lengths=np.full(bar + 1, 192),
        chord_onset=places,
        chord_end=places + 1,
        chord=np.array([names[chord] for chord in chords], np.int64),
        chord_tones=np.zeros((len(chords), 12), np.bool_),
    )


def figures(piece: Piece) -> tuple[int, float, float, float, float]:
    return (
        piece.bars,
        pitch_class_entropy(piece, 1),
        pitch_class_entropy(piece, 4),
        grooving_similarity(piece, 64),
        chord_progression_irregularity(piece, drop_last=True, as_written=True),
    )


@pytest.mark.parametrize("solo", SOLOS)
def test_golden_values_of_solos(solo: str) -> None:
    folder = os.environ.get("HRPE_MUSDR")
    if not folder:
        pytest.skip("MusDr's solos are not here (set HRPE_MUSDR to the folder of its token files)")
    files = sorted(Path(folder).rglob(f"{solo}*.csv"))
    if not files:
        pytest.skip(f"{folder} has no file {solo}*.csv")
    bars, *expected = SOLOS[solo]
    found_bars, *found = figures(piece_of_tokens(musdr_tokens(files[0])))
    assert found_bars == bars
    assert found == pytest.approx(expected, abs=6e-5)


def test_its_definitions_on_made_up_tokens(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    tokens, bars, chords = [225], [], []  # a position before the first bar, as its files have
    for _ in range(9):
        tokens.append(BAR)
        played = {}
        for position in sorted(rng.choice(64, rng.integers(6), replace=False)):
            chord = (322 + int(rng.integers(3)), 346 + int(rng.integers(2)), 334 + int(rng.integers(2)))
            tokens += [
                193 + int(position),
                *chord,
                145,
                played.setdefault(int(position), int(rng.integers(50, 70))),
            ]
            chords.append(chord)
        bars.append(played)
    path = tmp_path / "made_up.csv"
    path.write_text(
        "EVENT,VALUE,VALUE_IDX,ENCODING\n" + "".join(f"x,y,0,{token}\n" for token in (*tokens, BAR))
    )
    count, h1, h4, gs, cpi = figures(piece_of_tokens(musdr_tokens(path)))
    assert count == 9

    def entropy(window: list[dict[int, int]]) -> float | None:
        classes = [pitch % 12 for bar in window for pitch in bar.values()]
        shares = np.bincount(classes, minlength=12)[np.bincount(classes, minlength=12) > 0] / max(
            len(classes), 1
        )
        return -float((shares * np.log2(shares)).sum()) if classes else None

    for length, found in ((1, h1), (4, h4)):
        entropies = [entropy(bars[n : n + length]) for n in range(9 - length + 1)]
        assert found == pytest.approx(np.mean([value for value in entropies if value is not None]))
    alike = [1 - len(a.keys() ^ b.keys()) / 64 for a, b in itertools.combinations(bars, 2)]
    assert gs == pytest.approx(np.mean(alike))
    trigrams = [tuple(chords[n : n + 3]) for n in range(len(chords) - 3)]
    assert cpi == pytest.approx(len(set(trigrams)) / len(trigrams))
