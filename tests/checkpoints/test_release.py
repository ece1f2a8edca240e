"""Models on disk: released folders, checkpoints, which of the two is read, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.checkpoints.format import TrainState, checkpoint_folder
from hrpe_jax.checkpoints.manager import Checkpoints
from hrpe_jax.checkpoints.release import (
    Model,
    export_model,
    load_model,
    read_checkpoints,
    write_released,
)
from hrpe_jax.checkpoints.verify import flatten
from hrpe_jax.codec import vocabulary
from hrpe_jax.config import Config, StagesConfig
from hrpe_jax.errors import UserError
from tests.sampling.tiny import BACKBONE, MELODY, tiny_model

CONFIG = Config(name="tiny", stages=StagesConfig(backbone=BACKBONE, melody=MELODY))


def save(workdir: Path, name: str, step: int, params: Any, best: int | None = None, **changes: Any) -> None:
    """One more checkpoint of a stage."""
    record = {
        "format": 2,
        "version": "0",
        "vocabulary": vocabulary.vocabulary_hashes(),
        "data": "0",
        "config": asdict(CONFIG),
        **changes,
    }
    progress = {
        "step": step,
        "data": step,
        "best": {"step": best, "metrics": {"loss": 1.0}} if best else None,
        "meter": {},
        "seconds": 0.0,
    }
    state = TrainState(step=jnp.asarray(step), params=jax.tree.map(jnp.asarray, params), opt_state={})
    with Checkpoints(checkpoint_folder(workdir, name), keep=2) as checkpoints:
        checkpoints.save(step, state, None, progress, record, best)


def same(one: Model, other: Model) -> None:
    assert [name for name, _ in one.stages()] == [name for name, _ in other.stages()]
    for (_, a), (_, b) in zip(one.stages(), other.stages(), strict=True):
        assert a.config == b.config
        assert (a.step, a.latest) == (b.step, b.latest)
        flat = dict(flatten(b.params))
        assert [name for name, _ in flatten(a.params)] == list(flat)
        for name, value in flatten(a.params):
            np.testing.assert_array_equal(value, flat[name], strict=True)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both stages, the backbone's best checkpoint not its newest."""
    folder = tmp_path_factory.mktemp("workdir")
    model = tiny_model()
    save(folder, "backbone", 7, model.stage("backbone").params, best=7)
    doubled = jax.tree.map(lambda leaf: 2 * leaf, model.stage("backbone").params)
    save(folder, "backbone", 9, doubled, best=7)
    save(folder, "melody", 5, model.stage("melody").params)
    return folder


def test_a_released_model_is_read_back(tmp_path: Path):
    write_released(tiny_model(), tmp_path / "new" / "model")
    same(load_model(tmp_path / "new" / "model"), tiny_model())
    assert sorted(path.name for path in (tmp_path / "new" / "model").iterdir()) == [
        "backbone.safetensors",
        "config.json",
        "melody.safetensors",
    ]


def test_a_workdir_gives_its_best_checkpoints(workdir: Path):
    same(load_model(workdir), tiny_model())
    with pytest.raises(UserError, match="no complete checkpoint"):
        read_checkpoints(workdir / "elsewhere")


def test_an_export_is_used_until_the_checkpoints_go_on(workdir: Path, monkeypatch: pytest.MonkeyPatch):
    model, folder = export_model(workdir)
    assert folder == workdir / "model"
    same(model, tiny_model())

    def never(_: object) -> Model:
        raise AssertionError("the checkpoints were read")

    with monkeypatch.context() as patched:
        patched.setattr("hrpe_jax.checkpoints.release.read_checkpoints", never)
        same(load_model(workdir), tiny_model())
    save(workdir, "melody", 6, tiny_model().stage("melody").params)
    assert load_model(workdir).stage("melody").step == 6
    export_model(workdir)
    (folder / "melody.safetensors").write_bytes(b"half")
    assert load_model(workdir).stage("melody").step == 6


def test_one_stage_alone_can_be_read_and_says_what_it_lacks(tmp_path: Path):
    save(tmp_path, "melody", 3, tiny_model().stage("melody").params)
    model = load_model(tmp_path)
    assert model.backbone is None
    with pytest.raises(UserError, match="has no backbone stage; train it"):
        model.stage("backbone")


def test_other_vocabularies_are_refused(tmp_path: Path):
    others = {"backbone": "0123456789abcdef", "melody": "0123456789abcdef"}
    save(tmp_path / "work", "melody", 3, tiny_model().stage("melody").params, vocabulary=others)
    with pytest.raises(UserError, match="trained with vocabulary 0123456789abcdef, this program has"):
        load_model(tmp_path / "work")
    folder = write_released(tiny_model(), tmp_path / "released")
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**about, "vocabulary": others}))
    with pytest.raises(UserError, match="trained with vocabulary 0123456789abcdef, this program has"):
        load_model(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b"{", "not the config of a released model"),
        ("config.json", b'{"format": 99}', "not the config of a released model"),
        ("config.json", b"[1]", "not the config of a released model"),
        ("config.json", b"[" * 200_000, "not the config of a released model"),
        ("config.json", b'{"a":' * 200_000, "not the config of a released model"),
        ("config.json", b" " * 2_000_000, "not the config of a released model"),
        ("melody.safetensors", b"", "melody.safetensors: not readable"),
        ("melody.safetensors", None, "melody.safetensors: not readable"),
    ],
)
def test_damaged_models_are_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
):
    folder = write_released(tiny_model(), tmp_path)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def test_files_of_different_exports_are_not_mixed(tmp_path: Path):
    folder = write_released(tiny_model(), tmp_path)
    about = json.loads((folder / "config.json").read_text())
    about["stages"]["melody"]["step"] = 6
    del about["digests"]  # of an earlier version, which had none
    (folder / "config.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match=r"melody.safetensors: holds step 5, config.json says 6"):
        load_model(folder)


def test_folders_without_a_model_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no such folder"):
        load_model(tmp_path / "none")
    with pytest.raises(UserError, match="no checkpoints and no released model here"):
        load_model(tmp_path)
    (tmp_path / "checkpoints" / "melody" / "5").mkdir(parents=True)  # of a save that was cut short
    with pytest.raises(UserError, match="no complete checkpoint of any stage"):
        load_model(tmp_path)


def test_an_export_that_cannot_be_written_says_so(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_released(tiny_model(), tmp_path / "file")
