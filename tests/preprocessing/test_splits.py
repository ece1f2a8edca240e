"""Splits: given, or by hash of the group; versions of one tune together."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.splits import AMBIGUOUS, GivenSplits, hash_splits, load_splits, split_songs


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


def _file(folder: Path, name: str = "splits.json", **lists: list[str]) -> Path:
    file = folder / name
    file.write_text(json.dumps({"train": [], "valid": [], "test": [], **lists}), "utf-8")
    return file


def test_an_id_in_two_splits_is_in_none(tmp_path: Path):
    file = _file(tmp_path, train=["1", "1", "2"], test=["1"])
    assert load_splits(file) == {"1": AMBIGUOUS, "2": "train"}


@pytest.mark.parametrize(
    ("listed", "song"),
    [
        ("002", ("POP909/002", "pop/POP909/002", "pop909", "")),
        ("A/B/B.mxl", ("dataset/A/B/B", "ewld/dataset/A/B/B.mxl", "musicxml", "")),
        ("A/B/B", ("dataset/A/B/B", "ewld/dataset/A/B/B.mxl", "musicxml", "")),
        ("ashover10", ("MIDI/ashover10", "nottingham/MIDI/ashover10.mid", "midi", "")),
        ("22", ("OpenHymnal#22", "openhymnal/OpenHymnal.abc", "abc", "22")),
        ("OpenHymnal#22", ("x#22", "openhymnal/OpenHymnal.abc", "abc", "22")),
        ("0003", ("c/0003/salami_chords", "b/c/0003/salami_chords.txt", "billboard", "")),
        ("Wilhelm A\u030astro\u0308m/a.mxl", ("x", "d/Wilhelm \u00c5str\u00f6m/a.mxl", "musicxml", "")),
        ("Mr. Smith", ("Mr. Smith", "d/Mr. Smith.mid", "midi", "")),
    ],
)
def test_songs_are_found_by_the_end_of_their_path(
    tmp_path: Path, listed: str, song: tuple[str, str, str, str]
):
    given = GivenSplits([_file(tmp_path, valid=[listed, "absent"])])
    assert given.of(*song) == ("valid", str(tmp_path / "splits.json"))
    assert given.missing() == {str(tmp_path / "splits.json"): ["absent"]}


def test_a_file_for_a_folder_says_nothing_of_others(tmp_path: Path):
    outer, inner = _file(tmp_path, "o.json", train=["a", "b"]), _file(tmp_path, "i.json", test=["b"])
    given = GivenSplits([f"x:{outer}", f"./x/y/:{inner}"])
    assert given.of("a", "x/a.mid", "midi") == ("train", str(outer))
    assert given.of("b", "x/y/b.mid", "midi") == ("test", str(inner))
    assert given.of("a", "x/y/a.mid", "midi") == ("", str(inner))
    assert given.of("a", "xy/a.mid", "midi") is None
    assert not GivenSplits()
    with pytest.raises(UserError, match="a second split file for x"):
        GivenSplits([f"x:{outer}", f"x/:{outer}"])


def test_songs_follow_the_given_split_of_their_group():
    ids = ["a", "b", "c", "d", "e", "f"]
    groups = ["a", "a", "c", "c", "e", "c"]
    splits, between = split_songs(ids, groups, ["test", "", "train", "valid", "", ""])
    assert splits[:4] == ["test", "test", "train", "valid"]
    assert between == {5: "versions of it are given to train, valid"}
    assert splits[4] in ("train", "valid", "test")
