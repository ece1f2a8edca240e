"""Train the stages that a config names: prepares the data, trains, validates, and writes pieces.

  python -m hrpe_jax.train                                          the quickstart, into runs/quickstart
  python -m hrpe_jax.train --config=backbone_pop909                 a config of the package, by its name
  python -m hrpe_jax.train --config=mine.py --workdir=DIR
  python -m hrpe_jax.train --config=mine.py --config.stages.backbone.steps=500 --config.seed=1
  python -m hrpe_jax.train --config=mine.py --dry_run               what it would cost; writes nothing
  python -m hrpe_jax.train ... --coordinator=HOST:PORT --hosts=2 --host=0      on each of two hosts

Values of the config are set with --config.SECTION.KEY=VALUE. The same command again goes on where it was
stopped. Ctrl-C and SIGTERM save first, then exit with status 130 and 143; a second signal stops at once. A
table of validation figures goes to stdout, progress to stderr. DIR holds afterwards: config.json,
metrics.jsonl, curves.svg, summary.json, checkpoints, model (for python -m hrpe_jax.sample --model=DIR), and
data and pieces where the config asks for them. After a step that was not finite, failures/STAGE-STEP holds
its batch.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hrpe_jax.utils import cli

QUICKSTART = "quickstart"


def main(args: argparse.Namespace) -> None:
    """Reads the config, then trains."""
    from hrpe_jax.utils.jax_setup import keep_freed_memory
    from hrpe_jax.workflows.load_config import load_config

    keep_freed_memory()

    config = load_config(args.config, args.overrides)
    workdir = Path(args.workdir or f"runs/{config.name}")

    from hrpe_jax.utils.jax_setup import enable_compilation_cache

    enable_compilation_cache()
    if args.dry_run:
        from hrpe_jax.workflows.dry_run import dry_run

        dry_run(config)
        return
    from hrpe_jax.training.sharding import join_hosts

    join_hosts(args.coordinator, args.hosts, args.host)
    from hrpe_jax.workflows.train import train

    train(config, workdir)


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("train", __doc__)
    options.add_argument(
        "--config",
        type=cli.path,
        default=QUICKSTART,
        metavar="FILE",
        help="Python file with get_config(), or a config of the package by its name",
    )
    options.add_argument(
        "--workdir",
        type=cli.path,
        metavar="DIR",
        help="where everything goes (default: runs/NAME of the config)",
    )
    options.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="several hosts, which all see --workdir: the address of host 0, or auto (TPU slice, Slurm, "
        "Kubernetes, Open MPI)",
    )
    options.add_argument("--hosts", type=cli.at_least(1), metavar="N", help="how many, with HOST:PORT")
    options.add_argument("--host", type=cli.at_least(0), metavar="I", help="which one this is, from 0")
    options.add_argument(
        "--dry_run",
        action="store_true",
        help="compile every stage's step, print parameters, memory, FLOPs and estimated time, and stop",
    )
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser(), overrides=True))
