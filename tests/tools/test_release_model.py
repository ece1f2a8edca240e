"""The command that puts a model into the package: weights, a card from records, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hrpe_jax.checkpoints.release import load_model, write_released
from hrpe_jax.preprocessing.build import build_dataset
from hrpe_jax.utils import cli
from tests.preprocessing.songs import write_songs
from tests.sampling.tiny import tiny_model
from tools.release import release_model


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A run of both stages that says what it took, and its data set."""
    folder = tmp_path_factory.mktemp("release")
    build_dataset(write_songs(folder / "songs", 3), folder / "data", workers=0)
    run = write_released(tiny_model(), folder / "run")
    lines = [
        {"stage": stage, "split": "train", "step": 7, "nll": 1.0, "seconds": 120.0}
        for stage in ("backbone", "melody")
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [f"--run={run}", f"--data={folder / 'data'}", "--config=configs/own_music.py"]


def release(*arguments: object) -> int:
    return cli.run(release_model.main, release_model.parser(), [str(argument) for argument in arguments])


def test_the_card_says_what_the_records_say(given: list[str], tmp_path: Path, capsys):
    out = tmp_path / "model"
    assert release(*given, f"--output={out}", "--device=3 abaci", "--corpora=nottingham") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["measured"] is False
    assert said["melody"]["step"] == 5
    model = load_model(out)
    assert model.seen is not None
    assert sum(model.seen["meters"].values()) == 3
    card = (out / "README.md").read_text()
    assert "| backbone: training | 2 min on 3 abaci; 7 steps of 512 events;" in card
    assert "GPL-3.0" in card
    assert "Not measured yet" in card
    assert "--config=configs/own_music.py --workdir=RUN" in card
    assert str(tmp_path) not in card


def test_figures_of_other_weights_stay_out(given: list[str], tmp_path: Path, capsys):
    other = tmp_path / "results.json"
    other.write_text(json.dumps({"about": {"stages": {"melody": {"step": 1, "weights": "0"}}}}))
    out = tmp_path / "model"
    wishes = (f"--output={out}", "--device=3 abaci", "--corpora=pop909", f"--results={other}")
    assert release(*given, *wishes) == 1
    assert "figures of other weights, left out" in capsys.readouterr().err
    assert "Not measured yet" in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "does not say on what it was trained"),
        (["--device=x", "--corpora=lakh"], "--corpora: lakh not known"),
        (["--device=x", "--corpora=pop909", "--run=SAME"], "is in another --run too"),
    ],
)
def test_what_is_missing_is_said(given: list[str], tmp_path: Path, capsys, arguments: list[str], said: str):
    arguments = [given[0] if argument == "--run=SAME" else argument for argument in arguments]
    assert release(*given, f"--output={tmp_path / 'model'}", *arguments) == 1
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
