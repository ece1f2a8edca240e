"""Which song belongs to training, validation and test."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from hrpe_jax.data.shards import SPLITS
from hrpe_jax.errors import UserError

HELD_OUT = 0.1  # part of the songs in each of validation and test


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
    """Splits songs 80:10:10, groups in the order of their hash: the same songs are always split the same way.

    Validation and test each take the groups that still fit into a tenth of the songs, so large groups go to
    training. In a small collection they take the smallest group where none fits, as long as training keeps
    one.

    Args:
        groups: song id -> group; a group is never divided.

    Returns:
        Song id -> split.
    """
    sizes = Counter(groups.values())
    room = max(1, round(len(groups) * HELD_OUT))
    training = sorted(sizes, key=lambda group: hashlib.sha256(group.encode()).digest())
    split_of: dict[str, str] = {}
    for split in ("valid", "test"):
        taken, left = [], room
        for group in training:
            if sizes[group] <= left:
                taken.append(group)
                left -= sizes[group]
        if not taken and training:
            taken = [min(training, key=sizes.__getitem__)]
        taken = taken[: len(training) - 1]
        split_of |= dict.fromkeys(taken, split)
        training = [group for group in training if group not in split_of]
    return {song: split_of.get(group, "train") for song, group in groups.items()}
