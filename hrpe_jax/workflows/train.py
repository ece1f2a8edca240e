"""A whole run: from a config to prepared data, trained stages, figures beside a baseline, and pieces.

This is where the packages meet. Training knows tasks but no files of songs, data knows no models; here one is
handed to the other. Everything can be started again: what is there already is not made twice.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax

from hrpe_jax.baselines.ngram import ngram_baseline
from hrpe_jax.checkpoints.format import Record, check_workdir, checkpoint_folder, whole_steps
from hrpe_jax.checkpoints.release import export_model
from hrpe_jax.codec.vocabulary import vocabulary_hashes
from hrpe_jax.config import Config, DataConfig, Stage
from hrpe_jax.data.balance import style_shares
from hrpe_jax.data.batches import BatchShape, blank_batch
from hrpe_jax.data.loader import eval_batches, train_batches
from hrpe_jax.data.plan_tables import plan_tables_of
from hrpe_jax.data.shards import Dataset, open_dataset, read_manifest
from hrpe_jax.errors import UserError
from hrpe_jax.preprocessing.build import build_dataset
from hrpe_jax.report.training_curves import draw_curves, panels, read_metrics
from hrpe_jax.tasks import build_task
from hrpe_jax.training.early_stopping import check_metric
from hrpe_jax.training.loop import StageResult, StepCallback, train_stage
from hrpe_jax.training.progress import check_tensorboard
from hrpe_jax.training.sharding import all_hosts_hear, host_rows, is_first, make_mesh, wait_for_hosts
from hrpe_jax.utils import cli
from hrpe_jax.utils.files import check_output, lock_folder, replace_file, unwritable
from hrpe_jax.utils.version import __version__
from hrpe_jax.workflows.load_config import initial_params

CURVES, SUMMARY = "curves.svg", "summary.json"


def write_summary(
    workdir: Path, name: str, results: Sequence[StageResult], counted: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """Writes both files, over those of an earlier process.

    Args:
      workdir: of the run; its ``metrics.jsonl`` is what is drawn.
      name: of the run.
      results: of its stages.
      counted: by stage, the figures of the n-gram on the same songs.

    Returns:
      What ``summary.json`` holds: the "device" of this process, the "cores" beside it, and by stage what
      ``StageResult`` says of the whole training, "tokens_per_second" (the median of the lines of training)
      and "baseline".
    """
    lines = read_metrics(workdir / "metrics.jsonl")
    stages = {}
    for result in results:
        speeds = sorted(
            row["events_per_second"]
            for row in lines
            if row["stage"] == result.stage and "events_per_second" in row
        )
        stages[result.stage] = {
            **{key: value for key, value in asdict(result).items() if key not in ("stage", "resumed")},
            "tokens_per_second": round(speeds[len(speeds) // 2], 1) if speeds else None,
            "baseline": dict(counted.get(result.stage, {})),
        }
    device = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    summary = {"name": name, "device": device, "cores": os.cpu_count(), "stages": stages}
    best = {result.stage: result.best_step for result in results if result.best}
    shown = panels(lines, counted, best)
    if shown:
        replace_file(workdir / CURVES, draw_curves(name, shown).encode())
    replace_file(workdir / SUMMARY, (json.dumps(summary, indent=1) + "\n").encode())
    return summary


FORMAT = 2
NGRAM_ORDER = 5
COLUMNS = ("nll", "perplexity", "accuracy", "chord_nll", "chord_accuracy", "pitch_nll", "pitch_accuracy")


def train(config: Config, workdir: str | Path) -> list[StageResult]:
    """Trains the stages that a config names, in order, and shows what came of it.

    Writes into ``workdir``: ``config.json``, ``data`` (where the config names no other place),
    ``metrics.jsonl``, ``checkpoints``, ``model`` (the best parameters, for sampling), ``pieces``, and at the
    end ``curves.svg`` and ``summary.json``. Prints a table on stdout.

    Args:
      config: what to do.
      workdir: where; an earlier run of the same config there is continued.

    Returns:
      The result of every stage.

    Raises:
      UserError: there is no data, or the workdir belongs to another run, is in use, or cannot be written.
    """
    workdir = Path(workdir)
    check_before_work(config, workdir)
    initial = read_initial(config)
    check_output(workdir, "--workdir")
    with only_run(workdir):
        return _train(config, workdir, initial)


@contextmanager
def only_run(workdir: Path) -> Iterator[None]:
    """Holds a workdir for this run: the first host locks it, and all hosts hear whether it could.

    Raises:
      UserError: another process trains in it.
    """
    failed: UserError | None = None
    with ExitStack() as stack:
        if is_first():
            try:
                stack.enter_context(lock_folder(workdir, "train", "give another --workdir"))
            except UserError as error:
                failed = error
        if not all_hosts_hear(failed is None):
            raise failed or UserError(f"{workdir}: another process trains here; see the first host")
        yield


def _train(config: Config, workdir: Path, initial: Mapping[str, Any]) -> list[StageResult]:
    """`train`, in a workdir that is locked."""
    dataset = prepare_together(config.data, workdir)
    record = make_record(config, dataset)
    for stage, _ in config.stages.items():
        check_workdir(workdir, stage, record)  # all of them before the first one is trained
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        if is_first():
            replace_file(workdir / "config.json", (json.dumps(record, indent=2) + "\n").encode())
    except OSError as error:
        raise unwritable(workdir, error) from None

    results, rows = [], []
    baselines: dict[str, dict[str, float]] = {}
    for stage, stage_config in config.stages.items():
        here = host_rows(make_mesh(stage_config.mesh), stage_config.batch.rows)
        batches = train_batches(
            dataset,
            stage,
            stage_config.batch,
            seed=config.seed,
            num_steps=stage_config.steps,
            crops=config.data.crops,
            balance=config.data.balance,
            augment=stage_config.batch.augment,
            rows=here,
        )
        if config.data.balance and is_first():
            cli.say(f"{stage}: {shares_text(dataset, stage, config.data)}")
        valid = eval_batches(dataset, stage, stage_config.batch, split="valid", rows=here)
        task = build_task(stage, stage_config.model, stage_config.label_smoothing)
        result = train_stage(
            stage,
            task,
            stage_config,
            batches,
            valid,
            seed=config.seed,
            workdir=workdir,
            record=record,
            tensorboard=config.tensorboard,
            callback=make_preview(stage, config, workdir),
            initial=initial.get(stage),
        )
        results.append(result)
        rows.append((stage, f"step {result.best_step}", result.best))
        if result.best:
            baselines[stage] = ngram_baseline(dataset, stage, "valid", order=NGRAM_ORDER)
            rows.append((stage, f"{NGRAM_ORDER}-gram", baselines[stage]))
    try:
        if is_first():
            print(format_table(rows), flush=True)
            write_summary(workdir, config.name, results, baselines)
            cli.say(f"curves: {workdir / CURVES}")
            counts = dataset.manifest.get("counts", {})
            seen = {name: counts[name] for name in ("keys", "meters") if name in counts}
            model, _ = export_model(workdir, seen=seen or None, tables=plan_tables_of(dataset))
            if config.sample is not None:
                sample(config, model, workdir / "pieces")
            if model.backbone and model.melody:
                cli.say(f"more pieces: python -m hrpe_jax.sample --model={workdir}")
    finally:
        wait_for_hosts("end")
    return results


def prepare_together(config: DataConfig, workdir: Path) -> Dataset:
    """As ``prepare_data``, on the first host; the others wait, then open what it made."""
    if is_first():
        try:
            return prepare_data(config, workdir)
        finally:
            wait_for_hosts("data")
    wait_for_hosts("data")
    return open_dataset(Path(config.path) if config.path else workdir / "data", verify=True)


def prepare_data(config: DataConfig, workdir: Path) -> Dataset:
    """Opens the data set of a config; makes it first where it is missing and the config says from what.

    Raises:
      UserError: there is none and nothing to make it from, or what is there is of another corpus.
    """
    path = Path(config.path) if config.path else workdir / "data"
    manifest = read_manifest(path)
    if manifest is None and config.corpus and not path.exists():
        if config.corpus != "chorales" and not config.input:
            raise UserError(
                f"config.data.input: the folder of {config.corpus} is needed; add --config.data.input=DIR"
            )
        with cli.progress(f"preparing {config.corpus}") as tell:
            counts = build_dataset(
                config.input,
                path,
                format=config.corpus,
                splits=config.splits or None,
                workers=config.workers,
                on_progress=tell,
            )
        split = ", ".join(f"{name} {counts[name]}" for name in ("train", "valid", "test"))
        cli.say(f"{counts['songs']} songs ({split}), {counts['rejects']} rejected: {path}")
    elif manifest is None and not path.exists() and not config.path:
        raise UserError(
            f"{path}: no data set here; give one with --config.data.path=DIR, or what to make it from with "
            "--config.data.corpus=chorales or pop909"
        )
    elif manifest is not None and (config.input or config.splits):
        cli.say(f"{path}: prepared before, used as it is; data.input and data.splits are not read again")
    dataset = open_dataset(path, verify=True)  # a changed shard would train something else, silently
    found = dataset.manifest.get("origin", {}).get("format", config.corpus)
    if config.corpus and found != config.corpus:
        raise UserError(
            f"{path}: holds {found}, config.data.corpus is {config.corpus}; use another --workdir"
        )
    return dataset


def shares_text(dataset: Dataset, stage: Stage, config: DataConfig) -> str:
    """How much of a stage's training each style is, such as "events of training: folk 40 %, pop 60 %".

    Args:
      dataset: prepared.
      stage: its name and config.
      config: of the data.
    """
    styles = dataset.styles(stage, "train", crops=config.crops)
    lengths = dataset.lengths(stage, "train", crops=config.crops)
    shares = style_shares(styles, lengths, config.balance)
    parts = (f"{style or 'no style'} {100 * share:.0f} %" for style, share in shares.items())
    return f"events of training: {', '.join(parts)}"


def make_record(config: Config, dataset: Dataset) -> Record:
    """What a checkpoint says of its run: versions, vocabulary hashes, a hash of the data, the config."""
    sums = json.dumps(dataset.manifest["shards"], sort_keys=True)
    return {
        "format": FORMAT,
        "version": __version__,
        "vocabulary": vocabulary_hashes(),
        "data": hashlib.sha256(sums.encode()).hexdigest()[:16],
        "config": asdict(config),
    }


def check_before_work(config: Config, workdir: Path) -> None:
    """Refuses what would only be found out after hours: missing packages, stages, metrics.

    Raises:
      UserError: one of them is missing.
    """
    check_sampling(config, workdir)
    if config.tensorboard:
        check_tensorboard()
    for stage, trained in config.stages.items():
        if trained.best_metric:
            batch = blank_batch(stage, BatchShape(1, trained.batch.length))
            check_metric(stage, build_task(stage, trained.model), trained.best_metric, batch)


def read_initial(config: Config) -> dict[str, Any]:
    """By stage the parameters that a config starts from; {} where it starts anew.

    Raises:
      UserError: they are not there, or of other shapes.
    """
    if not config.init_from:
        return {}
    found: dict[str, Any] = {}
    for stage, trained in config.stages.items():
        task = build_task(stage, trained.model, trained.label_smoothing)
        found[stage] = initial_params(
            config.init_from, stage, jax.eval_shape(task.init_params, jax.random.key(0))
        )
    return found


def make_preview(stage: str, config: Config, workdir: Path) -> StepCallback | None:
    """What writes pieces while a stage trains, where the config asks for them.

    Args:
      stage: "backbone" or "melody".
      config: of the run.
      workdir: of the run.
    """
    if config.sample is None or not config.sample.every or not is_first():
        return None
    from hrpe_jax.workflows.sample import PiecePreview

    return PiecePreview(stage, config, workdir)


def check_sampling(config: Config, workdir: Path) -> None:
    """Refuses a config that asks for pieces without both stages, before hours are spent.

    Raises:
      UserError: a stage is neither configured nor trained.
    """
    if config.sample is None:
        return
    from hrpe_jax.sampling.controls import read_controls
    from hrpe_jax.workflows.sample import options_of

    try:
        read_controls(options_of(config))
    except UserError as error:
        raise UserError(re.sub(r"--(?=[a-z])", "config.sample.", str(error))) from None
    for stage in ("backbone", "melody"):
        if getattr(config.stages, stage) is None and not whole_steps(checkpoint_folder(workdir, stage)):
            raise UserError(
                f"config.sample: pieces need both stages, and {stage} is neither in config.stages nor "
                f"trained in {workdir}; use --config.sample=none"
            )


def sample(config: Config, model: Any, folder: Path) -> None:
    """Writes the pieces that a config asks for and prints a line for each, with its share of chord tones.

    Args:
      config: of the run.
      model: the trained one.
      folder: where pieces go.
    """
    from hrpe_jax.composer import Composer
    from hrpe_jax.sampling.explain import explain_pieces
    from hrpe_jax.sampling.options import DEFAULT_OUTPUTS
    from hrpe_jax.sampling.write import write_pieces
    from hrpe_jax.workflows.sample import options_of, report

    pieces = list(Composer(model).pieces(options_of(config)))
    write_pieces(pieces, folder, choices=explain_pieces(model, pieces, DEFAULT_OUTPUTS))
    report(pieces)
    cli.say(f"pieces: {folder}")


def format_table(rows: Sequence[tuple[str, str, Mapping[str, float]]]) -> str:
    """Validation figures as text.

    Args:
      rows: (stage, what was measured, metrics). Columns without any value are left out; the perplexity is
        that of the "nll" where a row has none of its own.
    """
    full = [(s, w, {"perplexity": math.exp(m["nll"]), **m} if "nll" in m else m) for s, w, m in rows]
    names = [name for name in COLUMNS if any(name in metrics for _, _, metrics in full)]
    lines = [["stage", "validation", *(name.replace("_", " ") for name in names)]]
    for stage, what, metrics in full:
        values = [f"{metrics[name]:.4g}" if name in metrics else "-" for name in names]
        lines.append([stage, what, *(values or ["no validation songs"])])
    widths = [max(len(line[i]) for line in lines if i < len(line)) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(widths[i]) for i, cell in enumerate(line)).rstrip() for line in lines
    )
