"""Counts the sections of training songs for `data.form_model`; compares what it draws with real forms.

    python tools/fit/form_model.py --data=pop=DIR --data=folk=DIR [...] [--songs=200]
        [--output=hrpe_jax/pretrained/forms.json] [--measure=valid]

DIR are prepared data sets (`python -m hrpe_jax.preprocess`); their training songs count. With --measure
nothing is counted: for each style as many forms are drawn as the split has pieces, of the same numbers of
bars, and both are compared: sections and letters a piece, the share of sections of the most frequent lengths,
of sections that return and that are without melody; and nats a section that the model gives the real forms.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hrpe_jax.analysis.find_form import find_form
from hrpe_jax.data.form_model import AGAIN, BACK, EARLIER, FormModel, form_model, steps_of, windows
from hrpe_jax.data.shards import open_dataset
from hrpe_jax.report.collect import score_of
from hrpe_jax.score.form import Section, form_from_values

Piece = tuple[tuple[Section, ...], int]
LENGTHS = (4, 8, 16)


def pieces(folder: str, split: str, style: str, songs: int) -> list[Piece]:
    """The pieces of a style's songs: forms and their bars.

    Args:
        folder: a prepared data set.
        split: of it.
        style: of the songs, where the data set has several.
        songs: how many at most, evenly spread.
    """
    dataset = open_dataset(folder)
    numbers = [
        number
        for number, song in enumerate(dataset.songs(split, "melody"))
        if song.get("style", style) == style
    ]
    records = dataset.records("melody", split)
    found = []
    for number in numbers[:: -(-len(numbers) // songs)]:
        score = score_of({"melody": records[number]})
        form = form_from_values(records[number].get("form", ())) or find_form(score)
        found += list(windows(form, len(score.bar_starts())))  # to the end of the melody
    return found


def about(forms: Sequence[Piece]) -> dict[str, float]:
    """What forms are like, on average."""
    steps = [list(steps_of(form, bars)) for form, bars in forms]
    every = [step for piece in steps for step in piece]
    lengths = Counter(step.bars for step in every)
    letters = [len({section.name for section in form if section.has_melody}) for form, _ in forms]
    return {
        "sections": float(np.mean([len(piece) for piece in steps])),
        "letters": float(np.mean(letters)),
        **{f"of {bars} bars": lengths[bars] / len(every) for bars in LENGTHS},
        "returns": float(np.mean([step.kind in (AGAIN, BACK, EARLIER) for step in every])),
        "without melody": float(np.mean([step.kind.islower() and len(step.kind) == 1 for step in every])),
    }


def measure(model: FormModel, style: str, real: Sequence[Piece], seed: int = 0) -> None:
    """Prints real and drawn forms side by side."""
    rng = np.random.default_rng(seed)
    drawn = [(model.draw(bars, style, rng), bars) for _, bars in real]
    nats = sum(model.log_likelihood(form, bars, style) for form, bars in real)
    sections = sum(len(form) for form, _ in real)
    for name, forms in (("real", real), ("drawn", drawn)):
        values = about(forms)
        line = "  ".join(f"{what} {value:.2f}" for what, value in values.items())
        print(f"{style:10} {name:6} {len(forms):5} pieces  {line}")
    print(f"{style:10} {-nats / sections:.3f} nats a section of the real forms")


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    options = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    options.add_argument("--data", action="append", required=True, metavar="STYLE=DIR")
    options.add_argument("--output", default="hrpe_jax/pretrained/forms.json")
    options.add_argument("--songs", type=int, default=200, help="of a style at most, evenly spread")
    options.add_argument("--measure", default="", metavar="SPLIT")
    args = options.parse_args()
    given = dict(one.split("=", 1) for one in args.data)
    if args.measure:
        for style, folder in given.items():
            measure(form_model(), style, pieces(folder, args.measure, style, args.songs))
        return
    model = FormModel()
    for style, folder in given.items():
        counted = pieces(folder, "train", style, args.songs)
        for form, bars in counted:
            model.count(form, bars, style)
        print(f"{style}: {len(counted)} pieces")
    Path(args.output).write_text(json.dumps(model.values(), separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
