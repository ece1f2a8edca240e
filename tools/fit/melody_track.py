"""Fits the weights that tell the sung track of a file from the others (`TRACK_WEIGHTS` in `melody_choice`).

    python tools/fit/melody_track.py --input=POP909 --splits=FILE [--karaoke=FOLDER]

Examples are the training songs of POP909, as they are and with the piano parted into bass, chords and top,
some parts left out, transposed, louder or without dynamics. With `--karaoke`, files whose words fall on the
notes of one track are examples too: those with an odd sum of the bytes of their name; the others tell how
well files of many instruments are served. Prints the share of right choices by the weights in use and by
those fitted, and the fitted ones, to be copied.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from hrpe_jax.analysis.melody.find_melody import (
    FEWEST,
    TRACK_WEIGHTS,
    never_sings,
    sung_tracks,
    track_features,
)
from hrpe_jax.analysis.melody.line import TOGETHER, Notes
from hrpe_jax.errors import UserError
from hrpe_jax.formats.midi.read import read_midi
from tools.fit.melody import read

PENALTY = 3e-4
KARAOKE_WEIGHT = 4


class Example(NamedTuple):
    """[tracks, features], and which tracks are right."""

    features: np.ndarray
    right: list[int]


def part_piano(notes: Notes) -> list[Notes]:
    """Bass, top and the rest."""
    chord = np.concatenate([[0], np.cumsum(np.diff(notes.onset) > TOGETHER)])
    low, high = np.full(chord[-1] + 1, 200.0), np.zeros(chord[-1] + 1)
    np.minimum.at(low, chord, notes.pitch)
    np.maximum.at(high, chord, notes.pitch)
    middle = np.median(notes.pitch)
    bass = (notes.pitch == low[chord]) & (notes.pitch < middle)
    top = (notes.pitch == high[chord]) & ~bass & (notes.pitch > middle)
    return [Notes(*(column[which] for column in notes)) for which in (bass, top, ~bass & ~top)]


def alone(notes: Notes) -> Notes:
    """Each note ends where the next begins."""
    return notes._replace(end=np.minimum(notes.end, np.append(notes.onset[1:], np.inf)))


def versions(tracks: dict[str, Notes], rng: np.random.Generator) -> Iterator[list[Notes]]:
    """A song as it is, and played by more instruments; the melody first."""
    names = sorted(tracks, key=lambda name: name != "MELODY")
    yield [tracks[name] for name in names]
    bass, top, rest = part_piano(tracks["PIANO"])
    parts = [*(tracks[name] for name in names if name != "PIANO"), alone(bass), alone(top), rest]
    up, flat, gains = rng.integers(-5, 6), rng.random() < 0.3, rng.normal(0, 6, len(parts))
    kept = [
        notes._replace(
            pitch=notes.pitch + up,
            velocity=np.full(len(notes.pitch), 90.0) if flat else np.clip(notes.velocity + gain, 1, 127),
        )
        for index, (notes, gain) in enumerate(zip(parts, gains, strict=True))
        if len(notes.onset) >= FEWEST and (index == 0 or rng.random() < 0.65)
    ]
    if len(kept) > 1:
        yield kept


def karaoke(folder: Path) -> Iterator[tuple[Path, Example]]:
    """Files whose words fall on the notes of a track."""
    for path in sorted(folder.iterdir()):
        try:
            midi = read_midi(path)
        except UserError:
            continue
        places = [
            index
            for index, track in enumerate(midi.tracks)
            if not track.is_drum and len(track.rows) >= FEWEST and not never_sings(track.program)
        ]
        sung = sung_tracks(midi, places)
        if not sung or len(places) < 2:
            continue
        tracks = []
        for index in places:
            onset, duration, pitch, velocity = midi.tracks[index].array().T
            times = midi.seconds(onset), midi.seconds(onset + duration)
            tracks.append(Notes(*times, pitch.astype(float), velocity.astype(float)))
        yield path, Example(track_features(tracks), [places.index(index) for index in sung])


def fit(examples: list[Example], counts: np.ndarray) -> np.ndarray:
    """Weights: softmax over the tracks of each file."""
    width, most = len(TRACK_WEIGHTS), max(len(example.features) for example in examples)
    table = np.zeros((len(examples), most, width))
    is_there, is_right = np.zeros((len(examples), most), bool), np.zeros((len(examples), most), bool)
    for row, (features, right) in enumerate(examples):
        table[row, : len(features)] = features
        is_there[row, : len(features)] = True
        is_right[row, right] = True
    share_of = counts / counts.sum()

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = np.where(is_there, table @ weights, -np.inf)
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        right = np.where(is_right, share, 0.0)
        total = right.sum(axis=1, keepdims=True) + 1e-12
        slope = (share - right / total) * share_of[:, None]
        value = -(np.log(total[:, 0]) * share_of).sum() + PENALTY * (weights**2).sum()
        return value, np.tensordot(slope, table, axes=([0, 1], [0, 1])) + 2 * PENALTY * weights

    return minimize(loss, np.zeros(width), jac=True, method="L-BFGS-B").x


def right(examples: list[Example], weights: np.ndarray) -> float:
    """Share of right choices."""
    return round(float(np.mean([int((rows @ weights).argmax()) in places for rows, places in examples])), 4)


def main() -> None:
    """Fits and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="folder of POP909's songs")
    parser.add_argument("--splits", required=True, help="JSON file of splits")
    parser.add_argument("--karaoke", help="folder of karaoke files")
    parser.add_argument("--limit", type=int, help="training songs")
    args = parser.parse_args()
    splits = json.loads(Path(args.splits).read_text())
    rng = np.random.default_rng(0)

    def songs(names: list[str]) -> list[list[Example]]:
        tracks = (read(Path(args.input) / name / f"{name}.mid") for name in names)
        return [[Example(track_features(v), [0]) for v in versions(song, rng)] for song in tracks]

    train, valid = songs(splits["train"][: args.limit]), songs(splits["valid"])
    examples = [example for song in train for example in song]
    counts = [1] * len(examples)
    files = list(karaoke(Path(args.karaoke))) if args.karaoke else []
    odd = [example for path, example in files if sum(path.name.encode()) % 2]
    even = [example for path, example in files if not sum(path.name.encode()) % 2]
    weights = fit([*examples, *odd], np.array(counts + [KARAOKE_WEIGHT] * len(odd)))
    parts = {
        "train": [song[0] for song in train],
        "train_parted": [example for song in train for example in song[1:]],
        "valid": [song[0] for song in valid],
        "valid_parted": [example for song in valid for example in song[1:]],
    } | ({"karaoke_fitted": odd, "karaoke_held_out": even} if files else {})
    in_use = np.array(list(TRACK_WEIGHTS.values()))
    report: dict[str, object] = {
        name: {"examples": len(part), "in_use": right(part, in_use), "fitted": right(part, weights)}
        for name, part in parts.items()
    }
    report["weights"] = {
        name: round(float(value), 2) for name, value in zip(TRACK_WEIGHTS, weights, strict=True)
    }
    for name, value in report.items():
        print(f"{name:18} {value}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
