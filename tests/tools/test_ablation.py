"""The ablation: its grid, one run of it on songs of a few bars, and its committed tables."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from hrpe_jax.codec import backbone_tokens
from hrpe_jax.data.loader import eval_batches
from hrpe_jax.data.shards import Dataset, open_dataset
from hrpe_jax.metrics.arrays import piece_of
from hrpe_jax.preprocessing.build import build_dataset
from hrpe_jax.score.score import ChordSpan, Score
from hrpe_jax.tasks import build_task
from hrpe_jax.theory.chord import parse_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.training.train_step import evaluate_params
from hrpe_jax.utils import cli
from tests.preprocessing.songs import write_songs

FOLDER = Path(__file__).parents[2] / "experiments" / "hrpe_ablation"
TINY = {"width": 16, "layers": 1, "heads": 2, "head_width": 8, "residual_rank": 0, "dropout": 0.1}


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The scripts as modules."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = (
        "grid",
        "rows",
        "train",
        "measure",
        "run",
        "tables",
        "baselines",
        "progressions",
        "average",
        "places",
    )
    found: dict[str, ModuleType] = {name: importlib.import_module(name) for name in names}
    return SimpleNamespace(**found)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared data set of eight songs."""
    root = tmp_path_factory.mktemp("songs")
    names = [f"{i:03d}" for i in range(1, 9)]
    splits = {"train": names[:4], "valid": names[4:6], "test": names[6:]}
    (root / "splits.json").write_text(json.dumps(splits))
    build_dataset(write_songs(root / "songs", 8), root / "data", splits=root / "splits.json", workers=0)
    return root / "data"


@pytest.fixture
def small(modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The grid with models and steps of a test's size."""
    stages = {}
    for stage, values in modules.grid.STAGES.items():
        more = {"eval_every": 2, "checkpoint_every": 2, "steps": 6, "patience": 0}
        optimizer = {**values["optimizer"], "warmup_steps": 1}
        model = {**values["model"], **TINY}
        batch = {"rows": 2, "length": 24}
        stages[stage] = {**values, **more, "model": model, "batch": batch, "optimizer": optimizer}
    monkeypatch.setattr(modules.grid, "STAGES", stages)
    monkeypatch.setattr(modules.train, "check_parameters", dict)
    return modules


def start(modules: SimpleNamespace, *arguments: object) -> int:
    return cli.run(modules.run.main, modules.run.parser(), [str(argument) for argument in arguments])


@pytest.mark.slow
def test_parameters_match(modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = modules.train.check_parameters()
    grid = modules.grid
    assert len(counts) == len(grid.BACKBONE) + len(grid.MELODY) + len(grid.MOVING)
    monkeypatch.setattr(modules.grid, "TOLERANCE", 0.0)
    monkeypatch.setattr(modules.train, "TOLERANCE", 1e-9)
    with pytest.raises(cli.UserError, match="mlp_width="):
        modules.train.check_parameters()


def test_grid_goes_round_by_round(modules: SimpleNamespace) -> None:
    """Tables mean something at any time: every rung has seed n before one has seed n + 1."""
    cells = list(modules.grid.cells())
    assert len({cell.name for cell in cells}) == len(cells)
    seeds = [cell.seed for cell in cells]
    assert seeds == sorted(seeds)
    for stage, rungs in modules.grid.RUNGS.items():
        for rung in rungs:
            found = [c.seed for c in cells if (c.stage, c.rung, c.condition) == (stage, rung, "full")]
            assert found == list(range(modules.grid.SEEDS[stage]))
    for condition, about in modules.grid.CONDITIONS.items():
        found = [cell for cell in cells if (cell.stage, cell.condition) == (about.stage, condition)]
        assert set(about.rungs) <= {cell.rung for cell in found}
        assert {cell.seed for cell in found} == set(range(about.seeds))


def test_every_condition_and_rung_is_another_training(modules: SimpleNamespace) -> None:
    """Where two cells are alike, one of them is not what its title says."""
    looks = ("eval_every", "checkpoint_every")
    seen: dict[str, str] = {}
    for cell in modules.grid.cells():
        condition = modules.grid.CONDITIONS[cell.condition]
        values = {name: x for name, x in modules.grid.stage_values(cell).items() if name not in looks}
        started = cell.rung in modules.grid.STARTED
        about = [cell.stage, values, condition.data, condition.songs, cell.seed, started]
        trained = json.dumps(about, sort_keys=True)
        assert seen.setdefault(trained, cell.name) == cell.name
    batches = {
        cell.condition: modules.grid.stage_values(cell)["batch"]["augment"] for cell in modules.grid.cells()
    }
    assert [name for name, augment in batches.items() if not augment] == ["no_augment"]


def test_no_two_committed_records_are_one_training() -> None:
    records = [json.loads(line) for line in (FOLDER / "records.jsonl").read_text().splitlines()]
    digests = [record["parameters_sha256"] for record in records if "parameters_sha256" in record]
    assert len(digests) > 80
    assert len(set(digests)) == len(digests)


def test_small_sets_of_songs_are_in_larger_ones(modules: SimpleNamespace, data: Path) -> None:
    dataset = open_dataset(data)
    sets = [modules.train.Subset(dataset, "backbone", share).kept for share in (0.01, 0.5, 1.0)]
    songs = dataset.num_songs("train", "backbone")
    assert [len(kept) for kept in sets] == [1, round(songs / 2), songs]
    assert set(sets[0]) < set(sets[1]) < set(sets[2])
    half = modules.train.Subset(dataset, "backbone", 0.5)
    assert [record["id"] for record in half.records("backbone", "train")] == [
        dataset.songs("train", "backbone")[i]["id"] for i in sets[1]
    ]
    assert len(half.lengths("backbone", "valid")) == dataset.num_songs("valid", "backbone")


def same_figures(modules: SimpleNamespace, record: dict[str, Any], whole: dict[str, float]) -> None:
    """Sums by song, divided by their counts, are the figures of the split."""
    named = {
        "backbone": ("chord_nll", "chord_accuracy", "root_nll", "root_accuracy"),
        "melody": ("nll", "pitch_nll", "pitch_accuracy"),
    }
    for name in named[record["stage"]]:
        assert modules.rows.rate(record, name) == pytest.approx(whole[name], rel=1e-4), name
    songs = record["songs"]
    assert np.sum(songs["nll"]) / np.sum(songs["events"]) == pytest.approx(whole["nll"], rel=1e-4)
    measured = songs["changes" if record["stage"] == "backbone" else "events"]
    assert sum(record["calibration"]["count"]) == np.sum(measured)


def test_melody_by_song(small: SimpleNamespace, data: Path) -> None:
    dataset: Dataset = open_dataset(data)
    _, config = small.train.stage_of(small.train.config_of(small.grid.Cell("melody", "chords", "full", 0)))
    task = build_task("melody", config.model)
    params = jax.jit(task.init_params)(jax.random.key(3))
    sums = small.measure.song_sums(task, params, config, dataset, "melody", "test")
    batches = eval_batches(dataset, "melody", config.batch, split="test")
    assert len(sums["songs"]["id"]) == dataset.num_songs("test", "melody")
    same_figures(small, {"stage": "melody", **sums}, evaluate_params(task, config, params, batches))


@pytest.mark.slow
def test_run_goes_on_and_repeats(
    small: SimpleNamespace, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A run that is stopped goes on from its checkpoint; what has a record is not trained again."""
    where = (f"--pop909={data}", f"--records={tmp_path / 'records'}", f"--workdir={tmp_path / 'work'}")
    cell = small.grid.Cell("backbone", "tables", "full", 0, (("dropout", 0.0),))
    monkeypatch.setattr(small.grid, "PILOT", [cell])
    sums = small.train.song_sums

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(small.train, "song_sums", fail)
    assert start(small, *where, "--pilot") == 130
    assert not list((tmp_path / "records").glob("*"))
    assert (tmp_path / "work" / cell.name / "checkpoints").is_dir()
    monkeypatch.setattr(small.train, "song_sums", sums)
    assert start(small, *where, "--pilot") == 0
    assert "1 of 1 runs have a record" in capsys.readouterr().out
    (path,) = (tmp_path / "records").iterdir()
    written = path.read_bytes()
    record = json.loads(written)
    assert record["curve"]["step"] == [2, 4, 6]
    assert record["split"] == "valid"  # a pilot never sees the others
    same_figures(small, record, record["valid"])
    assert record["tables"]["lag_0_0_cyclic"]
    assert not (tmp_path / "work" / cell.name).exists()
    assert start(small, *where, "--pilot") == 0
    assert path.read_bytes() == written
    assert start(small, *where, f"--repeat={path.stem}") == 0
    assert "the same numbers" in capsys.readouterr().out
    record["curve"]["nll"][1] += 1e-5
    path.write_text(json.dumps(record))
    assert start(small, *where, f"--repeat={path.stem}") == 1
    assert "not the same: curve" in capsys.readouterr().out


@pytest.mark.slow
def test_seeds_are_averaged(
    small: SimpleNamespace, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A mixture is never worse than its models are on average (Jensen), and a model averaged with itself
    is that model."""
    records, kept = tmp_path / "records", tmp_path / "kept"
    where = (f"--pop909={data}", f"--records={records}", f"--workdir={tmp_path / 'work'}")
    monkeypatch.setattr(small.grid, "WRITING", ())
    monkeypatch.setattr(small.train, "WRITING", ())
    assert start(small, *where, "--only=backbone-tables-full-[01]", f"--keep={kept}") == 0
    monkeypatch.setitem(small.average.SEEDS, "backbone", 2)
    asked = [f"--pop909={data}", f"--models={kept}", "--rung=tables", f"--records={records}"]
    assert cli.run(small.average.main, small.average.parser(), asked) == 0
    runs = [json.loads((records / f"backbone-tables-full-{seed}.json").read_text()) for seed in (0, 1)]
    mean = json.loads((records / "average-tables.json").read_text())
    alone = [small.rows.rate(run, "token_nll") for run in runs]
    assert small.rows.rate(mean, "token_nll") < np.mean(alone)
    assert small.tables.averages([mean, *runs], "backbone") == [mean]
    assert "2 models averaged" in small.tables.ladder([mean, *runs], "backbone")

    assert cli.run(small.places.main, small.places.parser(), asked) == 0
    places = json.loads((records / "places-tables.json").read_text())
    names, averaged, both, config = small.average.averaged("tables", kept)
    assert names == places["models"]
    whole = small.measure.song_sums(averaged, both, config, open_dataset(data), "backbone", "valid")["songs"]
    for parts in (places["places"], places["agreements"]):
        for name, column in (("count", "changes"), ("nll", "chord_nll"), ("hit", "chord_hit")):
            assert sum(part[name] for part in parts.values()) == pytest.approx(sum(whole[column]), rel=1e-3)
    assert "| all | 100% |" in small.tables.places([places])

    task = build_task("backbone", config.model)
    params = jax.tree.map(lambda leaf: np.asarray(leaf[0]), both)
    twice = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), params)
    batch = eval_batches(open_dataset(data), "backbone", config.batch, split="test")[0]
    segment = {name: leaf[0] for name, leaf in batch.items()}
    expected = jax.nn.log_softmax(jax.jit(task.module.apply)({"params": params}, segment)[0])
    got, _ = jax.jit(small.average.Averaged(task).apply)({"params": twice}, segment)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_places_of_chord_changes(modules: SimpleNamespace) -> None:
    """Of a song C F C F C G, then a song C F: what came after the longest agreement, another, a new one."""
    c, f, g = (backbone_tokens.chord_id(parse_lead_sheet(name), 4) for name in ("C", "F", "G"))
    prefix = [backbone_tokens.BOS, backbone_tokens.KEY0, backbone_tokens.METER0 + 13]
    songs = [[*prefix, c, f, c, f, c, g, c, backbone_tokens.EOS], [*prefix, c, f, backbone_tokens.EOS]]
    ids = np.concatenate([song[:-1] for song in songs])[None]
    batch = {
        "input_ids": ids,
        "target_ids": np.concatenate([song[1:] for song in songs])[None],
        "positions": np.concatenate([np.arange(len(song) - 1) for song in songs])[None],
        "segment_ids": np.repeat([1, 2], [len(song) - 1 for song in songs])[None],
        "bar_phase": np.zeros_like(ids),
        "weights": np.ones_like(ids),
    }
    changed, place, agree = modules.places.changes(batch)
    assert changed[0].tolist() == [*[False] * 2, *[True] * 7, False, *[False] * 2, *[True] * 2, False]
    #                 C  F  C  F  C  G  C    C  F
    assert place[changed].tolist() == [3, 3, 2, 0, 0, 3, 2, 3, 3]
    assert agree[changed].tolist() == [0, 0, 0, 1, 2, 3, 0, 0, 0]


def test_chords_are_cut_at_bar_lines(modules: SimpleNamespace) -> None:
    """So that a bar over which a chord is held is not taken for an empty one."""
    chords = (ChordSpan(0, 120, parse_lead_sheet("C")), ChordSpan(120, 24, parse_lead_sheet("G7")))
    score = Score("a", "", Key(0, "major"), Meter(4, 4), 120.0, (), chords)
    piece = modules.progressions.chords_as_notes(score)
    c, g7 = piece_of(score).chord.tolist()
    assert list(zip(piece.onset, piece.duration, piece.pitch, strict=True)) == [
        (0, 48, c), (48, 48, c), (96, 24, c), (120, 24, g7),
    ]  # fmt: skip


def fake(rung: str, seed: int, nll: list[float], condition: str = "full") -> dict[str, Any]:
    """A record of three songs with 10 changes each."""
    columns = {f"{name}_hit": [5, 6, 7] for name in ("chord", "root", "token")}
    columns |= {f"{name}_nll": nll for name in ("chord", "root", "token")}
    songs = {"id": ["a", "b", "c"], "changes": [10, 10, 10], **columns}
    calibration = {"count": [10, 20], "confidence": [4.0, 18.0], "hit": [5, 13]}
    about = {"stage": "backbone", "rung": rung, "condition": condition, "seed": seed, "split": "test"}
    writes = [{"set": "generated", "value": 5.0, "low": 4.0, "high": 6.0}, {"set": "real", "value": 2.0}]
    writes += [{"set": name, "value": 9.0} for name in ("shuffled", "random", "loop")]
    made = {
        "parameters": 10,
        "best_step": 4,
        "steps": 6,
        "processor_seconds": None,
        "device": "x",
        "training_songs": 3,
    }
    progressions = dict.fromkeys(("ssmd_silence", "cpi", "ctd"), writes) if rung == "control" else {}
    curve = {"step": [2, 4, 6], "nll": [3.0, 2.0, 2.5]}
    record = {
        "songs": songs,
        "calibration": calibration,
        "curve": curve,
        "tables": {},
        "name": rung,
        "progressions": progressions,
    }
    return {**about, **made, **record}


def test_differences_are_paired_by_song_and_seed(modules: SimpleNamespace) -> None:
    controls = [fake("control", seed, [20.0, 30.0, 10.0 + seed]) for seed in (0, 1)]
    better = [fake("query", seed, [18.0, 28.0, 8.0 + seed]) for seed in (0, 1, 2)]
    found = modules.rows.difference(better, controls, "chord_nll")
    assert found.seeds == (0, 1)
    # Every song is better by the same 0.2 a change, so there is nothing to be unsure of.
    assert (found.value, found.low, found.high) == pytest.approx((-0.2, -0.2, -0.2))
    assert modules.rows.calibration_error(controls) == pytest.approx((1 + 5) / 30)
    other = fake("query", 0, [18.0, 38.0, 8.0])
    spread = modules.rows.difference([other], controls, "chord_nll")
    assert spread.low < 0 < spread.high
    assert modules.rows.difference([fake("query", 5, [1.0, 1.0, 1.0])], controls, "chord_nll") is None


def test_tables_say_what_records_say(modules: SimpleNamespace, tmp_path: Path, capsys: Any) -> None:
    records = tmp_path / "records"
    records.mkdir()
    for seed in (0, 1):
        for rung, nll in (("control", 20.0), ("shift", 19.0)):
            record = fake(rung, seed, [nll, nll + seed, nll])
            (records / f"{rung}-{seed}.json").write_text(json.dumps(record))
    marks = [
        f"<!-- {name} -->\n<!-- end of {name} -->"
        for name in [*modules.tables.tables([]), *modules.tables.FIGURES]
    ]
    (tmp_path / "README.md").write_text("\n".join(["# Title", *marks]))
    where = [f"--records={records}", f"--folder={tmp_path}"]

    def draw(*more: str) -> int:
        return cli.run(modules.tables.main, modules.tables.parser(), [*where, *more])

    assert draw("--check") == 1
    assert draw() == 0
    assert draw("--check") == 0
    text = (tmp_path / "README.md").read_text()
    assert "| 2 of 5 |" in text
    assert "-0.100 [-0.100, -0.100]" in text
    assert (tmp_path / "differences.svg").is_file()
    assert "](differences.svg)" in text
    (records / "shift-1.json").unlink()
    capsys.readouterr()
    assert draw("--check") == 1
    assert "README.md: not what the records say" in capsys.readouterr().out


def test_longer_runs_stand_beside_the_same_seeds(modules: SimpleNamespace) -> None:
    """The other seeds of the short ones would make the gain of more steps look like luck, or hide it."""

    def melody(rung: str, seed: int, nll: float, condition: str) -> dict[str, Any]:
        record = fake(rung, seed, [], condition)
        columns = {"id": ["a", "b"], "nll": [nll, nll], "pitches": [10, 10], "pitch_hit": [5, 5]}
        return {**record, "stage": "melody", "songs": columns}

    short = [melody(rung, seed, 30.0 + seed, "full") for rung in ("chords", "repeats") for seed in (0, 1)]
    assert "No run has a record yet" in modules.tables.longer(short)
    on = [melody("chords", 0, 25.0, "longer"), melody("repeats", 0, 15.0, "longer")]
    rows = modules.tables.longer([*short, *on]).splitlines()[2:]
    assert [row.split("|")[2:5] for row in rows] == [
        [" 1 ", " 3.000 ", " 2.500 "],
        [" 1 ", " 3.000 ", " 1.500 "],
    ]
    assert "-1.000 [-1.000, -1.000]" in rows[1]


def test_committed_tables_are_what_the_committed_records_say(modules: SimpleNamespace) -> None:
    assert cli.run(modules.tables.main, modules.tables.parser(), ["--check"]) == 0


def test_baselines_have_records_like_models(modules: SimpleNamespace, data: Path, tmp_path: Path) -> None:
    arguments = [f"--pop909={data}", f"--records={tmp_path}"]
    assert cli.run(modules.baselines.main, modules.baselines.parser(), arguments) == 0
    found = modules.rows.read_records(tmp_path)
    assert len(found) == 6
    for record in found:
        assert all(modules.rows.rate(record, name) > 0 for name in modules.rows.RATES[record["stage"]])
        assert 0 <= modules.rows.calibration_error([record]) <= 1


def test_a_head_set_by_hand_begins_with_the_same_motion(modules: SimpleNamespace) -> None:
    cell = next(cell for cell in modules.grid.cells() if cell.rung in modules.grid.STARTED)
    stage, config = modules.train.stage_of(modules.train.config_of(cell))
    drawn = build_task(stage, config.model).init_params(jax.random.key(0))
    begun = modules.train.begun(drawn)
    changed = {
        path[-1].key: np.argwhere(np.asarray(new) != np.asarray(old)).tolist()
        for (path, new), old in zip(
            jax.tree_util.tree_leaves_with_path(begun), jax.tree.leaves(drawn), strict=True
        )
        if not np.array_equal(new, old)
    }
    assert changed == {f"motion_lag_{n}_{n + 1}_cyclic": [[0, 0, 0]] for n in range(4)}
