"""Counting baselines beside trained models: the same tokens, the same songs, the same figures.

    python experiments/baselines/run.py --data=DATA [--model=[NAME=]WORKDIR] [--split=valid]
        [--output=FILE.json]

`--model` may be given several times; a model is measured on the stages that it has.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax import cli
from hrpe_jax.data.shards import open_dataset
from hrpe_jax.files import replace_file
from hrpe_jax.metrics.markov import MarkovMelody
from hrpe_jax.metrics.ngram import NGram
from hrpe_jax.metrics.ppm import PPM
from hrpe_jax.metrics.prediction import Predictions, measure
from hrpe_jax.metrics.repeat import Repeat, last_phrase, what_followed
from hrpe_jax.metrics.sequences import (
    HARMONIES,
    ROOT_CLASS,
    VOCABULARY,
    Sequence,
    chord_sequence,
    song_sequences,
)

Row = tuple[str, dict[str, float]]
COLUMNS = {
    "backbone": (
        "nll", "perplexity", "accuracy", "top3", "top5", "nll_per_bar", "chord_nll", "chord_accuracy",
        "chord_top3", "chord_top5", "root_nll", "root_accuracy",
    ),
    "melody": (
        "nll", "perplexity", "accuracy", "top3", "top5", "nll_per_note", "nll_per_bar", "pitch_nll",
        "pitch_accuracy", "pitch_top3", "pitch_top5",
    ),
}  # fmt: skip


def backbone_baselines(train: list[Sequence], memory: float) -> Iterator[tuple[str, Any]]:
    """(name, a function that predicts) of whole events: root, quality, inversion and duration together."""
    size = VOCABULARY["backbone"]
    tokens = [song.tokens for song in train]
    for order in (3, 5):
        yield f"{order}-gram, Kneser-Ney", on_tokens(NGram(order, size, "kneser-ney").fit(tokens))
    ngram = on_tokens(NGram(5, size, "kneser-ney").fit(tokens))
    yield from repeats(train, ngram)
    yield "PPM-C, order 5", on_tokens(PPM(5, size, "c").fit(tokens))
    yield from memories(tokens, size, memory)


def melody_baselines(train: list[Sequence], memory: float) -> Iterator[tuple[str, Any]]:
    """(name, a function that predicts) of melody events; "given chords" where the chords are seen."""
    size = VOCABULARY["melody"]
    tokens = [song.tokens for song in train]
    yield "5-gram, Kneser-Ney", on_tokens(NGram(5, size, "kneser-ney").fit(tokens))
    for order, name in ((1, "first order"), (2, "second order"), (4, "order 4")):
        yield f"Markov given chords, {name}", MarkovMelody(order).fit(train).distributions
    ngram = on_tokens(NGram(5, size, "kneser-ney").fit(tokens))
    yield from repeats(train, ngram)
    yield "PPM-C, order 5", on_tokens(PPM(5, size, "c").fit(tokens))
    yield from memories(tokens, size, memory)


def repeats(train: list[Sequence], other: Any) -> Iterator[tuple[str, Any]]:
    """Copying, with an n-gram for what is not copied."""
    yield "what followed last time, else 5-gram", Repeat(what_followed(8), other).fit(train).distributions
    for bars in (4, 8):
        model = Repeat(last_phrase(bars), other).fit(train)
        yield f"the last {bars} bars again, else 5-gram", model.distributions


def memories(tokens: list[np.ndarray], size: int, memory: float) -> Iterator[tuple[str, Any]]:
    """Counts of the training songs and of the song so far."""
    for blending, name in (("c", "PPM-C"), ("d", "PPM-D"), ("witten-bell", "Witten-Bell")):
        model = PPM(5, size, blending, memory).fit(tokens)  # type: ignore[arg-type]
        yield f"{name} with memory, order 5", on_tokens(model)


def on_tokens(model: Any) -> Callable[[Sequence], Iterator[np.ndarray]]:
    """A model of tokens alone as a function of a song."""
    return lambda song: model.distributions(song.tokens)


def chord_rows(
    train: list[Sequence], songs: list[Sequence], memory: float
) -> Iterator[tuple[str, dict[str, float]]]:
    """Baselines of chord changes alone: they see and say root and quality, and know that a change comes."""
    train, songs = [chord_sequence(song) for song in train], [chord_sequence(song) for song in songs]
    tokens = [song.tokens for song in train]
    models = {
        "3-gram, Kneser-Ney": NGram(3, HARMONIES, "kneser-ney"),
        "5-gram, Kneser-Ney": NGram(5, HARMONIES, "kneser-ney"),
        "5-gram, Witten-Bell": NGram(5, HARMONIES, "witten-bell"),
        "PPM-C with memory, order 5": PPM(5, HARMONIES, "c", memory),
        "Witten-Bell with memory, order 5": PPM(5, HARMONIES, "witten-bell", memory),
    }
    for name, model in models.items():
        model.fit(tokens)
        chord, root = Predictions(), Predictions()
        for song in songs:
            for truth, probability in zip(song.tokens, model.distributions(song.tokens), strict=True):
                chord.add(probability, truth)
                root.add(np.bincount(ROOT_CLASS, probability), ROOT_CLASS[truth])
        yield f"chord changes only: {name}", chord.means("chord") | root.means("root")


def model_rows(folders: list[str], data: Path, split: str) -> dict[str, list[Row]]:
    """What trained models reach, by stage."""
    if not folders:
        return {}
    from hrpe_jax.evaluation import evaluate_model

    rows: dict[str, list[Row]] = {}
    for folder in folders:
        name, _, path = folder.rpartition("=")
        cli.say(f"model {path}")
        for stage, metrics in evaluate_model(path, data, split).items():
            rows.setdefault(stage, []).append((name or f"model {Path(path).name}", metrics))
    return rows


def main(args: argparse.Namespace) -> None:
    """Measures everything, prints the tables, and writes them."""
    dataset = open_dataset(Path(args.data))
    measured = model_rows(args.model, Path(args.data), args.split)
    results: dict[str, Any] = {"split": args.split, "memory": args.memory, "songs": {}, "stages": {}}
    for stage, baselines in (("backbone", backbone_baselines), ("melody", melody_baselines)):
        if stage not in args.stages:
            continue
        train = song_sequences(dataset, stage, "train")  # type: ignore[arg-type]
        songs = song_sequences(dataset, stage, args.split)[: args.limit]  # type: ignore[arg-type]
        results["songs"][stage] = {"train": len(train), args.split: len(songs)}
        rows = measured.get(stage, [])
        if stage == "backbone":
            rows += list(chord_rows(train, songs, args.memory))
        for name, predict in baselines(train, args.memory):
            began = time.monotonic()
            rows.append((name, measure(predict, songs, stage)))
            cli.say(f"{stage}: {name}: nll {rows[-1][1]['nll']:.3f} in {time.monotonic() - began:.0f} s")
        results["stages"][stage] = {name: rounded(metrics) for name, metrics in rows}
        print(f"{stage}, {args.split} split, {len(songs)} songs\n{table(rows, COLUMNS[stage])}\n", flush=True)
    if args.output:
        replace_file(Path(args.output), (json.dumps(results, indent=1) + "\n").encode())


def rounded(metrics: dict[str, float]) -> dict[str, float]:
    """Five digits are more than the songs say."""
    return {name: float(f"{value:.5g}") for name, value in metrics.items()}


def table(rows: list[Row], columns: tuple[str, ...]) -> str:
    """Figures as a table in Markdown."""
    lines = [
        "| | " + " | ".join(name.replace("_", " ") for name in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, metrics in rows:
        if "nll" in metrics:
            metrics = {"perplexity": math.exp(metrics["nll"]), **metrics}
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
