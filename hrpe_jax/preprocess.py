"""Prepares a data set: songs in, shards of both stages out.

  --input=DIR         a folder that may hold anything at any depth: MIDI, MusicXML (.xml, .mxl), ABC,
                      Billboard chord charts, .lab files, POP909 song folders
  --input=FILE        one of them
  --input=chorales    the Bach chorales that come with music21 (pip install "hrpe_jax[corpus]")

Several inputs make one data set: --input=POP909 --input=hymns=OpenHymnal.abc --input=chorales. Each is then a
folder of it, by its last name or the one before the equals sign, that --splits and --style can name:
--style=POP909:pop --style=hymns:hymns --splits=POP909:pop909.json.

Files are told apart by their content. Songs that cannot be used, and files that are none, are listed in
DIR/rejects.jsonl with the reason; DIR/manifest.json counts everything. A run that was stopped or killed goes
on where it was when it is started again. The last line on stdout is one JSON object with the counts.
"""

from __future__ import annotations

import argparse
import sys

from hrpe_jax.utils import cli

# As in songs.find and data.build, which --help must not import.
_FORMATS = (
    "auto",
    "pop909",
    "chorales",
    "midi",
    "musicxml",
    "abc",
    "billboard",
    "lab",
    "humdrum",
    "ireal",
    "chordpro",
    "grid",
)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = cli.make_parser("preprocess", __doc__)
    options.add_argument(
        "--input",
        action="append",
        metavar="[NAME=]PATH",
        help="folder, file, or the word chorales; may be repeated",
    )
    options.add_argument(
        "--output", type=cli.path, required=True, metavar="DIR", help="folder to make; whole or not at all"
    )
    options.add_argument("--format", default="auto", choices=_FORMATS, help="read this format only")
    options.add_argument(
        "--splits",
        type=cli.path,
        action="append",
        metavar="[FOLDER:]FILE",
        help='JSON {"train": [ids], "valid": [...], "test": [...]}, for all of the input or for a FOLDER in '
        "it, of which songs that it does not list are left out; may be repeated. Other songs go where their "
        "versions are, or by a hash, versions of one song together",
    )
    options.add_argument(
        "--style",
        action="append",
        metavar="[FOLDER:]STYLE",
        help="of the songs, such as folk, for all of the input or for a FOLDER in it; may be repeated. It is "
        "stored with them, so that one model can learn several styles",
    )
    options.add_argument(
        "--form",
        default="",
        metavar="DIR",
        help="people's labels of the form of POP909's songs: NNN/human_label1.txt and NNN/melody.txt; where "
        "they match a song, its bars are those of the labels",
    )
    options.add_argument(
        "--crops",
        type=cli.at_least(1),
        nargs="?",
        const=4,
        default=0,
        metavar="N",
        help="also store training pieces that begin where a section is first sung and end with the melody, "
        "at most N (4 if left out) of each training song",
    )
    options.add_argument(
        "--keep_duplicates",
        action="store_const",
        const=True,
        help="keep songs that equal another one (as in --input=chorales, which is used as published)",
    )
    options.add_argument(
        "--workers",
        type=cli.at_least(0),
        metavar="N",
        help="processes, one for every processor by default; 0 works in this one, without a limit of memory",
    )
    options.add_argument(
        "--file_seconds",
        type=cli.at_least(1),
        default=20,
        metavar="N",
        help="processor time that one file may take; large tune books are read in parts",
    )
    options.add_argument(
        "--file_megabytes",
        type=cli.at_least(16),
        default=1024,
        metavar="N",
        help="memory that one file may take (workers only)",
    )
    options.add_argument("--limit", type=cli.at_least(1), metavar="N", help="read only the first N files")
    options.add_argument("--overwrite", action="store_true", help="replace the data set at --output")
    options.add_argument("--runner", default="pool", choices=("pool", "beam"), help="what runs the work")
    options.add_argument(
        "--beam_options",
        default="",
        metavar="OPTIONS",
        help='of the Beam pipeline, such as "--direct_num_workers=4 --direct_running_mode=multi_threading"',
    )
    return options


def main(args: argparse.Namespace) -> None:
    """Prepares the data set and prints the counts."""
    if not args.input and args.format != "chorales":
        parser().error("--input is needed: a folder or file of songs, or the word chorales")
    if args.beam_options and args.runner != "beam":
        parser().error("--beam_options: only with --runner=beam")
    from hrpe_jax.preprocessing.build import build_dataset

    try:
        with cli.progress("preparing", "files (large books in parts)") as tell:
            counts = build_dataset(
                args.input or "",
                args.output,
                format=args.format,
                splits=args.splits,
                styles=args.style or (),
                form=args.form,
                crops=args.crops,
                workers=args.workers,
                limit=args.limit,
                overwrite=args.overwrite,
                keep_duplicates=args.keep_duplicates,
                file_seconds=args.file_seconds,
                file_megabytes=args.file_megabytes,
                runner=args.runner,
                beam_options=args.beam_options,
                on_progress=tell,
                say=cli.say,
            )
    except KeyboardInterrupt:
        cli.say("what was prepared is kept: the same command goes on from there")
        raise
    if counts["rejects"]:
        cli.say(f"{counts['rejects']} songs were left out: see {args.output}/rejects.jsonl")
    if counts["missing"]:
        cli.say(f"{counts['missing']} songs of {', '.join(args.splits)} are not in the input")
    cli.print_result(counts)


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
