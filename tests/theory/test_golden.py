"""Golden tables of theory, computed once with independent code; chords by semitones above C."""

from __future__ import annotations

import numpy as np
import pytest

from hrpe_jax.theory.chord import Chord, parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.tonal_space import fourier, rule, tonal_centroid, tonnetz_distance

DIATONIC = [parse_lead_sheet(name) for name in ("C", "Dm", "Em", "F", "G", "Am", "Bdim")]
C = Chord(0, "maj")


def test_lerdahl_distances_of_the_diatonic_triads() -> None:
    expected = [
        [0, 8, 7, 5, 5, 7, 8], [8, 0, 8, 7, 5, 5, 7], [7, 8, 0, 8, 7, 5, 5], [5, 7, 8, 0, 8, 7, 5],
        [5, 5, 7, 8, 0, 8, 7], [7, 5, 5, 7, 8, 0, 8], [8, 7, 5, 5, 7, 8, 0],
    ]  # fmt: skip
    key = Key.parse("C")
    assert [[rule(x, key, y, key) for y in DIATONIC] for x in DIATONIC] == expected


@pytest.mark.parametrize(
    ("quality", "expected"),
    [("maj", [0, 4, 4, 2, 2, 2, 4, 2, 2, 2, 4, 4]), ("min", [1, 3, 3, 3, 1, 3, 3, 3, 3, 1, 5, 3])],
)
def test_steps_of_parallel_leading_tone_and_relative(quality: str, expected: list[int]) -> None:
    assert [tonnetz_distance(C, Chord(root, quality)) for root in range(12)] == expected


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        ("maj", [0, 1.705, 1.699, 1.393, 1.222, 1.213, 1.970, 1.213, 1.222, 1.393, 1.699, 1.705]),
        ("min", [0.849, 1.441, 1.528, 1.846, 0.849, 1.268, 1.824, 1.404, 1.488, 0.799, 1.824, 1.715]),
    ],
)
def test_tonal_centroid_distances(quality: str, expected: list[float]) -> None:
    here = tonal_centroid(C.pitch_classes)
    found = [np.linalg.norm(here - tonal_centroid(Chord(root, quality).pitch_classes)) for root in range(12)]
    np.testing.assert_allclose(found, expected, atol=6e-4)


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ((0, 4, 7), [0.5176, 1, 2.2361, 1.7321, 1.9319, 1]),
        ((0, 3, 7), [0.5176, 1, 2.2361, 1.7321, 1.9319, 1]),
        ((0, 3, 6), [1, 1, 1, 3, 1, 1]),
        ((0, 4, 8), [0, 0, 3, 0, 0, 3]),
        ((0, 4, 7, 10), [0.5176, 1, 1.4142, 2.6458, 1.9319, 2]),
        ((0, 4, 7, 11), [0.5176, 1.7321, 2.8284, 1, 1.9319, 0]),
        ((0, 3, 7, 10), [0.7321, 0, 2, 2, 2.7321, 0]),
        ((0, 2, 4, 5, 7, 9, 11), [0.2679, 1, 1, 1, 3.7321, 1]),
    ],
    ids=["major", "minor", "diminished", "augmented", "seventh", "major seventh", "minor seventh", "scale"],
)
def test_fourier_magnitudes(notes: tuple[int, ...], expected: list[float]) -> None:
    np.testing.assert_allclose(np.abs(fourier(notes))[1:], expected, atol=6e-5)
