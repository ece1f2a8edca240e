from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from hrpe_jax.codec import backbone, columns, melody
from hrpe_jax.codec import backbone_tokens as bt
from hrpe_jax.codec import melody_tokens as mt
from hrpe_jax.data.batches import BatchShape, blank_batch
from hrpe_jax.data.loader import Batches, eval_batches, train_batches
from hrpe_jax.data.shards import open_dataset, to_bytes, token_count
from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.writer import Prepared, write_dataset

STAGES = ("backbone", "melody")
SHAPE = BatchShape(rows=4, length=32, segments=2)


def assert_same(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for name, leaf in first.items():
        assert leaf.dtype == second[name].dtype
        np.testing.assert_array_equal(leaf, second[name], err_msg=name)


@pytest.mark.parametrize("stage", STAGES)
def test_leaves(fake_dataset, stage: str) -> None:
    batch = next(train_batches(fake_dataset, stage, SHAPE, seed=0, num_steps=1))
    per_row = {*columns.MELODY_ROW_FIELDS, "reset"} if stage == "melody" else set()
    names = columns.BACKBONE_FIELDS if stage == "backbone" else columns.MELODY_FIELDS
    extra = {"weights", "segment_ids"} if stage == "backbone" else {"weights"}
    assert set(batch) == {*names, *extra, *per_row}
    for name, leaf in batch.items():
        assert leaf.shape == ((2, 4) if name in per_row else (2, 4, 32))
        assert leaf.dtype == {"weights": np.float32, "reset": np.bool_}.get(name, np.int32), name
        assert leaf.flags.c_contiguous


@pytest.mark.parametrize("stage", STAGES)
def test_a_batch_depends_on_its_step_alone(fake_dataset, stage: str) -> None:
    stream = list(train_batches(fake_dataset, stage, SHAPE, seed=7, num_steps=40))
    assert len(stream) == 40
    for step in (39, 0, 17, 3):
        fresh = train_batches(fake_dataset, stage, SHAPE, seed=7, num_steps=40, cache_bytes=1000).batches
        assert_same(stream[step], fresh[step])
    other = train_batches(fake_dataset, stage, SHAPE, seed=8, num_steps=40).batches
    assert any((stream[3][name] != other[3][name]).any() for name in other[3])


@pytest.mark.parametrize("stage", STAGES)
def test_a_batch_says_which_songs_it_holds(fake_dataset, stage: str) -> None:
    """As written, so that the ids of the first stretches can be looked up."""
    batches = train_batches(fake_dataset, stage, SHAPE, seed=7, num_steps=20, augment=False)
    found = batches.describe(3)
    batch = batches.batches[3]
    covered = np.zeros(batch["weights"].shape, bool)
    for piece in found:
        assert piece["shift"] == 0
        record = fake_dataset.records(stage, "train")[int(piece["id"].removeprefix("song"))]
        name = "input_ids" if stage == "backbone" else "event_ids"
        length = piece["stop"] - piece["start"]
        place = (piece["segment"], piece["row"], slice(piece["column"], piece["column"] + length))
        np.testing.assert_array_equal(batch[name][place], record[name][piece["start"] : piece["stop"]])
        covered[place] = True
    assert (covered >= (batch["weights"] > 0)).all()


@pytest.mark.parametrize("stage", STAGES)
def test_a_blank_batch_is_shaped_like_any(fake_dataset, stage: str) -> None:
    blank = blank_batch(stage, SHAPE)
    real = next(train_batches(fake_dataset, stage, SHAPE, seed=0, num_steps=1))
    assert {name: (x.shape, x.dtype) for name, x in blank.items()} == {
        name: (x.shape, x.dtype) for name, x in real.items()
    }
    assert not blank["weights"].any()


@pytest.mark.parametrize("stage", STAGES)
def test_resume(fake_dataset, stage: str) -> None:
    first = train_batches(fake_dataset, stage, SHAPE, seed=7, num_steps=20)
    for _ in range(5):
        next(first)
    assert first.get_state() == 5
    second = train_batches(fake_dataset, stage, SHAPE, seed=7, num_steps=20)
    second.set_state(first.get_state())
    for expected, found in zip(list(first), list(second), strict=True):
        assert_same(expected, found)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("training", [True, False])
def test_hosts_share_the_rows(fake_dataset, stage: str, training: bool) -> None:
    def read(rows: list[int] | None = None) -> Batches:
        if training:
            return train_batches(fake_dataset, stage, SHAPE, seed=1, num_steps=9, rows=rows).batches
        return eval_batches(fake_dataset, stage, SHAPE, rows=rows)

    deal = [[0, 3], [1, 2]]  # devices of a mesh need not be in the order of their hosts
    whole, parts = read(), [read(rows) for rows in deal]
    assert {len(part) for part in parts} == {len(whole)}
    for step in range(len(whole)):
        joined = [part[step] for part in parts]
        together = {name: np.concatenate([part[name] for part in joined], axis=1) for name in joined[0]}
        order = np.argsort(np.concatenate(deal))
        assert_same(whole[step], {name: value[:, order] for name, value in together.items()})


@pytest.mark.parametrize("stage", STAGES)
def test_transposed_batch_is_the_batch_of_transposed_songs(
    fake_dataset, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    codec = {"backbone": backbone, "melody": melody}[stage]
    plain = eval_batches(fake_dataset, stage, SHAPE)
    shifts = [index % 12 - 5 for index in range(len(fake_dataset.records(stage, "valid")))]

    class Transposed:
        lengths = fake_dataset.lengths

        def records(self, stage: str, split: str) -> list:
            records = fake_dataset.records(stage, split)
            return [codec.transpose_record(record, n) for record, n in zip(records, shifts, strict=True)]

    expected = eval_batches(Transposed(), stage, SHAPE)
    pieces = plain._plan.pieces
    monkeypatch.setattr(
        plain._plan,
        "pieces",
        lambda step, rows: [piece._replace(shift=shifts[piece.song]) for piece in pieces(step, rows)],
    )
    for step in range(len(plain)):
        assert_same(expected[step], plain[step])


@pytest.mark.parametrize("stage", STAGES)
def test_shards_give_the_same_batches(fake_dataset, stage: str, tmp_path: Path) -> None:
    records = [{name: fake_dataset.records(name, "train")[i] for name in STAGES} for i in range(23)]
    songs = [
        Prepared(
            song["backbone"]["id"],
            song["backbone"]["id"],
            {name: token_count(name, song[name]) for name in STAGES},
            {name: to_bytes(song[name]) for name in STAGES},
        )
        for song in records
    ]
    write_dataset(tmp_path / "data", {"train": songs, "valid": [], "test": []}, [], {})
    dataset = open_dataset(tmp_path / "data")
    expected = train_batches(fake_dataset, stage, SHAPE, seed=2, num_steps=12)
    for first, second in zip(
        expected, train_batches(dataset, stage, SHAPE, seed=2, num_steps=12, threads=2), strict=True
    ):
        assert_same(first, second)
    assert len(eval_batches(dataset, stage, SHAPE)) == 0


def test_packing_keeps_songs_apart(fake_dataset) -> None:
    songs: dict[tuple, int] = defaultdict(int)
    for batch in eval_batches(fake_dataset, "backbone", BatchShape(4, 100)):
        for row in range(4):
            ids, inputs, targets = (
                batch[name][0, row] for name in ("segment_ids", "input_ids", "target_ids")
            )
            for number in range(1, ids.max(initial=0) + 1):
                (at,) = np.nonzero(ids == number)
                assert (np.diff(at) == 1).all()
                np.testing.assert_array_equal(batch["positions"][0, row, at], np.arange(len(at)))
                assert (inputs[at[0]], targets[at[-1]]) == (bt.BOS, bt.EOS)
                np.testing.assert_array_equal(inputs[at[1:]], targets[at[:-1]])
                assert batch["weights"][0, row, at].tolist() == [1] * len(at)
                songs[tuple(inputs[at])] += 1
            assert not batch["weights"][0, row, ids == 0].any()
            assert (inputs[ids == 0] == bt.PAD).all()
    assert songs == {tuple(record["input_ids"]): 1 for record in fake_dataset.records("backbone", "valid")}


def test_cut_songs_are_counted_once(fake_dataset) -> None:
    # The fake songs reach 62 tokens: rows of 16 cut most of them into windows.
    weight = sum(
        float(batch["weights"].sum()) for batch in eval_batches(fake_dataset, "backbone", BatchShape(3, 16))
    )
    assert weight == sum(len(record["input_ids"]) for record in fake_dataset.records("backbone", "valid"))


def test_rows_concatenate_to_whole_songs(fake_dataset) -> None:
    rows: list[list] = [[] for _ in range(4)]
    found = []
    for batch in train_batches(fake_dataset, "melody", SHAPE, seed=3, num_steps=30, augment=False):
        for segment in range(2):
            for row in range(4):
                if batch["reset"][segment, row]:
                    found.append(rows[row])
                    rows[row] = []
                kept = batch["weights"][segment, row] > 0
                assert (batch["event_ids"][segment, row, ~kept] == mt.PAD).all()
                rows[row] += batch["event_ids"][segment, row, kept].tolist()
    songs = {tuple(record["event_ids"][:-1]) for record in fake_dataset.records("melody", "train")}
    whole = [tuple(song) for song in found if song]
    assert len(whole) > 40
    assert set(whole) == songs


def test_augmentation_reaches_all_keys(fake_dataset) -> None:
    keys = {
        int(key)
        for batch in train_batches(fake_dataset, "melody", SHAPE, seed=3, num_steps=60)
        for key in batch["key"].ravel()
    }
    assert len(keys) == 24


def test_bad_use(fake_dataset) -> None:
    class Empty:
        def records(self, stage: str, split: str) -> list:
            return []

        def lengths(self, stage: str, split: str) -> list:
            return []

    with pytest.raises(UserError, match="no melody song in its train split"):
        train_batches(Empty(), "melody", SHAPE, seed=0, num_steps=1)
    for stage in STAGES:
        assert len(eval_batches(Empty(), stage, SHAPE)) == 0
