"""The command of the results: its targets on made-up figures, and the whole of it on a few bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.results import run, targets
from hrpe_jax.checkpoints.release import write_released
from hrpe_jax.preprocessing.build import build_dataset
from hrpe_jax.utils import cli
from tests.preprocessing.songs import write_songs
from tests.sampling.tiny import tiny_model


def figures(values: dict[str, list[float]], real: list[float], **changes: Any) -> dict[str, Any]:
    """Results in which every metric of theory has these values."""
    rows = [
        {"set": "generated", "value": 5.0, "low": 4.0, "high": 6.0, "used": 4, "n": 2},
        {"set": "real", "value": 2.0, "low": 1.0, "high": 3.0, "used": 4, "n": 2},
    ]
    metrics = [{"name": "ssmd_silence", "rows": rows, "kind": "set", "recommended": True}]
    for name in targets.THEORY:
        metrics.append({"name": name, "rows": rows, "per_piece": {"real": real, "generated": values[name]}})
    shared = {"generated": {"largest": 9}, "held_out": {"largest": 9}}
    return {
        "about": {"bars": 32},
        "music": {"metrics": metrics, "copying": {"melody": shared}},
        "pieces": {"pieces": 10, "failed": 0},
        "controls": {"pieces": 10, "failed": 0},
        "start": {"seconds": 9.0, "cores": 2, "load": 0.1},
        **changes,
    }


def test_every_target_can_be_missed():
    real = [
        0.0,
        0.0,
        0.0,
        0.0,
        1.0,
    ]  # most songs have no note out of key: their mean is outside of their half
    good = {name: [0.0, 0.0, 0.0, 4.0] for name in targets.THEORY}
    assert all(found.inside for found in targets.targets(figures(good, real)))
    bad = figures(
        {name: [0.5, 0.6, 0.7, 0.0] for name in targets.THEORY},
        real,
        controls={"pieces": 10, "failed": 1},
        start={"seconds": 26.0, "cores": 2, "load": 0.1},
    )
    bad["music"]["metrics"][0]["rows"][0]["value"] = 6.1
    bad["music"]["copying"]["melody"]["generated"]["largest"] = 10
    found = list(targets.targets(bad))
    assert not any(target.inside for target in found)
    assert [target.reached for target in found if "decode" in target.what] == ["19 of 20 (95.00%)"]
    assert targets.target_lines(bad)[0][2:] == ["6.10 [4.00, 6.00]", "OUTSIDE"]


@pytest.mark.slow  # compiles both stages for training's batches and for sampling
def test_the_command_measures_once_what_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "splits.json").write_text('{"train": ["001", "002"], "valid": ["003"], "test": ["004"]}')
    songs = write_songs(tmp_path / "songs", 4)
    build_dataset(songs, tmp_path / "data", splits=tmp_path / "splits.json", workers=0)
    model = write_released(tiny_model(), tmp_path / "model")
    output = tmp_path / "results.json"
    arguments = [f"--model={model}", f"--data={tmp_path / 'data'}", f"--output={output}"]
    arguments += ["--pieces=3", "--bars=4", "--checked=1", "--with=temperature=0.9"]
    assert cli.run(run.main, run.parser(), arguments) == 0
    said = capsys.readouterr().out
    assert said.count("pieces that decode and keep every control") == 1
    results = json.loads(output.read_text())
    assert results["pieces"]["asked"]["temperature"] == "0.9"
    assert results["pieces"]["failed"] == results["controls"]["failed"] == 0
    assert {"train", "valid", "test"} == set(results["prediction"])
    assert cli.run(run.main, run.parser(), arguments) == 0
    assert capsys.readouterr() == (said, "")
    assert cli.run(run.main, run.parser(), [*arguments, "--seed=1"]) == 1
    assert "holds figures of another model or other pieces" in capsys.readouterr().err
