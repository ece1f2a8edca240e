from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hrpe_jax import inspect as command
from hrpe_jax.preprocessing.build import build_dataset
from hrpe_jax.report.dataset_text import page, plain
from hrpe_jax.utils import cli
from tests.preprocessing.songs import write_songs


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inspect")
    write_songs(root / "songs", 4)
    (root / "songs" / "chords").mkdir()
    (root / "songs" / "chords" / "a.lab").write_text("0 2 Bb:maj\n2 4 F:7\n4 8 Bb:maj\n8 12 Eb:maj\n")
    (root / "songs" / "empty.mid").write_bytes(b"")
    build_dataset(root / "songs", root / "data", styles=["pop", "chords:jazz"], crops=4, workers=0)
    return root / "data"


def inspect(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = cli.run(command.main, command.parser(), list(map(str, args)))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_summary_counts_everything(dataset: Path, capsys) -> None:
    code, out, _ = inspect(capsys, dataset)
    assert code == 0
    assert "5 songs" in out
    for text in ("pop909 ", "lab ", "backbone only", "Keys", "4/4", "Chord durations", "midi_", "Leakage"):
        assert text in out
    code, out, _ = inspect(capsys, dataset, "--sample=2")
    assert "counted over 2 of them" in out


def test_songs_of_a_style_and_crops(dataset: Path, capsys) -> None:
    _, out, _ = inspect(capsys, dataset)
    assert re.search(r"Songs by style\n +pop .*4 \(80.0 %\)\n +jazz .*1 \(20.0 %\)", out)
    _, out, _ = inspect(capsys, dataset, "--style=jazz")
    assert "1 songs, " in out
    assert "pop909 " not in out
    code, out, _ = inspect(capsys, dataset, "--crops", "--style=pop", "--index=0")
    assert (code, "#bar=0" in out) == (0, True)
    code, _, err = inspect(capsys, dataset, "--style=folk")
    assert (code, err) == (1, f"error: {dataset}: no song of style 'folk'; it has jazz, pop\n")


def test_a_song_is_shown_bar_by_bar(dataset: Path, capsys) -> None:
    code, out, _ = inspect(capsys, dataset, "--id=002")
    assert code == 0
    assert "C major, 4/4, 120 quarters a minute; 8 bars" in out
    first, melody = out.splitlines()[out.splitlines().index("") + 1 :][:2]
    assert re.fullmatch(r"1  chords  1 C I", first)
    assert melody.split()[:7] == ["melody", "1", "C4", "(1)", "2", "Eb4", "(1)"]  # 60, 63
    assert len(re.findall(r"^\d  chords", out, re.MULTILINE)) == 8


def test_a_song_of_chords_alone(dataset: Path, capsys) -> None:
    code, out, _ = inspect(capsys, dataset, "--id=a")
    assert code == 0
    assert "Bb I" in out
    assert "no_melody" in out
    assert "melody  " not in out


def test_a_shard_alone(dataset: Path, capsys) -> None:
    shard = next((dataset / "melody").glob("train-*"))
    code, out, _ = inspect(capsys, shard, "--index=0")
    assert code == 0
    assert "melody" in out
    assert "chords" not in out


def test_the_page_is_whole_and_asks_for_nothing(dataset: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "page.html"
    code, _, err = inspect(capsys, dataset, f"--html={file}", "--id=001", "--id=a")
    assert (code, "2 songs" in err) == (0, True)
    text = file.read_text("utf-8")
    assert not re.search(r"(?:src|href)=|url\(|@import|<script", text)
    assert "prefers-color-scheme" in text
    rolls = re.findall(r"<svg.*?</svg>", text)
    assert len(rolls) == 2
    drawn = ElementTree.fromstring(rolls[0])
    assert sum(one.get("class") == "note" for one in drawn.iter("rect")) == 32
    assert sum(one.get("class") == "chord" for one in drawn.iter("text")) == 8


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["{}/none"], "no such data set"),
        (["{}", "--id=01"], "such as 001"),
        (["{}", "--index=99"], "expected 0 to 4"),
        (["{}/manifest.json"], "expected a shard"),
        (["{}", "--html={}/no/such/page.html"], "cannot be written"),
    ],
)
def test_errors_are_one_line(args: list[str], says: str, dataset: Path, capsys) -> None:
    code, _, err = inspect(capsys, *(arg.format(dataset) for arg in args))
    assert code == 1
    assert err.count("\n") == 1
    assert says in err


def test_titles_cannot_write_on_terminals_or_pages() -> None:
    assert plain("\x1b[31m\u202eé\n") == "\\x1b[31m\\u202eé\\n"
    assert "<b>" not in page("<b>", ["<b>"], [("<b>", [("<b>", 1.0, "<b>")])], [])


def test_a_reader_that_goes_away_is_no_error(dataset: Path) -> None:
    command = f"{sys.executable} -m hrpe_jax.inspect {dataset} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
