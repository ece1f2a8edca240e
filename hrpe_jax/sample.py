"""Compose pieces with a trained model: chords first, then a melody over them.

  python -m hrpe_jax.sample --model=runs/quickstart --output=pieces --key="Eb major" --bars=16

writes NAME.mid and NAME.json (tokens, codes and settings) for each piece, prints each piece on a line, and a
JSON summary on the last line.

Chords of your own are written as on a lead sheet:
  --chords="C Am F G"            one bar each
  --chords="C*2 Am*2 F G*3 E7"   with beats; a chord without them fills its bar
  --chords="C | Am F | G7 | %"   bars between lines; chords of a bar share it, % is the bar before again
Where --bars asks for more they come round again; N.C. is no chord; slashes name the bass (C/E).
"""

from __future__ import annotations

import argparse
import sys

from hrpe_jax import cli

WISHES = (
    "num_pieces", "bars", "key", "meter", "tempo", "chords", "seed", "temperature", "temperature_backbone",
    "top_k", "top_p", "silent_bars",
)  # fmt: skip


def main(args: argparse.Namespace) -> None:
    """Composes, and prints the summary."""
    from hrpe_jax.compose import compose_files

    cli.print_result(compose_files(args.model, args.output, **{name: getattr(args, name) for name in WISHES}))


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("sample", __doc__)
    add = options.add_argument
    add("--model", required=True, metavar="DIR", help="workdir of a training, or a released model")
    add("--output", required=True, metavar="DIR", help="where the pieces go; made if it is not there")
    add("--num_pieces", type=int, default=4, metavar="N", help="how many pieces")
    add("--bars", type=int, metavar="N", help="bars of each, 1 to 128 (default: 16, or those of --chords)")
    add("--key", metavar="KEY", help='such as "Eb major" or C#m (default: the model chooses)')
    add("--meter", metavar="N/D", help="such as 4/4 or 6/8 (default: the model chooses; 4/4 with --chords)")
    add("--tempo", type=float, default=120.0, metavar="BPM", help="quarter notes a minute, 20 to 400")
    add("--chords", metavar="CHORDS", help="your own chords, see above (default: the model writes them)")
    add("--seed", type=int, default=0, metavar="N", help="the same seed gives the same pieces")
    add("--temperature", type=float, default=1.0, metavar="T", help="of the draws; lower is safer")
    add("--temperature_backbone", type=float, metavar="T", help="that of the chords (default: the same)")
    add("--top_k", type=int, default=0, metavar="K", help="draw among the K likeliest tokens; 0 is all")
    add("--top_p", type=float, default=0.95, metavar="P", help="draw among the likeliest that make up P")
    silent = "whole bars in a row in which the melody may be silent (songs often begin with many)"
    add("--silent_bars", type=int, default=1, metavar="N", help=silent)
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
