"""Trains the grid, or goes on with it: each finished run is a line of `records.jsonl`.

    python experiments/hrpe_ablation/run.py --pop909=DATA --billboard=DATA [--only='backbone-*-full-0']
    python experiments/hrpe_ablation/run.py --openewld=DATA --only='*-openewld-?'
    python experiments/hrpe_ablation/run.py --pop909=DATA --nottingham=DATA --only='*_moving-?'
    python experiments/hrpe_ablation/run.py --pop909=DATA --repeat=NAME

DATA are prepared data sets. Started again after it was stopped or killed it goes on, within a run too.
Several processes may work on the same records; each takes runs that no other one has. `--repeat` trains one
run again and compares what must be the same.
"""

from __future__ import annotations

import argparse
import fcntl
import fnmatch
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rows import RECORDS

from hrpe_jax.errors import UserError
from hrpe_jax.utils import cli
from hrpe_jax.utils.jax_setup import keep_freed_memory

REPEATABLE = "--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0"


def main(args: argparse.Namespace) -> int:
    """Trains what has no record yet."""
    keep_freed_memory()
    if args.threads:  # read when JAX starts its devices
        os.environ["NPROC"] = str(args.threads)
    # A GPU may add, and choose its kernels, differently each time: then no run could be repeated.
    os.environ["XLA_FLAGS"] = " ".join(filter(None, (os.environ.get("XLA_FLAGS"), REPEATABLE)))
    import jax

    from hrpe_jax.utils.jax_setup import enable_compilation_cache

    jax.config.update("jax_default_matmul_precision", "highest")  # float32, as on a CPU
    enable_compilation_cache()
    import grid
    from rows import add_record, by_name
    from train import check_parameters

    check_parameters()
    names = ("pop909", "pop909_form", "billboard", "openewld", "nottingham")
    data = {name: path for name in names if (path := getattr(args, name))}
    records, began = Path(args.records), time.monotonic()
    if args.repeat:
        known = by_name(records)
        if args.repeat not in known:
            raise UserError(f"--repeat={args.repeat}: no such record in {records}")
        return repeat(known[args.repeat], data, Path(args.workdir))
    cells = list(grid.PILOT if args.pilot else grid.cells())
    cells = [cell for cell in cells if fnmatch.fnmatch(cell.name, args.only)]
    left = 0
    for cell in cells:
        workdir = Path(args.workdir) / cell.name
        if cell.name in by_name(records):
            continue
        late = args.minutes and time.monotonic() - began > 60 * args.minutes
        if late or grid.CONDITIONS[cell.condition].data not in data:
            left += 1
            continue
        with lock(workdir) as mine:
            if not mine or cell.name in by_name(records):
                continue
            cli.say(f"{cell.name}: run {len(by_name(records)) + 1}, {len(cells)} in all")
            record = train(cell, data, workdir)
            if args.keep:
                from hrpe_jax.checkpoints.release import read_checkpoints, write_released

                write_released(read_checkpoints(workdir), Path(args.keep) / cell.name)
            add_record(records, record)
            shutil.rmtree(workdir)
    known = by_name(records)
    done = sum(cell.name in known for cell in cells)
    print(f"{done} of {len(cells)} runs have a record" + (f"; {left} wait for data or time" if left else ""))
    return 0


def train(cell: Any, data: dict[str, str], workdir: Path) -> dict[str, Any]:
    """The record of one run."""
    import grid
    from train import train_cell

    from hrpe_jax.data.shards import open_dataset

    name = grid.CONDITIONS[cell.condition].data
    if name not in data:
        raise UserError(f"{cell.name}: is trained on {name}; give --{name}=DATA")
    return train_cell(cell, open_dataset(data[name], verify=True), workdir)


def repeat(record: dict[str, Any], data: dict[str, str], root: Path) -> int:
    """Trains the run of a record again and compares; returns 1 where anything differs."""
    import grid
    from rows import HEADLINE, rate, text
    from train import SAME, commit, versions

    cells = {cell.name: cell for cell in [*grid.cells(), *grid.PILOT]}
    if record["name"] not in cells:
        raise UserError(
            f"{record['name']}: no such run in the grid; take the commit of the record, {record['commit']}"
        )
    again = json.loads(text(train(cells[record["name"]], data, root / f"repeat-{record['name']}")))
    shutil.rmtree(root / f"repeat-{record['name']}")
    if again["config"] != record["config"]:
        cli.say(f"the grid's config of this run has changed since; the record's commit is {record['commit']}")
    if again["versions"] != record["versions"] or again["device"] != record["device"]:
        cli.say(f"record: {record['device']}, {record['versions']}; here: {again['device']}, {versions()}")
    if again["commit"] != record["commit"]:
        cli.say(
            f"record: commit {record['commit']}; here: {commit()}; only the same one has the same last bits"
        )
    differ = [name for name in SAME if again[name] != record[name]]
    figure = HEADLINE[record["stage"]]
    now, then = rate(again, figure), rate(record, figure)
    apart = f"not the same: {', '.join(differ)}; {figure} {now:.6f}, was {then:.6f}"
    print(f"{record['name']}: {apart if differ else 'the same numbers'}")
    return 1 if differ else 0


@contextmanager
def lock(workdir: Path) -> Iterator[bool]:
    """Yields whether this process is the only one in a folder, which it then stays till the end."""
    workdir.mkdir(parents=True, exist_ok=True)
    with open(workdir.with_suffix(".lock"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = options.add_argument
    add("--pop909", metavar="DATA", help="POP909, prepared")
    add("--billboard", metavar="DATA", help="Billboard, prepared; without it its runs wait")
    add("--openewld", metavar="DATA", help="OpenEWLD, prepared; without it its runs wait")
    add(
        "--pop909_form",
        metavar="DATA",
        help="POP909 with its form labels (`--form`); without it its runs wait",
    )
    add("--nottingham", metavar="DATA", help="Nottingham, prepared; without it its runs wait")
    add(
        "--records",
        default=str(RECORDS),
        metavar="FILE",
        help="a file of JSON lines, or a folder of a JSON file each (default: records.jsonl beside this)",
    )
    add(
        "--workdir",
        default="runs/hrpe_ablation",
        metavar="DIR",
        help="where runs are until they are finished",
    )
    add("--keep", metavar="DIR", help="keep the best parameters of every run there, for average.py")
    add("--only", default="*", metavar="PATTERN", help="runs whose name matches, as backbone-control-full-*")
    add("--minutes", type=float, metavar="N", help="begin no run after so long")
    add("--threads", type=cli.at_least(1), metavar="N", help="threads of a CPU; all its cores by default")
    add("--pilot", action="store_true", help="the runs that chose the settings, on validation songs, instead")
    add("--repeat", metavar="NAME", help="train the run of this record again and compare")
    add("--debug", action="store_true", help="show the traceback of an error")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
