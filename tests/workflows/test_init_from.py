"""Starting from a trained model: its shapes fill the config, and what does not fit is one line."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from hrpe_jax.checkpoints import release as models
from hrpe_jax.checkpoints.release import write_released
from hrpe_jax.errors import UserError
from hrpe_jax.tasks import build_task
from hrpe_jax.workflows.load_config import initial_params, load_config
from tests.sampling.tiny import MELODY, noisy_params, tiny_model

CONFIG = Path(__file__).parents[2] / "configs" / "finetune.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_released(tiny_model(), tmp_path_factory.mktemp("work") / "model")


def test_the_model_is_that_of_what_it_starts_from(folder: Path, monkeypatch: pytest.MonkeyPatch):
    config = load_config(CONFIG, [f"init_from={folder.parent}", "stages.melody.model.dropout=0.4"])
    melody = config.stages.melody
    assert melody is not None
    assert melody.model.dropout == 0.4  # what is said holds
    assert melody.model.harmony == MELODY.model.harmony
    assert (melody.model.width, melody.model.memory) == (MELODY.model.width, MELODY.model.memory)
    monkeypatch.setattr(models, "PRETRAINED_FOLDER", folder)
    tuned = load_config(CONFIG, ["stages.melody.model.dropout=0.4"])
    assert tuned.stages == config.stages
    assert tuned.init_from == "pretrained"


def test_its_parameters_are_taken_where_they_fit(folder: Path):
    shapes = jax.eval_shape(build_task("melody", MELODY.model).init_params, jax.random.key(0))
    for name in (folder, folder.parent):
        found = initial_params(str(name), "melody", shapes)
        jax.tree.map(np.testing.assert_array_equal, found, noisy_params("melody", MELODY))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["stages.melody.model.width=24"],
            r"melody: \S+ is \[.*16.*\] there and \[.*24.*\] in this config; leave",
        ),
        (["stages.melody.model.layers=3"], r"melody: \S+ is \[2.*\] there and \[3.*\] in this config"),
        (["stages.melody.model.harmony.codes=none"], r"is \[.*\] there and missing in this config"),
    ],
)
def test_what_does_not_fit_is_said(folder: Path, overrides: list[str], said: str):
    config = load_config(CONFIG, [f"init_from={folder}", *overrides])
    assert config.stages.melody is not None
    task = build_task("melody", config.stages.melody.model)
    with pytest.raises(UserError, match=said) as caught:
        initial_params(str(folder), "melody", jax.eval_shape(task.init_params, jax.random.key(0)))
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model(tmp_path: Path):
    with pytest.raises(UserError, match=r"config.init_from: no trained model in .*expected a released model"):
        load_config(CONFIG, [f"init_from={tmp_path}"])
