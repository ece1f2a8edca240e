"""From song files to a data set: what is found, read, rejected and grouped."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from hrpe_jax.analysis.find_form import find_form
from hrpe_jax.codec import backbone
from hrpe_jax.data.shards import SPLITS, open_dataset
from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.build import build_dataset
from hrpe_jax.readers.find import find_songs
from hrpe_jax.readers.pop909 import read_pop909
from tests.preprocessing.songs import write_song, write_songs


def _rejects(path: Path) -> dict[str, str]:
    lines = (path / "rejects.jsonl").read_text("utf-8").splitlines()
    return {line["file"]: line["reason"] for line in map(json.loads, lines)}


def test_songs_become_records_of_both_stages(tmp_path: Path):
    write_songs(tmp_path / "songs", 6)
    told: list[tuple[int, ...]] = []
    counts = build_dataset(
        tmp_path / "songs", tmp_path / "set", workers=0, on_progress=lambda *at: told.append(at)
    )
    assert (counts["found"], counts["songs"], counts["rejects"]) == (6, 6, 0)
    assert told == [(done, 6, 0) for done in range(1, 7)]
    dataset = open_dataset(tmp_path / "set", verify=True)
    assert counts["backbone_tokens"] == sum(dataset.lengths("backbone", split).sum() for split in SPLITS)
    found = {}
    for split in SPLITS:
        ids = [song["id"] for song in dataset.songs(split)]
        assert ids == [record["id"] for record in dataset.records("melody", split)]
        with_chords = [song["id"] for song in dataset.songs(split, "backbone")]
        found |= dict(zip(with_chords, dataset.records("backbone", split), strict=True))
    # The fourth has one chord throughout, so that it is of use to the melody stage alone.
    assert sorted(found) == ["001", "002", "003", "005", "006"]
    assert dataset.manifest["counts"]["stages"] == {"backbone+melody": 5, "melody": 1}
    score = read_pop909(tmp_path / "songs" / "003")
    expected = backbone.encode(replace(score, form=find_form(score)))
    assert {name: found["003"][name] for name in expected} == expected
    assert found["003"].keys() - expected.keys() == {
        "source",
        "title",
        "found",
        "warnings",
        "quantization_error",
        "keys",
        "attributes",
        "form_source",
    }


def test_processes_give_what_one_process_gives(tmp_path: Path):
    write_songs(tmp_path / "songs", 4)
    for workers in (0, 2):
        build_dataset(tmp_path / "songs", tmp_path / f"set{workers}", workers=workers)
    assert open_dataset(tmp_path / "set0").manifest == open_dataset(tmp_path / "set2").manifest


def test_bad_songs_among_good_ones_are_rejected_with_reasons(tmp_path: Path):
    root = write_songs(tmp_path / "songs", 8)
    (root / "002" / "002.mid").write_bytes(b"MThd but nothing behind it")
    (root / "003" / "003.mid").unlink()
    (root / "004" / "chord_midi.txt").unlink()
    (root / "005" / "beat_midi.txt").write_text("")
    (root / "006" / "chord_midi.txt").write_text("0.0\t16.0\tQ\n")
    (root / "007" / "007.mid").write_bytes(bytes(100))
    counts = build_dataset(root, tmp_path / "set", workers=2)
    assert (counts["songs"], counts["rejects"]) == (2, 6)
    rejects = _rejects(tmp_path / "set")
    assert sorted(rejects) == ["002", "003", "004", "005", "006", "007"]
    assert rejects["006"] == "bad_label"
    assert not any(reason.startswith("error_") or reason == "crash" for reason in rejects.values())
    reasons = open_dataset(tmp_path / "set").manifest["counts"]["rejects"]
    assert sum(reasons.values()) == 6


def test_a_given_split_is_kept(tmp_path: Path):
    root = write_songs(tmp_path / "songs", 4)
    splits = tmp_path / "splits.json"
    splits.write_text(json.dumps({"train": ["004", "001"], "valid": ["002"], "test": ["909", "910"]}))
    counts = build_dataset(root, tmp_path / "set", splits=splits, workers=0)
    assert [counts[split] for split in SPLITS] == [2, 1, 0]
    assert counts["missing"] == 2
    assert _rejects(tmp_path / "set") == {"003": "not_in_splits"}
    assert [song["id"] for song in open_dataset(tmp_path / "set").songs("train")] == ["001", "004"]


def test_versions_of_a_song_stay_together(tmp_path: Path):
    root = write_songs(tmp_path / "songs", 9)
    write_song(root / "777", seed=4, bars=12)
    build_dataset(root, tmp_path / "set", workers=0)
    dataset = open_dataset(tmp_path / "set")
    groups = {song["id"]: (song["group"], split) for split in SPLITS for song in dataset.songs(split)}
    assert groups["777"] == groups["004"]
    assert len({group for group, _ in groups.values()}) == 9
    assert {split for _, split in groups.values()} == set(SPLITS)


def test_limit_reads_the_first(tmp_path: Path):
    root = write_songs(tmp_path / "songs", 4)
    counts = build_dataset(root, tmp_path / "set", limit=2, workers=0)
    assert counts["found"] == 2


def test_a_single_song_can_be_given(tmp_path: Path):
    song = write_song(tmp_path / "001")
    for number, source in enumerate((song, song / "001.mid")):
        assert build_dataset(source, tmp_path / f"set{number}", workers=0)["train"] == 1


def test_ids_are_paths_where_names_repeat(tmp_path: Path):
    write_song(tmp_path / "songs" / "a" / "001")
    write_song(tmp_path / "songs" / "b" / "001", seed=2)
    assert [song.id for song in find_songs(tmp_path / "songs").songs] == ["a/001", "b/001"]


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (lambda root: None, {}, "songs: no such file or folder"),
        (lambda root: root.mkdir(), {}, "songs: no songs found; expected POP909 songs"),
        (
            lambda root: write_songs(root, 1),
            {"format": "abc"},
            "no songs found .*other_format.*; expected abc in it",
        ),
        (lambda root: write_songs(root, 1), {"splits": "nowhere.json"}, "nowhere.json: cannot read"),
    ],
)
def test_wrong_input_is_one_clear_line(tmp_path: Path, make, options: dict[str, str], said: str):
    make(tmp_path / "songs")
    with pytest.raises(UserError, match=said) as caught:
        build_dataset(tmp_path / "songs", tmp_path / "set", workers=0, **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "set").exists()


def test_where_no_song_can_be_used_the_first_reason_is_told(tmp_path: Path):
    root = write_songs(tmp_path / "songs", 2)
    (root / "001" / "chord_midi.txt").write_text("0.0\t16.0\tQ\n")
    shutil.rmtree(root / "002")
    with pytest.raises(UserError, match="none of 1 songs can be used; the first, 001: bad_label"):
        build_dataset(root, tmp_path / "set", workers=0)
    assert [path.name for path in tmp_path.iterdir()] == ["songs"]


def test_the_built_in_chorales(tmp_path: Path):
    if find_spec("music21") is None:
        pytest.skip("the extra `corpus` is not installed")
    counts = build_dataset("chorales", tmp_path / "set", limit=12, workers=0)
    assert counts["found"] == 12
    assert counts["songs"] >= 10
    assert min(counts[split] for split in SPLITS) > 0
    dataset = open_dataset(tmp_path / "set")
    assert dataset.manifest["origin"]["format"] == "chorales"
    assert dataset.lengths("backbone", "train").min() > 10
