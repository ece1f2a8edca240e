"""A model on a data set: its predictions beside tables of counts, and pieces that it composes beside real
songs. What `hrpe_jax.evaluate` does with `--model`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from hrpe_jax.checkpoints.release import Model, load_model
from hrpe_jax.codec.columns import without_plan
from hrpe_jax.data.loader import Stage, eval_batches
from hrpe_jax.data.shards import SPLITS, open_dataset
from hrpe_jax.errors import UserError
from hrpe_jax.sampling.options import ComposeOptions
from hrpe_jax.tasks import build_task
from hrpe_jax.training.train_step import evaluate_params
from hrpe_jax.utils.schema import suggestion
from hrpe_jax.workflows.evaluate_pieces import (
    TABLES,
    Path_,
    check_file,
    check_meter,
    check_tables,
    compared,
    headline,
    pieces_of,
    split_of,
    tables_text,
    write_json,
    write_text,
    written,
)

if TYPE_CHECKING:
    from hrpe_jax.data.shards import Dataset
    from hrpe_jax.report.collect import Collection


_STAGES: tuple[Stage, ...] = get_args(Stage)


def evaluate_model(
    model: str | os.PathLike[str] | Model,
    data: str | os.PathLike[str],
    split: str = "valid",
    stages: Sequence[Stage] = (),
    limit: int | None = None,
    plan: bool = True,
) -> dict[str, dict[str, float]]:
    """Measures a model on a split, every song of it once, as written.

    On the devices it was trained on, the figures on "valid" equal to the last bit what training wrote of this
    checkpoint into ``metrics.jsonl``; on others they agree within rounding.

    Args:
      model: workdir of a training (its best checkpoints), a released model, or one that is loaded.
      data: folder of a prepared data set.
      split: "train", "valid" or "test".
      stages: which; those that the model has if none is named. One without a song in the split is left out.
      limit: batches to look at; 0 for all, None for as many as its training looked at: ``eval_batches`` of
        its config, all of them unless that says otherwise.
      plan: whether the model sees the plan of each song: its form, what its bars do, its attributes.

    Returns:
      By stage: loss (nats per event, the backbone's key and meter included), perplexity, and the metrics of
      its task.

    Raises:
      UserError: there is no such model, data set, split or stage, or their vocabularies differ.
    """
    if split not in SPLITS:
        raise UserError(f"split {split!r}: no such split; {suggestion(split, SPLITS)}")
    for name in stages:
        if name not in _STAGES:
            raise UserError(f"stage {name!r}: no such stage; {suggestion(name, _STAGES)}")
    dataset = open_dataset(Path(data))
    model = model if isinstance(model, Model) else load_model(model)
    figures: dict[str, dict[str, float]] = {}
    wanted: Sequence[Stage] = stages or [name for name in _STAGES if getattr(model, name)]
    for name in wanted:
        trained = model.stage(name)
        batches = eval_batches(dataset, name, trained.config.batch, split=split)
        if len(batches):
            task = build_task(name, trained.config.model)
            seen = batches if plan else map(without_plan, batches)
            figures[name] = evaluate_params(task, trained.config, trained.params, seen, limit)
    return figures


INTRODUCTION = 4
"""Bars that composed pieces have beyond the window: it begins where the melody does."""
NUM_PIECES = 64
MODEL_TABLES = (*TABLES, "foreign_chords")
"""Those of pieces, and how much likelier melodies are under their own chords than under others."""


def compare_model(
    model: Path_,
    data: Path_,
    *,
    split: str = "valid",
    style: str = "",
    num_pieces: int = NUM_PIECES,
    training: Path_ | None = None,
    output: Path_ | None = None,
    report: Path_ | None = None,
    show_pieces: bool = True,
    bars: int | None = None,
    meter: str = "",
    draws: int = 1000,
    seed: int = 0,
    tables: Sequence[str] = MODEL_TABLES,
    plan: bool = True,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Measures a trained model on a split, composes pieces with it and compares them with the split's songs.

    Prints tables, and writes all figures and a page.

    Args:
        model: workdir of a training, or a released model.
        data: a prepared data set.
        split: "train", "valid" or "test".
        style: of the songs that pieces are compared with; "" takes all.
        num_pieces: how many it composes, in keys that it chooses; 0 for none.
        training: what it has learned from, to look for copies, as in `compare_pieces`; None takes the
            training split of the data set.
        output: JSON file for all figures; None for none.
        report: HTML file; None for none.
        show_pieces: draw some of the pieces in the report.
        bars: of the windows compared; None takes what most songs of the split have. Pieces are
            `INTRODUCTION` bars longer.
        meter: of the pieces; "" takes the commonest of the split, "all" lets the model choose.
        draws: for intervals.
        seed: of the pieces, of draws and controls.
        tables: some of `MODEL_TABLES`.
        plan: as of `evaluate_model`.
        say: told what a person wants to know while waiting.

    Returns:
        `model`, `split` and, for each stage, `nll` and `accuracy`; of pieces what `headline` gives and
        the seconds that composing took.

    Raises:
        UserError: there is no such model or data set, the split is empty, a setting does not fit, or a file
            cannot be written.
    """
    from hrpe_jax.checkpoints.release import load_model
    from hrpe_jax.report.checks import foreign_text
    from hrpe_jax.report.page import model_page, page
    from hrpe_jax.workflows.foreign_chords import foreign_chords

    check_file(output, "--output")
    check_file(report, "--report")
    check_tables(tables, MODEL_TABLES)
    meter = check_meter(meter)
    dataset = open_dataset(Path(data))
    loaded = load_model(model)
    say = say or (lambda line: None)
    stages = predictions(loaded, dataset, split, plan)
    result: dict[str, Any] = {"split": split, "stages": stages}
    about_model = {"model": str(model), "split": split}
    summary = about_model | {
        stage: {name: found["model"][name] for name in ("nll", "accuracy")} for stage, found in stages.items()
    }
    print_predictions(stages, split)
    foreign = foreign_chords(loaded, dataset, split, seed) if "foreign_chords" in tables else {"rows": {}}
    if foreign["rows"]:
        print(f"\n{foreign_text(foreign)}", flush=True)
        result["foreign_chords"] = foreign
        summary["foreign_chords"] = foreign["rows"]
    title = f"{model} on {data}, {split} split"
    text = model_page(title, stages, split, foreign)
    if num_pieces and loaded.backbone is None:
        say(f"{model} has no backbone stage: no pieces are composed")
    elif num_pieces:
        sets = real_sets(dataset, split, style, training)
        bars, meter = window_of(sets["reference"], bars, meter)
        say(f"composing {num_pieces} pieces of {bars + INTRODUCTION} bars")
        asked: dict[str, Any] = {"num_pieces": num_pieces, "bars": bars + INTRODUCTION, "seed": seed}
        asked |= {"meter": meter} if meter != "all" else {}
        asked |= {"stage": "backbone"} if loaded.melody is None else {}
        sets["generated"], seconds = composed_by(loaded, str(model), ComposeOptions(**asked), say)
        composed = {**asked, "seconds": seconds}
        say(f"composed in {seconds:.0f} s; comparing with {len(sets['reference'].pieces)} songs")
        found, about = compared(sets, bars=bars, meter=meter, seed=seed, draws=draws, tables=tables)
        print(f"\n{tables_text(found, about)}", flush=True)
        found["foreign_chords"] = foreign
        result |= {**found, "sources": about, "composed": composed}
        summary |= {**headline(found), "composed": composed}
        text = page(found, about, pieces_of(sets), show_pieces, title=title, stages=stages, split=split)
    write_json(output, result)
    if report is not None:
        write_text(report, text)
    return summary | written(output, report)


def predictions(model: Model, dataset: Dataset, split: str, plan: bool = True) -> dict[str, Any]:
    """By stage the number of songs, and the figures of the model, the 5-gram and of "as last time".

    Args:
        model: which.
        dataset: a prepared data set.
        split: of its songs.
        plan: as of `evaluate_model`.

    Raises:
        UserError: the split has no song of the model's stages.
    """
    from hrpe_jax.baselines.measure import with_perplexities
    from hrpe_jax.baselines.ngram import ngram_baseline, repeat_baseline
    from hrpe_jax.utils.jax_setup import enable_compilation_cache

    enable_compilation_cache()
    figures = evaluate_model(model, dataset.path, split, limit=0, plan=plan)
    if not figures:
        raise UserError(
            f"{dataset.path}: no song of the model's stages in the {split} split; choose another --split"
        )
    found: dict[str, Any] = {}
    for name, own in figures.items():
        stage: Stage = "backbone" if name == "backbone" else "melody"
        found[stage] = {
            "songs": dataset.num_songs(split, stage),
            "model": with_perplexities(own),
            "5-gram": with_perplexities(ngram_baseline(dataset, stage, split)),
            "as last time": with_perplexities(repeat_baseline(dataset, stage, split)),
        }
    return found


def print_predictions(stages: dict[str, Any], split: str) -> None:
    """Tables of all stages."""
    from hrpe_jax.report.tables import model_rows, model_table

    for place, (stage, found) in enumerate(stages.items()):
        gap = "\n" if place else ""
        print(f"{gap}{found['songs']} songs of the {split} split\n{model_table(stage, model_rows(found))}")
    print(end="", flush=True)


def real_sets(dataset: Dataset, split: str, style: str, training: Path_ | None) -> dict[str, Collection]:
    """The songs of the split (and style), and what the model has learned from.

    Args:
        dataset: a prepared data set.
        split: of the songs.
        style: of the songs; "" takes all.
        training: as of `compare_model`.
    """
    from hrpe_jax.data.shards import read_manifest
    from hrpe_jax.report.collect import collect

    source, own = split_of(training) if training else (dataset.path, "train")
    if training and not own and read_manifest(Path(source)) is not None:
        own = "train"
    return {
        "reference": collect(dataset.path, split=split, style=style, option="--data"),
        "training": collect(source, split=own, option="--training"),
    }


def window_of(reference: Collection, bars: int | None, meter: str) -> tuple[int, str]:
    """Bars and meter of the windows that are compared, by the songs where they were not asked for.

    Args:
      reference: the songs.
      bars: asked for, or None.
      meter: asked for, or "".
    """
    from hrpe_jax.metrics.arrays import common_bars, common_meter, piece_of

    real = [piece_of(score) for score in reference.pieces]
    meter = meter or common_meter(real, real)
    return bars or common_bars([piece for piece in real if meter in ("all", str(piece.meter))]), meter


def composed_by(
    model: Model, name: str, options: ComposeOptions, say: Callable[[str], None]
) -> tuple[Collection, float]:
    """Pieces of a model as a set to compare, and the seconds that composing took.

    Args:
      model: from `load_model`.
      name: of the set.
      options: what is asked of the pieces.
      say: prints a line of progress.
    """
    from hrpe_jax.composer import Composer
    from hrpe_jax.report.collect import Collection

    composer = Composer(model)
    for line in composer.notices(options):
        say(f"note: {line}")
    start = time.monotonic()
    scores = [piece.score for piece in composer.pieces(options)]
    seconds = round(time.monotonic() - start, 1)
    pieces = [replace(score, id=f"piece-{n:02d}") for n, score in enumerate(scores, 1)]
    return Collection(f"{len(pieces)} pieces composed by {name} in {seconds:.0f} s", pieces), seconds
