"""Prepares a data set: songs in, shards of both stages out.

  --input=DIR         POP909 song folders, or MusicXML files of four-part chorales, at any depth
  --input=FILE        one of them
  --input=chorales    the Bach chorales that come with music21 (pip install "hrpe_jax[corpus]")

Songs that cannot be used are listed in DIR/rejects.jsonl with the reason. The last line on stdout is one JSON
object with the counts.
"""

from __future__ import annotations

import argparse
import sys

from hrpe_jax import cli


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = cli.make_parser("preprocess", __doc__)
    options.add_argument("--input", default="", metavar="PATH", help="folder, file, or the word chorales")
    options.add_argument("--output", required=True, metavar="DIR", help="folder to make; whole or not at all")
    options.add_argument(
        "--format", default="auto", choices=("auto", "pop909", "chorales"), help="of the input"
    )
    options.add_argument(
        "--splits", metavar="FILE", help='JSON {"train": [ids], "valid": [...], "test": [...]}'
    )
    options.add_argument(
        "--workers", type=cli.at_least(0), default=2, help="processes; 0 uses this one alone"
    )
    options.add_argument("--limit", type=cli.at_least(1), help="read only the first LIMIT songs")
    options.add_argument("--overwrite", action="store_true", help="replace the data set at --output")
    return options


def main(args: argparse.Namespace) -> None:
    """Prepares the data set and prints the counts."""
    if not args.input and args.format != "chorales":
        parser().error("--input is needed: a folder or file of songs, or the word chorales")
    from hrpe_jax.data.build import build_dataset

    with cli.progress("preparing") as tell:
        counts = build_dataset(
            args.input,
            args.output,
            format=args.format,
            splits=args.splits,
            workers=args.workers,
            limit=args.limit,
            overwrite=args.overwrite,
            on_progress=tell,
        )
    if counts["rejects"]:
        cli.say(
            f"{counts['rejects']} of {counts['found']} songs were left out: see {args.output}/rejects.jsonl"
        )
    if counts["missing"]:
        cli.say(f"{counts['missing']} songs of {args.splits} are not in {args.input}")
    cli.print_result(counts)


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
