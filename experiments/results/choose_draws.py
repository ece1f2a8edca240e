"""How freely should `sample` draw? Pieces under several settings beside the validation songs.

    python -m experiments.results.choose_draws --model=pretrained --data=DATA --with=top_p=0.98 \\
        --with=temperature_melody=1.1,top_p=0.98

Prints, for the defaults and for each --with, SSMD, the medians of the figures that have targets, beside the
middle half of the songs of the split, the share of pieces that end on the tonic, and how many figures are
inside. Unless --split says so, test songs are not looked at; the seed is not that of the published figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.results.run import LEFT, option
from experiments.results.targets import THEORY
from hrpe_jax.metrics.compare import compare
from hrpe_jax.report.collect import collect
from hrpe_jax.report.tables import layout
from hrpe_jax.score.score import Score
from hrpe_jax.utils import cli


def ends_on_tonic(scores: Sequence[Score]) -> float:
    """Share of the pieces whose last chord stands on the tonic."""
    last = [[span.chord.root for span in score.chords if not span.chord.is_none][-1] for score in scores]
    return float(np.mean([root == score.key.tonic for root, score in zip(last, scores, strict=True)]))


def main(args: argparse.Namespace) -> None:
    """Composes and compares."""
    from hrpe_jax.checkpoints.release import load_model
    from hrpe_jax.composer import Composer
    from hrpe_jax.sampling.options import ComposeOptions
    from hrpe_jax.utils.jax_setup import enable_compilation_cache

    enable_compilation_cache()
    composer = Composer(load_model(args.model))
    real = collect(Path(args.data), split=args.split, workers=0).pieces
    common = {"num_pieces": args.pieces, "bars": args.bars + LEFT, "meter": "4/4", "seed": args.seed}
    lines = [["", "ssmd_silence", *THEORY, "inside", "ends on the tonic"]]
    for text in ["", *args.options]:
        asked = {**common, "silent_bars": LEFT, **dict(option(part) for part in text.split(",") if part)}
        options = ComposeOptions(**asked)
        made = [piece.score for piece in composer.pieces(options)]
        found = compare(made, real, bars=args.bars, meter="4/4").to_dict()["metrics"]
        metrics = {metric["name"]: metric for metric in found}
        if len(lines) == 1:
            halves = [np.quantile(_values(metrics[name], "real"), (0.25, 0.75)) for name in THEORY]
            lines.append(["songs", "", *(f"{low:.3f} to {high:.3f}" for low, high in halves), ""])
            lines[-1].append(f"{ends_on_tonic(real):.2f}")
        medians = [float(np.median(_values(metrics[name], "generated"))) for name in THEORY]
        inside = sum(low <= m <= high for m, (low, high) in zip(medians, halves, strict=True))
        (distance,) = (row for row in metrics["ssmd_silence"]["rows"] if row["set"] == "generated")
        row = [f"{distance['value']:.2f}", *(f"{m:.3f}" for m in medians)]
        lines.append([text or "defaults", *row, str(inside), f"{ends_on_tonic(made):.2f}"])
        cli.say("  ".join(lines[-1]))
    print(layout(lines))


def _values(metric: Any, side: str) -> list[float]:
    return [value for value in metric["per_piece"][side] if value is not None]


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("choose_draws", __doc__)
    add = options.add_argument
    add(
        "--model", default="pretrained", metavar="DIR", help="workdir or released model (default: pretrained)"
    )
    add("--data", required=True, metavar="DIR", help="the prepared data set that it was trained on")
    add("--split", default="valid", metavar="NAME", help="whose songs are compared")
    add("--pieces", type=cli.at_least(2), default=200, metavar="N", help="how many are composed")
    add("--bars", type=cli.at_least(4), default=32, metavar="N", help="of each that are compared")
    add("--seed", type=cli.at_least(0), default=1, metavar="N", help="of the pieces")
    add(
        "--with",
        dest="options",
        action="append",
        default=[],
        metavar="NAME=VALUE,...",
        help="as for sample; several times",
    )
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
