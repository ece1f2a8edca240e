from __future__ import annotations

import math

import numpy as np
import pytest

from hrpe_jax.baselines.measure import Sequence, chord_changes, chord_sequence, measure, rank, song_sequences
from hrpe_jax.baselines.ngram import ngram_baseline
from hrpe_jax.codec import backbone, melody
from hrpe_jax.codec import backbone_tokens as bt
from hrpe_jax.theory.chord import Chord


def chord(root: int, quality: str, beats: int, bass: int | None = None) -> int:
    return bt.chord_id(Chord(root, quality, bass), beats)


SONG = {
    "id": "a",
    "input_ids": [
        bt.BOS,
        bt.KEY0,
        bt.METER0 + 13,
        bt.NO_CHORD0 + 3,
        chord(0, "maj", 8),
        chord(0, "maj", 2),  # goes on
        chord(0, "maj", 2, bass=4),  # another inversion of the same root and quality
        chord(7, "7", 4),
    ],
    "target_id": bt.EOS,
    "root_pc": [],
}
TUNE = {
    "metadata": {"key_signature_root": 0, "key_signature_mode": "major"},
    "event_ids": [129, 131, 60, 152, 64, 152, 130],
    "conditioning_chord_ids": [99] * 7,
    "next_chord_ids": [99] * 7,
}


class Dataset:
    """The same song in all keys; another split holds it in one."""

    def records(self, stage: str, split: str) -> list:
        codec, record = (backbone, SONG) if stage == "backbone" else (melody, TUNE)
        return [codec.transpose_record(record, n) for n in (range(-5, 7) if split == "train" else [2])]


def test_songs_come_to_c() -> None:
    for stage in ("backbone", "melody"):
        songs = song_sequences(Dataset(), stage, "train")
        assert len(songs) == 12
        for tokens, counted, *_ in songs:
            # A song six semitones away may arrive an octave off.
            same = (tokens - songs[5].tokens) % 12 if stage == "melody" else tokens - songs[5].tokens
            assert not same.any()
            assert counted.tolist() == [False] * (3 if stage == "backbone" else 1) + [True] * counted.sum()
        assert len({song.tokens.tobytes() for song in song_sequences(Dataset(), stage, "train", False)}) == 12


def test_chord_changes_look_at_root_and_quality_only() -> None:
    (tokens, *_), *_ = song_sequences(Dataset(), "backbone", "valid")
    assert np.flatnonzero(chord_changes(tokens)).tolist() == [3, 4, 7]


@pytest.mark.parametrize("stage", ["backbone", "melody"])
def test_baseline_knows_the_song_it_was_shown(stage: str) -> None:
    found = ngram_baseline(Dataset(), stage, "valid")
    assert found["count"] == 6
    assert found["accuracy"] == 1
    assert found["nll"] < 0.3
    if stage == "backbone":
        assert found["chord_count"] == 3
        assert found["chord_accuracy"] == 1
        assert found["chord_nll"] < 0.1


def test_chord_probability_is_summed_over_inversion_and_duration() -> None:
    class Half:
        """Half of the probability on each of two spellings of one chord."""

        def distributions(self, song: Sequence):
            probability = np.zeros(bt.SIZE)
            probability[[chord(0, "maj", 1), chord(0, "maj", 2, bass=7)]] = 0.5
            yield from (probability for _ in song.tokens)

    sequence = Sequence(np.asarray([chord(0, "maj", 1)]), np.asarray([True]))
    found = measure(Half().distributions, [sequence], "backbone")
    assert (found["nll"], found["chord_nll"]) == (pytest.approx(math.log(2)), pytest.approx(0))


def test_the_trained_model_is_measured_at_the_same_changes() -> None:
    import jax.numpy as jnp

    from hrpe_jax.tasks.backbone import root_quality_of

    first = [bt.BOS, bt.KEY0, bt.METER0 + 13, chord(0, "maj", 8)]
    tokens = np.array(
        [*first, chord(0, "maj", 4), chord(0, "maj", 2, bass=4), bt.NO_CHORD0, chord(0, "min", 1), bt.EOS]
    )
    said = np.asarray(root_quality_of(jnp.asarray(tokens)))
    changes = (said[1:] > 0) & (said[1:] != said[:-1])
    assert changes.tolist() == [False, False, True, False, False, True, True, False]
    np.testing.assert_array_equal(changes, chord_changes(tokens)[1:])


def test_of_equally_likely_classes_the_first_comes_first() -> None:
    assert [rank(np.full(4, 0.25), truth) for truth in range(4)] == [0, 1, 2, 3]


def test_chords_alone_are_those_at_the_changes() -> None:
    song, *_ = song_sequences(Dataset(), "backbone", "valid")
    found = chord_sequence(song).tokens
    assert len(found) == 3
    assert len(set(found)) == 3
