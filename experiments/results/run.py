"""All figures of a model in one place, and whether they are inside the targets.

    python -m experiments.results.run --model=pretrained --data=DATA --output=experiments/results/pop909.json

measures, in this order, and keeps each part in the output, so that a run that was stopped goes on:

  prediction  both stages on train, valid and test, every song once, beside tables of counts
  pieces      pieces composed and never chosen (--pieces, --bars, --seed), checked note by note
  controls    a few pieces for every control of `sample` in every key, checked likewise (--checked)
  music       those pieces beside the test songs: structure with its controls, rhythm, pitch, harmony, chords;
              and the longest passages shared with the training songs, beside the same of the test songs
  start       seconds of plain `python -m hrpe_jax.sample` with this model, with empty caches

Then it prints tables, and for every target whether it is inside. --with=temperature=0.9 and the like (several
times) ask for pieces as `sample` does; what was asked for stands in the output.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.results.targets import print_tables
from hrpe_jax.data.shards import open_dataset
from hrpe_jax.errors import UserError
from hrpe_jax.metrics.arrays import Piece as Music
from hrpe_jax.metrics.arrays import Undefined, window
from hrpe_jax.report.collect import collect
from hrpe_jax.utils import cli
from hrpe_jax.utils.files import replace_file

SPLITS = ("train", "valid", "test")
LEFT = 8  # bars that a melody may rest, as those of songs do; windows begin with its first note


def measure_prediction(model: Any, data: Path) -> dict[str, Any]:
    """By split and stage: the figures of the model and, but for training, of tables of counts."""
    from hrpe_jax.baselines.ngram import ngram_baseline, repeat_baseline
    from hrpe_jax.workflows.evaluate_model import evaluate_model

    dataset, found = open_dataset(data), {}
    for split in SPLITS:
        rows = {stage: {"model": row} for stage, row in evaluate_model(model, data, split, limit=0).items()}
        for stage, row in rows.items():
            row["songs"] = dataset.num_songs(split, stage)
            if split != "train" and model.stage(stage).config.model.plan:
                hidden = evaluate_model(model, data, split, [stage], limit=0, plan=False)
                row["model, plan hidden"] = hidden[stage]
            if split != "train":
                row["5-gram"] = ngram_baseline(dataset, stage, split)
                row["as last time"] = repeat_baseline(dataset, stage, split)
        found[split] = rows
        cli.say(f"prediction: {split} done")
    return found


def compose_pieces(model: Any, asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Composes the pieces, checks and writes them; counts, and what was wrong."""
    from hrpe_jax.composer import Composer
    from hrpe_jax.sampling.controls import read_controls
    from hrpe_jax.sampling.options import ComposeOptions, OutputOptions, read_outputs
    from hrpe_jax.sampling.write import write_pieces
    from tools.measure.check_sampling import faults

    options, began = ComposeOptions(**asked), time.perf_counter()
    pieces = list(Composer(model).pieces(options))
    seconds = time.perf_counter() - began
    controls = read_controls(options)
    wrong = [{"id": p.score.id, "faults": found} for p in pieces if (found := list(faults(p, controls)))]
    write_pieces(pieces, folder, read_outputs(OutputOptions(formats="musicxml,mid", explain=False)))
    return {
        "asked": {name: str(value) for name, value in asked.items()},
        "pieces": len(pieces),
        "failed": len(wrong),
        "faults": wrong[:20],
        "seconds": round(seconds, 1),
    }


def check_controls(model: Any, pieces: int) -> dict[str, Any]:
    """See `tools/measure/check_sampling.py`."""
    from hrpe_jax.theory.meter import Meter
    from tools.measure.check_sampling import METERS, check

    return check(model, [Meter.parse(text) for text in METERS.split(",")], pieces)


def compare_music(folder: Path, data: Path, bars: int) -> dict[str, Any]:
    """The pieces of a folder beside the test songs, and what both share with the training songs."""
    from hrpe_jax.metrics.compare import compare, copying

    made, real, known = (
        collect(source, split=split, workers=0).pieces
        for source, split in ((folder, ""), (data, "test"), (data, "train"))
    )
    found = compare(made, real, bars=bars, meter="4/4").to_dict()
    kept = {name: found[name] for name in ("settings", "sets", "notes", "metrics")}
    for metric in kept["metrics"]:
        values = metric["per_piece"]
        metric["per_piece"] = {name: values[name] for name in ("generated", "real") if name in values}
    shared = copying(windows(made, bars), known, windows(real, bars))
    worst = sorted(
        zip(found["ids"]["generated"], found["typicality"]["generated"], strict=True),
        key=lambda item: -(item[1] or 0.0),
    )
    least_alike = [{"id": id_, "distance": distance} for id_, distance in worst[:5]]
    return {**kept, "copying": shared, "least_like_real": least_alike}


def windows(pieces: Sequence[Any], bars: int) -> list[Music]:
    """The windows in which pieces are compared, so that longer ones have no more chances to be alike."""
    found = []
    for piece in pieces:
        try:
            found.append(window(piece, bars))
        except Undefined:
            continue
    return found


def time_start(model: str) -> dict[str, Any]:
    """The newcomer's command, in a process of its own that finds no compiled program."""
    from hrpe_jax.checkpoints.release import NAMES

    with tempfile.TemporaryDirectory() as room:
        path = model if model in NAMES else str(Path(model).resolve())
        root = str(Path(__file__).resolve().parents[2])
        kept = {key: value for key, value in os.environ.items() if key != "JAX_COMPILATION_CACHE_DIR"}
        env = kept | {"XDG_CACHE_HOME": f"{room}/cache", "PYTHONPATH": root}
        began = time.perf_counter()
        command = [sys.executable, "-m", "hrpe_jax.sample", f"--model={path}"]
        done = subprocess.run(command, cwd=room, env=env, capture_output=True, text=True)
        seconds = time.perf_counter() - began
    if done.returncode:
        raise UserError(f"sample failed: {done.stderr.strip().splitlines()[-1]}")
    return {"seconds": round(seconds, 1), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}


def main(args: argparse.Namespace) -> None:
    """Measures what the output lacks, writes it after each part, prints the tables."""
    from hrpe_jax.checkpoints.release import load_model
    from hrpe_jax.checkpoints.verify import digest
    from hrpe_jax.utils.jax_setup import enable_compilation_cache

    enable_compilation_cache()
    model, data, output = load_model(args.model), Path(args.data), Path(args.output)
    asked: dict[str, Any] = {
        "num_pieces": args.pieces,
        "bars": args.bars + LEFT,
        "meter": "4/4",
        "seed": args.seed,
        "silent_bars": LEFT,
        **dict(option(text) for text in args.options),
    }
    stages = {name: {"step": s.step, "weights": digest(s.params)} for name, s in model.stages()}
    about = {
        "stages": json.loads(json.dumps(stages)),
        "bars": args.bars,
        "asked": {k: str(v) for k, v in asked.items()},
    }
    results: dict[str, Any] = {"about": about}
    if output.is_file():
        results = json.loads(output.read_text(encoding="utf-8"))
        if results.get("about") != about:
            raise UserError(
                f"{output}: holds figures of another model or other pieces; choose another --output"
            )
    folder = Path(args.folder) if args.folder else output.with_name(output.stem + "_pieces")
    parts: dict[str, Callable[[], Any]] = {
        "prediction": lambda: measure_prediction(model, data),
        "pieces": lambda: compose_pieces(model, asked, folder),
        "controls": lambda: check_controls(model, args.checked),
        "music": lambda: compare_music(folder, data, args.bars),
        "start": lambda: time_start(args.model),
    }
    for name, part in parts.items():
        if name not in results:
            cli.say(f"{name} ...")
            results[name] = part()
            replace_file(output, (json.dumps(results, indent=1, allow_nan=False) + "\n").encode())
    print_tables(results)


def option(text: str) -> tuple[str, Any]:
    """An option of `sample`, "temperature=0.9"."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--with={text}: expected NAME=VALUE, as options of sample")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("results", __doc__)
    add = options.add_argument
    add(
        "--model", default="pretrained", metavar="DIR", help="workdir or released model (default: pretrained)"
    )
    add("--data", required=True, metavar="DIR", help="the prepared data set that it was trained on")
    add("--output", required=True, metavar="FILE.json", help="where all figures go")
    add("--folder", metavar="DIR", help="where the pieces go (default: beside the output)")
    add("--pieces", type=cli.at_least(2), default=200, metavar="N", help="how many are composed")
    add("--bars", type=cli.at_least(4), default=32, metavar="N", help="of each that are compared")
    add("--seed", type=cli.at_least(0), default=0, metavar="N", help="of the pieces")
    add("--checked", type=cli.at_least(1), default=1000, metavar="N", help="pieces over all controls")
    add("--with", dest="options", action="append", default=[], metavar="NAME=VALUE", help="as for sample")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
