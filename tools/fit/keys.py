"""Fits what sounds, chords and ends say about the key, on training songs of three corpora.

    python tools/fit/keys.py --pop909=DIR --nottingham=DIR --billboard=DIR --splits=DIR
        [--output=hrpe_jax/analysis/fitted/keys.json] [--measure=test | --relatives]

--splits holds pop909.json, nottingham.json and billboard.json; --nottingham the ABC books. A linear model
with softmax over the 24 keys, whose features are relative to the tonic, so that all keys share two sets of
weights, one a mode. An example is a song with one key, seen in one way: POP909 with all notes and the
chords found or given, with the melody and its chords, and each half alone; Nottingham likewise; Billboard's
chords, of which only the tonic is known. One corpus and one way alone are learned a little better, and hold
for no other.

Prints five-fold cross-validation over training songs: the share of exact keys (Billboard: tonics) by corpus
and way. With --measure nothing is fitted: prints how the weights in use do on that split. With --relatives
nothing is written: prints the same cross-validation, on POP909, of models that are fitted only to tell a
major key from its relative where the signature is given, by way and by what they look at.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from hrpe_jax.analysis.fitted import write_fitted
from hrpe_jax.analysis.keys import KINDS, WEIGHTS, key_features
from hrpe_jax.readers.abc import iterate_abc
from hrpe_jax.readers.charts import read_billboard
from hrpe_jax.readers.pop909 import read_pop909
from hrpe_jax.readers.song import SongError
from hrpe_jax.score.score import ChordSpan, Score
from hrpe_jax.theory.key import MAJOR_PROFILE, MINOR_PROFILE, Key
from tools.measure.keys import read_song

PENALTY = 1e-4
"""Cost of a squared step away from `prior`: what the songs do not show stays as the textbook has it."""
END_PENALTY = 1e-3
"""The same for the beginning and the end, which are one chord a song."""
MODE_PENALTY = 0.03
"""Cost of a squared weight where major keys are told from their relatives alone."""
WAY_WEIGHTS = {"found": 3.0, "given": 3.0}
"""How often an example of these ways counts: plain MIDI is what keys are found for most."""
ROWS = 1 + KINDS + 2 * (KINDS + 1)
"""Rows of a feature table: sound, kinds of chords, first and last chord and note."""
Notes = Sequence[tuple[float, float, int]] | np.ndarray


class Example(NamedTuple):
    """A song seen in one way.

    Attributes:
        corpus: its name.
        way: what is seen of it.
        song: its name.
        table: [ROWS, 12] its features.
        key: index of the right key.
        tonic_only: whether only the tonic of that is known.
    """

    corpus: str
    way: str
    song: str
    table: np.ndarray
    key: int
    tonic_only: bool = False


def table_of(notes: Notes, chords: Sequence[ChordSpan]) -> np.ndarray:
    """[ROWS, 12] the features of a piece as one bar."""
    onset, duration, pitch = np.asarray(notes, dtype=np.float64).reshape(-1, 3).T
    ones = np.ones(len(onset))
    seen = key_features(onset, duration, pitch.astype(np.int64), chords, np.zeros(1), ones)
    return np.concatenate([seen.sound, seen.harmony[0], seen.first, seen.last])


def _ways(
    corpus: str, name: str, key: Key, ways: dict[str, tuple[Notes, Sequence[ChordSpan]]]
) -> Iterator[Example]:
    for way, (notes, chords) in ways.items():
        yield Example(corpus, way, name, table_of(notes, chords), key.index)


def _halves(score: Score) -> dict[str, tuple[Notes, Sequence[ChordSpan]]]:
    melody = [(note.onset, note.duration, note.pitch) for note in score.melody]
    return {"lead sheet": (melody, score.chords), "melody": (melody, ()), "chords": ((), score.chords)}


def pop909(folder: Path, names: Sequence[str]) -> Iterator[Example]:
    """Songs with one key."""
    for name in names:
        song = read_song(folder / name)
        if len({key for *_, key in song.keys}) == 1:
            notes = np.stack([song.onset, song.duration, song.pitch], axis=1)
            ways: dict[str, tuple[Notes, Sequence[ChordSpan]]] = {
                "found": (notes, song.found),
                "given": (notes, song.given),
                "notes": (notes, ()),
            }
            yield from _ways("pop909", name, song.keys[0][2], ways | _halves(read_pop909(folder / name)))


def nottingham(folder: Path, names: Sequence[str]) -> Iterator[Example]:
    """Tunes that name one key."""
    wanted = set(names)
    for path in sorted(folder.rglob("*.abc")):
        for tune in iterate_abc(path):
            if isinstance(tune, SongError) or tune.keys or "key" in tune.found:
                continue
            if tune.score.id in wanted:
                yield from _ways("nottingham", tune.score.id, tune.score.key, _halves(tune.score))


def billboard(folder: Path, names: Sequence[str]) -> Iterator[Example]:
    """Charts with one tonic."""
    wanted = set(names)
    for path in sorted(folder.rglob("salami_chords.txt")):
        if path.parent.name in wanted:
            song = read_billboard(path)
            if not song.keys:
                table = table_of((), song.score.chords)
                yield Example("billboard", "chords", path.parent.name, table, song.score.key.index, True)


def prior() -> np.ndarray:
    """[2, ROWS, 12] what is believed before any song is seen: published profiles, diatonic chords."""
    table = np.zeros((2, ROWS, 12))
    table[:, : 1 + KINDS] = -6.0
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


def turned(examples: Sequence[Example]) -> np.ndarray:
    """[examples, 12, ROWS * 12] the tables as seen from every tonic."""
    tables = np.stack([example.table for example in examples])
    return np.stack([np.roll(tables, -t, axis=2).reshape(len(tables), -1) for t in range(12)], axis=1)


def scores_of(features: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """[examples, 24]"""
    return (np.swapaxes(features @ weights.T, 1, 2) + bias[:, None]).reshape(len(features), 24)


def fit(
    features: np.ndarray, keys: np.ndarray, tonic_only: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [2, features] and [2]."""
    weight = weight / weight.sum()
    count, _, width = features.shape
    start = prior().reshape(2, -1)
    penalty = np.repeat([PENALTY] * (1 + KINDS) + [END_PENALTY] * 2 * (KINDS + 1), 12)
    every, other = np.arange(count), (keys + 12) % 24

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[: 2 * width].reshape(2, width), flat[2 * width :]
        scores = scores_of(features, weights, bias)
        scores -= scores.max(axis=1, keepdims=True)
        share = np.exp(scores)
        share /= share.sum(axis=1, keepdims=True)
        wanted = share[every, keys], share[every, other] * tonic_only
        right = wanted[0] + wanted[1] + 1e-12
        value = -weight @ np.log(right) + (penalty * (weights - start) ** 2).sum()
        share[every, keys] -= wanted[0] / right
        share[every, other] -= wanted[1] / right
        slope = (share * weight[:, None]).reshape(count, 2, 12)
        by_weight = np.tensordot(slope, features, axes=([0, 2], [0, 1])) + 2 * penalty * (weights - start)
        return value, np.concatenate([by_weight.ravel(), slope.sum(axis=(0, 2))])

    first = np.append(start.ravel(), [0.0, 0.0])
    flat = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 120}).x
    return flat[: 2 * width].reshape(2, width), flat[2 * width :]


def relatives(examples: Sequence[Example], folds: np.ndarray) -> dict[str, float]:
    """Share of right modes where the signature is given, by way and rows looked at, in cross-validation.

    Logistic regression on the tables as seen from the major tonic, each number less its mean and divided by
    its deviation.
    """
    ends = 1 + KINDS
    looked = {"sound": range(1), "chords": range(1, ends), "both": range(ends), "and ends": range(ROWS)}
    shares: dict[str, float] = {}
    for way in dict.fromkeys(example.way for example in examples):
        seen = [example for example in examples if example.way == way]
        held = folds[[example.way == way for example in examples]]
        minor = np.array([example.key >= 12 for example in seen])
        tonics = [(example.key + 3 * (example.key >= 12)) % 12 for example in seen]
        tables = np.stack([np.roll(e.table, -tonic, axis=1) for e, tonic in zip(seen, tonics, strict=True)])
        for name, rows in looked.items():
            flat = tables[:, rows].reshape(len(seen), -1)
            guess = np.zeros(len(seen), dtype=bool)
            for fold in np.unique(held):
                out = held == fold
                weights, bias = logistic(flat[~out], minor[~out])
                guess[out] = flat[out] @ weights + bias > 0
            shares[f"{way}: {name}"] = round(float(np.mean(guess == minor)), 4)
    return shares


def logistic(rows: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights [features] and bias of a penalised logistic regression of [examples] booleans."""
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    scaled = np.divide(rows - mean, deviation, out=np.zeros_like(rows), where=deviation > 1e-9)
    sign = 2.0 * right - 1

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (scaled @ flat[:-1] + flat[-1])
        slope = -sign * np.exp(-np.logaddexp(0, margin)) / len(sign)
        value = np.logaddexp(0, -margin).mean() + MODE_PENALTY * (flat[:-1] ** 2).sum()
        return value, np.append(slope @ scaled + 2 * MODE_PENALTY * flat[:-1], slope.sum())

    flat = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B").x
    weights = np.divide(flat[:-1], deviation, out=np.zeros(rows.shape[1]), where=deviation > 1e-9)
    return weights, float(flat[-1] - weights @ mean)


def report(examples: Sequence[Example], guess: np.ndarray) -> dict[str, float]:
    """Share of right keys by corpus and way."""
    right: dict[str, list[bool]] = {}
    for example, key in zip(examples, guess.tolist(), strict=True):
        same = key % 12 == example.key % 12 if example.tonic_only else key == example.key
        right.setdefault(f"{example.corpus} {example.way}", []).append(same)
    return {name: round(float(np.mean(rows)), 4) for name, rows in right.items()}


def tables(weights: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    """The weights as `hrpe_jax/analysis/fitted/keys.json` holds them."""
    table = np.round(weights.reshape(2, ROWS, 12), 2) + 0.0
    ends = 1 + KINDS
    return {
        "classes": table[:, 0],
        "chords": table[:, 1:ends],
        "first": table[:, ends : ends + KINDS + 1],
        "last": table[:, ends + KINDS + 1 :],
        "mode": np.round(bias - bias.mean(), 2),
    }


def in_use() -> tuple[np.ndarray, np.ndarray]:
    """The weights that `hrpe_jax.analysis.keys` has, as `fit` gives them."""
    table = (WEIGHTS["classes"][:, None], *(WEIGHTS[name] for name in ("chords", "first", "last")))
    return np.concatenate(table, axis=1).reshape(2, -1), WEIGHTS["mode"]


def main() -> None:
    """Fits, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    corpora = {"pop909": pop909, "nottingham": nottingham, "billboard": billboard}
    for name in corpora:
        parser.add_argument(f"--{name}", required=True, help="folder of the corpus")
    parser.add_argument("--splits", required=True, help="folder of the split files")
    parser.add_argument("--output", help="file to write")
    parser.add_argument("--limit", type=int, help="songs of each corpus")
    parser.add_argument("--measure", choices=("train", "valid", "test"), help="measure on this split instead")
    parser.add_argument("--relatives", action="store_true", help="tell major from relative minor only")
    args = parser.parse_args()
    examples: list[Example] = []
    if args.relatives:
        corpora = {"pop909": pop909}
    for name, read in corpora.items():
        names = json.loads(Path(args.splits, f"{name}.json").read_text())[args.measure or "train"]
        examples += read(Path(getattr(args, name)), names[: args.limit])
    songs = {song: number for number, song in enumerate(sorted({(e.corpus, e.song) for e in examples}))}
    folds = np.array([songs[e.corpus, e.song] % 5 for e in examples])
    if args.relatives:
        shares = relatives(examples, folds)
        for name, value in shares.items():
            print(f"{name:24} {value}")
        print(json.dumps({"songs": len(songs), **shares}))
        return
    features, keys = turned(examples), np.array([e.key for e in examples])
    tonic_only = np.array([e.tonic_only for e in examples])
    weight = np.array([WAY_WEIGHTS.get(e.way, 1.0) for e in examples])
    guess = np.zeros(len(keys), dtype=np.int64)
    if args.measure:
        guess = scores_of(features, *in_use()).argmax(axis=1)
    for held in range(0 if args.measure else 5):
        out = folds == held
        fitted = fit(features[~out], keys[~out], tonic_only[~out], weight[~out])
        guess[out] = scores_of(features[out], *fitted).argmax(axis=1)
    shares = report(examples, guess)
    if args.output and not args.measure:
        write_fitted(Path(args.output), tables(*fit(features, keys, tonic_only, weight)))
    for name, value in shares.items():
        print(f"{name:24} {value}")
    print(json.dumps({"examples": len(keys), **shares}))


if __name__ == "__main__":
    main()
