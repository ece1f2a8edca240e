"""How well tokens are predicted: likelihood, accuracy and top-k, per event, chord change, note and bar.

The figures are those that `tasks` computes of a model's scores, under the same names, so that a table of
counts can stand beside a Transformer. Accuracies are shares in 0..1, higher is better; likelihoods are in
nats, lower is better; a perplexity is the exponential of one. Repeated chords and held notes are easy to
guess, so events flatter: the figures at chord changes (`chord_*`, `root_*`) and pitches (`pitch_*`) do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.data.batches import shift_to_c, transpose_backbone_ids, transpose_melody_ids
from hrpe_jax.data.loader import Songs

Stage = Literal["backbone", "melody"]

VOCABULARY = {"backbone": backbone_tokens.SIZE, "melody": melody_tokens.SIZE}


class Sequence(NamedTuple):
    """A song as tokens, start to end.

    Attributes:
        tokens: int64 `[tokens]`.
        counted: which of them are predicted and counted, bool `[tokens]`.
        chords: melody: the harmony (a one-beat backbone token) that is known to sound where each token
            begins, int64 `[tokens]`; backbone: None.
        beats_per_bar: of the backbone's meter; melody: 0.
    """

    tokens: np.ndarray
    counted: np.ndarray
    chords: np.ndarray | None = None
    beats_per_bar: int = 0


def backbone_sequence(record: Mapping[str, Any], normalise_key: bool = True) -> Sequence:
    """The tokens of a backbone record; start, key and meter are given, everything after them is counted."""
    tokens = np.asarray([*record["input_ids"], record["target_id"]], np.int64)
    if normalise_key:
        tokens = transpose_backbone_ids(tokens, shift_to_c(int(tokens[1] - backbone_tokens.KEY0) % 12))
    beats_per_bar = backbone_tokens.id_meter(int(tokens[2])).beats_per_bar
    counted = np.arange(len(tokens)) >= backbone_tokens.PREFIX_LENGTH
    return Sequence(tokens.astype(np.int64), counted, beats_per_bar=beats_per_bar)


def melody_sequence(record: Mapping[str, Any], normalise_key: bool = True) -> Sequence:
    """The tokens of a melody record; everything after the start is counted."""
    tokens = np.asarray(record["event_ids"], np.int64)
    # Records say what sounds where the next event begins.
    chords = np.asarray(record["conditioning_chord_ids"], np.int64)
    chords = np.concatenate([[backbone_tokens.NO_CHORD0], chords[:-1]])
    if normalise_key:
        shift = shift_to_c(int(record["metadata"]["key_signature_root"]))
        tokens, chords = transpose_melody_ids(tokens, shift), transpose_backbone_ids(chords, shift)
    return Sequence(tokens, np.arange(len(tokens)) >= 1, chords.astype(np.int64))


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


def _harmony_class() -> np.ndarray:
    kinds = backbone_tokens.NO_QUALITY + 1
    root_quality = backbone_tokens.ROOT.astype(np.int64) * kinds + backbone_tokens.QUALITY
    return np.where(backbone_tokens.KIND == backbone_tokens.KIND_EVENT, root_quality, 12 * kinds)


HARMONY_CLASS = _harmony_class()
"""Root and fine quality of each backbone token as one number, int64 `[SIZE]`; no event: the last number."""

HARMONIES = int(HARMONY_CLASS.max()) + 1


def _root_class() -> np.ndarray:
    roots = np.full(HARMONIES, 13)
    roots[HARMONY_CLASS] = np.where(
        backbone_tokens.QUALITY == backbone_tokens.NO_QUALITY, 12, backbone_tokens.ROOT
    )
    roots[-1] = 13
    return roots


ROOT_CLASS = _root_class()
"""The root of each harmony class, int64 `[HARMONIES]`: 12 no chord, 13 no event."""


def chord_changes(tokens: np.ndarray) -> np.ndarray:
    """Where a chord (or no chord) other than the one before begins, bool `[tokens]`; the first counts."""
    harmony = HARMONY_CLASS[tokens]
    is_event = backbone_tokens.KIND[tokens] == backbone_tokens.KIND_EVENT
    return is_event & (harmony != np.concatenate([[-1], harmony[:-1]]))


def chord_sequence(song: Sequence) -> Sequence:
    """The harmony classes at the chord changes of a backbone song alone: no prefix, inversion or duration."""
    chords = HARMONY_CLASS[song.tokens[chord_changes(song.tokens)]]
    return Sequence(chords, np.ones(len(chords), np.bool_))


Predict = Callable[[Sequence], Iterator[np.ndarray]]
"""Yields for each token of a song the probabilities of all tokens given those before it.

The array may be the same one every time.
"""


class Predictions:
    """Sums over predictions of one kind, of which the means are taken at the end."""

    def __init__(self) -> None:
        self.count, self.nll = 0, 0.0
        self._within = {1: 0, 3: 0, 5: 0}

    def add(self, probability: np.ndarray, truth: int) -> None:
        """Adds one prediction: probabilities of all classes, and the class that came."""
        self.count += 1
        self.nll -= float(np.log(probability[truth]))
        above = rank(probability, truth)
        for k in self._within:
            self._within[k] += above < k

    def means(self, name: str = "") -> dict[str, float]:
        """`nll`, `accuracy` (top-1), `top3`, `top5` and `count`, after a prefix; {} without predictions."""
        prefix = f"{name}_" if name else ""
        if not self.count:
            return {}
        names = {1: "accuracy", 3: "top3", 5: "top5"}
        shares = {f"{prefix}{names[k]}": hits / self.count for k, hits in self._within.items()}
        return {f"{prefix}nll": self.nll / self.count, **shares, f"{prefix}count": self.count}


def rank(probability: np.ndarray, truth: int) -> int:
    """How many classes come before the truth; of equal ones (tables of counts have many) the lower id."""
    value = probability[truth]
    return int((probability > value).sum() + (probability[:truth] == value).sum())


def with_perplexities(figures: Mapping[str, float]) -> dict[str, float]:
    """Figures with the exponential of every likelihood: "chord_nll" gives "chord_perplexity", "nll_per_bar"
    "perplexity_per_bar"; at most exp(700)."""
    found = dict(figures)
    for name, value in figures.items():
        if "nll" in name.split("_"):
            found[name.replace("nll", "perplexity")] = math.exp(min(value, 700.0))
    return found


def measure(predict: Predict, songs: Iterable[Sequence], stage: str) -> dict[str, float]:
    """Measures the predictions of the counted tokens of songs.

    Args:
        predict: What predicts them.
        songs: From `sequences.song_sequences`.
        stage: "backbone" or "melody".

    Returns:
        Over all events `nll`, `accuracy`, `top3`, `top5`, `count`. Backbone: the same with `chord_` for root
        and fine quality where the chord changes (probabilities summed over inversions and durations) and
        `root_` for the root alone at the same places; `nll_per_chord` and `nll_per_bar`, all that is said
        between two changes and in a bar. Melody: `pitch_` for notes' pitches; `nll_per_note` and
        `nll_per_bar`. What there was nothing to measure of is left out.
    """
    measured = _backbone if stage == "backbone" else _melody
    return measured(predict, songs)


def _backbone(predict: Predict, songs: Iterable[Sequence]) -> dict[str, float]:
    event, chord, root = Predictions(), Predictions(), Predictions()
    bars = 0.0
    for song in songs:
        tokens, changes = song.tokens, chord_changes(song.tokens) & song.counted
        for position, probability in enumerate(predict(song)):
            if song.counted[position]:
                event.add(probability, tokens[position])
            if changes[position]:
                truth = HARMONY_CLASS[tokens[position]]
                harmony = np.bincount(HARMONY_CLASS, probability, HARMONIES)
                chord.add(harmony, truth)
                root.add(np.bincount(ROOT_CLASS, harmony), ROOT_CLASS[truth])
        bars += backbone_tokens.BEATS[tokens[song.counted]].sum(dtype=float) / max(song.beats_per_bar, 1)
    per = {"nll_per_chord": chord.count, "nll_per_bar": bars}
    rates = {name: event.nll / weight for name, weight in per.items() if weight}
    return event.means() | chord.means("chord") | root.means("root") | rates


def _melody(predict: Predict, songs: Iterable[Sequence]) -> dict[str, float]:
    event, pitch = Predictions(), Predictions()
    bars = 0
    for song in songs:
        tokens = song.tokens
        for position, probability in enumerate(predict(song)):
            if not song.counted[position]:
                continue
            event.add(probability, tokens[position])
            if tokens[position] < melody_tokens.PITCHES:
                pitch.add(probability, tokens[position])
        bars += int((tokens[song.counted] == melody_tokens.BAR).sum())
    per = {"nll_per_note": pitch.count, "nll_per_bar": bars}
    rates = {name: event.nll / weight for name, weight in per.items() if weight}
    return event.means() | pitch.means("pitch") | rates
