"""The command of the baselines, on songs of a few bars: all rows, and none of them measured twice."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from hrpe_jax.preprocessing.build import build_dataset
from hrpe_jax.utils import cli
from tests.preprocessing.songs import write_songs

RUN = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "baselines" / "run.py"))


def run(*arguments: object) -> int:
    return cli.run(RUN["main"], RUN["parser"](), [str(argument) for argument in arguments])


def test_rows_are_measured_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "splits.json").write_text('{"train": ["001", "002"], "valid": ["003"], "test": []}')
    build_dataset(
        write_songs(tmp_path / "songs", 3), tmp_path / "data", splits=tmp_path / "splits.json", workers=0
    )
    out = tmp_path / "results.json"
    where = (f"--data={tmp_path / 'data'}", f"--output={out}")
    assert run(*where) == 0
    first = capsys.readouterr()
    results = json.loads(out.read_text())
    assert results["songs"]["melody"] == {"train": 2, "valid": 1}
    rows = {stage: list(found) for stage, found in results["stages"].items()}
    assert len(rows["backbone"]) == 14
    assert len(rows["melody"]) == 11
    assert all(
        found["nll_per_bar"] > 0 for found in results["stages"]["melody"].values()
    )  # every baseline gives every token a chance
    assert run(*where) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert not again.err
    assert run(*where, "--split=train") == 1
    assert "holds other figures" in capsys.readouterr().err
