"""Data sets on disk: whole or not there, and clear errors when opened."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.data.shards import (
    ARRAYS,
    LINES,
    MANIFEST,
    SPLITS,
    from_bytes,
    open_dataset,
    records_of,
    to_bytes,
    token_count,
)
from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing import writer
from hrpe_jax.preprocessing.writer import Prepared, Reject, check_target, write_dataset
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def _song(number: int) -> Prepared:
    notes = tuple(Note(at * 12, 12, 60 + (at * number) % 12) for at in range(4 + number))
    chords = (ChordSpan(0, 24 * (number + 1), Chord(number % 12, "maj")),)
    score = Score(f"sång{number}", "", Key(0, "major"), Meter(4, 4), 100.0, notes, chords)
    records = records_of(score)
    tokens = {stage: token_count(stage, record) for stage, record in records.items()}
    return Prepared(
        score.id, score.id, tokens, {stage: to_bytes(record) for stage, record in records.items()}
    )


SONGS = {"train": [_song(i) for i in range(7)], "valid": [_song(9)], "test": []}
REJECTS = [Reject("bad/file.mid", "midi_corrupt", "no header")]


def _write(target: Path, **options: bool) -> dict:
    return write_dataset(target, SONGS, REJECTS, {"format": "made up"}, **options)


@pytest.fixture(params=[ARRAYS, LINES])
def shards(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both kinds of shards."""
    monkeypatch.setattr(writer, "shard_suffix", lambda: request.param)
    return str(request.param)


def test_both_kinds_of_shards_hold_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sets = []
    for suffix in (ARRAYS, LINES):
        monkeypatch.setattr(writer, "shard_suffix", lambda suffix=suffix: suffix)
        _write(tmp_path / suffix)
        sets.append(open_dataset(tmp_path / suffix, verify=True))
    for stage in ("backbone", "melody"):
        arrays, lines = (dataset.records(stage, "train") for dataset in sets)
        assert list(arrays) == list(lines)
        assert {shard["file"].rpartition(".")[2] for shard in sets[1].manifest["shards"][stage]["train"]} == {
            "jsonl"
        }
    for part in ("songs", "counts", "vocabulary"):
        assert sets[0].manifest[part] == sets[1].manifest[part]


def test_what_is_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: str):
    monkeypatch.setattr(writer, "SONGS_PER_SHARD", 3)
    manifest = _write(tmp_path / "deep" / "set")
    dataset = open_dataset(tmp_path / "deep" / "set", verify=True)
    assert dataset.manifest == json.loads(json.dumps(manifest))
    assert len(manifest["shards"]["backbone"]["train"]) == 3
    for split in SPLITS:
        assert dataset.num_songs(split) == len(SONGS[split])
        for stage in ("backbone", "melody"):
            records = dataset.records(stage, split)
            expected = [from_bytes(song.records[stage]) for song in SONGS[split]]
            assert list(records) == expected
            assert records[1:3] == expected[1:3]
            lengths = [token_count(stage, record) for record in expected]
            np.testing.assert_array_equal(dataset.lengths(stage, split), lengths)
    records = dataset.records("melody", "train")
    assert records[-1]["id"] == "sång6"
    assert pickle.loads(pickle.dumps(records))[2] == records[2]
    with pytest.raises(IndexError):
        records[7]
    assert json.loads((dataset.path / "rejects.jsonl").read_text("utf-8"))["reason"] == "midi_corrupt"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["set"]


def test_the_same_songs_give_the_same_manifest(tmp_path: Path):
    assert _write(tmp_path / "a") == _write(tmp_path / "b")


def test_an_existing_target_is_not_replaced_unasked(tmp_path: Path):
    target = tmp_path / "set"
    target.mkdir()
    _write(target)  # an empty folder may be filled
    with pytest.raises(UserError, match="--overwrite"):
        _write(target)
    before = open_dataset(target)
    _write(target, overwrite=True)
    assert open_dataset(target).manifest == before.manifest


def test_a_folder_that_is_no_data_set_is_never_replaced(tmp_path: Path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="not a prepared data set"):
            _write(tmp_path / "thesis", overwrite=overwrite)
    assert (tmp_path / "thesis" / "chapter1.txt").exists()


def _damage(change: Callable[[dict], object]) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        manifest = json.loads((path / MANIFEST).read_text("utf-8"))
        change(manifest)
        (path / MANIFEST).write_text(json.dumps(manifest))

    return damage


def _shorten(path: Path) -> None:
    with next((path / "melody").glob("train-*")).open("r+b") as stream:
        stream.truncate(100)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "no such data set; prepare one"),
        (lambda path: (path / MANIFEST).unlink(), "no prepared data set"),
        (lambda path: (path / MANIFEST).write_text("{"), "no prepared data set"),
        (lambda path: (path / MANIFEST).write_text('{"shards": 3}'), "no prepared data set"),
        (lambda path: (path / MANIFEST).write_text("[]"), "no prepared data set"),
        (_damage(lambda m: m.update(format_version=99)), "format is version 99"),
        (_damage(lambda m: m["vocabulary"].update(melody="0" * 16)), "melody vocabulary 0000000000000000"),
        (_shorten, "has 100 bytes instead of"),
        (lambda path: next((path / "backbone").glob("valid-*")).unlink(), "this shard is missing"),
    ],
)
def test_damage_is_named_when_opened(tmp_path: Path, damage: Callable[[Path], object], said: str):
    _write(tmp_path / "set")
    damage(tmp_path / "set")
    with pytest.raises(UserError, match=said) as caught:
        open_dataset(tmp_path / "set")
    assert str(tmp_path / "set") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_changed_bytes_are_found_by_verify(tmp_path: Path, shards: str):
    _write(tmp_path / "set")
    shard = next((tmp_path / "set" / "melody").glob("train-*"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    open_dataset(tmp_path / "set")
    with pytest.raises(UserError, match="content has changed"):
        open_dataset(tmp_path / "set", verify=True)


def test_a_changed_manifest_is_found_when_opened(tmp_path: Path):
    """Any value of it, even one that nothing else can contradict."""
    _write(tmp_path / "set")
    path = tmp_path / "set" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["songs"]["train"][0]["melody"] -= 1
    path.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"manifest.json: its content has changed since it was made"):
        open_dataset(tmp_path / "set")


_KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from hrpe_jax.preprocessing import writer
import test_shards
real, calls = {function}, 0
def die(*args, **options):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), 9)
    return real(*args, **options)
{function} = die
test_shards._write(Path({target!r}), overwrite=True)
"""


@pytest.mark.parametrize(
    ("function", "call", "left"),
    [
        ("writer._write_shards", 4, "partial"),  # while shards are written
        ("writer._put_in_place", 1, "partial"),  # the manifest is there, the rename is not done
        ("Path.rename", 2, "old"),  # the old set was moved away, the new one not yet moved in
    ],
)
def test_a_killed_run_leaves_the_old_data_set(tmp_path: Path, function: str, call: int, left: str):
    target = tmp_path / "set"
    before = _write(target)
    script = _KILLED.format(
        tests=str(Path(__file__).parent), function=function, call=call, target=str(target)
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert any(f".set.{left}-" in path.name for path in tmp_path.iterdir())
    with pytest.raises(UserError, match="--overwrite"):  # what check_target restored is a data set again
        check_target(target, overwrite=False)
    assert open_dataset(target, verify=True).manifest == before
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_first_run_that_was_killed_leaves_nothing_to_open(tmp_path: Path):
    partial = tmp_path / f".set.partial-{_free_pid()}"
    _write(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(partial)
    with pytest.raises(UserError, match="no such data set"):
        open_dataset(tmp_path / "set")
    running = tmp_path / f".set.partial-{os.getppid()}"  # another process that is still at work
    running.mkdir()
    _write(tmp_path / "set")
    assert not partial.exists()
    assert running.exists()


def _free_pid() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_changed_bytes_that_cannot_be_read_are_one_line(tmp_path: Path, shards: str):
    _write(tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    file = tmp_path / "set" / dataset.manifest["shards"]["backbone"]["train"][0]["file"]
    content = file.read_bytes()
    file.write_bytes(bytes(byte ^ 0x55 for byte in content))
    with pytest.raises(UserError, match="damaged shard"):
        dataset.records("backbone", "train")[0]


def test_a_disk_that_takes_no_files_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(file: Path) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "checksum", full)
    with pytest.raises(UserError, match=r"set: cannot be written \(No space left on device\); give another"):
        _write(tmp_path / "set")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is no folder"):
        check_target(tmp_path / "file" / "set", overwrite=False)


def test_a_failed_run_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "checksum", lambda file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        _write(tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_data_that_changes_under_a_run(tmp_path: Path, shards: str):
    """What is put in place of a data set is another one; what is cut short is said in one line."""
    _write(tmp_path / "set")
    records = open_dataset(tmp_path / "set").records("melody", "train")
    expected = [from_bytes(song.records["melody"]) for song in SONGS["train"]]
    assert records[0] == expected[0]  # from now on it is open
    other = {"train": SONGS["train"][::-1], "valid": SONGS["valid"], "test": []}
    write_dataset(tmp_path / "set", other, REJECTS, {"format": "made up"}, overwrite=True)
    assert list(records) == expected
    again = pickle.loads(pickle.dumps(records))  # a worker opens what is there now
    assert sorted(record["id"] for record in again) == sorted(record["id"] for record in expected)
    later = open_dataset(tmp_path / "set")
    held = later.records("melody", "train")
    assert held[0] == expected[-1]
    file = tmp_path / "set" / later.manifest["shards"]["melody"]["train"][0]["file"]
    os.truncate(file, 10)
    with pytest.raises(UserError, match="damaged shard"):
        held[len(held) - 1]
