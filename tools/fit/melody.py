"""Fits the networks that tell melody from accompaniment, on training songs of POP909 whose tracks are merged.

    python tools/fit/melody.py --input=POP909 --splits=FILE
        --output=hrpe_jax/analysis/fitted/melody_notes.json

Every song is used as it is and once more varied at random: dynamics flattened, times put on a coarse grid,
the second instrument left out, transposed, played faster or slower. The second network learns from
probabilities that the first gives to songs which it was not fitted to (two halves), and then once more from
its own. Prints validation figures (precision, recall and F1 of notes, the mean over songs), and writes the
weights. It takes some ten minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hrpe_jax.analysis.fitted import write_fitted
from hrpe_jax.analysis.melody.line import (
    LINE_FEATURES,
    LOOKS,
    NOTE_FEATURES,
    LineFeatures,
    Network,
    Notes,
    candidates,
    note_features,
    one_at_a_time,
    struck_once,
)
from hrpe_jax.formats.midi.read import read_midi

UNITS = 20


class Example(NamedTuple):
    """Merged notes, whether each belongs to the melody, and all notes of the melody."""

    notes: Notes
    label: np.ndarray
    melody: Notes
    own: np.ndarray


def merge(notes: Notes) -> Notes:
    """Notes as a file with one channel has them: of overlapping equal pitches the first ends first."""
    order = np.lexsort((notes.pitch, notes.onset))
    onset, end, pitch, velocity = (column[order] for column in notes)
    ends = end.copy()
    ends[np.lexsort((onset, pitch))] = end[np.lexsort((end, pitch))]
    return Notes(onset, np.maximum(ends, onset + 0.01), pitch, velocity)


def matches(found: Notes, true: Notes, tolerance: float = 0.05) -> np.ndarray:
    """[found] whether each is a note of the truth: same pitch, onset within the tolerance, one to one."""
    hit = np.zeros(len(found.onset), dtype=bool)
    for pitch in np.unique(true.pitch):
        ours = np.flatnonzero(found.pitch == pitch)
        theirs = np.sort(true.onset[true.pitch == pitch])
        i = j = 0
        while i < len(ours) and j < len(theirs):
            apart = found.onset[ours[i]] - theirs[j]
            if abs(apart) <= tolerance:
                hit[ours[i]] = True
                i, j = i + 1, j + 1
            elif apart < 0:
                i += 1
            else:
                j += 1
    return hit


def example(tracks: dict[str, Notes]) -> Example:
    """A song as the networks see it."""
    together = merge(Notes(*(np.concatenate(columns) for columns in zip(*tracks.values(), strict=True))))
    once = struck_once(together)
    notes = Notes(*(column[once] for column in together))
    melody = tracks["MELODY"]
    return Example(notes, matches(notes, melody), melody, note_features(notes))


def read(path: Path) -> dict[str, Notes]:
    """The tracks of a song, in seconds."""
    midi = read_midi(path)
    tracks = {}
    for track in midi.tracks:
        onset, duration, pitch, velocity = track.array().T
        times = midi.seconds(onset), midi.seconds(onset + duration)
        tracks[track.name] = Notes(*times, pitch.astype(float), velocity.astype(float))
    return tracks


def vary(tracks: dict[str, Notes], rng: np.random.Generator) -> dict[str, Notes]:
    """The same song, played another way."""
    tracks = dict(tracks)
    if rng.random() < 0.4:
        del tracks["BRIDGE"]
    flat, step, up = rng.random() < 0.5, rng.uniform(0.09, 0.17), rng.integers(-6, 7)
    gridded, pace = rng.random() < 0.5, np.exp(rng.normal(0, 0.15))
    for name, (onset, end, pitch, velocity) in tracks.items():
        if gridded:
            onset = np.round(onset / step) * step
            end = np.maximum(np.round(end / step) * step, onset + step / 2)
        loudness = np.full(len(onset), 90.0) if flat else velocity
        tracks[name] = Notes(onset * pace, end * pace, np.clip(pitch + up, 0, 127), loudness)
    return tracks


def fit(features: np.ndarray, labels: np.ndarray, seed: int, epochs: int) -> Network:
    """A network by Adam on cross entropy, its scaling of the features folded into the weights."""
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    rng = np.random.default_rng(seed)
    width = features.shape[1]
    weights: Any = {
        "hidden": jnp.asarray(rng.normal(0, width**-0.5, (width, UNITS)), jnp.float32),
        "bias": jnp.zeros(UNITS),
        "out": jnp.asarray(rng.normal(0, UNITS**-0.5, UNITS), jnp.float32),
        "out_bias": jnp.zeros(()),
    }
    batch = 1024
    steps = epochs * (len(features) // batch)
    optimizer = optax.adamw(optax.cosine_onecycle_schedule(steps, 0.01), weight_decay=1e-3)

    def loss(weights: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        odds = jnp.tanh(x @ weights["hidden"] + weights["bias"]) @ weights["out"] + weights["out_bias"]
        return optax.sigmoid_binary_cross_entropy(odds, y).mean()

    @jax.jit
    def step(weights: Any, state: Any, x: jax.Array, y: jax.Array) -> tuple[Any, Any]:
        updates, state = optimizer.update(jax.grad(loss)(weights, x, y), state, weights)
        return optax.apply_updates(weights, updates), state

    state = optimizer.init(weights)
    for _ in range(epochs):
        order = rng.permutation(len(features))
        for i in range(len(features) // batch):
            rows = order[i * batch : (i + 1) * batch]
            x = (features[rows] - mean) / deviation
            weights, state = step(weights, state, x, labels[rows].astype(np.float32))
    hidden = np.asarray(weights["hidden"], np.float64) / deviation[:, None]
    bias = np.asarray(weights["bias"], np.float64) - mean @ hidden
    return Network(hidden, bias, np.asarray(weights["out"], np.float64), float(weights["out_bias"]))


def crossed(
    tables: list[np.ndarray], labels: list[np.ndarray], halves: list[int], epochs: int
) -> list[np.ndarray]:
    """For each song, the probabilities of a network that was fitted to the other half of the songs."""
    networks = []
    for half in (0, 1):
        rows = [(x, y) for x, y, own in zip(tables, labels, halves, strict=True) if own != half]
        networks.append(
            fit(np.concatenate([x for x, _ in rows]), np.concatenate([y for _, y in rows]), half, epochs)
        )
    return [networks[half].probability(table) for table, half in zip(tables, halves, strict=True)]


def figures(songs: list[Example], probability: Callable[[Example], np.ndarray], keep: float) -> list[float]:
    """Mean precision, recall and F1."""
    rows = []
    for song in songs:
        chosen = one_at_a_time(song.notes.onset, probability(song), keep)
        hits = matches(Notes(*(column[chosen] for column in song.notes)), song.melody).sum()
        found, true = max(len(chosen), 1), len(song.melody.onset)
        rows.append((hits / found, hits / true, 2 * hits / (found + true)))
    return [round(float(value), 4) for value in np.mean(rows, axis=0)]


def weights(networks: dict[str, Network]) -> dict[str, Any]:
    """The weights as `hrpe_jax/analysis/fitted/melody_notes.json` holds them, three digits each."""
    short = np.vectorize(lambda value: float(f"{value:.3g}"))
    return {
        name: {
            **{field: short(np.asarray(getattr(network, field))) for field in ("hidden", "bias", "out")},
            "out_bias": float(f"{network.out_bias:.4g}"),
        }
        for name, network in networks.items()
    }


def main() -> None:
    """Fits, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="folder of POP909's songs")
    parser.add_argument("--splits", required=True, help="JSON file of splits")
    parser.add_argument("--output", help="file to write")
    parser.add_argument("--limit", type=int, help="training songs")
    parser.add_argument("--varied", type=int, default=1, help="varied versions of each song")
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()

    splits = json.loads(Path(args.splits).read_text())
    rng = np.random.default_rng(0)
    folder = Path(args.input)
    order = rng.permutation(splits["train"])[: args.limit]
    numbered = []
    for number, name in enumerate(order):
        tracks = read(folder / name / f"{name}.mid")
        numbered += [
            (number % 2, example(version))
            for version in (tracks, *(vary(tracks, rng) for _ in range(args.varied)))
        ]
    valid = [example(read(folder / name / f"{name}.mid")) for name in splits["valid"]]

    halves = [half for half, _ in numbered]  # all versions of a song are in one half
    songs = [song for _, song in numbered]
    labels = [song.label for song in songs]
    guesses = crossed([song.own for song in songs], labels, halves, args.epochs)
    first = fit(np.concatenate([song.own for song in songs]), np.concatenate(labels), 2, args.epochs)
    report: dict[str, Any] = {"first": figures(valid, lambda song: first.probability(song.own), 0.4)}

    chosen = [candidates(guess) for guess in guesses]
    some = [Notes(*(column[k] for column in song.notes)) for song, k in zip(songs, chosen, strict=True)]
    lines = [LineFeatures(notes) for notes in some]
    own = [song.own[k] for song, k in zip(songs, chosen, strict=True)]
    right = [label[k] for label, k in zip(labels, chosen, strict=True)]
    now = [guess[k] for guess, k in zip(guesses, chosen, strict=True)]

    def tables() -> list[np.ndarray]:
        rows = zip(lines, own, now, strict=True)
        return [np.concatenate([table, line(guess)], axis=1) for line, table, guess in rows]

    seen = tables()
    now = crossed(seen, right, halves, args.epochs)
    again = tables()
    second = fit(np.concatenate(seen + again), np.concatenate(right + right), 3, args.epochs)

    def probability(song: Example) -> np.ndarray:
        result = first.probability(song.own)
        k = candidates(result)
        line = LineFeatures(Notes(*(column[k] for column in song.notes)))
        for _ in range(LOOKS):
            result[k] = second.probability(np.concatenate([song.own[k], line(result[k])], axis=1))
        return result

    for keep in (0.3, 0.35, 0.4, 0.45, 0.5):
        report[f"second {keep}"] = figures(valid, probability, keep)
    if args.output:
        write_fitted(Path(args.output), weights({"first": first, "second": second}))
    report |= {"songs": len(order), "features": [len(NOTE_FEATURES), len(LINE_FEATURES)], "units": UNITS}
    for name, value in report.items():
        print(f"{name:12} {value}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
