"""Chord and harmony metrics, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hrpe_jax.metrics import harmony
from hrpe_jax.metrics.arrays import Undefined
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.theory.tonal_space import tonal_centroid

C, F, G, G7 = Chord(0, "maj"), Chord(5, "maj"), Chord(7, "maj"), Chord(7, "7")


def song(melody: list[tuple[int, int, int]], progression: list[tuple[Chord, int]]) -> Score:
    """Notes (onset, duration, pitch), and chords with their durations, one after the other."""
    ends = np.cumsum([0, *(duration for _, duration in progression)]).tolist()
    spans = [
        ChordSpan(onset, duration, chord) for onset, (chord, duration) in zip(ends, progression, strict=False)
    ]
    return Score("t", "", Key(0, "major"), Meter(4, 4), 120.0, tuple(Note(*n) for n in melody), tuple(spans))


def test_chord_tonal_distance() -> None:
    # Major triads 5 or 7 semitones apart: 1.213; F to G is a whole tone: 1.699. C is said twice.
    progression = [(C, 24), (C, 24), (F, 48), (G, 48), (Chord.NONE, 12), (C, 36)]
    assert harmony.chord_tonal_distance(song([], progression)) == pytest.approx(
        (1.213 + 1.699 + 1.213) / 3, abs=1e-3
    )


def test_melody_chord_tonal_distance() -> None:
    # A quarter C over C; a half G that is held from C into G for a quarter each.
    score = song([(0, 12, 60), (36, 24, 67)], [(C, 48), (G, 48)])
    away = {
        (pitch, root): float(
            np.linalg.norm(tonal_centroid([pitch]) - tonal_centroid([root, root + 4, root + 7]))
        )
        for pitch, root in ((0, 0), (7, 0), (7, 7))
    }
    assert away[0, 0] == pytest.approx(away[7, 7])
    expected = (12 * away[0, 0] + 12 * away[7, 0] + 12 * away[7, 7]) / 36
    assert harmony.melody_chord_tonal_distance(score) == pytest.approx(expected)
    # By the formula: C is at (0, 1, 0, 1, 0, 1/2); the triad's centroid is the mean over C, E and G.
    turns = [math.pi * k * p for p in (0, 4, 7) for k in (7 / 6, 3 / 2, 2 / 3)]
    triad = np.array([[math.sin(t), math.cos(t)] for t in turns]).reshape(3, 3, 2) * [[1], [1], [0.5]]
    hand = np.linalg.norm(np.array([0, 1, 0, 1, 0, 0.5]) - triad.reshape(3, 6).mean(axis=0))
    assert away[0, 0] == pytest.approx(float(hand))


def test_ctnctr_in_both_readings() -> None:
    # Over C: E; F, then E: resolves; D, then F: by 3 semitones, no; F#, again F#, then G: both resolve;
    # A, then B: near, but B is no chord tone; B is the last note.
    pitches = [64, 65, 64, 62, 65, 66, 66, 67, 69, 71]
    score = song([(12 * i, 12, pitch) for i, pitch in enumerate(pitches)], [(C, 120)])
    # Chord tones: 64, 64, 67. Others: 65, 62, 65, 66, 66, 69, 71.
    assert harmony.chord_tone_ratio(score) == pytest.approx(3 / 10)
    # By step: 65>64, 65>66, 66>67, 66>67, 69>71.
    assert harmony.ctnctr(score) == pytest.approx((3 + 5) / 10)
    # To a chord tone: 65>64, 66>67, 66>67.
    assert harmony.ctnctr(score, "chord tone") == pytest.approx((3 + 3) / 10)


def test_pitch_consonance() -> None:
    # A quarter E over C (4 over C, 0 over E, 9 over G), an eighth F (5, 1, 10), a rest, a 16th D (2, 10, 7).
    score = song([(0, 12, 64), (12, 6, 65), (36, 3, 62)], [(C, 48)])
    assert harmony.pitch_consonance(score) == pytest.approx(
        (4 * 1 + 2 * (0 - 1 - 1) / 3 + (-1 - 1 + 1) / 3) / 7
    )


def test_pitch_consonance_looks_at_the_beginning_of_each_16th() -> None:
    triplets = song([(0, 4, 60), (4, 4, 62), (8, 4, 64)], [(C, 48)])
    # At ticks 0, 3: C (0, 8, 5); at 6: D (2, 10, 7); at 9: E.
    assert harmony.pitch_consonance(triplets) == pytest.approx((2 * (1 + 1 + 0) / 3 - 1 / 3 + 1) / 4)


def test_out_of_key() -> None:
    score = song([(0, 12, 60), (12, 6, 61), (20, 1, 66)], [(C, 48)])
    assert harmony.out_of_key_share(score) == pytest.approx(3 / 16)  # two 16ths of C#, one with F# in it
    assert harmony.out_of_key_share(score, "sounding") == pytest.approx(3 / 7)


def test_progressions() -> None:
    score = song(
        [], [(C, 48), (F, 48), (G, 48), (C, 48), (F, 24), (F, 24), (G, 48), (Chord.NONE, 48), (C, 48)]
    )
    # C F G C F G C: CFG FGC GCF CFG FGC.
    assert harmony.chord_progression_irregularity(score) == pytest.approx(3 / 5)
    assert harmony.chord_progression_irregularity(score, drop_last=True) == pytest.approx(3 / 4)
    assert harmony.chord_coverage(score) == 3
    expected = -(3 / 7 * math.log2(3 / 7) + 2 * 2 / 7 * math.log2(2 / 7))
    assert harmony.chord_histogram_entropy(score) == pytest.approx(expected)
    fine = song([], [(G, 48), (G7, 48)])
    assert harmony.chord_coverage(fine) == 2  # root and fine quality: no two of them are one


def test_an_inverted_chord_is_the_same_chord() -> None:
    score = song([], [(C, 24), (Chord(0, "maj", bass=4), 24), (F, 24)])
    assert harmony.chord_histogram_entropy(score) == 1.0


def test_nothing_to_measure() -> None:
    for metric, reason in (
        (harmony.chord_progression_irregularity, "no chords"),
        (harmony.chord_coverage, "no chords"),
        (harmony.chord_tonal_distance, "no chords"),
        (harmony.chord_histogram_entropy, "no chords"),
        (harmony.pitch_class_entropy, "fewer than 1 bars"),
    ):
        with pytest.raises(Undefined, match=reason):
            metric(song([], []))
    for metric, reason in (
        (harmony.chord_progression_irregularity, "too few chord changes"),
        (harmony.chord_tonal_distance, "no two different chords"),
    ):
        with pytest.raises(Undefined, match=reason):
            metric(song([], [(C, 24)]))
