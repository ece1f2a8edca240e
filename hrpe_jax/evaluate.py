"""Evaluates pieces against real music, or a trained model on a data set.

  python -m hrpe_jax.evaluate --generated=pieces --reference=data/pop909 --report=report.html
  python -m hrpe_jax.evaluate --model=runs/pop909 --data=data/pop909 --split=test

Pieces: both folders may hold anything that can be read (MIDI, MusicXML, ABC, ..., or a prepared data set).
What a file does not say, such as the chords of plain MIDI, is found by analysis; the report says how often.
Every number about structure stands beside the same number for other real music, varied, shuffled, random and
looped bars, and silence. Closest to real music is best; no number here is better when higher.
Faults of tunes (how they begin and end, what comes back, breath, register) stand beside those of real music;
where the generated pieces are JSON that sample wrote, they are read as they were written.

Model: how well it predicts the songs of a split, beside tables of counts on the same songs; and pieces that
it composes, compared with these songs in the same way.
"""

from __future__ import annotations

import argparse
import sys

from hrpe_jax.utils import cli

_OF_PIECES = ("workers", "limit")
_OF_MODELS = ("num_pieces",)


def main(args: argparse.Namespace) -> None:
    """Measures, prints a table and then one line of JSON."""
    pieces, model = (args.generated, args.reference), (args.model, args.data)
    if not (all(pieces) and not any(model)) and not (all(model) and not any(pieces)):
        parser().error("give --generated=DIR and --reference=DIR, or --model=DIR and --data=DIR")
    if args.without_plan and not args.model:
        parser().error("--without_plan: only with --model and --data")
    for name in _OF_PIECES if args.model else _OF_MODELS:
        if getattr(args, name) is not None:
            others = "--generated and --reference" if args.model else "--model and --data"
            parser().error(f"--{name}: only with {others}")
    shared = ("style", "training", "bars", "meter", "draws", "seed", "output", "report")
    options = {name: getattr(args, name) for name in shared}
    options |= {"show_pieces": not args.no_pieces, "say": cli.say}
    if args.tables:
        options["tables"] = [name.strip() for name in args.tables.split(",")]
    if args.model:
        from hrpe_jax.workflows.evaluate_model import NUM_PIECES, compare_model

        options["split"] = args.split or "valid"
        options["plan"] = not args.without_plan
        options["num_pieces"] = NUM_PIECES if args.num_pieces is None else args.num_pieces
        return cli.print_result(compare_model(args.model, args.data, **options))
    from hrpe_jax.workflows.evaluate_pieces import compare_pieces

    options |= {name: getattr(args, name) for name in ("split", *_OF_PIECES)}
    with cli.progress("reading", "files") as tell:
        cli.print_result(compare_pieces(args.generated, args.reference, on_progress=tell, **options))


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("evaluate", __doc__)
    add = options.add_argument
    add("--generated", type=cli.path, metavar="DIR", help="pieces to be evaluated: a folder, or a file")
    add(
        "--reference",
        type=cli.path,
        metavar="DIR",
        help="real music: a folder, or a data set as DIR or DIR:SPLIT",
    )
    learned = "what the generator learned from: looks for copies of it (default of --model: --data, train)"
    add("--training", type=cli.path, metavar="DIR", help=learned)
    add(
        "--model", type=cli.path, metavar="DIR", help="workdir of a training, a released model, or pretrained"
    )
    add("--data", type=cli.path, metavar="DIR", help="a prepared data set to measure the model on")
    split = "train, valid or test, of data sets that name none (default: test, of --data valid)"
    add("--split", default="", choices=("train", "valid", "test"), help=split)
    add("--style", default="", help="compare with songs of this style only, of a data set that has styles")
    many = "pieces that --model composes (default: 64), 0 for none"
    add("--num_pieces", type=cli.at_least(0), metavar="N", help=many)
    tables = "some of faults,classifier,comparison, and of --model foreign_chords (default: all)"
    add("--tables", metavar="NAMES", help=tables)
    add("--output", type=cli.path, metavar="FILE.json", help="where all numbers go")
    add(
        "--report",
        type=cli.path,
        metavar="FILE.html",
        help="where a page with figures goes; it needs no other file",
    )
    add("--no_pieces", action="store_true", help="draw no notes of any piece in the report")
    add(
        "--bars",
        type=cli.at_least(2),
        metavar="N",
        help="bars of each piece that are compared (default: what most pieces have)",
    )
    add(
        "--meter",
        default="",
        metavar="N/D",
        help="compare pieces of this meter (default: the commonest), or all; --model composes in it",
    )
    add("--without_plan", action="store_true", help="of --model: hide the plan of each song from the model")
    add("--draws", type=cli.at_least(100), default=1000, metavar="N", help="draws for intervals")
    add("--seed", type=cli.at_least(0), default=0, metavar="N", help="of the draws and the controls")
    add("--workers", type=cli.at_least(0), metavar="N", help="processes, one for every processor by default")
    add("--limit", type=cli.at_least(1), metavar="N", help="read only the first N files of each folder")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
