"""A folder that mixes everything becomes one data set with an account of every file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.config import BatchConfig
from hrpe_jax.data.loader import eval_batches, train_batches
from hrpe_jax.data.shards import SPLITS, open_dataset
from hrpe_jax.preprocessing.build import build_dataset
from hrpe_jax.readers import abc as books
from tests.preprocessing.songs import write_song, write_songs

CHART = """# title: A Song
# artist: Somebody
# metre: 4/4
# tonic: C

0.0\tsilence
1.0\tA, intro, | C:maj | F:maj | G:7 | C:maj |
9.0\tB, verse, | A:min | D:min7 | G:7 | C:maj |
17.0\tsilence
18.0\tend
"""
TUNES = """X:1
T:A tune
M:4/4
L:1/4
K:G
"G"GABc|"C"edcB|"D"AFGA|"G"G4|"Em"efge|"C"cdec|"D"dcAF|"G"G4|

X:2
T:The same, higher
M:4/4
L:1/4
K:A
"A"ABcd|"D"fedc|"E"BGAB|"A"A4|"F#m"fgaf|"D"defd|"E"edBG|"A"A4|

X:3
T:Nothing
M:4/4
L:1/4
K:C
z4|z4|

X:4
T:No chords
M:3/4
L:1/4
K:C
CEG|cBA|GFE|DFA|cAF|ECG|
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = write_songs(tmp_path / "all" / "pop", 5).parent
    (root / "charts" / "0003").mkdir(parents=True)
    (root / "charts" / "0003" / "salami_chords.txt").write_text(CHART)
    (root / "tunes.abc").write_text(TUNES)
    (root / "broken.mid").write_bytes(b"MThd but nothing behind it")
    (root / "README.md").write_text("nothing to hear")
    (root / "loop").symlink_to(root, target_is_directory=True)
    return root


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (path / "rejects.jsonl").read_text("utf-8").splitlines()]


def test_every_file_and_tune_is_accounted_for(folder: Path, tmp_path: Path):
    counts = build_dataset(folder, tmp_path / "set", workers=0)
    assert (counts["found"], counts["songs"], counts["rejects"], counts["ignored"]) == (8, 8, 3, 2)
    dataset = open_dataset(tmp_path / "set", verify=True)
    manifest = dataset.manifest
    assert manifest["counts"]["files"] == {
        "seen": 25,
        "with_songs": 7,
        "rejected": 1,
        "not_read": 0,
        "companions": 15,
        "ignored": 2,
    }
    assert manifest["origin"]["format"] == "mixed"
    assert manifest["counts"]["formats"] == {"pop909": 5, "abc": 2, "billboard": 1}
    assert manifest["counts"]["rejects"].keys() >= {"duplicate"}
    assert manifest["counts"]["ignored"] == {"not_music": 1, "link_loop": 1}
    rejects = {(line["file"], line["tune"]): line["reason"] for line in _lines(tmp_path / "set")}
    assert rejects["tunes.abc", "2"] == "duplicate"
    assert set(rejects) == {
        ("tunes.abc", "2"),
        ("tunes.abc", "3"),
        ("broken.mid", ""),
        ("README.md", ""),
        ("loop", ""),
    }
    songs = {song["id"]: song for split in SPLITS for song in dataset.songs(split)}
    assert "backbone" not in songs["tunes#4"]
    assert "melody" not in songs["0003"]
    assert songs["tunes#1"]["file"] == "tunes.abc"
    assert Counter(manifest["counts"]["stages"]).total() == 8


def test_a_book_read_in_parts_is_one_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress: list[tuple[int, int, int]] = []

    def built(name: str) -> tuple[dict[str, object], dict[str, object]]:
        progress.clear()
        counts = build_dataset(
            folder, tmp_path / name, workers=0, on_progress=lambda *done: progress.append(done)
        )
        return counts | {"output": "", "seconds": 0}, open_dataset(tmp_path / name).manifest

    whole = built("whole")
    monkeypatch.setattr(books, "TUNES", 1)
    parts = built("parts")
    assert parts == whole
    assert len(progress) == 11
    assert [done for done, _, _ in progress] == list(range(1, 12))  # each part counts: a book may be large
    assert progress[-1] == (11, 11, 1)


def test_stages_may_hold_different_songs(folder: Path, tmp_path: Path):
    splits = tmp_path / "splits.json"
    files = {"train": ["001", "002", "0003", "tunes#4"], "valid": ["003", "1"], "test": ["004", "005"]}
    splits.write_text(json.dumps(files))
    build_dataset(folder, tmp_path / "set", splits=splits, workers=0)
    dataset = open_dataset(tmp_path / "set")
    assert [song["id"] for song in dataset.songs("train")] == ["0003", "001", "002", "tunes#4"]
    for stage, ids in (("backbone", ["0003", "001", "002"]), ("melody", ["001", "002", "tunes#4"])):
        records = dataset.records(stage, "train")
        assert [record["id"] for record in records] == ids
        assert dataset.num_songs("train", stage) == len(dataset.lengths(stage, "train")) == 3
        batch = BatchConfig(rows=2, length=16)
        batches = train_batches(dataset, stage, batch, seed=0, num_steps=3, threads=0)
        assert all(np.isfinite(batch["weights"]).all() for batch in batches)
        valid = eval_batches(dataset, stage, batch)
        targets = sum(int(batch["weights"].sum()) for batch in valid)
        assert targets == int((dataset.lengths(stage, "valid") - 1).sum())


def test_split_files_for_parts_of_the_input(folder: Path, tmp_path: Path):
    write_song(folder / "other" / "777", seed=3, bars=12)  # begins as pop/003 does
    given = tmp_path / "pop.json"
    given.write_text(json.dumps({"train": ["001"], "valid": ["002", "005"], "test": ["003"]}))
    counts = build_dataset(folder, tmp_path / "set", splits=[f"pop:{given}"], workers=0)
    dataset = open_dataset(tmp_path / "set")
    split_of = {song["id"]: split for split in SPLITS for song in dataset.songs(split)}
    assert {song: split_of[song] for song in ("001", "002", "003", "777")} == {
        "001": "train",
        "002": "valid",
        "003": "test",
        "777": "test",
    }
    rejects = {(line["file"], line["tune"]): line["reason"] for line in _lines(tmp_path / "set")}
    assert rejects["pop/004", ""] == "not_in_splits"
    assert "tunes#1" in split_of
    assert counts["missing"] == 0
    assert dataset.manifest["settings"]["splits"] == ["pop:pop.json"]
    assert dataset.manifest["leakage"]["melody"]["test"]["shingles"] > 0


def test_duplicates_can_be_kept(folder: Path, tmp_path: Path):
    assert build_dataset(folder, tmp_path / "set", workers=0, keep_duplicates=True)["songs"] == 9
    dataset = open_dataset(tmp_path / "set")
    groups = {song["id"]: song["group"] for split in SPLITS for song in dataset.songs(split)}
    assert groups["tunes#2"] == groups["tunes#1"]
    both = dataset.manifest["groups"]["largest"]
    assert both == [{"group": groups["tunes#1"], "songs": 2}]
