"""Which song belongs to training, validation and test."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from hrpe_jax.data.shards import SPLITS
from hrpe_jax.errors import UserError

_TRAIN_END, _VALID_END = 0.8, 0.9
_MIDDLES = {"train": 0.4, "valid": 0.85, "test": 0.95}  # of the ranges of hashes


def load_splits(path: str | Path) -> dict[str, str]:
    """Reads a split file, {"train": [ids], "valid": [ids], "test": [ids]}, as id -> split.

    Raises:
        UserError: if it is missing or something else, or lists an id twice.
    """
    path = Path(path)
    expected = 'expected JSON like {"train": [ids], "valid": [ids], "test": [ids]}'
    try:
        lists = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot read the split file: {error.strerror}; {expected}") from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); {expected}") from None
    if not isinstance(lists, dict) or set(lists) != set(SPLITS):
        raise UserError(f"{path}: {expected}")
    splits: dict[str, str] = {}
    for split in SPLITS:
        if not isinstance(lists[split], list) or not all(isinstance(song, str) for song in lists[split]):
            raise UserError(f"{path}: {split}: {expected}")
        for song in lists[split]:
            if song in splits:
                raise UserError(f"{path}: {song!r} is in {splits[song]} and {split}; a song belongs to one")
            splits[song] = split
    return splits


def hash_splits(groups: Mapping[str, str]) -> dict[str, str]:
    """Splits songs about 80:10:10 by a hash of their group: a song stays where it is when others come.

    In a small collection a split may stay empty that way; then it gets the group whose hash is nearest to its
    range, and training gets one first.

    Args:
        groups: song id -> group; a group is never divided.

    Returns:
        Song id -> split.
    """
    points = {group: _point(group) for group in sorted(set(groups.values()))}
    split_of = {group: _split(point) for group, point in points.items()}
    for split, middle in _MIDDLES.items():
        sizes = Counter(split_of.values())
        spare = [group for group in points if sizes[split_of[group]] > 1]
        if split == "train" and not spare:  # the one split that must not stay empty
            spare = list(points)
        if not sizes[split] and spare:
            split_of[min(spare, key=lambda group: abs(points[group] - middle))] = split
    return {song: split_of[group] for song, group in groups.items()}


def _point(group: str) -> float:
    """A fixed pseudo-random number in [0, 1) of a group."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64


def _split(point: float) -> str:
    return "train" if point < _TRAIN_END else "valid" if point < _VALID_END else "test"
