"""The notebooks: stored clean, opened by a badge, run from the first cell to the last with small settings."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hrpe_jax.checkpoints.release import write_released
from tests.preprocessing.songs import write_songs
from tests.sampling.tiny import tiny_model

ROOT = Path(__file__).parents[1]
BOOKS = {path.stem: path for path in sorted((ROOT / "experiments" / "notebooks").glob("*.ipynb"))}
NEEDED = ("nbclient", "nbformat", "ipykernel")
RUN = """
import sys, nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], 4)
NotebookClient(book, timeout=600, kernel_name="python3").execute()
nbformat.write(book, sys.argv[1])
"""
SHAPE = {"width": 16, "layers": 1, "heads": 2, "head_width": 8, "mlp_width": 24, "residual_rank": 2}
STAGE = {"steps": 4, "log_every": 2, "eval_every": 2, "checkpoint_every": 2, "optimizer": {"warmup_steps": 1}}


def read(name: str) -> dict[str, Any]:
    book: dict[str, Any] = json.loads(BOOKS[name].read_text(encoding="utf-8"))
    return book


def execute(name: str, folder: Path, settings: dict[str, object]) -> str:
    """Runs a notebook in a folder, its parameters followed by these; everything it printed or showed."""
    missing = [module for module in NEEDED if importlib.util.find_spec(module) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (pip install 'hrpe_jax[notebooks]')")
    book = read(name)
    (at,) = (i for i, cell in enumerate(book["cells"]) if "parameters" in cell["metadata"].get("tags", ()))
    lines = "".join(f"{key} = {value!r}\n" for key, value in settings.items())
    book["cells"].insert(at + 1, {**book["cells"][at], "id": "small", "metadata": {}, "source": lines})
    path = folder / "book.ipynb"
    path.write_text(json.dumps(book))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outputs = [out for cell in json.loads(path.read_text())["cells"] for out in cell.get("outputs", ())]
    return json.dumps(outputs)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_released(tiny_model(), tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("name", BOOKS)
def test_stored_without_outputs_and_opened_by_a_badge(name: str):
    book = read(name)
    assert f"/experiments/notebooks/{name}.ipynb)" in book["cells"][0]["source"][0]
    for cell in book["cells"]:
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)
    parameters = [cell for cell in book["cells"] if "parameters" in cell["metadata"].get("tags", ())]
    assert len(parameters) == 1


@pytest.mark.slow  # a kernel of its own compiles what its cells compute one by one
def test_understanding_hrpe(model: Path, tmp_path: Path):
    said = execute("understand_hrpe", tmp_path, {"MODEL": str(model)})
    assert "the same in all twelve keys" in said
    assert '\\"(0, 1)\\"' in said  # the interactive figure has its data


@pytest.mark.slow  # compiles the sampler for several asks
def test_composing(model: Path, tmp_path: Path):
    said = execute("compose", tmp_path, {"MODEL": str(model), "BARS": 2})
    assert said.count("<iframe srcdoc=") == 2
    assert "data:audio/" in said
    assert (tmp_path / "piece.musicxml").is_file()


@pytest.mark.slow  # compiles both stages for training, and the sampler
def test_training_without_a_tpu(tmp_path: Path):
    from hrpe_jax.preprocessing.build import build_dataset

    build_dataset(write_songs(tmp_path / "songs", 6), tmp_path / "data", workers=0)
    stages = {
        "backbone": {**STAGE, "model": SHAPE, "batch": {"rows": 2, "length": 32}},
        "melody": {**STAGE, "model": {**SHAPE, "memory": 16}, "batch": {"rows": 2, "length": 32}},
    }
    (tmp_path / "tiny.py").write_text(f"def get_config():\n    return {{'stages': {stages!r}}}\n")
    settings = {"CONFIG": "tiny.py", "OVERRIDES": ["--config.data.path=data"], "BARS": 2}
    said = execute("train_on_tpu", tmp_path, settings)
    assert "No TPU in this runtime; going on with the CPU" in said
    assert "image/svg+xml" in said
    assert (tmp_path / "runs/colab/model/config.json").is_file()


@pytest.mark.slow  # compiles both stages for training and for evaluation, and the sampler
def test_bringing_music(model: Path, tmp_path: Path):
    write_songs(tmp_path / "songs", 12)
    small = [
        f"--config.stages.{stage}.{key}={value}"
        for stage in ("backbone", "melody")
        for key, value in {
            "steps": 4,
            "eval_every": 2,
            "optimizer.warmup_steps": 1,
            "batch.length": 32,
        }.items()
    ]
    said = execute(
        "own_music", tmp_path, {"FOLDER": "songs", "START": str(model), "OVERRIDES": small, "BARS": 2}
    )
    assert "before  melody" in said
    assert "after   melody" in said
    assert said.count("<iframe srcdoc=") == 2
