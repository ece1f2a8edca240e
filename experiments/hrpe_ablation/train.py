"""One run of the grid: a config, trained to its best validation point, measured, as a record.

A record is plain JSON: all that the tables need, and all that is needed to train the same again.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from grid import CONDITIONS, MOVING, RUNGS, STARTED, TOLERANCE, WRITING, Cell, stage_values
from measure import song_sums
from progressions import compare_progressions

import hrpe_jax
from hrpe_jax.checkpoints.format import load_stage
from hrpe_jax.config import Config, StageConfig
from hrpe_jax.data.loader import Songs, eval_batches, train_batches
from hrpe_jax.data.shards import Dataset
from hrpe_jax.errors import UserError
from hrpe_jax.tasks import build_task
from hrpe_jax.training.loop import train_stage
from hrpe_jax.utils.schema import build
from hrpe_jax.workflows.train import make_record

FORMAT = 1


class Subset:
    """A data set with a share of its training songs: those of the lowest hashes, so small sets are in large.

    Attributes:
      kept: indices of the training songs.
    """

    def __init__(self, dataset: Songs, stage: str, share: float) -> None:
        self._dataset = dataset
        names = [str(song["id"]) for song in dataset.songs("train", stage)]  # type: ignore[attr-defined]
        order = sorted(range(len(names)), key=lambda i: hashlib.sha256(names[i].encode()).hexdigest())
        self.kept = sorted(order[: max(1, round(share * len(names)))])

    def records(self, stage: str, split: str) -> Sequence[Mapping[str, Any]]:
        """See `loader.Songs`."""
        songs = self._dataset.records(stage, split)
        return [songs[i] for i in self.kept] if split == "train" else songs

    def lengths(self, stage: str, split: str) -> np.ndarray:
        """See `loader.Songs`."""
        lengths = self._dataset.lengths(stage, split)
        return lengths[self.kept] if split == "train" else lengths


def config_of(cell: Cell) -> Config:
    """The config of a run."""
    values = {"name": cell.name, "seed": cell.seed, "stages": {cell.stage: stage_values(cell)}}
    return build(Config, values)


def stage_of(config: Config) -> tuple[str, StageConfig]:
    """The one stage that a run has."""
    ((stage, values),) = config.stages.items()
    return stage, values


def parameters(config: StageConfig, stage: str) -> int:
    """How many numbers a model learns; builds nothing."""
    task = build_task(stage, config.model)
    shapes = jax.eval_shape(task.init_params, jax.random.key(0))
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))


def check_parameters() -> dict[str, int]:
    """Parameters of every rung by "stage-rung".

    Raises:
      UserError: one has not the size of the others; says which `mlp_width` would give it.
    """
    found: dict[str, int] = {}
    moving = next(name for name, condition in CONDITIONS.items() if condition.moving)
    groups = [(stage, "full", rungs) for stage, rungs in RUNGS.items()]
    for stage, condition, rungs in [*groups, ("backbone", moving, MOVING)]:
        counts: dict[str, int] = {}
        for rung in rungs:
            _, config = stage_of(config_of(Cell(stage, rung, condition, 0)))
            counts[rung] = parameters(config, stage)
            wanted = next(iter(counts.values()))
            if abs(counts[rung] - wanted) > TOLERANCE * wanted:
                per_unit = 3 * config.model.width * config.model.layers
                width = config.model.mlp_width + round((wanted - counts[rung]) / per_unit)
                raise UserError(
                    f"grid: {stage} {rung} has {counts[rung]:,} parameters, {next(iter(rungs))} {wanted:,}, "
                    f"more than {TOLERANCE:.0%} apart; give it mlp_width={width}"
                )
        found |= {f"{stage}-{rung}": count for rung, count in counts.items()}
    return found


def train_cell(cell: Cell, dataset: Dataset, workdir: Path) -> dict[str, Any]:
    """Trains one run, or goes on with it, and measures its best validation point on the test split.

    Args:
      cell: which.
      dataset: what its condition names.
      workdir: of this run alone.

    Returns:
      The record.
    """
    config, condition, began = config_of(cell), CONDITIONS[cell.condition], time.process_time()
    stage, trained = stage_of(config)
    songs = Subset(dataset, stage, condition.songs)
    record = make_record(config, dataset)
    record["data"] += f", {len(songs.kept)} songs"  # checkpoints of another share are not continued
    task = build_task(stage, trained.model, trained.label_smoothing)
    result = train_stage(
        stage,
        task,
        trained,
        train_batches(
            songs,
            stage,
            trained.batch,
            seed=config.seed,
            num_steps=trained.steps,
            augment=trained.batch.augment,
        ),
        eval_batches(dataset, stage, trained.batch, split="valid"),
        seed=config.seed,
        workdir=workdir,
        record=record,
        initial=begun(task.init_params(jax.random.key(cell.seed))) if cell.rung in STARTED else None,
    )
    spent = time.process_time() - began
    best = load_stage(workdir, stage)
    split = "valid" if cell.changes else "test"
    writes = stage == "backbone" and cell.rung in WRITING and cell.condition == "full" and split == "test"
    return {
        "format": FORMAT,
        "name": cell.name,
        "stage": stage,
        "rung": cell.rung,
        "condition": cell.condition,
        "seed": cell.seed,
        "commit": commit(),
        "device": device(),
        "versions": versions(),
        "data": record["data"],
        "training_songs": len(songs.kept),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(best.params)),
        "parameters_sha256": digest(best.params),
        "curve": curve(workdir / "metrics.jsonl"),
        "best_step": result.best_step,
        "steps": result.step,
        "early": result.early,
        "seconds": round(result.seconds, 1),
        # What a machine that does other things too does not blur; not known of a run that was interrupted.
        "processor_seconds": None if result.resumed else round(spent, 1),
        "valid": {name: rounded(value) for name, value in result.best.items()},
        "split": split,
        **song_sums(task, best.params, trained, dataset, stage, split, sequences=condition.moving),
        "progressions": compare_progressions(trained, best.params, dataset) if writes else {},
        "tables": tables_of(best.params),
        "config": asdict(config),
    }


STRENGTH = 6.0
"""Of "the same motion" in a head that is set by hand, as in `sequences.py`."""


def begun(params: Any) -> Any:
    """Parameters whose first head of the first layer looks for "the same motion" at every lag."""

    def set_one(path: tuple[Any, ...], leaf: Any) -> Any:
        name = path[-1].key
        hand = name.startswith("motion_") and name.endswith("_cyclic")
        return jax.numpy.asarray(leaf).at[0, 0, 0].set(STRENGTH) if hand else leaf

    return jax.tree_util.tree_map_with_path(set_one, params)


SAME = (
    "parameters",
    "parameters_sha256",
    "curve",
    "best_step",
    "steps",
    "valid",
    "songs",
    "calibration",
    "progressions",
)
"""What a repeated run has in common with its record, exactly."""


def curve(metrics: Path) -> dict[str, list[float]]:
    """Validation nll by step, as training wrote it."""
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    points = {line["step"]: rounded(line["nll"]) for line in lines if line["split"] == "valid"}
    return {"step": list(points), "nll": list(points.values())}


def tables_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Harmonic tables of intervals, and at lag (0, 0) of qualities: by name `[layers][heads][...]`."""
    attention = params["stack"]["blocks"]["attention"]
    kept = {}
    for name, table in attention.get("tables", {}).items():
        if name.endswith("_cyclic") or name in ("lag_0_0_category_0", "distances"):
            kept[name] = np.round(np.asarray(table, np.float64), 3).tolist()
    return kept


def digest(params: Any) -> str:
    """SHA-256 of all parameters, to the last bit."""
    found = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        found.update(jax.tree_util.keystr(path).encode())
        found.update(np.ascontiguousarray(leaf).tobytes())
    return found.hexdigest()


def rounded(value: float) -> float:
    """Six significant digits."""
    return float(f"{value:.6g}")


def device() -> str:
    """What this runs on."""
    kind = jax.devices()[0].device_kind
    if jax.default_backend() != "cpu":
        return f"1 {kind}"
    threads = os.environ.get("NPROC") or str(os.cpu_count())
    return f"{processor()}, {threads} thread{'s' if threads != '1' else ''}"


def processor() -> str:
    """The processor: another one adds in another order, and gives other last bits."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} CPU {platform.processor()}".strip()
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = about.get("model name", f"{platform.machine()} CPU")
    kind = [about[key] for key in ("cpu family", "model") if key in about]
    return f"{name} ({'/'.join(kind)})" if kind else name


def versions() -> dict[str, str]:
    """Of what computes."""
    names = ("jax", "jaxlib", "flax", "optax", "numpy")
    return {
        "python": platform.python_version(),
        "hrpe_jax": hrpe_jax.__version__,
        **{name: version(name) for name in names},
    }


def commit() -> str:
    """The commit of this checkout, with "+" where it has changes; "" outside of one."""

    def git(*arguments: str) -> str:
        here = Path(__file__).parent
        try:
            return subprocess.run(
                ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True
            ).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return ""

    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
