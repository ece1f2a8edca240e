"""Whether structure metrics put music of known structure in the right order.

    python tools/measure/metrics.py --input=FOLDER [--splits=FILE --split=test] [--bars=16] [--meter=4/4]

For every structure metric how far from real music are other real pieces, varied ones, shuffled bars, one bar
looped and silence, at the same number of pieces each (see `hrpe_jax.metrics.degraded`), and whether each is
farther than the one before: real < varied < shuffled < looped < silence. With each step the share of draws in
which it holds. A metric that the registry recommends and that does not order them so is an error: the exit
status is 1.

Random and transposed bars stand beside the order: random bars of a corpus in all keys can look more or less
structured than shuffled ones, and transposed pieces are the same music. The last line is the table as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from hrpe_jax.metrics.compare import Comparison, compare
from hrpe_jax.metrics.degraded import CONTROLS, ORDER
from hrpe_jax.readers.find import find_songs
from hrpe_jax.readers.read import read_songs
from hrpe_jax.readers.song import Song
from hrpe_jax.score.score import Score

COLUMNS = (*ORDER, *(name for name in CONTROLS if name not in ORDER))


def read(folder: str, names: set[str] | None) -> list[Score]:
    """All songs of a folder, or those of these names."""
    scores = []
    for file in find_songs(folder).songs:
        if names is None or file.id.split("#")[0] in names or Path(file.path).stem in names:
            scores += [tune.score for tune in read_songs(file) if isinstance(tune, Song)]
    return scores


def table(found: Comparison) -> list[dict[str, Any]]:
    """One row for each structure metric: the distance of every control, and the order."""
    rows = []
    for metric in found.metrics:
        if metric["group"] != "structure":
            continue
        key = "distance" if metric["kind"] == "piece" else "value"
        away = {row["set"]: row[key] for row in metric["rows"] if row["set"] in CONTROLS}
        if metric["name"] == "gs_histogram":  # a similarity
            away = {name: None if value is None else 1 - value for name, value in away.items()}
        rows.append(
            {
                "metric": metric["name"],
                "recommended": metric["recommended"],
                "n": metric["rows"][1]["n"],
                **away,
                "ordered": all(step["holds"] for step in metric["order"]),
                "shares": [step["share"] for step in metric["order"]],
            }
        )
    return rows


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="folder of real music")
    parser.add_argument("--splits", help="JSON file of splits")
    parser.add_argument("--split", default="test")
    parser.add_argument("--bars", type=int, default=16)
    parser.add_argument("--meter", default="4/4")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    names = set(json.loads(Path(args.splits).read_text("utf-8"))[args.split]) if args.splits else None
    found = compare(
        [], read(args.input, names), bars=args.bars, meter=args.meter, draws=args.draws, seed=args.seed
    )
    print("\n".join(found.notes))
    rows = table(found)
    print("| metric | n | " + " | ".join(COLUMNS) + " | ordered | holds in |")
    print("|---|---|" + "---|" * (len(COLUMNS) + 2))
    for row in rows:
        cells = ["-" if row[name] is None else f"{row[name]:.4g}" for name in COLUMNS]
        shares = " ".join("-" if share is None else f"{100 * share:.0f}%" for share in row["shares"])
        name = f"**{row['metric']}**" if row["recommended"] else row["metric"]
        print(
            f"| {name} | {row['n']} | {' | '.join(cells)} | {'yes' if row['ordered'] else 'no'} | {shares} |"
        )
    print(json.dumps(rows))
    wrong = [row["metric"] for row in rows if row["recommended"] and not row["ordered"]]
    if wrong:
        sys.exit(f"recommended, but not in order here: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
