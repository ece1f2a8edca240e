"""What the training loop and its checkpoints cost beside the compiled step, at the quickstart's size.

    python tools/bench/loop.py --data=DIR [--stage=melody --laps=2 --rounds=3 --config=FILE]

DIR is a prepared data set. Ways to compute the same number of steps, in turns within one process:

- bare: the compiled step alone, on batches that lie on the device already;
- loop: ``train_stage`` as it is: reading and placing batches, metrics, lines, progress;
- empty: the same loop around a step that computes nothing: all that the host does;
- saving: the loop with a checkpoint every tenth step, written in the background.

Printed are the seconds of a step in each way (medians over the rounds), the overhead of the loop, and what a
checkpoint adds, as a share of a hundred steps. Time runs over --laps laps, from one line of metrics to
another (nothing is in flight there); the lap before, which compiles and fills caches, is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest import mock

from common import place

SAVE_EVERY = 10


class Timed:
    """Batches that note when each was asked for."""

    def __init__(self, batches: Any) -> None:
        self._batches, self.asked = batches, []

    def __next__(self) -> Any:
        self.asked.append(time.perf_counter())
        return next(self._batches)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batches, name)

    def seconds(self, first: int) -> float:
        """Of a step, from the one after ``first`` on, up to but without the last."""
        return (self.asked[-1] - self.asked[first]) / (len(self.asked) - 1 - first)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the turns."""
    import jax

    from hrpe_jax.data.loader import train_batches
    from hrpe_jax.data.shards import open_dataset
    from hrpe_jax.tasks import build_task
    from hrpe_jax.training.loop import train_stage
    from hrpe_jax.training.sharding import make_mesh, put_batch
    from hrpe_jax.training.train_step import MAX_IN_FLIGHT, make_programs
    from hrpe_jax.workflows.load_config import load_config

    whole = load_config(args.config, [])
    never = 10**9
    config = getattr(whole.stages, args.stage)
    lap = config.log_every
    steps = (1 + args.laps) * lap + 1
    config = replace(
        config,
        steps=steps,
        eval_every=never,
        checkpoint_every=never,
        optimizer=replace(config.optimizer, warmup_steps=1),
    )
    dataset, mesh = open_dataset(args.data), make_mesh(config.mesh)
    task: Any = build_task(args.stage, config.model)
    programs = make_programs(task, config, mesh)
    record = {"vocabulary": {args.stage: ""}, "data": "", "config": asdict(whole), "format": 2}

    def batches() -> Timed:
        return Timed(train_batches(dataset, args.stage, config.batch, seed=0, num_steps=steps))

    ready = [put_batch(mesh, task, batch) for batch in train_batches(
        dataset, args.stage, config.batch, seed=0, num_steps=steps
    )]  # fmt: skip

    def bare() -> float:
        with jax.set_mesh(mesh):
            state, carry, waiting = programs.init(jax.random.key(0)), programs.init_carry(), []
            for step, batch in enumerate(ready):
                if step == lap:
                    jax.block_until_ready(state)
                    began = time.perf_counter()
                state, carry, metrics = programs.train(state, carry, batch, jax.random.key(1))
                waiting.append(metrics)
                if len(waiting) >= MAX_IN_FLIGHT:
                    jax.block_until_ready(waiting.pop(0))
            jax.block_until_ready(state)
        return (time.perf_counter() - began) / (len(ready) - lap)

    def loop(checkpoint_every: int, programs: Any = programs) -> float:
        timed, changed = batches(), replace(config, checkpoint_every=checkpoint_every)
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch("hrpe_jax.training.loop.make_programs", return_value=programs),  # compiled once
        ):
            train_stage(args.stage, task, changed, timed, [], seed=0, workdir=folder, record=record)
        return timed.seconds(lap)

    kept = programs.train(
        programs.init(jax.random.key(0)), programs.init_carry(), ready[0], jax.random.key(1)
    )
    hollow = replace(programs, train=lambda state, carry, *_: (state, carry, kept[2]))
    ways = {
        "bare": bare,
        "loop": lambda: loop(never),
        "empty": lambda: loop(never, hollow),
        "saving": lambda: loop(SAVE_EVERY),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    bare()
    for _ in range(args.rounds):
        for name, way in ways.items():
            seconds[name].append(way())
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    a_save = (medians["saving"] - medians["loop"]) * SAVE_EVERY
    return {
        "stage": args.stage,
        "step_seconds": {name: round(value, 4) for name, value in medians.items()},
        "loop_overhead": round(medians["loop"] / medians["bare"] - 1, 4),
        "host_share": round(medians["empty"] / medians["bare"], 4),
        "seconds_a_save": round(a_save, 4),
        "save_every_100_steps": round(a_save / (100 * medians["loop"]), 4),
        "rounds": {name: [round(value, 4) for value in values] for name, values in seconds.items()},
    }


def main() -> None:
    """Reads the options and prints one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a prepared data set")
    parser.add_argument("--config", default="configs/quickstart.py")
    parser.add_argument("--stage", choices=("backbone", "melody"), default="melody")
    parser.add_argument("--laps", type=int, default=2, help="of one turn; a lap ends with a line of metrics")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(json.dumps({**measure(args), "place": place()}, indent=1))


if __name__ == "__main__":
    main()
