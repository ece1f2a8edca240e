"""What is wrong with the tunes of a model, row by row, beside real songs.

    python -m experiments.tunes.run --model=bundled --data=DATA --pieces=runs/tunes \
        --output=experiments/tunes/released.json

composes the pieces of every row of `ROWS` (200 of each, seed 0; unselected), keeps them in --pieces as JSON,
so that a run that was stopped goes on and measures can be taken again, and measures them as `evaluate
--tables=faults,classifier` does, beside the validation and test songs of --data. --rows=default16,waltz takes
some of the rows, --count=60 fewer pieces. Tables are printed in Markdown; --show prints those of an output
again.

Rows:
    default16, default32   what `sample` writes when nothing is asked for, 16 and 32 bars
    form                   --form=AABA, 32 bars
    waltz                  --meter=3/4
    tempo75, cool, cool_melody    --tempo=75; --temperature=0.8; --temperature_melody=0.7
    jazz, blues, chromatic chords that the model was not trained on
    prime                  the first 8 bars of 50 songs, each continued by 8
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hrpe_jax.errors import UserError
from hrpe_jax.formats.json import score_from_values, score_values
from hrpe_jax.metrics.arrays import piece_of
from hrpe_jax.metrics.faults import fault_table
from hrpe_jax.metrics.phrasing import first_bars
from hrpe_jax.metrics.two_sample import two_sample
from hrpe_jax.report.checks import apart, cell
from hrpe_jax.report.collect import collect
from hrpe_jax.score.form import parse_form
from hrpe_jax.score.score import Score
from hrpe_jax.utils import cli
from hrpe_jax.utils.files import replace_file

PIECES, PRIMES, PRIME_BARS = 200, 50, 8
ROWS: dict[str, dict[str, Any]] = {
    "default16": {"bars": 16},
    "default32": {"bars": 32},
    "form": {"bars": 32, "form": "AABA"},
    "waltz": {"bars": 16, "meter": "3/4"},
    "tempo75": {"bars": 16, "tempo": 75.0},
    "cool": {"bars": 16, "temperature": 0.8},
    "cool_melody": {"bars": 16, "temperature_melody": 0.7},
    "jazz": {
        "bars": 16,
        "chords": "| Dm9 | G13 | Cmaj9 | A7b9 | Dm7b5 | G7#9 | Cm6 | Cm6 "
        "| Fm9 | Bb13 | Ebmaj7 | Abmaj7#11 | Dm7b5 | G7alt | C6 | C6 |",
    },
    "blues": {
        "bars": 24,
        "chords": "| C7 | F7 | C7 | C7 | F7 | F#dim7 | C7 | A7 | Dm7 | G7 | C7 A7 | D7 G7 |",
    },
    "chromatic": {
        "bars": 16,
        "chords": "| C | Ab | Db | Em | Eb | Bm | F#m | D | Gm | B | Bb | Am | E | Fm | Db | C |",
    },
    "prime": {"bars": 8},
}
"""Options of `Composer.compose`; the rest is its default."""
FORMS = {"form": "A8A8B8A8"}
"""Forms asked for, where pieces do not say theirs."""
METERS = {"waltz": "3/4"}
CLASSIFIED = {"default16": 16, "default32": 32, "tempo75": 16, "cool": 16, "cool_melody": 16}
"""Rows that a classifier is shown, and the bars of the excerpts."""


def composed(model: Any, name: str, folder: Path, songs: Sequence[Score], count: int = PIECES) -> list[Score]:
    """The pieces of a row: from its folder, or composed and written there.

    Args:
        model: a `Composer`, or a function that gives one.
        name: of the row.
        folder: where its pieces are, or go.
        songs: real songs, whose openings are primes.
        count: pieces of the row.
    """
    options = ROWS[name]
    wanted = min(PRIMES, count) if name == "prime" else count
    files = sorted(folder.glob("*.json"))
    if len(files) >= wanted:
        return [score_from_values(json.loads(file.read_text())["score"]) for file in files[:wanted]]
    composer = model()
    if name == "prime":
        openings = [found for song in songs if (found := opening(song, PRIME_BARS))][:wanted]
        pieces = [
            composer.compose(prime=prime, num_pieces=1, seed=seed, **options)[0]
            for seed, prime in enumerate(openings)
        ]
    else:
        pieces = composer.compose(num_pieces=count, seed=0, **options)
    folder.mkdir(parents=True, exist_ok=True)
    for number, score in enumerate(pieces, 1):
        score = replace(score, id=f"piece-{number:03d}")
        replace_file(folder / f"{score.id}.json", json.dumps({"score": score_values(score)}).encode())
    return list(pieces)


def opening(song: Score, bars: int) -> Score | None:
    """The first bars of a song from its first phrase on from which twice as many full bars follow."""
    piece = piece_of(song)
    full = piece.lengths == piece.meter.bar_ticks
    for first in first_bars(piece).tolist():
        if first + 2 * bars <= piece.bars and full[first : first + 2 * bars].all():
            begin = int(piece.starts[first])
            end = begin + bars * piece.meter.bar_ticks
            notes = tuple(
                replace(note, onset=note.onset - begin, duration=min(note.end, end) - note.onset)
                for note in song.melody
                if begin <= note.onset < end
            )
            spans = tuple(
                replace(
                    span,
                    onset=max(span.onset, begin) - begin,
                    duration=min(span.end, end) - max(span.onset, begin),
                )
                for span in song.chords
                if span.end > begin and span.onset < end
            )
            if notes and spans:
                return replace(song, melody=notes, chords=spans, bar_resets=(), form=())
    return None


def measured(name: str, pieces: Sequence[Score], songs: Sequence[Score]) -> dict[str, Any]:
    """The tables of a row."""
    if name in FORMS:
        pieces = [score if score.form else replace(score, form=parse_form(FORMS[name])) for score in pieces]
    meter = METERS.get(name, "4/4")
    found: dict[str, Any] = {"options": ROWS[name], "pieces": len(pieces)}
    found["faults"] = fault_table(pieces, songs, meter=meter).to_dict()
    for row in found["faults"]["rows"]:
        del row["definition"]  # stands in the docstrings
    if name in CLASSIFIED:
        found["classifier"] = two_sample(pieces, songs, meter=meter, bars=CLASSIFIED[name])
    return found


def as_lines(result: Mapping[str, Any]) -> str:
    """JSON with a line for each measure, so that a change can be read as a difference of lines."""
    text = json.dumps(result, separators=(",", ":"))
    for first in ("group", "family", "name"):
        text = text.replace(f'{{"{first}"', f'\n{{"{first}"')
    return text + "\n"


def show(result: Mapping[str, Any]) -> str:
    """The tables in Markdown: a line for each measure, a column for each row, and real songs."""
    rows = result["rows"]
    lines = [
        "| measure | bars | real songs | " + " | ".join(rows) + " |",
        "|---|---|---|" + "---|" * len(rows),
    ]
    tables = {name: row["faults"]["rows"] for name, row in rows.items()}
    for place, first in enumerate(next(iter(tables.values()))):
        cells, real = [], first["reference"]
        for name, table in tables.items():
            made, own = table[place]["generated"], table[place]["reference"]
            real = own if real["value"] is None else real
            text = cell(made)
            cells.append(f"**{text}**" if apart(made, own) and name not in METERS else text)
        if any(text != "-" for text in cells):
            bars = {0: "all", -1: "first"}.get(first["bars"], first["bars"])
            lines.append(f"| {first['title']} | {bars} | {cell(real)} | {' | '.join(cells)} |")
    tests = {name: row["classifier"] for name, row in rows.items() if row.get("classifier", {}).get("rows")}
    parts = ["\n".join(lines)]
    if tests:
        names = [row["name"] for row in next(iter(tests.values()))["rows"]]
        lines = ["| classifier AUC | " + " | ".join(tests) + " |", "|---|" + "---|" * len(tests)]
        for place, name in enumerate(names):
            found = [test["rows"][place] for test in tests.values()]
            cells = [f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" for row in found]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    for name, test in tests.items():
        lines = [f"| what tells: {name} | AUC alone | generated | real |", "|---|---|---|---|"]
        for item in test["telling"][:10]:
            means = f"{item['generated']:.3g} | {item['reference']:.3g}"
            lines.append(f"| {item['family']}: {item['name']} | {item['auc']:.3f} | {means} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def main(args: argparse.Namespace) -> None:
    """Composes, measures, writes, prints."""
    output = Path(args.output)
    result = json.loads(output.read_text()) if output.exists() else {"rows": {}}
    if not args.show:
        if not args.data or not args.pieces:
            raise UserError("--data and --pieces are needed, but for --show")
        from hrpe_jax.composer import Composer

        songs = collect(args.data, split="valid+test", style=args.style, option="--data").pieces
        known: list[Any] = []

        def model() -> Any:
            known[:] = known or [Composer.load(args.model)]
            return known[0]

        for name in args.rows.split(",") if args.rows else ROWS:
            if name not in ROWS:
                raise UserError(f"--rows={name}: expected some of {', '.join(ROWS)}")
            pieces = composed(model, name, Path(args.pieces) / name, songs, args.count)
            result["rows"][name] = measured(name, pieces, songs)
            result["rows"] = {row: result["rows"][row] for row in ROWS if row in result["rows"]}
            replace_file(output, as_lines(result).encode())
            cli.say(f"{name}: {len(pieces)} pieces measured")
    print(show(result))


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m experiments.tunes.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options.add_argument("--model", default="bundled", help="a released model, or the workdir of a training")
    options.add_argument("--data", help="a prepared data set")
    options.add_argument("--style", default="", help="of the songs of --data, where it has several")
    options.add_argument("--pieces", help="folder of the pieces")
    options.add_argument("--output", required=True, help="JSON file of all figures")
    options.add_argument("--rows", default="", help="some of the rows; all by default")
    options.add_argument("--count", type=int, default=PIECES, metavar="N", help="pieces of each row")
    options.add_argument("--show", action="store_true", help="print the tables of --output")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
