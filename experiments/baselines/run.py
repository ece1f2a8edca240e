"""Counting baselines beside trained models: the same tokens, the same songs, the same figures.

    python experiments/baselines/run.py --data=DATA [--model=[NAME=]WORKDIR] [--split=valid]
        [--output=FILE.json]

`--model` may be given several times; a model is measured on the stages that it has. What stands in the output
already is kept, so a model can be added later, and a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.baselines.markov import MarkovMelody
from experiments.baselines.ppm import PPM, Blending
from hrpe_jax.baselines.measure import (
    HARMONIES,
    ROOT_CLASS,
    VOCABULARY,
    Predict,
    Predictions,
    Sequence,
    chord_sequence,
    measure,
    song_sequences,
    with_perplexities,
)
from hrpe_jax.baselines.ngram import NGram, Pointer, Repeat, last_phrase, what_followed
from hrpe_jax.data.shards import open_dataset
from hrpe_jax.errors import UserError
from hrpe_jax.report.tables import MODEL_COLUMNS
from hrpe_jax.utils import cli
from hrpe_jax.utils.files import replace_file


def baselines_of(stage: str, train: list[Sequence], memory: float) -> dict[str, Callable[[], Predict]]:
    """What predicts whole tokens, by name; each is fitted when it is called for."""
    size, tokens = VOCABULARY[stage], [song.tokens for song in train]

    def ngram(order: int) -> Predict:
        return on_tokens(NGram(order, size, "kneser-ney").fit(tokens))

    def ppm(blending: Blending, memory: float) -> Predict:
        return on_tokens(PPM(5, size, blending, memory).fit(tokens))

    def repeat(pointer: Pointer) -> Predict:
        return Repeat(pointer, ngram(5)).fit(train).distributions

    found: dict[str, Callable[[], Predict]] = {
        "3-gram, Kneser-Ney": lambda: ngram(3),
        "5-gram, Kneser-Ney": lambda: ngram(5),
    }
    if stage == "melody":
        found |= {
            "Markov given chords, first order": lambda: MarkovMelody(1).fit(train).distributions,
            "Markov given chords, second order": lambda: MarkovMelody(2).fit(train).distributions,
        }
    return found | {
        "PPM-C, order 5": lambda: ppm("c", 0.0),
        "Witten-Bell with memory, order 5": lambda: ppm("witten-bell", memory),
        "PPM-D with memory, order 5": lambda: ppm("d", memory),
        "PPM-C with memory, order 5": lambda: ppm("c", memory),
        "the last 4 bars again, else 5-gram": lambda: repeat(last_phrase(4)),
        "the last 8 bars again, else 5-gram": lambda: repeat(last_phrase(8)),
        "what followed last time, else 5-gram": lambda: repeat(what_followed(8)),
    }


def on_tokens(model: NGram | PPM) -> Predict:
    """A model of tokens alone as a function of a song."""
    return lambda song: model.distributions(song.tokens)


def chord_models(memory: float) -> dict[str, NGram | PPM]:
    """Baselines of chord changes alone: they see and say root and quality, and know that a change comes."""
    models: dict[str, NGram | PPM] = {
        "3-gram, Kneser-Ney": NGram(3, HARMONIES, "kneser-ney"),
        "5-gram, Kneser-Ney": NGram(5, HARMONIES, "kneser-ney"),
        "5-gram, Witten-Bell": NGram(5, HARMONIES, "witten-bell"),
        "Witten-Bell with memory, order 5": PPM(5, HARMONIES, "witten-bell", memory),
        "PPM-C with memory, order 5": PPM(5, HARMONIES, "c", memory),
    }
    return {f"chord changes only: {name}": model for name, model in models.items()}


def measure_chords(model: NGram | PPM, train: list[Sequence], songs: list[Sequence]) -> dict[str, float]:
    """The `chord_` and `root_` figures of `prediction.measure`, of a model of chord changes alone."""
    model.fit(chord_sequence(song).tokens for song in train)
    chord, root = Predictions(), Predictions()
    for song in map(chord_sequence, songs):
        for truth, probability in zip(song.tokens, model.distributions(song.tokens), strict=True):
            chord.add(probability, truth)
            root.add(np.bincount(ROOT_CLASS, probability), ROOT_CLASS[truth])
    return chord.means("chord") | root.means("root")


def main(args: argparse.Namespace) -> None:
    """Measures everything, prints the tables, and writes them."""
    dataset = open_dataset(Path(args.data))
    about = {"split": args.split, "memory": args.memory, "limit": args.limit}
    results: dict[str, Any] = {**about, "songs": {}, "stages": {}}
    if args.output and Path(args.output).is_file():
        before = json.loads(Path(args.output).read_text(encoding="utf-8"))
        if {name: before.get(name) for name in about} != about:
            raise UserError(f"{args.output}: holds other figures; choose another --output, or remove it")
        results["songs"], results["stages"] = before["songs"], before["stages"]

    def write() -> None:
        if args.output:
            replace_file(Path(args.output), (json.dumps(results, indent=1) + "\n").encode())

    for stage in args.stages:
        rows = results["stages"].setdefault(stage, {})
        train, songs = song_sequences(dataset, stage, "train"), song_sequences(dataset, stage, args.split)
        songs = songs[: args.limit]
        results["songs"][stage] = {"train": len(train), args.split: len(songs)}
        kept = set(rows)
        write()

        def keep(name: str, found: dict[str, float], stage: str = stage, rows: Any = rows) -> None:
            rows[name] = {figure: float(f"{value:.5g}") for figure, value in found.items()}
            cli.say(f"{stage}: {name}: nll {found.get('nll', found.get('chord_nll')):.3f}")
            write()

        if stage == "backbone":
            for name, model in chord_models(args.memory).items():
                if name not in kept:
                    keep(name, measure_chords(model, train, songs))
        for name, make in baselines_of(stage, train, args.memory).items():
            if name not in kept:
                keep(name, measure(make(), songs, stage))
        for given in args.model:
            name, _, path = given.rpartition("=")
            name = name or f"model {Path(path).name}"
            if name not in kept:
                from hrpe_jax.checkpoints.release import load_model
                from hrpe_jax.workflows.evaluate_model import evaluate_model

                if getattr(load_model(path), stage) is not None:
                    keep(name, evaluate_model(path, args.data, args.split, stages=[stage], limit=0)[stage])
        print(
            f"{stage}, {args.split} split, {len(songs)} songs\n{table(rows, MODEL_COLUMNS[stage])}\n",
            flush=True,
        )


def table(rows: dict[str, dict[str, float]], columns: tuple[str, ...]) -> str:
    """Figures as a table in Markdown, one row each."""
    titles = " | ".join(name.replace("_", " ") for name in columns)
    lines = [f"| | {titles} |", "|---" * (len(columns) + 1) + "|"]
    for name, metrics in rows.items():
        metrics = with_perplexities(metrics)
        cells = [f"{metrics[column]:.4g}" if column in metrics else "" for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = options.add_argument
    add("--data", required=True, metavar="DIR", help="a prepared data set")
    add(
        "--model",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help="a trained model to stand beside them",
    )
    add("--split", default="valid", choices=("train", "valid", "test"), help="what is measured")
    add("--stages", nargs="*", default=["backbone", "melody"], choices=("backbone", "melody"))
    add("--memory", type=float, default=60.0, metavar="W", help="weight of the song so far (default: 60)")
    add("--limit", type=int, metavar="N", help="measure only the first N songs")
    add("--output", metavar="FILE", help="where the figures go as JSON")
    add("--debug", action="store_true", help="show the traceback of an error")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
