"""How well `analysis.find_form` finds the sections that people hear.

    python tools/measure/form.py --input=../shared/data/pop909/POP909 --form=../shared/data/pop909_form
        --splits=../shared/data/splits/pop909.json [--split=valid] [--songs=20]
    python tools/measure/form.py --charts=../shared/data/billboard
        --splits=../shared/data/splits/billboard.json [--split=valid]
    python tools/measure/form.py --bars --input=... --form=...

POP909: against both people's labels, each song and labelling the same weight, beside the agreement of the
two people and simple baselines. Billboard: against the letters and words of the charts, from the chords
alone. Boundaries (precision, recall, F) are hits within half a bar and within one bar, without the first and
the last; labels are compared bar by bar: pairwise precision, recall and F, and the normalised conditional
entropies So (over-segmentation), Su (under-segmentation) and their F. All are `mir_eval.segment`'s. The last
line is the table as JSON.

--bars counts the songs whose labels are used, and those with irregular bars by the beat tracker and by the
labels, and gives the share of bar lines on which the chord changes by both.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import mir_eval.segment as segment
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from hrpe_jax.analysis.find_form import find_form
from hrpe_jax.readers.charts import read_billboard
from hrpe_jax.readers.pop909 import read_pop909_song
from hrpe_jax.score.form import Section
from hrpe_jax.score.score import Score
from tools.fit.form import read_labelled

COLUMNS = ("P 0", "R 0", "F 0", "P 1", "R 1", "F 1", "pairs P", "pairs R", "pairs F", "So", "Su", "S F")
Labelled = tuple[Score, Sequence[Sequence[Section]]]
Form = Sequence[Section]


def spans(form: Form, bars: int) -> tuple[np.ndarray, list[str]]:
    """Intervals that fill a piece, and their labels; bars between sections are sections of their own."""
    rows, names, now = [], [], 0
    for section in [*form, Section("-", bars, 1)]:
        if section.first_bar > now:
            rows.append((now, section.first_bar))
            names.append("-")
        if section.first_bar < bars:
            rows.append((section.first_bar, section.end_bar))
            names.append(section.name)
        now = section.end_bar
    return np.array(rows, float), names


def agreement(truth: Form, found: Form, bars: int) -> np.ndarray:
    """The values of `COLUMNS`."""
    (true_spans, true_names), (spans_found, names) = spans(truth, bars), spans(found, bars)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no borders inside a short piece
        near = segment.detection(true_spans, spans_found, window=0.5, trim=True)
        one = segment.detection(true_spans, spans_found, window=1.0, trim=True)
    pairs = segment.pairwise(true_spans, true_names, spans_found, names, frame_size=1.0)
    entropies = segment.nce(true_spans, true_names, spans_found, names, frame_size=1.0)
    return np.nan_to_num(np.array([*near, *one, *pairs, *entropies]))


def every(bars: int) -> Callable[[Score], Form]:
    """A section every so many bars, all with one letter."""

    def form(score: Score) -> Form:
        count = len(score.bar_starts())
        return [Section("A", first, min(bars, count - first)) for first in range(0, count, bars)]

    return form


def rows(songs: Sequence[Labelled]) -> dict[str, list[float]]:
    """The table: mean over songs and labellings."""
    methods = {
        "found": find_form,
        "every 4 bars": every(4),
        "every 8 bars": every(8),
        "one section": every(10_000),
    }
    table = {}
    between = [
        agreement(truth, other, len(score.bar_starts()))
        for score, forms in songs
        for truth, other in ([forms, forms[::-1]] if len(forms) > 1 else [])
    ]
    if between:
        table["the other person"] = np.mean(between, axis=0)
    for name, method in methods.items():
        began = time.process_time()
        found = [method(score) for score, _ in songs]
        if method is find_form:
            print(f"{1000 * (time.process_time() - began) / len(songs):.1f} ms of processor time a song")
        table[name] = np.mean(
            [
                agreement(truth, form, len(score.bar_starts()))
                for form, (score, forms) in zip(found, songs, strict=True)
                for truth in forms
            ],
            axis=0,
        )
    return {name: [round(float(value), 3) for value in values] for name, values in table.items()}


def show(table: dict[str, list[float]]) -> None:
    print(f"{'':18}" + "".join(f"{column:>9}" for column in COLUMNS))
    for name, values in table.items():
        print(f"{name:18}" + "".join(f"{value:9.3f}" for value in values))


def read_charts(folder: str, names: Iterable[str]) -> list[Labelled]:
    """Billboard's charts of these entries, with the sections that they write."""
    wanted = set(names)
    songs = []
    for path in sorted(Path(folder).rglob("salami_chords.txt")):
        if path.parent.name in wanted:
            score = read_billboard(path).score
            if score.form:
                songs.append((score, [score.form]))
    return songs


def bar_table(folder: str, form: str) -> dict[str, float]:
    """How the labels lie on the songs."""
    songs = sorted(path for path in Path(folder).iterdir() if (Path(form) / path.name).is_dir())
    count = {
        "songs": 0,
        "labels used": 0,
        "in 4/4": 0,
        "irregular by the tracker": 0,
        "irregular by labels": 0,
    }
    changes: list[tuple[float, float]] = []
    for path in songs:
        before, after = read_pop909_song(path).score, read_pop909_song(path, Path(form) / path.name).score
        count["songs"] += 1
        count["labels used"] += bool(after.form)
        if str(after.meter) == "4/4" and after.form:
            count["in 4/4"] += 1
            count["irregular by the tracker"] += bool(before.bar_resets)
            count["irregular by labels"] += bool(after.bar_resets)
            changes.append((_on_changes(before), _on_changes(after)))
    tracker, labels = np.mean(changes, axis=0)
    return {
        **count,
        "bar lines on chord changes by the tracker": round(tracker, 3),
        "by labels": round(labels, 3),
    }


def _on_changes(score: Score) -> float:
    onsets = {span.onset for span in score.chords}
    return float(np.mean([start in onsets for start in score.bar_starts() if start < score.chords[-1].end]))


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--input", default="")
    options.add_argument("--form", default="")
    options.add_argument("--charts", default="")
    options.add_argument("--splits", default="")
    options.add_argument("--split", default="valid")
    options.add_argument("--songs", type=int, default=None, help="the first so many of the split")
    options.add_argument("--bars", action="store_true")
    args = options.parse_args()
    if args.bars:
        found = bar_table(args.input, args.form)
        print(json.dumps(found))
        return
    names = json.loads(Path(args.splits).read_text())[args.split][: args.songs]
    songs: list[Labelled]
    if args.charts:
        songs = read_charts(args.charts, names)
    else:
        songs = [(song.score, song.forms) for song in read_labelled(args.input, args.form, names)]
    print(f"{len(songs)} songs of {args.split}")
    table = rows(songs)
    show(table)
    print(json.dumps(table))


if __name__ == "__main__":
    main()
