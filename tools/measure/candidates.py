"""How much the choice among candidates does: the classifier test for several weights of the critic.

    python -m tools.measure.candidates --model=pretrained --data=DIR [--style=pop] [--pieces=100]

Draws the candidates of so many pieces of 16 bars once (seed 1), keeps one of each by every pair of sharpness
and cost of a missed ending (`sampling.candidates`), and compares what is kept with validation songs. The
package's values were chosen by this table. DIR is a prepared data set with styles.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from hrpe_jax.utils import cli

PAIRS = ((0.0, 2.5), (1.0, 2.5), (2.0, 2.5), (4.0, 2.5), (4.0, 4.0), (6.0, 6.0))
"""Sharpness, and nats for each missed step of an ending; without sharpness only endings count."""
FIGURES = {
    "last note is the tonic, over a tonic chord": "tonic over tonic",
    "last note is held two beats": "held",
    "distinct runs of 4 notes": "distinct runs",
    "runs of 4 notes shared with another piece": "shared runs",
}


def main(args: argparse.Namespace) -> None:
    """Prints one line of JSON for each pair."""
    from hrpe_jax.checkpoints.release import load_model
    from hrpe_jax.codec.melody import decode_piece
    from hrpe_jax.metrics.faults import fault_table
    from hrpe_jax.metrics.two_sample import two_sample
    from hrpe_jax.report.collect import collect
    from hrpe_jax.sampling.candidates import draw_candidates, misses
    from hrpe_jax.sampling.compose import MAX_ROWS
    from hrpe_jax.sampling.controls import read_controls
    from hrpe_jax.sampling.options import ComposeOptions
    from hrpe_jax.utils.jax_setup import enable_compilation_cache

    enable_compilation_cache()
    model = load_model(args.model)
    songs = collect(args.data, split="valid", style=args.style, option="--data").pieces
    controls = read_controls(ComposeOptions(bars=16, style=args.style, num_pieces=args.pieces, seed=1))
    critic = model.tables.critics[args.style]
    drawn: list[tuple[list[Any], np.ndarray, np.ndarray]] = []
    for first in range(0, args.pieces, MAX_ROWS):
        for rows in draw_candidates(model, controls, range(first, min(first + MAX_ROWS, args.pieces))):
            plan = rows[0].plan
            assert plan is not None  # the package's models have plans
            scores = [decode_piece(row.chords, row.events, form=plan.form) for row in rows]
            missed = np.array([misses(row.chords, row.events, plan.ending) for row in rows])
            drawn.append((scores, missed, critic.log_odds(scores)))
        cli.say(f"{len(drawn)} of {args.pieces} pieces")
    for sharpness, miss in PAIRS:
        rng = np.random.default_rng(0)
        kept = []
        for scores, missed, odds in drawn:
            weights = sharpness * odds - miss * missed
            chances = np.exp(weights - weights.max())
            kept.append(scores[int(rng.choice(len(scores), p=chances / chances.sum()))])
        auc = two_sample(kept, songs, bars=16, meter="4/4", draws=100)["rows"][0]
        rows = fault_table(kept, songs, meter="4/4", draws=100).to_dict()["rows"]
        found = {FIGURES[row["title"]]: row["generated"]["value"] for row in rows if row["title"] in FIGURES}
        cli.print_result({"sharpness": sharpness, "miss": miss, "auc": auc["value"], **found})


def parser() -> argparse.ArgumentParser:
    """The tool's options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--model", default="pretrained", metavar="DIR")
    options.add_argument("--data", required=True, metavar="DIR", help="a prepared data set with styles")
    options.add_argument("--style", default="pop")
    options.add_argument("--pieces", type=int, default=100)
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
