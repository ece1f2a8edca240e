"""The command: tables, JSON and a page of two folders, figures of a model, and one line for what is wrong."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hrpe_jax.formats.midi.read import write_midi
from hrpe_jax.utils import cli
from hrpe_jax.workflows.evaluate_pieces import split_of
from tests.report.music import piece

evaluate = importlib.import_module("hrpe_jax.evaluate")  # `hrpe_jax.evaluate` is the function


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("music")
    for name, seeds in (("made", range(4)), ("real", range(10, 19)), ("empty", ())):
        (root / name).mkdir()
        for seed in seeds:
            write_midi(piece(seed), root / name / f"{seed}.mid")
    return root


def run(*arguments: object) -> int:
    return cli.run(evaluate.main, evaluate.parser(), [str(argument) for argument in arguments])


def test_two_folders(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, html = tmp_path / "scores.json", tmp_path / "report.html"
    where = (
        f"--generated={folders / 'made'}",
        f"--reference={folders / 'real'}",
        f"--training={folders / 'made'}",
        "--workers=0",
        "--draws=100",
    )
    assert run(*where, f"--output={out}", f"--report={html}") == 0
    *table, last = capsys.readouterr().out.splitlines()
    assert table[0].startswith("generated: ")
    assert any(line.startswith("distance from real music") for line in table)
    summary = json.loads(last)
    assert summary["used"] == {"generated": 4, "reference": 9}
    scores = json.loads(out.read_text())
    assert scores["sources"]["generated"]["files"] == 4
    assert scores["settings"]["draws"] == 100
    copies = scores["copying"]["melody"]["generated"]["pieces"]
    assert all(piece["longest"] == piece["of"] for piece in copies)  # trained on the very pieces
    assert any(line.startswith("longest passage shared") for line in table)
    assert html.read_text().startswith("<!doctype html>")
    assert "<h2>Copying</h2>" in html.read_text()
    assert run(*where, f"--output={tmp_path / 'again.json'}", "--seed=0") == 0
    assert json.loads((tmp_path / "again.json").read_text()) == scores


def test_melodies_without_chords_in_several_meters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seeds in (("made", range(4)), ("real", range(10, 18))):
        (tmp_path / name).mkdir()
        for seed in seeds:
            meter = "3/4" if seed % 4 == 3 else "4/4"
            piece(seed, meter=meter, chords=False).write(tmp_path / name / f"{seed}.musicxml")
    out, html = tmp_path / "scores.json", tmp_path / "report.html"
    where = (f"--generated={tmp_path / 'made'}", f"--reference={tmp_path / 'real'}", "--workers=0")
    assert run(*where, "--draws=100", f"--output={out}", f"--report={html}") == 0
    said = capsys.readouterr().out
    assert "note: generated: chords found from the melody alone in 4 of 4 pieces that have none" in said
    assert "note: compared in 4/4, the commonest meter of both; --meter=N/D compares another one" in said
    found = json.loads(out.read_text())
    assert found["sources"]["reference"]["chords_from_melody"] == {"pieces": 8, "found": 8, "not_found": {}}
    assert found["sets"]["generated"]["used"] == 3
    row = next(metric for metric in found["metrics"] if metric["name"] == "cc")["rows"][0]
    assert row["value"] >= 1
    assert "8 of 8 pieces that have none" in html.read_text()
    assert run(*where, "--draws=100", "--meter=all") == 0
    said = capsys.readouterr().out
    assert "8 bars in all meters" in said
    assert "note: compared in" not in said


def test_a_model_beside_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hrpe_jax.checkpoints.release import write_released
    from hrpe_jax.preprocessing.build import build_dataset
    from tests.preprocessing.songs import write_songs
    from tests.sampling.tiny import tiny_model

    songs, data = write_songs(tmp_path / "songs", 4), tmp_path / "data"
    (tmp_path / "splits.json").write_text('{"train": ["001", "002"], "valid": ["004"], "test": ["003"]}')
    build_dataset(songs, data, splits=tmp_path / "splits.json", workers=0)
    model = write_released(tiny_model(), tmp_path / "model")
    out, html = tmp_path / "scores.json", tmp_path / "report.html"
    where = (f"--model={model}", f"--data={data}", "--split=test", f"--output={out}", f"--report={html}")
    asked = ("--num_pieces=3", "--bars=4", "--draws=100", "--seed=5")
    assert run(*where, *asked) == 0
    said = capsys.readouterr()
    assert "1 songs of the test split" in said.out
    assert "composing 3 pieces of 8 bars" in said.err
    summary = json.loads(said.out.splitlines()[-1])
    assert summary["used"] == {"generated": 3, "reference": 1}
    assert summary["composed"]["seconds"] > 0
    assert (summary["bars"], summary["composed"]["seed"]) == (4, 5)
    found = json.loads(out.read_text())
    assert found["copying"]["training"] == 2
    assert found["ids"]["generated"] == ["piece-01", "piece-02", "piece-03"]
    assert "floor" in next(row["reason"] for row in found["metrics"][0]["rows"])  # one real song is no floor
    page = html.read_text()
    for heading in (
        "Predictions",
        "Faults",
        "Can a classifier tell?",
        "Structure",
        "Distributions",
        "Pieces",
    ):
        assert f"<h2>{heading}</h2>" in page
    assert run(*where, "--num_pieces=0") == 0
    page = html.read_text()
    assert "<h2>Predictions</h2>" in page
    assert "<h2>Structure</h2>" not in page
    assert "distance from real music" not in capsys.readouterr().out
    scores = json.loads(out.read_text())["stages"]
    for stage in ("backbone", "melody"):
        assert set(scores[stage]) == {"songs", "model", "5-gram", "as last time"}
        assert scores[stage]["model"].keys() >= {"nll", "accuracy", "top3", "top5", "nll_per_bar"}
        assert scores[stage]["5-gram"]["count"] == scores[stage]["as last time"]["count"]


def test_a_split_stands_behind_its_data_set(tmp_path: Path) -> None:
    assert split_of("data:train") == (Path("data"), "train")
    assert split_of("data") == (Path("data"), "")
    assert split_of("C:music") == (Path("C:music"), "")
    (tmp_path / "odd:test").mkdir()
    assert split_of(tmp_path / "odd:test") == (tmp_path / "odd:test", "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "give --generated=DIR and --reference=DIR, or --model=DIR and --data=DIR"),
        (["--generated=made", "--model=x"], 2, "give --generated=DIR and --reference=DIR"),
        (["--model=x", "--data=y", "--limit=3"], 2, "--limit: only with --generated and --reference"),
        (["--model=x", "--data=y", "--workers=1"], 2, "--workers: only with --generated and --reference"),
        (["--generated=made", "--reference=real", "--num_pieces=9"], 2, "--num_pieces: only with --model"),
        (["--model=x", "--data=y", "--report=no/z.html"], 1, "--report=no/z.html: there is no folder"),
        (["--generated=empty", "--reference=real"], 1, "--generated: empty: no songs found"),
        (["--generated=made", "--reference=nowhere"], 1, "--reference=nowhere: no such folder"),
        (["--generated=made", "--reference=real", "--split=test"], 1, "none of made, real is a data set"),
        (["--generated=made", "--reference=real", "--meter=5"], 3, "--meter=5: expected a meter"),
        (
            ["--generated=made", "--reference=real", "--output=no/x.json"],
            1,
            "--output=no/x.json: there is no folder",
        ),
        (["--generated=made", "--reference=real", "--report=made"], 1, "--report=made: is a folder"),
        (["--model=nowhere", "--data=nowhere"], 1, "nowhere: no such data set"),
    ],
)
def test_mistakes_are_one_line(
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(folders)
    if code == 3:  # what is known only after the arguments were parsed
        assert run(*arguments) == 2
    elif code == 2:
        with pytest.raises(SystemExit) as error:
            run(*arguments)
        assert error.value.code == 2
    else:
        assert run(*arguments) == 1
    output = capsys.readouterr()
    assert not output.out
    assert said in output.err.splitlines()[-1]


def test_help_needs_no_jax() -> None:
    code = "import importlib, sys; importlib.import_module('hrpe_jax.evaluate').parser()"
    code += "; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
