"""Shows what a prepared data set holds: its counts, or songs bar by bar.

  python -m hrpe_jax.inspect DATASET [--split=train]              counts
  python -m hrpe_jax.inspect DATASET --id=SONG                    a song
  python -m hrpe_jax.inspect DATASET --split=test --index=0       the first song of a split
  python -m hrpe_jax.inspect DATASET --style=folk [--crops]       songs (or training pieces) of a style
  python -m hrpe_jax.inspect DATASET --html=FILE [--id=SONG ...]  piano rolls and counts as one page
  python -m hrpe_jax.inspect DATASET/melody/train-00000-of-00001.arrayrecord

What is shown is decoded from the stored tokens, as training and sampling see them. In a bar, "3 A7 V7" is a
chord from beat 3 on, "1 (G)" one that goes on; "2.5 F#4 (.5)" is a note on the second half of beat 2, half a
beat long, "1 ~F#4" one that was tied over the bar line. A beat is what the meter counts, three eighths in
6/8. Pages request nothing from anywhere.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from hrpe_jax.utils import cli

SPLITS, STAGES = ("train", "valid", "test"), ("backbone", "melody")  # as in hrpe_jax.data; --help is fast


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("inspect", __doc__)
    options.add_argument(
        "data", metavar="DATASET_OR_SHARD", help="folder of a data set, or an .arrayrecord file"
    )
    options.add_argument("--split", default="", choices=SPLITS, help="this one only")
    options.add_argument("--stage", default="", choices=STAGES, help="this one only")
    options.add_argument("--style", default="", help="songs of this style only")
    options.add_argument(
        "--crops", action="store_true", help="the training pieces cut from songs, in place of the songs"
    )
    options.add_argument("--id", action="append", default=[], metavar="SONG", help="a song; may be repeated")
    options.add_argument("--index", type=cli.at_least(0), metavar="N", help="a song by its number, from 0")
    options.add_argument("--html", default="", metavar="FILE", help="write a page")
    options.add_argument(
        "--songs", type=cli.at_least(0), default=12, metavar="N", help="on the page where none is named"
    )
    options.add_argument(
        "--sample", type=cli.at_least(1), default=5000, metavar="N", help="count over at most so many songs"
    )
    return options


def main(args: argparse.Namespace) -> None:
    """Shows what was asked for."""
    from hrpe_jax.report.dataset_text import facts, show_song, show_summary, tables
    from hrpe_jax.report.describe import Shelf, chosen, count

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # titles have any letters, terminals do not
    shelf = Shelf(Path(args.data), args.split, args.stage, args.style, args.crops)
    if args.html:
        from hrpe_jax.report.dataset_text import page
        from hrpe_jax.utils.files import unwritable

        songs = chosen(shelf, args.id, args.index, args.songs)
        counts = count(shelf, args.sample)
        name = shelf.path.resolve().name
        text = page(name, facts(shelf, counts), tables(shelf, counts), songs)
        try:
            Path(args.html).write_text(text, "utf-8")
        except OSError as error:
            raise unwritable(Path(args.html), error) from None
        cli.say(f"{args.html}: {len(songs)} songs, {len(text.encode()) // 1024} KB")
    elif args.id or args.index is not None:
        print("\n\n".join(map(show_song, chosen(shelf, args.id, args.index, 0))))
    else:
        print(show_summary(shelf, count(shelf, args.sample)))


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
