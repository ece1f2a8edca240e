"""Splits: given, or by hash of the group; versions of one tune together."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.data.groups import join_groups, melody_keys
from hrpe_jax.data.splits import hash_splits, load_splits
from hrpe_jax.errors import UserError
from hrpe_jax.score.score import Note, Score
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def test_a_split_file_is_read(tmp_path: Path):
    file = tmp_path / "splits.json"
    file.write_text(json.dumps({"train": ["a", "b"], "valid": ["c"], "test": []}))
    assert load_splits(file) == {"a": "train", "b": "train", "c": "valid"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read the split file"),
        ("not json", "not JSON"),
        ("[]", "expected JSON like"),
        ('{"train": [], "valid": []}', "expected JSON like"),
        ('{"train": [1], "valid": [], "test": []}', "train: expected JSON like"),
        ('{"train": ["a"], "valid": [], "test": ["a"]}', "'a' is in train and test"),
    ],
)
def test_bad_split_files_are_named(tmp_path: Path, text: str | None, said: str):
    file = tmp_path / "splits.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        load_splits(file)
    assert str(file) in str(caught.value)


def test_hash_splits_are_80_10_10_and_keep_groups_together():
    groups = {f"song{i}": f"group{i % 700}" for i in range(2000)}
    splits = hash_splits(groups)
    counts = Counter(splits.values())
    assert 198 <= counts["valid"] <= 200
    assert 198 <= counts["test"] <= 200
    assert all(splits[f"song{i}"] == splits[f"song{i % 700}"] for i in range(2000))
    again = hash_splits(dict(reversed(groups.items())))
    assert again == splits
    assert hash_splits({song: "x" + group for song, group in groups.items()}) != splits


@given(st.dictionaries(st.text(max_size=4), st.integers(0, 8).map(str), max_size=12))
def test_small_collections_have_all_splits_where_they_can(groups: dict[str, str]):
    splits = hash_splits(groups)
    assert splits.keys() == groups.keys()
    used = set(splits.values())
    assert len(used) == min(3, len(set(groups.values())))
    assert not groups or "train" in used
    by_group = {(groups[song], split) for song, split in splits.items()}
    assert len(by_group) == len(set(groups.values()))


def test_songs_that_share_a_key_are_joined_through_others():
    songs = [("b", {b"1"}), ("c", {b"2"}), ("a", {b"2", b"1"}), ("d", set()), ("e", {b"3"})]
    assert join_groups(songs) == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "e"}


def _melody(pitches: list[int], ticks: int = 6) -> Score:
    notes = tuple(Note(at * ticks, ticks, pitch) for at, pitch in enumerate(pitches))
    return Score("x", "", Key(0, "major"), Meter(4, 4), 100.0, notes, ())


def test_versions_of_a_tune_share_keys_and_other_tunes_do_not():
    tune = [60 + (i * i) % 11 for i in range(30)]
    other = [60 + (i * i * i) % 13 for i in range(30)]
    quoted = [*other[:10], *(pitch + 3 for pitch in tune), *other[10:]]
    assert melody_keys(_melody(tune)) & melody_keys(_melody(quoted, ticks=9))
    assert not melody_keys(_melody(tune)) & melody_keys(_melody(other))
    assert not melody_keys(_melody([60] * 50))
    assert not melody_keys(_melody([60, 127, 0]))
