"""What is read from files that people reported, beside what is right: a table to look through.

    python tools/measure/cases.py --input=CASES [--case=NAME]

CASES holds a folder for each case, with its files and a `case.json` ("kind", "expected"). Every file that is
music is read as `preprocess` reads it; a line says key, meter, tempo, bars, notes, chords and warnings, or
the error. `tests/readers/test_cases.py` says the same in numbers; this is for people.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hrpe_jax.errors import UserError
from hrpe_jax.readers.find import find_songs
from hrpe_jax.readers.read import read_songs
from hrpe_jax.readers.song import Song
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.utils import cli

_CHORDS = 12
"""That a line shows."""


def lines_of(path: Path) -> list[str]:
    """A line for every song of a file, or the error that it gives."""
    try:
        songs = read_songs(find_songs(path).songs[0])
    except UserError as error:
        return [f"error: {error}"]
    return [_line(song) if isinstance(song, Song) else f"error: {song}" for song in songs]


def _line(song: Song) -> str:
    score = song.score
    chords = [to_lead_sheet(span.chord, score.key) for span in score.chords]
    shown = " ".join(chords[:_CHORDS]) + (" ..." if len(chords) > _CHORDS else "")
    about = f"{score.title!r}, {score.key.name}, {score.meter}, {score.tempo_bpm:g}"
    size = f"{len(score.bar_starts())} bars, {len(score.melody)} notes"
    return f"{about}, {size}, chords: {shown or 'none'}; {', '.join(song.warnings) or 'no warning'}"


def main(args: argparse.Namespace) -> None:
    """Prints the table, and counts as JSON."""
    cases = sorted(path.parent for path in Path(args.input).glob("*/case.json"))
    cases = [case for case in cases if args.case in ("", case.name)]
    if not cases:
        raise UserError(f"--input={args.input}: no case; expected folders with a case.json")
    files = errors = 0
    for case in cases:
        about = json.loads((case / "case.json").read_text(encoding="utf-8"))
        print(f"## {case.name}: {about['kind']}\n   expected: {about['expected']}")
        for path in sorted(case.iterdir()):
            if path.suffix in (".json", ".txt"):  # chords for `--chords` stand in texts
                continue
            found = lines_of(path)
            files, errors = files + 1, errors + sum(line.startswith("error") for line in found)
            print("\n".join(f"   {path.name}: {line}" for line in found))
    cli.print_result({"cases": len(cases), "files": files, "errors": errors})


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = cli.make_parser("cases", __doc__)
    options.prog = "python tools/measure/cases.py"
    options.add_argument("--input", required=True, metavar="CASES", help="a folder of cases")
    options.add_argument("--case", default="", metavar="NAME", help="only this one")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
