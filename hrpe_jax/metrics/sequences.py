"""The tokens that predictions are measured on: the same ones, of the same songs, for models and for counting.

The songs are brought to C first (by the key their records name), which is the strongest fair form of a table
of counts: a model sees all twelve keys of a song, a table would need twelve times the music to do so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.data.augment import shift_to_c, transpose_backbone_ids, transpose_melody_ids
from hrpe_jax.data.pipeline import Songs

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
