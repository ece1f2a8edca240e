from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.theory.chord import Chord, parse_lead_sheet
from hrpe_jax.theory.quality import INTERVALS, QUALITIES, coarse_quality
from hrpe_jax.theory.tonal_space import (
    DISTANCES,
    REPRESENTATIVES,
    TRIADS,
    chord_distances,
    fifths_distance,
    fourier,
    nearest_triads,
    phase_distance,
    tonal_centroid,
    tonnetz_distance,
    tonnetz_neighbours,
    triad_distances,
)

MAJOR = (0, 4, 7)
chords = st.builds(Chord, st.integers(0, 11), st.sampled_from(QUALITIES))


def test_neo_riemannian_steps() -> None:
    names = {name: str(chord) for name, chord in tonnetz_neighbours(Chord(0, "maj")).items()}
    assert names == {"P": "C:min", "L": "E:min", "R": "A:min"}
    for triad in TRIADS:
        for name, near in tonnetz_neighbours(triad).items():
            assert tonnetz_neighbours(near)[name] == triad
            assert len(triad.pitch_classes & near.pitch_classes) == 2


@pytest.mark.parametrize(
    ("x", "y", "steps"),
    [
        ("C", "C", 0),
        ("C", "Am", 1),
        ("C", "Cm", 1),
        ("C", "Em", 1),
        ("C", "G", 2),
        ("C", "F", 2),
        ("C", "Abm", 3),  # the hexatonic pole: PLP
        ("C", "E", 2),
        ("C", "F#", 4),  # PRPR
        ("C", "Bbm", 5),
        ("C7", "Am7", 1),
        ("Csus4", "Cm", 0),
        ("Bm7b5", "Dm", 0),
    ],
)
def test_tonnetz_distances(x: str, y: str, steps: int) -> None:
    assert tonnetz_distance(parse_lead_sheet(x), parse_lead_sheet(y)) == steps


def test_triad_distances_are_a_metric() -> None:
    table = triad_distances()
    assert (table == table.T).all()
    assert ((table == 0) == np.eye(24, dtype=bool)).all()
    assert (table <= (table[:, :, None] + table[None]).min(axis=1)).all()
    assert table.max() == 5
    # The dual of the Tonnetz: three neighbours each.
    assert ((table == 1).sum(axis=1) == 3).all()


def test_nearest_triads() -> None:
    def nearest(label: str) -> set[str]:
        return {str(chord) for chord in nearest_triads(parse_lead_sheet(label))}

    assert nearest("C") == {"C:maj"}
    assert nearest("Csus4") == {"C:maj", "C:min"}
    assert nearest("Cm7") == {"C:min"}
    assert nearest("Cm7b5") == {"Eb:min"}


def test_fourier_coefficients() -> None:
    # Amiot, Music Through Fourier Space, 2016: the major triad, and the most even sets.
    assert np.abs(fourier(MAJOR)) == pytest.approx(
        [3, math.sqrt(2 - math.sqrt(3)), 1, math.sqrt(5), math.sqrt(3), math.sqrt(2 + math.sqrt(3)), 1]
    )
    assert abs(fourier((0, 2, 4, 5, 7, 9, 11))[5]) == pytest.approx(2 + math.sqrt(3))
    assert abs(fourier((0, 4, 8))[3]) == pytest.approx(3)
    assert abs(fourier((0, 3, 6, 9))[4]) == pytest.approx(4)
    assert abs(fourier((0, 2, 4, 6, 8, 10))[6]) == pytest.approx(6)
    assert fourier(()) == pytest.approx(np.zeros(7))


@given(st.sets(st.integers(0, 11)), st.integers(-12, 12))
def test_transposition_turns_the_phase(notes: set[int], steps: int) -> None:
    turned = fourier(notes) * np.exp(-2j * np.pi * np.arange(7) * steps / 12)
    assert fourier(note + steps for note in notes) == pytest.approx(turned, abs=1e-9)


@given(st.sets(st.integers(0, 11), min_size=1))
def test_the_tonal_centroid_is_three_fourier_coefficients(notes: set[int]) -> None:
    # Bernardes et al., J. New Music Research 45, 2016. Sine first, angles counted the other way.
    coefficients = fourier(notes) / len(notes)
    points = tonal_centroid(notes).reshape(3, 2)
    # 7 = -5 and 9 = -3 modulo 12.
    assert points[0] @ [1j, 1] == pytest.approx(coefficients[5])
    assert points[1] @ [1j, 1] == pytest.approx(coefficients[3])
    assert points[2] @ [1j, 1] == pytest.approx(np.conj(coefficients[4]) / 2)


def test_tonal_centroids() -> None:
    assert tonal_centroid([0]) == pytest.approx([0, 1, 0, 1, 0, 0.5])
    assert tonal_centroid([]) == pytest.approx(np.zeros(6))
    assert tonal_centroid(range(12)) == pytest.approx(np.zeros(6), abs=1e-12)
    # A fifth lies nearer than a second or a tritone (Harte et al. 2006, sec. 3).
    far = [np.linalg.norm(tonal_centroid([0]) - tonal_centroid([n])) for n in range(12)]
    assert far[7] < far[2] < far[6]


def test_phases() -> None:
    # Up a fifth both phases turn: coefficient 3 by -pi / 2 * 7 = pi / 2, coefficient 5 by pi / 6.
    fifth = phase_distance(Chord(0, "maj"), Chord(7, "maj"))
    assert fifth == pytest.approx(math.hypot(math.pi / 2, math.pi / 6))
    # Augmented triads have no fifth coefficient.
    augmented = phase_distance(Chord(0, "aug"), Chord(1, "aug"))
    assert augmented == pytest.approx(math.hypot(math.pi / 2, math.pi / math.sqrt(3)))
    assert phase_distance(Chord(0, "aug"), Chord(4, "aug")) == 0


def test_fifths() -> None:
    assert [fifths_distance(Chord(0, "maj"), Chord(n, "min")) for n in range(12)] == [
        0, 5, 2, 3, 4, 1, 6, 1, 4, 3, 2, 5,
    ]  # fmt: skip


@given(chords, chords, st.integers(0, 11))
def test_distances_know_intervals_only_and_no_direction(x: Chord, y: Chord, steps: int) -> None:
    for name, distance in DISTANCES.items():
        if name == "lerdahl":  # of some qualities no key holds them; and it is directed
            continue
        straight = distance(x, y)
        assert straight == pytest.approx(distance(y, x))
        assert straight == pytest.approx(distance(x.transpose(steps), y.transpose(steps)))
        assert distance(x, x) == 0


@given(chords, chords, chords)
def test_the_triangle_inequality(x: Chord, y: Chord, z: Chord) -> None:
    for name in ("centroid", "fifths"):
        distance = DISTANCES[name]
        assert distance(x, z) <= distance(x, y) + distance(y, z) + 1e-9


def test_every_code_has_a_representative() -> None:
    assert [coarse_quality(quality) for quality in REPRESENTATIVES] == list(range(9))
    assert len({INTERVALS[quality] for quality in REPRESENTATIVES}) == 9


def test_tables() -> None:
    tables = chord_distances()
    assert set(tables) == {"lerdahl", "tonnetz", "centroid", "fourier", "fifths"}
    back = -np.arange(12) % 12
    for name, table in tables.items():
        assert table.shape == (9, 9, 12)
        assert table.dtype == np.float32
        assert table.min() == 0
        assert table.max() == 1
        assert (table[range(9), range(9), 0] == 0).all()
        # A chord from a chord is that chord from it, seen from the other end; Lerdahl's only between triads.
        codes = slice(0, 4) if name == "lerdahl" else slice(None)
        part = table[codes, codes]
        np.testing.assert_allclose(part, part.swapaxes(0, 1)[:, :, back], atol=1e-6)
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 0
    # V to I: the tonic asks, the dominant is the key; its root lies five semitones below.
    lerdahl = tables["lerdahl"]
    assert lerdahl[0, 0, 5] / lerdahl[0, 0, 2] == pytest.approx(5 / 8)
    # Towards a seventh chord is one more than away from it.
    assert lerdahl[4, 0, 7] > lerdahl[0, 4, 5]
