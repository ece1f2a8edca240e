"""Puts the weights of a training into the package, in bfloat16, with a card that is written from its records.

    python tools/release/release_model.py --run=runs/pop909 --data=data/pop909
    python -m experiments.results.run --data=data/pop909 --output=experiments/results/pop909.json
    python tools/release/release_model.py --run=... --data=... --results=experiments/results/pop909.json \\
        --notes=experiments/results/worst_pieces.md --readme=docs/research/results.md

The second command measures what the first has put there; the third writes its figures into the card. Figures
of other weights are refused. The notes say what is musically wrong with pieces; write them anew for
new weights. --run may be given twice, for stages that were trained in different folders.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hrpe_jax.errors import UserError
from hrpe_jax.utils import cli

MOST_BYTES = 10 * 2**20


def main(args: argparse.Namespace) -> None:
    """Writes the weights and the card."""
    from hrpe_jax.checkpoints.release import Model, load_model, write_released
    from hrpe_jax.checkpoints.verify import digest, flatten
    from hrpe_jax.data.plan_tables import NO_TABLES, plan_tables_of
    from hrpe_jax.data.shards import open_dataset
    from hrpe_jax.utils.files import replace_file
    from tools.release.model_card import CORPORA, front_page, write_card

    stages: dict[str, Any] = {}
    trainings: dict[str, Any] = {}
    for run in map(Path, args.run):
        for name, stage in load_model(run).stages():
            if name in stages:
                raise UserError(f"--run={run}: the {name} stage is in another --run too; name one of them")
            stages[name], trainings[name] = stage, training_of(run, name, stage.config, args.device)
    if set(stages) != {"backbone", "melody"}:
        raise UserError(f"--run: only {', '.join(stages)} there; add the folder of the other stage")
    dataset = open_dataset(Path(args.data))
    manifest = dataset.manifest
    counts = manifest["counts"]
    seen = {name: counts[name] for name in ("keys", "meters")}
    tables = (
        plan_tables_of(dataset) if any(stage.config.model.plan for stage in stages.values()) else NO_TABLES
    )
    folder = write_released(Model("", **stages, seen=seen, tables=tables), args.output, "bfloat16")
    written = load_model(folder)
    digests = {name: {"step": s.step, "weights": digest(s.params)} for name, s in written.stages()}
    results = json.loads(Path(args.results).read_text(encoding="utf-8")) if args.results else None
    stale = bool(results) and results["about"]["stages"] != digests
    corpora = args.corpora.split(",") if args.corpora else manifest["origin"]["formats"]
    unknown = [name for name in corpora if name not in CORPORA]
    if unknown:
        raise UserError(f"--corpora: {', '.join(unknown)} not known; expected some of {', '.join(CORPORA)}")
    about = {
        "stages": {
            name: {
                "parameters": sum(value.size for _, value in flatten(stage.params)),
                "bytes": (folder / f"{name}.safetensors").stat().st_size,
                "config": asdict(stage.config),
                "step": stage.step,
                "training": trainings[name],
            }
            for name, stage in written.stages()
        },
        "data": {"songs": counts["songs"], "leakage": manifest["leakage"]},
        "corpora": corpora,
        "precision": "bfloat16",
        "seen": seen,
    }
    notes = Path(args.notes).read_text(encoding="utf-8") if args.notes else ""
    card = write_card(about, None if stale else results, notes, commands(args))
    replace_file(folder / "README.md", card.encode())
    if stale:
        raise UserError(
            f"{args.results}: figures of other weights, left out; measure these: --model={folder}"
        )
    if results and args.readme:
        page = Path(args.readme)
        replace_file(page, front_page(page.read_text(encoding="utf-8"), results).encode())
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    if size > MOST_BYTES:
        most = MOST_BYTES / 2**20
        raise UserError(f"{folder}: {size / 2**20:.1f} MiB, more than {most:.0f}; train a smaller model")
    cli.print_result({"folder": str(folder), "bytes": size, "measured": results is not None, **digests})


def training_of(run: Path, stage: str, config: Any, device: str) -> dict[str, Any]:
    """What the training of a stage took, by its own records."""
    try:
        lines = [
            json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        ]
    except (OSError, ValueError) as error:
        raise UserError(
            f"{run}/metrics.jsonl: not readable ({error}); expected the workdir of a training"
        ) from None
    own = [line for line in lines if line["stage"] == stage]
    steps = max(line["step"] for line in own)
    summary = run / "summary.json"
    said = json.loads(summary.read_text(encoding="utf-8")) if summary.is_file() else {}
    here = f"{said['device']} ({said['cores']} cores)" if "device" in said else device
    if not here:
        raise UserError(f"{run}: does not say on what it was trained; say it with --device='2 CPU cores'")
    batch = config.batch
    return {
        "steps": steps,
        "seconds": max(line.get("seconds", 0.0) for line in own),
        "tokens": steps * batch.rows * batch.length * batch.segments,
        "device": here,
    }


def commands(args: argparse.Namespace) -> list[str]:
    """How the model was made, with names of folders that are not of one machine."""
    found = [
        "python -m hrpe_jax.preprocess --input=CORPUS --splits=SPLITS --output=DATA",
        *(
            f"python -m hrpe_jax.train --config={config} --workdir=RUN --config.data.path=DATA"
            for config in args.config
        ),
        "python tools/release/release_model.py --run=RUN --data=DATA",
    ]
    if args.results:
        found += [
            "python -m experiments.results.run --model=pretrained --data=DATA --output=RESULTS.json",
            "python tools/release/release_model.py --run=RUN --data=DATA --results=RESULTS.json",
        ]
    return found


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("release", __doc__)
    options.prog = "python tools/release/release_model.py"
    add = options.add_argument
    add("--run", action="append", required=True, metavar="DIR", help="workdir of a training; may be repeated")
    add("--data", required=True, metavar="DIR", help="the prepared data set that it was trained on")
    add("--results", metavar="FILE.json", help="what experiments.results.run wrote of these weights")
    add("--readme", default="", metavar="FILE", help="a README whose marked block gets the figures")
    add("--notes", metavar="FILE.md", help="what is musically wrong with the worst pieces, for the card")
    add(
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="trained with it, for the card; may be repeated",
    )
    add(
        "--corpora", metavar="NAMES", help="of the data, for the card (default: the formats it was read from)"
    )
    add("--device", default="", metavar="TEXT", help="what it was trained on, where the run does not say")
    add("--output", default="hrpe_jax/pretrained", metavar="DIR", help="default: hrpe_jax/pretrained")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
