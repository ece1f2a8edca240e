"""Several collections in one data set: styles, ids, splits of each, and versions across them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hrpe_jax.data.shards import open_dataset
from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.build import build_dataset, with_styles
from hrpe_jax.preprocessing.splits import held_out_elsewhere
from hrpe_jax.readers.find import SongFile, find_inputs
from tests.preprocessing.songs import write_song, write_songs

TUNE = """X:1
T:A small tune
M:3/4
L:1/4
K:G
"G" G B d | "C" e d c | "G" B A G | "D7" A B A | "G" G B d | "C" e g e | "D7" d c A | "G" G3 |]
"""


def _collections(root: Path) -> list[str]:
    """Two collections that both call a song 001, and a file; as inputs."""
    write_songs(root / "pop", 3)
    for seed in (7, 8, 9):
        write_song(root / "other" / "hits" / f"{seed - 6:03d}", seed=seed)
    (root / "tune.abc").write_text(TUNE)
    return [f"{root}/pop", f"hits={root}/other/hits", f"{root}/tune.abc"]


def test_ids_of_several_inputs_are_unique_and_name_their_input(tmp_path: Path):
    found = find_inputs(_collections(tmp_path))
    assert [song.id for song in found.songs] == [
        *(f"hits/{number:03d}" for number in (1, 2, 3)),
        *(f"pop/{number:03d}" for number in (1, 2, 3)),
        "tune/tune",
    ]
    assert found.songs[-1].name == "tune/tune.abc"
    assert found.companions == 18
    # Alone, each is read as before.
    assert [song.id for song in find_inputs([tmp_path / "pop"]).songs] == ["001", "002", "003"]
    assert [song.id for song in find_inputs([f"x={tmp_path}/pop"]).songs] == ["001", "002", "003"]


def test_two_inputs_of_one_name_are_refused(tmp_path: Path):
    _collections(tmp_path)
    (tmp_path / "again").mkdir()
    write_song(tmp_path / "again" / "pop" / "001")
    with pytest.raises(UserError, match=r"named pop, as is --input=.*/pop; name one with --input=NAME="):
        find_inputs([tmp_path / "pop", tmp_path / "again" / "pop"])


def test_styles_are_those_of_the_nearest_folder():
    songs = [SongFile("", "midi", "", name) for name in ("a/b/1.mid", "a/2.mid", "c/3.mid")]
    named = with_styles(songs, ["a:folk", "./a/b/:pop"])
    assert [song.style for song in named] == ["pop", "folk", ""]
    assert [song.style for song in with_styles(songs, ["hymns", "c:pop"])] == ["hymns", "hymns", "pop"]
    assert with_styles(songs, []) == songs


@pytest.mark.parametrize(
    ("styles", "said"),
    [
        (["Folk"], "style 'Folk': expected a short name of small letters"),
        (["a:"], "style '': expected a short name"),
        (["a:pop", "a/:folk"], "a second style for a"),
        (["pop", "folk"], "a second style for the whole input"),
        (["b:pop"], "no song lies in 'b'; folders of the input are a, c"),
    ],
)
def test_wrong_styles_are_named(styles: list[str], said: str):
    songs = [SongFile("", "midi", "", name) for name in ("a/2.mid", "c/3.mid")]
    with pytest.raises(UserError, match=said):
        with_styles(songs, styles)


def test_a_data_set_of_several_styles(tmp_path: Path):
    inputs = _collections(tmp_path)
    splits = tmp_path / "pop.json"
    splits.write_text(json.dumps({"train": ["001"], "valid": ["002"], "test": ["003"]}))
    counts = build_dataset(
        inputs,
        tmp_path / "set",
        splits=[f"pop:{splits}"],
        styles=["pop:pop", "tune:folk"],
        workers=0,
    )
    assert (counts["songs"], counts["rejects"], counts["missing"]) == (7, 0, 0)
    dataset = open_dataset(tmp_path / "set", verify=True)
    styles, where = {}, {}
    for split in ("train", "valid", "test"):
        for stage in ("backbone", "melody"):
            listed = dataset.songs(split, stage)
            records = dataset.records(stage, split)
            assert [song.get("style") for song in listed] == [r.get("style") for r in records]
            styles |= {song["id"]: song.get("style") for song in listed}
            where |= {song["id"]: split for song in listed}
    assert {where[f"pop/{number}"] for number in ("001",)} == {"train"}
    assert (where["pop/002"], where["pop/003"]) == ("valid", "test")
    assert {name: style for name, style in styles.items() if style} == {
        "pop/001": "pop",
        "pop/002": "pop",
        "pop/003": "pop",
        "tune/tune#1": "folk",
    }
    manifest = dataset.manifest
    assert manifest["counts"]["styles"]["pop"]["songs"] == {"train": 1, "valid": 1, "test": 1}
    for stage in ("backbone", "melody"):
        in_pop = manifest["counts"]["styles"]["pop"]["tokens"][stage]
        assert in_pop["valid"] == dataset.songs("valid", stage)[0][stage] > 0
    assert manifest["settings"]["styles"] == ["pop:pop", "tune:folk"]
    assert str(tmp_path) not in json.dumps(manifest["settings"])


def test_a_training_song_that_another_collection_holds_out_is_left_out(tmp_path: Path):
    write_songs(tmp_path / "pop", 3)
    # The third song again, transposed by nothing but under other chords: a version, not a duplicate.
    write_song(tmp_path / "hits" / "x", seed=3)
    labels = tmp_path / "hits" / "x" / "chord_midi.txt"
    labels.write_text(labels.read_text("utf-8").replace("A:min7", "D:min"))
    write_song(tmp_path / "hits" / "y", seed=9)
    for name, lists in {
        "pop": {"train": ["001"], "valid": ["002"], "test": ["003"]},
        "hits": {"train": ["x", "y"], "valid": [], "test": []},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(lists))
    counts = build_dataset(
        [tmp_path / "pop", tmp_path / "hits"],
        tmp_path / "set",
        splits=[f"pop:{tmp_path}/pop.json", f"hits:{tmp_path}/hits.json"],
        workers=0,
    )
    assert (counts["train"], counts["valid"], counts["test"]) == (2, 1, 1)
    (line,) = (tmp_path / "set" / "rejects.jsonl").read_text("utf-8").splitlines()
    reject = json.loads(line)
    assert (reject["file"], reject["reason"]) == ("hits/x", "between_splits")
    assert reject["detail"] == "a training song, of which pop.json holds out a version"


def test_versions_within_one_split_file_stay_as_it_says():
    assert held_out_elsewhere(["g", "g"], ["train", "test"], ["a.json", "a.json"]) == {}
    assert held_out_elsewhere(["g", "h"], ["train", "test"], ["a.json", "b.json"]) == {}
    assert held_out_elsewhere(["g", "g"], ["valid", "test"], ["a.json", "b.json"]) == {}
    assert list(held_out_elsewhere(["g", "g", "g"], ["test", "train", ""], ["a", "b", ""])) == [1]
