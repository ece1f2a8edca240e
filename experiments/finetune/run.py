"""Fine-tuning on a folder, before and after, on songs that no model has seen.

    python experiments/finetune/run.py --input=DIR --workdir=DIR [--limit=N] [--init_from=pretrained] [--anew]

prepares the folder, measures the model it starts from on the test split, trains `configs/finetune.py` from
it, and measures again; with --anew the same models with as many steps from nothing too. All is kept in the
workdir, where the same command goes on; the figures are in DIR/figures.json and, as a table, on stdout.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hrpe_jax.errors import UserError
from hrpe_jax.utils import cli
from hrpe_jax.utils.files import replace_file

CONFIG = Path(__file__).parents[2] / "configs" / "finetune.py"
FIGURES = ("nll", "accuracy", "chord_accuracy", "pitch_accuracy")


def command(*arguments: str) -> None:
    """Runs a command of the package."""
    done = subprocess.run([sys.executable, "-m", *arguments], stdout=sys.stderr)
    if done.returncode:
        raise UserError(f"python -m {' '.join(arguments)}: ended with status {done.returncode}")


def anew(workdir: Path, init_from: str) -> Path:
    """The same config without what it starts from: its shapes written out."""
    from hrpe_jax.config import to_json
    from hrpe_jax.workflows.load_config import load_config

    values = json.loads(to_json(load_config(CONFIG, [f"init_from={init_from}"])))
    values |= {"init_from": "", "name": "anew", "sample": None}
    path = workdir / "anew.py"
    path.write_text(f"import json\n\n\ndef get_config():\n    return json.loads({json.dumps(values)!r})\n")
    return path


def main(args: argparse.Namespace) -> None:
    """Prepares, trains, measures, prints."""
    from hrpe_jax.checkpoints.release import load_model
    from hrpe_jax.checkpoints.verify import digest
    from hrpe_jax.workflows.evaluate_model import evaluate_model
    from hrpe_jax.workflows.load_config import released_folder

    workdir = Path(args.workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    data, tuned, fresh = workdir / "data", workdir / "tuned", workdir / "anew"
    if not data.exists():
        limit = [f"--limit={args.limit}"] if args.limit else []
        command("hrpe_jax.preprocess", f"--input={args.input}", f"--output={data}", *limit)
    rows: dict[str, Any] = {}
    command(
        "hrpe_jax.train",
        f"--config={CONFIG}",
        f"--workdir={tuned}",
        f"--config.data.path={data}",
        f"--config.init_from={args.init_from}",
    )
    models = {"before": load_model(released_folder(args.init_from)), "tuned": load_model(tuned)}
    if args.anew:
        again = f"--config={anew(workdir, args.init_from)}"
        command("hrpe_jax.train", again, f"--workdir={fresh}", f"--config.data.path={data}")
        models["trained anew"] = load_model(fresh)
    for name, model in models.items():
        found = evaluate_model(model, data, args.split, limit=0)
        rows[name] = {
            stage: {figure: row[figure] for figure in FIGURES if figure in row}
            for stage, row in found.items()
        }
    counts = json.loads((data / "manifest.json").read_text(encoding="utf-8"))["counts"]["songs"]
    start = {name: {"step": s.step, "weights": digest(s.params)} for name, s in models["before"].stages()}
    said = json.loads((tuned / "summary.json").read_text(encoding="utf-8"))
    cost = {
        name: {"seconds": round(row["seconds"]), "best_step": row["best_step"]}
        for name, row in said["stages"].items()
    }
    figures = {"songs": counts, "split": args.split, "start": start, "tuning": cost, "rows": rows}
    replace_file(workdir / "figures.json", (json.dumps(figures, indent=1) + "\n").encode())
    head = ("", "backbone NLL / accuracy", "chord accuracy", "melody NLL / accuracy", "pitch accuracy")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name, row in rows.items():
        chords, melody = row["backbone"], row["melody"]
        print(
            f"| {name} | {chords['nll']:.3f} / {chords['accuracy']:.3f} | {chords['chord_accuracy']:.3f} "
            f"| {melody['nll']:.3f} / {melody['accuracy']:.3f} | {melody['pitch_accuracy']:.3f} |"
        )
    cli.print_result({"songs": counts, "tuning": cost})


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("finetune", __doc__)
    options.prog = "python experiments/finetune/run.py"
    add = options.add_argument
    add("--input", required=True, metavar="DIR", help="a folder of music")
    add("--workdir", required=True, metavar="DIR", help="where everything goes")
    add("--limit", type=cli.at_least(10), metavar="N", help="read only the first N files")
    add("--init_from", default="pretrained", metavar="DIR", help="what is tuned (default: pretrained)")
    add("--anew", action="store_true", help="also train the same models from nothing")
    add("--split", default="test", choices=("valid", "test"), help="songs that are measured")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
