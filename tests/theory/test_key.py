from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.theory.key import Key, find_key, key_scores

KEYS = [Key.from_index(i) for i in range(24)]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_index_name_and_signature(key: Key) -> None:
    assert Key.from_index(key.index) == key
    assert Key.parse(key.name) == key
    assert -6 <= key.fifths <= 5
    sharps = {fifth * 7 % 12 for fifth in range(key.fifths - 1, key.fifths + 6)}
    assert set(key.scale) == sharps


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Eb major", "Eb major"),
        ("C#m", "C# minor"),
        ("Gb:maj", "Gb major"),
        ("F#:maj", "Gb major"),
        ("a minor", "A minor"),
        ("a", "A minor"),
        ("F", "F major"),
        ("Bb", "Bb major"),
        ("bb minor", "Bb minor"),
        ("b minor", "B minor"),
        ("A-", "A minor"),
        ("D Minor", "D minor"),
        ("G_major", "G major"),
        ("CM", "C major"),
    ],
)
def test_spellings(text: str, name: str) -> None:
    assert Key.parse(text).name == name


@pytest.mark.parametrize("text", ["", "H major", "C dorian", "major", "1"])
def test_bad_spellings(text: str) -> None:
    with pytest.raises(ValueError, match="key"):
        Key.parse(text)


def test_out_of_range() -> None:
    with pytest.raises(ValueError, match="tonic"):
        Key(12, "major")
    with pytest.raises(ValueError, match="mode"):
        Key(0, "dorian")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="index"):
        Key.from_index(24)


def scale_weights(key: Key, harmonic: bool = False) -> np.ndarray:
    """A tune on the scale that rests on the tonic triad."""
    weights = np.zeros(12)
    weights[list(key.scale)] = 1.0
    if harmonic:
        weights[(key.tonic + 10) % 12], weights[(key.tonic + 11) % 12] = 0.0, 1.0
    for degree in (0, 2, 4):
        weights[key.scale[degree]] += 1.0
    weights[key.tonic] += 1.0
    return weights


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_finds_the_key_of_its_scale(key: Key) -> None:
    assert find_key(scale_weights(key)) == key
    if key.mode == "minor":
        assert find_key(scale_weights(key, harmonic=True)) == key


@given(st.lists(st.integers(0, 1000), min_size=12, max_size=12), st.integers(0, 11))
def test_scores_follow_transposition(weights: list[int], shift: int) -> None:
    scores = key_scores(weights)
    moved = key_scores(np.roll(weights, shift))
    for key in KEYS:
        np.testing.assert_allclose(moved[key.transpose(shift).index], scores[key.index], atol=1e-12)


def test_silence_and_nonsense() -> None:
    assert find_key([0.0] * 12) == Key(0, "major")
    for bad in ([1.0] * 11, [-1.0] + [0.0] * 11, [float("nan")] * 12):
        with pytest.raises(ValueError, match="12 finite"):
            key_scores(bad)


def test_parallel_and_spelling() -> None:
    assert Key(9, "minor").parallel == Key(9, "major")
    assert [Key(0, "major").spell(pc) for pc in (1, 6, 8, 10)] == ["Db", "F#", "Ab", "Bb"]
    assert Key(9, "minor").spell(8) == "G#"
