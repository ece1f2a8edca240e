"""What counting reaches on the tokens a model is trained on: the line under every validation figure.

The songs are brought to C first (by the key their records name), which is the strongest fair form of an
n-gram: a model sees all twelve keys of a song, a table of counts would need twelve times the music to do so.
The chords that a melody is conditioned on are not shown to the n-gram.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.data.augment import shift_to_c, transpose_backbone_ids, transpose_melody_ids
from hrpe_jax.data.pipeline import Songs
from hrpe_jax.metrics.ngram import NGram, Smoothing

Stage = Literal["backbone", "melody"]

VOCABULARY = {"backbone": backbone_tokens.SIZE, "melody": melody_tokens.SIZE}


class Sequence(NamedTuple):
    """The tokens of a song, start to end, and which of them are predicted and counted; both `[tokens]`."""

    tokens: np.ndarray
    counted: np.ndarray


def backbone_sequence(record: Mapping[str, Any], normalise_key: bool = True) -> Sequence:
    """The tokens of a backbone record; start, key and meter are given, everything after them is counted."""
    tokens = np.asarray([*record["input_ids"], record["target_id"]], np.int64)
    if normalise_key:
        tokens = transpose_backbone_ids(tokens, shift_to_c(int(tokens[1] - backbone_tokens.KEY0) % 12))
    return Sequence(tokens, np.arange(len(tokens)) >= backbone_tokens.PREFIX_LENGTH)


def melody_sequence(record: Mapping[str, Any], normalise_key: bool = True) -> Sequence:
    """The tokens of a melody record; everything after the start is counted."""
    tokens = np.asarray(record["event_ids"], np.int64)
    if normalise_key:
        tokens = transpose_melody_ids(tokens, shift_to_c(int(record["metadata"]["key_signature_root"])))
    return Sequence(tokens, np.arange(len(tokens)) >= 1)


def song_sequences(dataset: Songs, stage: Stage, split: str, normalise_key: bool = True) -> list[Sequence]:
    """The songs of a split as tokens.

    Args:
        dataset: What `open_dataset` returned.
        stage: "backbone" or "melody".
        split: "train", "valid" or "test".
        normalise_key: Whether songs are transposed so that their tonic is C.
    """
    convert = backbone_sequence if stage == "backbone" else melody_sequence
    records = dataset.records(stage, split)
    return [convert(records[index], normalise_key) for index in range(len(records))]


def ngram_baseline(
    dataset: Songs, stage: Stage, split: str, order: int = 5, smoothing: Smoothing | None = None
) -> dict[str, float]:
    """Fits an n-gram on the training split and measures it on another.

    Args:
        dataset: What `open_dataset` returned.
        stage: "backbone" or "melody".
        split: The split to measure on.
        order: Longest n-gram.
        smoothing: Which; None takes the one that is better on POP909's validation split.

    Returns:
        `nll` (mean, nats), `accuracy` (of the likeliest token) and `count` over the counted tokens. Backbone
        also `chord_nll`, `chord_accuracy` and `chord_count`: root and fine quality where the chord changes,
        the probability summed over inversions and durations.
    """
    model = NGram(order, VOCABULARY[stage], smoothing or BEST_SMOOTHING[stage])
    model.fit(sequence.tokens for sequence in song_sequences(dataset, stage, "train"))
    return measure(model, song_sequences(dataset, stage, split), chords=stage == "backbone")


BEST_SMOOTHING: dict[str, Smoothing] = {"backbone": "kneser-ney", "melody": "kneser-ney"}


def measure(model: NGram, sequences: Iterable[Sequence], chords: bool) -> dict[str, float]:
    """Measures a model; see `ngram_baseline` for what is returned. `chords` adds the chord figures."""
    token = _Mean()
    chord = _Mean()
    for tokens, counted in sequences:
        changes = chord_changes(tokens) if chords else np.zeros(len(tokens), np.bool_)
        for position, probability in enumerate(model.distributions(tokens)):
            if counted[position]:
                token.add(probability, tokens[position])
            if changes[position]:
                chord.add(np.bincount(HARMONY_CLASS, probability), HARMONY_CLASS[tokens[position]])
    result = {"nll": token.nll, "accuracy": token.accuracy, "count": token.count}
    if chords:
        result |= {"chord_nll": chord.nll, "chord_accuracy": chord.accuracy, "chord_count": chord.count}
    return result


def _harmony_class() -> np.ndarray:
    kinds = backbone_tokens.NO_QUALITY + 1
    root_quality = backbone_tokens.ROOT.astype(np.int64) * kinds + backbone_tokens.QUALITY
    return np.where(backbone_tokens.KIND == backbone_tokens.KIND_EVENT, root_quality, 12 * kinds)


HARMONY_CLASS = _harmony_class()
"""Root and fine quality of each backbone token as one number, int64 `[SIZE]`; no event: the last number."""


def chord_changes(tokens: np.ndarray) -> np.ndarray:
    """Where a chord (or no chord) other than the one before begins, bool `[tokens]`; the first counts."""
    harmony = HARMONY_CLASS[tokens]
    is_event = backbone_tokens.KIND[tokens] == backbone_tokens.KIND_EVENT
    return is_event & (harmony != np.concatenate([[-1], harmony[:-1]]))


class _Mean:
    """Mean negative log probability and accuracy over predictions; nan without any."""

    def __init__(self) -> None:
        self.count, self._nll, self._hits = 0, 0.0, 0

    def add(self, probability: np.ndarray, truth: int) -> None:
        self.count += 1
        self._nll -= float(np.log(probability[truth]))
        self._hits += int(probability.argmax() == truth)

    @property
    def nll(self) -> float:
        return self._nll / self.count if self.count else float("nan")

    @property
    def accuracy(self) -> float:
        return self._hits / self.count if self.count else float("nan")
