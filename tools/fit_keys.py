"""Fits what pitch classes and chords say about the key, on the training songs of POP909.

    python tools/fit_keys.py --input=POP909 --splits=FILE [--output=hrpe_jax/analysis/key_weights.py]

A linear model with softmax over the 24 keys, whose features are relative to the tonic, so that all keys share
two sets of weights, one a mode. Each stretch with one key in key_audio.txt is an example, with the chords
given and once more with those found from the notes. Prints five-fold cross-validation over training songs,
exact and by signature.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from measure_keys import read_song
from scipy.optimize import minimize

from hrpe_jax.analysis.keys import KINDS, bar_features
from hrpe_jax.theory.key import MAJOR_PROFILE, MINOR_PROFILE

PENALTY = 1e-3
"""Cost of a squared step away from `prior`: what the songs do not show stays as the textbook has it."""
SHORTEST = 8
"""Bars of the shortest example."""


def examples(folder: Path) -> list[tuple[np.ndarray, int]]:
    """[12, features] relative to each tonic, and the key's index."""
    song = read_song(folder)
    rows = []
    for chords in (song.given, song.found):
        sound, harmony = bar_features(
            song.onset, song.duration, song.pitch, chords, song.bars, np.ones(len(song.pitch))
        )
        for begin, end, key in song.keys:
            inside = (song.bars >= begin) & (song.bars < end)
            if inside.sum() < SHORTEST and len(song.keys) > 1:
                continue
            total, length = sound[inside].sum(axis=0), harmony[inside].sum(axis=0)
            mean = np.concatenate([total[None] / max(total.sum(), 1e-9), length / max(length.sum(), 1e-9)])
            rows.append((np.stack([np.roll(mean, -tonic, axis=1).ravel() for tonic in range(12)]), key.index))
    return rows


def prior() -> np.ndarray:
    """[2, 1 + kinds, 12] what is believed before any song is seen: published profiles, diatonic chords."""
    table = np.full((2, 1 + KINDS, 12), -6.0)
    profiles = np.stack([MAJOR_PROFILE, MINOR_PROFILE])
    table[:, 0] = 60 * (profiles - 1 / 12)
    degrees = (
        ({0: 12, 7: 9, 5: 8}, {7: 10}, {9: 7, 2: 6, 4: 5}, {11: 5}, {0: 5, 7: 5, 5: 4}),
        ({8: 8, 3: 7, 10: 6, 7: 6}, {7: 10, 10: 3}, {0: 12, 5: 7, 7: 4}, {2: 5, 11: 5}, {0: 5, 7: 5, 5: 4}),
    )
    for mode, kinds in enumerate(degrees):
        for kind, chords in enumerate(kinds, start=1):
            for degree, value in chords.items():
                table[mode, kind, degree] = value
    return table


def fit(features: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [2, features] and [2]."""
    count, _, width = features.shape
    start = prior().reshape(2, -1)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[: 2 * width].reshape(2, width), flat[2 * width :]
        scores = (np.swapaxes(features @ weights.T, 1, 2) + bias[:, None]).reshape(count, 24)
        scores -= scores.max(axis=1, keepdims=True)
        share = np.exp(scores)
        share /= share.sum(axis=1, keepdims=True)
        value = -np.log(share[np.arange(count), keys] + 1e-12).mean()
        value += PENALTY * ((weights - start) ** 2).sum()
        share[np.arange(count), keys] -= 1
        slope = share.reshape(count, 2, 12) / count
        by_weight = np.tensordot(slope, features, axes=([0, 2], [0, 1])) + 2 * PENALTY * (weights - start)
        return value, np.concatenate([by_weight.ravel(), slope.sum(axis=(0, 2))])

    first = np.append(start.ravel(), [0.0, 0.0])
    flat = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 80}).x
    return flat[: 2 * width].reshape(2, width), flat[2 * width :]


def signature(index: np.ndarray) -> np.ndarray:
    """Tonic of the major key with the same notes."""
    return np.where(index >= 12, index + 3, index) % 12


def source(weights: np.ndarray, bias: np.ndarray) -> str:
    """The weights as a Python module."""

    def row(values: np.ndarray) -> str:
        return "(" + ", ".join(f"{value:.1f}" for value in values) + ")"

    table = weights.reshape(2, 1 + KINDS, 12)
    lines = [
        '"""What speaks for a key, by semitones above its tonic; written by `tools/fit_keys.py`.',
        "",
        "Major first, then minor. Chords by kind: major, dominant seventh, minor, diminished, without third.",
        '"""',
        "",
        "import numpy as np",
        "",
        "# fmt: off",
        "CLASS_WEIGHTS = np.array((",
        *(f"    {row(mode[0])}," for mode in table),
        "))",
        "CHORD_WEIGHTS = np.array((",
    ]
    for mode in table:
        lines += ["    (", *(f"        {row(values)}," for values in mode[1:]), "    ),"]
    return "\n".join([*lines, "))", f"MODE_WEIGHTS = np.array({row(bias - bias.mean())})"]) + "\n"


def main() -> None:
    """Fits, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="folder of POP909's songs")
    parser.add_argument("--splits", required=True, help="JSON file of splits")
    parser.add_argument("--output", help="module to write")
    parser.add_argument("--limit", type=int, help="training songs")
    args = parser.parse_args()
    names = json.loads(Path(args.splits).read_text())["train"][: args.limit]
    rows, fold = [], []
    for number, name in enumerate(names):
        found = examples(Path(args.input) / name)
        rows += found
        fold += [number % 5] * len(found)
    features, keys = np.stack([x for x, _ in rows]), np.array([key for _, key in rows])
    folds = np.array(fold)
    guess = np.zeros(len(keys), dtype=np.int64)
    for held in range(5):
        out = folds == held
        weights, bias = fit(features[~out], keys[~out])
        scores = np.swapaxes(features[out] @ weights.T, 1, 2) + bias[:, None]
        guess[out] = scores.reshape(out.sum(), 24).argmax(axis=1)
    report = {
        "examples": len(keys),
        "exact": round(float((guess == keys).mean()), 4),
        "signature": round(float((signature(guess) == signature(keys)).mean()), 4),
    }
    if args.output:
        Path(args.output).write_text(source(*fit(features, keys)))
    for name, value in report.items():
        print(f"{name:12} {value}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
