"""Trains the critics of a released model (`metrics.critic`) and puts them into its folder.

    python tools/fit/critic.py --model=hrpe_jax/pretrained --data=DIR [--style=pop ...] [--pieces=40]

DIR is the prepared data set that the model was trained on, with styles; only its training songs are used. Of
each style so many pieces of 16 bars are drawn, with all their candidates, and told from the songs. Prints by
style how well that works on songs and pieces that were held back (AUC), before and after the critic weighs.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hrpe_jax.utils import cli

BARS = 16
SONGS = 600
"""Of a style at most, evenly spread."""
SEED = 77
"""Of the pieces; other pieces are composed with other seeds."""


def main(args: argparse.Namespace) -> None:
    """Fits and writes."""
    from hrpe_jax.checkpoints.release import load_model, write_released
    from hrpe_jax.metrics.critic import fit_critic
    from hrpe_jax.utils.jax_setup import enable_compilation_cache

    enable_compilation_cache()
    model = load_model(args.model)
    critics: dict[str, Any] = dict(model.tables.critics)
    for style in args.style or model.tables.attributes.styles:
        songs = training_songs(args.data, style)
        groups = own_pieces(replace(model, tables=replace(model.tables, critics={})), style, args.pieces)
        held = [held_back(items) for items in (groups, songs)]
        trial = fit_critic([piece for own in held[0][0] for piece in own], held[1][0])
        made = [trial.log_odds(own) for own in held[0][1]]
        before = area(np.concatenate(made), trial.log_odds(held[1][1]))
        chosen = np.concatenate([np.full(1, expected(odds)) for odds in made])
        critics[style] = fit_critic([piece for own in groups for piece in own], songs)
        cli.print_result(
            {
                "style": style,
                "songs": len(songs),
                "pieces": len(groups),
                "auc": round(before, 3),
                "mean log odds of candidates": round(float(np.mean(np.concatenate(made))), 2),
                "of those kept": round(float(chosen.mean()), 2),
                "of songs": round(float(trial.log_odds(held[1][1]).mean()), 2),
            }
        )
    write_released(replace(model, tables=replace(model.tables, critics=critics)), args.model, "bfloat16")


def training_songs(folder: str, style: str) -> list[Any]:
    """Training songs of a style that have melodies."""
    from hrpe_jax.report.collect import collect

    songs = collect(folder, split="train", style=style, option="--data").pieces
    return [song for song in songs if len(song.melody) > 1][:: max(1, len(songs) // SONGS)]


def own_pieces(model: Any, style: str, count: int) -> list[list[Any]]:
    """All candidates of so many pieces of a style, by piece."""
    from hrpe_jax.codec.melody import decode_piece
    from hrpe_jax.sampling.candidates import draw_candidates
    from hrpe_jax.sampling.compose import MAX_ROWS
    from hrpe_jax.sampling.controls import read_controls
    from hrpe_jax.sampling.options import ComposeOptions

    controls = read_controls(ComposeOptions(bars=BARS, style=style, num_pieces=count, seed=SEED))
    found = []
    for first in range(0, count, MAX_ROWS):
        numbers = list(range(first, min(first + MAX_ROWS, count)))
        for rows in draw_candidates(model, controls, numbers):
            found.append(
                [decode_piece(row.chords, row.events, form=row.plan.form) for row in rows if row.plan]
            )
        cli.say(f"{style}: {len(found)} of {count} pieces")
    return found


def held_back(items: list[Any]) -> tuple[list[Any], list[Any]]:
    """Four fifths, and the rest."""
    return [item for n, item in enumerate(items) if n % 5], items[::5]


def expected(odds: np.ndarray) -> float:
    """The mean log odds of the candidate that is kept."""
    weights = np.exp(odds - odds.max())
    return float((weights * odds).sum() / weights.sum())


def area(made: np.ndarray, real: np.ndarray) -> float:
    """Area under the curve: how often a song has higher odds than a piece."""
    return float(np.mean(real[:, None] > made) + 0.5 * np.mean(real[:, None] == made))


def parser() -> argparse.ArgumentParser:
    """The tool's options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--model", required=True, metavar="DIR", help="a released model")
    options.add_argument("--data", required=True, metavar="DIR", help="it was trained on")
    options.add_argument("--style", action="append", metavar="NAME", help="these alone (default: all)")
    options.add_argument("--pieces", type=int, default=40, help="of each style")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
