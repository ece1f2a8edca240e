"""Checkpoints that were cut short, damaged, or could not be written: one line, and never a wrong load."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import jax
import numpy as np
import pytest

from hrpe_jax.checkpoints import manager
from hrpe_jax.checkpoints.format import (
    DIGESTS,
    checkpoint_folder,
    find_damage,
    load_stage,
    read_json,
    whole_steps,
)
from hrpe_jax.errors import UserError
from tests.training import dummy
from tests.training.test_loop import read_lines, same_params


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A finished training to damage: its checkpoints are of steps 9 and 12, the best one is 12."""
    shutil.copytree(whole, tmp_path / "copy")
    assert whole_steps(checkpoint_folder(tmp_path / "copy", "melody")) == [9, 12]
    return tmp_path / "copy"


def files(folder: Path) -> list[Path]:
    """What digests are of."""
    return [folder / name for name in json.loads((folder / DIGESTS).read_text())]


def flip(path: Path, rng: random.Random) -> None:
    """Turns one bit of a file."""
    content = bytearray(path.read_bytes())
    at = rng.randrange(8 * len(content))
    content[at // 8] ^= 1 << at % 8
    path.write_bytes(bytes(content))


def test_a_save_that_was_cut_short_is_removed_and_told(
    whole: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = checkpoint_folder(copy, "melody")
    (folder / "12" / "commit_success.txt").unlink()
    (folder / "40.orbax-checkpoint-tmp" / "params").mkdir(parents=True)
    (folder / "3.deleting").mkdir()
    assert whole_steps(folder)[-1] == 9
    result = dummy.train(copy)
    assert result.resumed == 9
    assert read_lines(copy) == read_lines(whole)
    same_params(copy, whole, 12)
    assert sorted(path.name for path in folder.iterdir()) == ["12", "9"]
    said = capsys.readouterr().err
    for step in (12, 40):
        assert f"melody: checkpoint {step} was cut short while it was written: removed\n" in said


def test_every_flipped_bit_and_every_lost_file_is_found(copy: Path) -> None:
    """One bit at a time, in every file; of a checkpoint of digests too."""
    folder, rng = checkpoint_folder(copy, "melody"), random.Random(0)
    step = folder / "12"
    assert find_damage(folder, 12) is None
    assert {path.relative_to(step).parts[0] for path in files(step)} == {
        "params", "train", "carry", "progress", "record",
    }  # fmt: skip
    for path in [*files(step), step / DIGESTS]:
        content = path.read_bytes()
        for change in ("flip", "cut", "lose"):
            if change == "flip":
                flip(path, rng)
            elif change == "cut":
                path.write_bytes(content[:-2])
            else:
                path.unlink()
            found = find_damage(folder, 12)
            assert found is not None
            assert path.name == DIGESTS or found.startswith(str(path.relative_to(step)))
            path.write_bytes(content)
    assert find_damage(folder, 12) is None


@pytest.mark.parametrize("where", ["params/**/d/*", "progress/metadata", DIGESTS])
def test_a_damaged_checkpoint_is_set_aside(
    whole: Path, copy: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = checkpoint_folder(copy, "melody")
    path = next(iter(sorted((folder / "12").glob(where))))
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"12: damaged checkpoint .*delete this folder to go back to step 9$"):
        load_stage(copy, "melody")
    result = dummy.train(copy)
    assert result.resumed == 9
    said = capsys.readouterr().err
    assert said.count("set aside as 12.damaged, back to 9") == 1
    assert f"({path.relative_to(folder / '12')}: " in said or where == DIGESTS
    assert read_lines(copy) == read_lines(whole)
    same_params(copy, whole, 12)
    assert {path.name for path in folder.iterdir()} == {"9", "12", "12.damaged"}


def test_nothing_is_loaded_where_every_checkpoint_is_damaged(copy: Path) -> None:
    folder = checkpoint_folder(copy, "melody")
    for step in (9, 12):
        flip(folder / str(step) / "train" / "_METADATA", random.Random(1))
    before = sorted(folder.rglob("*"))
    with pytest.raises(UserError, match=r"every checkpoint is damaged \(12/train/_METADATA: .*; 9/train"):
        dummy.train(copy)
    assert sorted(folder.rglob("*")) == before  # for whoever wants to look, or has a copy


def test_checkpoints_of_before_there_were_digests_are_read(whole: Path, copy: Path) -> None:
    step = checkpoint_folder(copy, "melody") / "12"
    (step / DIGESTS).unlink()
    path = step / "record" / "metadata"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    same_params(copy, whole, 12)
    assert dummy.train(copy).resumed == 12


def test_a_save_that_fails_ends_the_run_and_leaves_the_one_before(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the background, when half of it is written."""
    sign, folder = manager.write_digests, checkpoint_folder(tmp_path, "melody")

    def full(path: Path) -> None:
        if path.name.startswith("8."):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        sign(path)

    monkeypatch.setattr(manager, "write_digests", full)
    with pytest.raises(UserError) as error:
        dummy.train(tmp_path)
    assert f"{folder / '8'}: this checkpoint could not be written (no space left on the disk); " in str(
        error.value
    )
    assert "the one of step 6 stands" in str(error.value)
    assert "\n" not in str(error.value)
    assert [path.name for path in sorted(folder.iterdir())] == ["4", "6"]
    monkeypatch.undo()
    assert dummy.train(tmp_path).resumed == 6
    assert read_lines(tmp_path) == read_lines(whole)
    same_params(tmp_path, whole, 12)


def test_steps_go_on_while_a_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = dummy.stage_config(eval_every=100, checkpoint_every=6, keep=9)
    dummy.train(tmp_path / "quick", config)
    sign, go_on = manager.write_digests, Event()

    class Watched(dummy.Batches):
        def __next__(self) -> dict[str, np.ndarray]:
            if self.step == 8:  # two steps after the save of step 6 was begun
                go_on.set()
            return super().__next__()

    def slow(path: Path) -> None:
        assert go_on.wait(30)
        sign(path)

    monkeypatch.setattr(manager, "write_digests", slow)
    dummy.train(tmp_path / "slow", config, batches=Watched())
    same = [load_at(tmp_path / name, 6) for name in ("quick", "slow")]
    jax.tree.map(np.testing.assert_array_equal, *same)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_disk_that_is_full_and_then_has_room(
    whole: Path, small_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same for real: Orbax's own threads meet the full disk."""
    ballast, config = small_disk / "ballast", dummy.stage_config(keep=9)  # nothing old makes room
    folder = checkpoint_folder(small_disk, "melody")

    class Filling(dummy.Batches):
        def __next__(self) -> dict[str, np.ndarray]:
            if self.step == 7:
                while 6 not in whole_steps(folder):
                    time.sleep(0.01)
                left = os.statvfs(small_disk)
                ballast.write_bytes(bytes(left.f_bavail * left.f_bsize - 16384))
            return super().__next__()

    with pytest.raises(UserError, match=r"no space left on the disk.*; the one of step 6 stands") as error:
        dummy.train(small_disk, config, batches=Filling())
    assert "\n" not in str(error.value)
    assert "Traceback" not in capfd.readouterr().err
    assert whole_steps(folder)[-1] == 6
    assert find_damage(folder, 6) is None
    ballast.unlink()
    assert dummy.train(small_disk, config).resumed == 6
    assert read_lines(small_disk) == read_lines(whole)
    same_params(small_disk, whole, 12)


def load_at(workdir: Path, step: int) -> Any:
    """All arrays of one checkpoint."""
    import orbax.checkpoint as ocp

    path = checkpoint_folder(workdir, "melody") / str(step)
    with ocp.StandardCheckpointer() as checkpointer:
        return [checkpointer.restore(path / name) for name in ("params", "train", "carry")]


def test_the_next_api_of_orbax_reads_checkpoints_of_this_one(whole: Path) -> None:
    """Orbax 1.0 makes its v1 API the only one; folders that were written before must not need it twice."""
    v1 = pytest.importorskip("orbax.checkpoint.experimental.v1", reason="this Orbax has no v1 API")
    folder = checkpoint_folder(whole, "melody") / "12"
    trained = load_stage(whole, "melody")
    targets = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), trained.params)
    items = v1.load_checkpointables(folder, {"params": targets, "progress": None, "record": None})
    saved = jax.tree.leaves(items["params"])
    assert len(saved) == len(jax.tree.leaves(trained.params))
    for own, other in zip(saved, jax.tree.leaves(trained.params), strict=True):
        np.testing.assert_array_equal(own, other)
    for name in ("progress", "record"):
        assert items[name] == read_json(folder.parent, 12, name)
