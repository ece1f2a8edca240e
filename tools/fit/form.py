"""Fits the weights of `analysis.find_form` to people's labels of POP909's training songs.

    python tools/fit/form.py --input=../shared/data/pop909/POP909 --form=../shared/data/pop909_form
        --splits=../shared/data/splits/pop909.json [--every=3] [--output=hrpe_jax/analysis/fitted/form.json]

Both labellings count. Weights are logistic regressions: of bar lines at which a section begins, and of pairs
of sections with the same letter; once for songs with their melody, once for their chords alone. Lengths of
inner sections are counted. Every third song is enough for these few weights. `tools/measure/form.py` measures
what comes of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from hrpe_jax.analysis import find_form as finder
from hrpe_jax.analysis.fitted import write_fitted
from hrpe_jax.readers.pop909 import Pop909Song, read_pop909_song
from hrpe_jax.score.form import OTHER, Section
from hrpe_jax.score.score import Score

LINE_PENALTY, PAIR_PENALTY = 10.0, 1.0
"""Of squared standardised weights (ridge)."""
CHORD_LINES, CHORD_PAIRS = ("chords",), ("chord", "length")
"""Beginnings of the names of the features that chords alone have."""


def read_labelled(folder: str, form: str, names: Sequence[str]) -> list[Pop909Song]:
    """The songs with labels, of these names."""
    songs = (read_pop909_song(Path(folder) / name, Path(form) / name) for name in names)
    return [song for song in songs if song.forms]


def regression(
    features: Sequence[Mapping[str, np.ndarray]], truth: np.ndarray, penalty: float
) -> dict[str, float]:
    """Weights of a logistic regression by Newton's method, with "bias".

    Args:
        features: of each row or block of rows, by name.
        truth: float `[rows]`, 0 or 1.
        penalty: of squared standardised weights.
    """
    names = list(features[0])
    table = np.concatenate([np.stack(list(map(np.atleast_1d, row.values())), axis=1) for row in features])
    mean, scale = table.mean(axis=0), table.std(axis=0) + 1e-9
    table = np.concatenate([(table - mean) / scale, np.ones((len(table), 1))], axis=1)
    ridge = np.append(np.full(len(names), penalty), 0.0)
    weights = np.zeros(table.shape[1])
    for _ in range(8):
        chance = 1 / (1 + np.exp(-table @ weights))
        slope = table.T @ (chance - truth) + ridge * weights
        curve = (table * (chance * (1 - chance))[:, None]).T @ table + np.diag(ridge)
        weights -= np.linalg.solve(curve, slope)
    found = {name: round(float(weight), 4) for name, weight in zip(names, weights[:-1] / scale, strict=True)}
    return {**found, "bias": round(float(weights[-1] - (weights[:-1] / scale) @ mean), 4)}


def borders_of(form: Sequence[Section]) -> set[int]:
    """Lines at which sections begin and end."""
    return {section.first_bar for section in form} | {section.end_bar for section in form}


def lettered_pairs(form: Sequence[Section]) -> Iterator[tuple[tuple[int, int], tuple[int, int], bool]]:
    """Pairs of (first bar, bars) of sections that are long enough, and whether they have one letter."""
    spans = [
        (section.name, (section.first_bar, section.bars))
        for section in form
        if section.has_melody and section.name != OTHER and section.bars >= finder.SHORT
    ]
    for (name, one), (other_name, other) in combinations(spans, 2):
        yield one, other, name == other_name


def fit(
    songs: Sequence[tuple[Score, Sequence[Sequence[Section]]]], beginnings: tuple[tuple[str, ...], ...]
) -> dict[str, dict[str, float]]:
    """Weights of lines and of pairs.

    Args:
        songs: scores with their labellings.
        beginnings: of the names of the features to use, for lines and for pairs.
    """
    lines, begins, pairs, same = [], [], [], []
    for score, forms in songs:
        places = finder.bar_places(score)
        alike = finder.similarities(places)
        found = finder.line_features(score, places, alike)
        row = {name: each[1:-1] for name, each in found.items() if name.startswith(beginnings[0])}
        for form in forms:
            borders = borders_of(form)
            lines.append(row)
            begins.append([float(line in borders) for line in range(1, len(places.pitch))])
            for one, other, equal in lettered_pairs(form):
                about = finder.pair_features(places, alike, one, other)
                pairs.append({name: each for name, each in about.items() if name.startswith(beginnings[1])})
                same.append(float(equal))
    return {
        "line": regression(lines, np.concatenate(begins), LINE_PENALTY),
        "same": regression(pairs, np.array(same), PAIR_PENALTY),
    }


def count_lengths(songs: Sequence[Pop909Song]) -> np.ndarray:
    """Log share of each length of sections without and with melody: `[2, LONGEST + 1]`."""
    counts = np.full((2, finder.LONGEST + 1), 2.0)
    counts[:, 0] = 0.01  # no section has no bars
    for song in songs:
        sung = finder.bar_places(song.score).sung
        for form in song.forms:
            for section in form[1:-1]:
                with_notes = sung[section.first_bar : section.end_bar].mean() >= finder.SUNG
                counts[int(with_notes), min(section.bars, finder.LONGEST)] += 1
    return np.round(np.log(counts / counts.sum(axis=1, keepdims=True)), 3)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--input", required=True)
    options.add_argument("--form", required=True)
    options.add_argument("--splits", required=True)
    options.add_argument("--every", type=int, default=3, help="fit to every so many of the training songs")
    options.add_argument("--output", default="hrpe_jax/analysis/fitted/form.json")
    args = options.parse_args()
    names = json.loads(Path(args.splits).read_text())["train"][:: args.every]
    songs = read_labelled(args.input, args.form, names)
    with_melody = [(song.score, song.forms) for song in songs]
    chords_alone = [(replace(song.score, melody=(), form=()), _as_far(song)) for song in songs]
    tables = {
        "melody": fit(with_melody, (("",), ("",))),
        "chords": fit(chords_alone, (CHORD_LINES, CHORD_PAIRS)),
        "lengths": count_lengths(songs),
    }
    write_fitted(Path(args.output), tables)
    print(f"{len(songs)} songs, {sum(len(song.forms) for song in songs)} labellings")


def _as_far(song: Pop909Song) -> list[list[Section]]:
    """The labellings as far as the chords go."""
    bars = len(replace(song.score, melody=(), form=()).bar_starts())
    return [[section for section in form if section.end_bar <= bars] for form in song.forms]


if __name__ == "__main__":
    main()
