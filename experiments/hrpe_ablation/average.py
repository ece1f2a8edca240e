"""The predictions of all seeds of one rung averaged: what several models of a kind know together.

    python experiments/hrpe_ablation/run.py --pop909=DATA --only='backbone-lag4_repeats-full-?' --keep=DIR
    python experiments/hrpe_ablation/average.py --pop909=DATA --models=DIR --rung=lag4_repeats

Writes a record beside those of the runs. The probability of a token is the mean of the models' (a mixture);
nothing is fitted, so nothing is chosen on test songs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from grid import BACKBONE, SEEDS
from measure import song_sums
from rows import RECORDS, add_record, rate
from train import commit, device, versions

from hrpe_jax.checkpoints.release import load_model
from hrpe_jax.config import StageConfig
from hrpe_jax.data.shards import open_dataset
from hrpe_jax.errors import UserError
from hrpe_jax.tasks import build_task
from hrpe_jax.utils import cli


class Averaged:
    """A task of the backbone whose logits are the log of the mean of several models' probabilities.

    Attributes:
      module: itself: `apply` takes parameters with a leading axis of models.
    """

    def __init__(self, task: Any) -> None:
        self.module = self
        self._task = task

    def init_carry(self, rows: int) -> Any:
        """As the task's."""
        return self._task.init_carry(rows)

    def apply(self, variables: Any, segment: Any) -> tuple[jax.Array, None]:
        """Log probabilities `[batch, length, tokens]`, and no history."""

        def log_probabilities(params: Any) -> jax.Array:
            return jax.nn.log_softmax(self._task.module.apply({"params": params}, segment)[0])

        found = jax.lax.map(log_probabilities, variables["params"])
        return jax.nn.logsumexp(found, axis=0) - jnp.log(found.shape[0]), None


def averaged(rung: str, models: Path) -> tuple[list[str], Averaged, Any, StageConfig]:
    """All seeds of a rung, kept by run.py, as one task: their names, the task, parameters and config."""
    if rung not in BACKBONE:
        raise UserError(f"--rung={rung}: one of {', '.join(BACKBONE)} expected")
    names = [f"backbone-{rung}-full-{seed}" for seed in range(SEEDS["backbone"])]
    stages = [load_model(str(models / name)).stage("backbone") for name in names]
    config = stages[0].config
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(stage.params for stage in stages))
    return names, Averaged(build_task("backbone", config.model)), params, config


def main(args: argparse.Namespace) -> int:
    """Measures and writes the record."""
    names, task, params, config = averaged(args.rung, Path(args.models))
    dataset = open_dataset(args.pop909, verify=True)
    sums = song_sums(task, params, config, dataset, "backbone", "test")
    record = write_record(args, "average", names, "test", sums)
    nll, accuracy = (rate(record, name) for name in ("chord_nll", "chord_accuracy"))
    print(f"{record['name']}: at chord changes nll {nll:.3f}, accuracy {accuracy:.3f}")
    return 0


def write_record(
    args: argparse.Namespace, kind: str, names: list[str], split: str, found: dict[str, Any]
) -> dict[str, Any]:
    """Writes what was found of a rung's averaged models on a split, named after its kind; returns it."""
    record = {
        "name": f"{kind}-{args.rung}",
        "stage": "backbone",
        "rung": args.rung,
        "condition": kind,
        "models": names,
        "commit": commit(),
        "device": device(),
        "versions": versions(),
        "split": split,
        **found,
    }
    add_record(Path(args.records), record)
    return record


def parser(description: str | None = __doc__) -> argparse.ArgumentParser:
    """The options of all that looks at averaged models."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = options.add_argument
    add("--pop909", required=True, metavar="DATA", help="POP909, prepared")
    add("--models", required=True, metavar="DIR", help="what run.py kept")
    add("--rung", default="lag4_repeats", help="whose seeds; lag4_repeats by default")
    add("--records", default=str(RECORDS), metavar="FILE", help="where the record goes")
    add("--debug", action="store_true", help="show the traceback of an error")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
