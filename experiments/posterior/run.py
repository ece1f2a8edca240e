"""How good are chords under a given melody, and bars that are written anew? One command a table.

    python -m experiments.posterior.run harmonize --data=DATA --style=pop --songs=12 --output=pop.json
    python -m experiments.posterior.run ceiling --data=DATA --songs=40 --raw=POP909 --forms=FORMS
    python -m experiments.posterior.run fill --data=DATA --style=pop --songs=12 --output=fill.json
    python -m experiments.posterior.run speed --data=DATA
    python -m experiments.posterior.run show pop.json

--data is a prepared data set with styles. Songs are taken evenly from the split, the first --bars bars from
the one in which the melody begins, where those bars are regular; their form is not told. Tables are printed
in Markdown and kept in --output, song by song; a run that is broken off goes on from there.

Rows of `harmonize`, each against the song's own chords, beat by beat (root; root and third), and the mean
absolute difference of four metrics of melody and chords from those of the song:
    tonic        the tonic chord throughout
    counts       `analysis.harmony_hmm`: a hidden Markov model over counts, its likeliest path
    smoothed     the same model over the evidence of both experts, the likeliest chord of every beat
    prior        the filters without the melody, one draw
    no_look      the filters without looking ahead, one draw
    draw         one draw of the filters
    safe         the first answer of `Composer.harmonize`
    votes        the likeliest label of every beat, which need not be a playable answer
`ceiling` compares the data set's chords of the same songs with another chording of them, likewise.

Columns of `fill`: bars 9 to 12 of the excerpt, or 5 to 8 of a short one; the log likelihood of the two bars
behind, less that of the bars that stand there: of one candidate (mean of all), of the one drawn by weight, of
the four first, and of the best. `distinct` is the share of different runs of four notes among these four, and
`distinct_single` among four single draws. With --seam a classifier tells windows of eight bars, the gap and
two bars on either side, from the songs' own (AUC; 0.5: it cannot): with the first suggestion, with a single
draw, and unfilled: all eight bars written by the model at once.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.posterior import chords, gaps
from experiments.posterior.songs import excerpts, two_chordings
from hrpe_jax.errors import UserError
from hrpe_jax.score.score import Score
from hrpe_jax.utils import cli
from hrpe_jax.utils.files import replace_file


def main(args: argparse.Namespace) -> None:
    """Measures, prints the table, and writes the figures."""
    if args.table == "show":
        if not args.file:
            raise UserError("show: expected a file that a run wrote")
        kept = json.loads(Path(args.file).read_text(encoding="utf-8"))
        print(tables(kept["rows"], kept.get("seam", ())))
        return
    if not args.data:
        raise UserError("--data: expected a prepared data set with styles")
    songs = list(excerpts(args.data, args.split, args.style, args.songs, args.bars))
    if not songs:
        raise UserError(f"--style: no song of {args.style!r} in the {args.split} split of {args.data}")
    if args.table == "ceiling":
        print(tables(ceiling(args, songs)))
        return
    from hrpe_jax.composer import Composer

    composer = Composer.load(args.model)
    if args.table == "speed":
        print(json.dumps(speeds(composer, songs[0], args.style)))
        return
    about = {"table": args.table, "style": args.style, "split": args.split, "bars": args.bars}
    if args.answers_only:
        about["answers_only"] = True
    windows = gaps.Windows() if args.seam else None
    kept = {} if windows else _kept(args.output, about)
    rows: list[dict[str, Any]] = []
    for number, score in enumerate(songs):
        row = kept.get(score.id)
        if row is None:
            if args.table == "harmonize":
                row = chords.harmonized(composer, score, args.style, number, args.answers_only)
            else:
                row = gaps.filled(composer, score, args.style, number, windows)
            row = {"song": score.id, **row} if row else None
        if row:
            rows.append(row)
            _keep(args.output, about, rows)
            print(f"{number + 1} of {len(songs)}: {score.id}", file=sys.stderr)
    seam = windows.tests() if windows else []
    if seam:
        _keep(args.output, {**about, "seam": seam}, rows)
    print(tables(rows, seam))


def ceiling(args: argparse.Namespace, songs: Sequence[Score]) -> list[dict[str, Any]]:
    """How near the other chording of each song comes to the data set's own."""
    if not args.raw or not args.forms:
        raise UserError("--raw, --forms: expected the folders of POP909's songs and of their form labels")
    names = [song.id.rpartition("/")[2] for song in songs]
    rows = [
        {"song": own.id, **chords.compared(own, other)}
        for own, other in two_chordings(args.raw, args.forms, names, args.bars)
    ]
    _keep(args.output, {"table": "ceiling", "split": args.split, "bars": args.bars}, rows)
    return rows


def _kept(output: str | None, about: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows by song that an earlier run with the same options wrote."""
    if not output or not Path(output).is_file():
        return {}
    known = json.loads(Path(output).read_text(encoding="utf-8"))
    if {name: known.get(name) for name in about} != about:
        raise UserError(f"--output: {output} holds other figures; give another file")
    return {row["song"]: row for row in known["rows"]}


def _keep(output: str | None, about: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    if output:
        replace_file(Path(output), (json.dumps({**about, "rows": rows}) + "\n").encode())


def speeds(composer: Any, song: Score, style: str) -> dict[str, Any]:
    """Seconds of four suggestions for four bars and of harmonising the excerpt: first call, and warm."""
    made: dict[str, Any] = {"bars": len(song.bar_starts())}
    for name, call in (
        ("suggest", lambda seed: composer.suggest(song, (5, 8), style=style, seed=seed)),
        ("harmonize", lambda seed: composer.harmonize(song, 3, style=style, seed=seed)),
    ):
        for number, kind in enumerate(("first", "warm", "warm_again")):
            began, busy = time.perf_counter(), time.process_time()
            call(number)
            made[f"{name}_{kind}"] = {
                "seconds": round(time.perf_counter() - began, 2),
                "cpu_seconds": round(time.process_time() - busy, 2),
            }
    return made


def tables(rows: Sequence[dict[str, Any]], seam: Sequence[dict[str, Any]] = ()) -> str:
    """The means over songs as Markdown tables.

    Args:
        rows: of the songs.
        seam: of the classifier.
    """
    if not rows:
        raise UserError("no song has such a gap; give longer excerpts with --bars")
    lines = []
    if "accuracy" in rows[0]:
        lines += _table([f"{len(rows)} songs", "root", "root and third", *chords.METRICS])
        for name, title in chords.ROWS.items():
            if name in rows[0]["accuracy"]:
                both = [f"{value:.3f}" for value in np.mean([row["accuracy"][name] for row in rows], axis=0)]
                each = [row.get("differences", {}).get(name, {}) for row in rows]
                away = [_mean_of([row.get(head) for row in each]) for head in chords.METRICS]
                lines.append(_line([title, *both, *away]))
    else:
        lines += _table([f"{len(rows)} songs", "mean", "median"])
        for name, title in gaps.ROWS.items():
            values = np.array([row[name] for row in rows])
            lines.append(_line([title, f"{values.mean():.2f}", f"{np.median(values):.2f}"]))
    if seam:
        lines += ["", *_table(["windows", "test", "AUC", "95 %"])]
        for row in seam:
            about = [f"{row['value']:.3f}", f"{row['low']:.2f} to {row['high']:.2f}"]
            lines.append(_line([row["windows"], row["name"], *about]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(heads: Sequence[str]) -> list[str]:
    return [_line(heads), "|" + "---|" * len(heads)]


def _mean_of(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{float(np.mean(known)):.3f}" if known else "-"


def parser() -> argparse.ArgumentParser:
    """The options of this command."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = options.add_argument
    add("--debug", action="store_true", help="show the traceback of an error")
    add("table", choices=("harmonize", "ceiling", "fill", "speed", "show"), help="what is measured")
    add("file", type=cli.path, nargs="?", metavar="FILE", help="of `show`: figures that a run wrote")
    add("--data", type=cli.path, metavar="DIR", help="prepared data set with styles")
    add("--model", type=cli.path, default="pretrained", metavar="DIR", help="model (default: the package's)")
    add("--split", default="valid", metavar="NAME", help="valid or test")
    add("--style", default="pop", metavar="NAME", help="whose songs")
    add("--songs", type=int, default=12, metavar="N", help="how many")
    add("--bars", type=int, default=16, metavar="N", help="of each")
    add("--answers_only", action="store_true", help="of `harmonize`: without smoothed, prior and no_look")
    add("--seam", action="store_true", help="of `fill`: a classifier looks for seams, too")
    add("--raw", type=cli.path, metavar="DIR", help="of `ceiling`: folder with POP909's songs")
    add("--forms", type=cli.path, metavar="DIR", help="of `ceiling`: folder with their form labels")
    add("--output", type=cli.path, metavar="FILE", help="figures as JSON")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
