"""Fits the weights of `hrpe_jax.analysis.chords.find_chords.POP` on songs with known chords.

    python tools/fit/chords.py --input=POP909 --splits=pop909.json [--limit=100] [--epochs=25]
        [--output=FILE | --notes]

Maximum likelihood of a semi-Markov conditional random field (see `analysis.chords.segments`) by Adam,
on the training split only; the chords are those of chord_midi.txt. Writes the numbers to --output, and prints
on stderr how the likelihood rises. Every song is seen twice, with its tracks known and without, so that the
weights serve both. `--notes` fits the weights of `accompaniment` by logistic regression instead: whether a
note is in the piano's track.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hrpe_jax.analysis.chords.find_chords import accompaniment_weights, note_features
from hrpe_jax.analysis.chords.segments import (
    LONGEST,
    ROLES,
    STEPS,
    Segments,
    find_segments,
    roles,
    segment_features,
    song_evidence,
)
from hrpe_jax.analysis.fitted import write_fitted
from hrpe_jax.formats.charts.labels import read_pop909_labels
from hrpe_jax.formats.midi.read import read_midi
from hrpe_jax.theory.chord import Chord, parse_harte

QUALITIES = (
    "maj", "min", "dim", "aug", "maj6", "min6", "7", "maj7", "min7", "minmaj7", "dim7", "hdim7", "sus2",
    "sus4", "7sus4",
)  # fmt: skip
SONGS = 8  # of a batch


class Notes(NamedTuple):
    """Notes of a song in slots of its beats, and whether each is the piano's."""

    begin: np.ndarray
    end: np.ndarray
    pitch: np.ndarray
    track: np.ndarray
    is_piano: np.ndarray


class Batch(NamedTuple):
    """Some songs in a row, padded with segments that weigh nothing.

    Attributes:
        features: [n, 48].
        length: [n] slots; 0 where padded.
        place: [n] as in `Segments`.
        ends: [slots + 1, LONGEST] the segment of each length that ends before a slot; n where there is none.
        chosen: [chords] segments of the reference; n where padded.
        states: [chords] their chords.
    """

    features: np.ndarray
    length: np.ndarray
    place: np.ndarray
    ends: np.ndarray
    chosen: np.ndarray
    states: np.ndarray


def read_notes(folder: Path, edges: np.ndarray) -> Notes:
    """The notes between the first beat and the end."""
    midi = read_midi(folder / f"{folder.name}.mid")
    tracks = [track for track in midi.tracks if not track.is_drum]
    rows = np.concatenate([track.rows for track in tracks])
    track = np.repeat(np.arange(len(tracks)), [len(track.rows) for track in tracks])
    slot = np.arange(len(edges))
    begin = np.interp(midi.seconds(rows[:, 0]), edges, slot)
    end = np.interp(midi.seconds(rows[:, 0] + rows[:, 1]), edges, slot)
    piano = np.array([track.name == "PIANO" for track in tracks])[track]
    inside = (end > 0) & (begin < slot[-1])
    return Notes(*(column[inside] for column in (begin, end, rows[:, 2], track, piano)))


def _edges(beats: tuple[float, ...]) -> np.ndarray:
    return np.array([*beats, 2 * beats[-1] - beats[-2]])


def read_song(folder: Path, merged: bool) -> tuple[np.ndarray, Segments, list[Chord], np.ndarray]:
    """Features and segments of a song, the chord of each slot, and where labels or bars begin."""
    labels = read_pop909_labels(folder)
    edges = _edges(labels.beats)
    slot, slots = np.arange(len(edges)), len(labels.beats)
    begin, end, pitch, track, _ = read_notes(folder, edges)
    weight = accompaniment_weights(begin, end, pitch, np.zeros_like(track) if merged else track)
    bars = np.array(labels.bars)
    bars[0] = True
    segments = find_segments(slots, bars)
    features = segment_features(song_evidence(begin, end, pitch, weight, slots), segments)
    chords = [Chord.NONE] * slots
    starts = np.zeros(slots, dtype=bool)
    for row in labels.chords:
        first, last = np.rint(np.interp([row.start, row.end], edges, slot)).astype(int).tolist()
        if last > first:
            starts[first] = True
            chords[first:last] = [parse_harte(row.label)] * (last - first)
    return features, segments, chords, starts | bars


def make_batch(songs: list[tuple[Path, bool]], sizes: tuple[int, int, int]) -> Batch:
    """Songs in a row. `sizes` are the padded numbers of segments, slots and chords."""
    many, slots, chords = sizes
    features = np.zeros((many, 48), np.float32)
    length, place = np.zeros(many, np.int32), np.zeros(many, np.int32)
    ends = np.full((slots + 1, LONGEST), many, np.int32)
    ends[:, 0] = many + 1  # padding slots cost nothing
    chosen, states = np.full(chords, many, np.int32), np.zeros(chords, np.int32)
    row = slot = count = 0
    for folder, merged in songs:
        own, segments, labels, starts = read_song(folder, merged)
        stop = row + len(own)
        features[row:stop], length[row:stop] = own, segments.length
        place[row:stop] = segments.place
        after = slot + segments.first + segments.length
        ends[slot + 1 : slot + len(labels) + 1, 0] = many
        ends[after, segments.length - 1] = np.arange(row, stop)
        begins = np.append(np.flatnonzero(starts), len(labels)).tolist()
        for first, last in pairwise(begins):
            chord = labels[first]
            state = 12 * len(QUALITIES)
            if not chord.is_none:
                state = 12 * QUALITIES.index(chord.quality) + chord.root
            while first < last:
                step = min(LONGEST, last - first)
                chosen[count], states[count] = ends[slot + first + step, step - 1], state
                assert chosen[count] < many, f"{folder}: a chord passes a bar line"
                count, first = count + 1, first + step
        row, slot = stop, slot + len(labels)
    return Batch(features, length, place, ends, chosen, states)


def tying() -> tuple[np.ndarray, np.ndarray]:
    """[quality, interval, role] and [quality, interval, family]: which shared weight each entry has."""
    member, foreign = np.zeros((len(QUALITIES), 12, len(ROLES))), np.zeros((len(QUALITIES), 12, 2))
    for index, quality in enumerate(QUALITIES):
        own = roles(quality)
        for interval in range(12):
            if interval in own:
                member[index, interval, own[interval]] = 1
            else:
                foreign[index, interval, int(3 in own)] = 1
    return member, foreign


MEMBER, FOREIGN = tying()
Params = dict[str, jax.Array]


def loss(params: Params, batch: Batch) -> jax.Array:
    """Nats a slot, with a little decay of the weights."""
    table = jnp.einsum("qir,kr->kqi", MEMBER, params["member"])
    table += jnp.einsum("qif,kfi->kqi", FOREIGN, params["foreign"])
    turned = jnp.stack([jnp.roll(table, root, axis=2) for root in range(12)], axis=2)
    weights = turned.reshape(4, -1, 12).transpose(0, 2, 1).reshape(48, -1)
    length = batch.length[:, None]
    quality = params["quality"]
    scores = batch.features @ weights + jnp.repeat(quality[0], 12) + length * jnp.repeat(quality[1], 12)
    sound = jnp.minimum(batch.features[:, :12].sum(axis=1) / jnp.maximum(batch.length, 1), 1.0)
    none = params["none"]
    silent = none[0] + batch.length * none[1] + sound * batch.length * none[2] + sound * none[3]
    scores = jnp.concatenate([scores, silent[:, None]], axis=1) + params["begin"][batch.place][:, None]
    given = jnp.append(scores[batch.chosen, batch.states], 0.0)
    right = jnp.where(batch.chosen < len(scores), given[:-1], 0.0).sum()
    total = jax.nn.logsumexp(scores, axis=1)
    total = jnp.concatenate([total, jnp.array([-1e9, 0.0])])  # no such segment; padding

    def step(before: jax.Array, ending: jax.Array) -> tuple[jax.Array, None]:
        now = jax.nn.logsumexp(before + total[ending])
        return jnp.concatenate([now[None], before[:-1]]), None

    start = jnp.full(LONGEST, -1e9).at[0].set(0.0)
    final, _ = jax.lax.scan(step, start, batch.ends[1:])
    slots = (batch.ends[1:, 0] <= len(scores)).sum()
    decay = sum((value**2).sum() for value in params.values())
    return (final[0] - right) / slots + 5e-6 * decay


def fit(batches: list[Batch], epochs: int) -> Params:
    """Adam with a falling rate."""
    size = len(QUALITIES)
    params: Params = {
        "member": jnp.full((4, len(ROLES)), 0.3),
        "foreign": jnp.full((4, 2, 12), -0.3),
        "quality": jnp.zeros((2, size)),
        "none": jnp.zeros(4),
        "begin": jnp.zeros(3),
    }
    steps = epochs * len(batches)
    rule = optax.adam(optax.linear_schedule(0.06, 0.0, steps), b2=0.98)
    state = rule.init(params)

    @jax.jit
    def update(params: Params, state: Any, batch: Batch) -> tuple[Params, Any, jax.Array]:
        value, slope = jax.value_and_grad(loss)(params, batch)
        change, state = rule.update(slope, state)
        return optax.apply_updates(params, change), state, value

    rng = np.random.default_rng(0)
    for epoch in range(epochs):
        values = []
        for index in rng.permutation(len(batches)):
            params, state, value = update(params, state, batches[index])
            values.append(float(value))
        print(f"epoch {epoch + 1}: {np.mean(values):.4f} nats a slot", file=sys.stderr, flush=True)
    return params


def fit_notes(folders: list[Path]) -> np.ndarray:
    """Log odds of the piano by `note_features`, notes weighing by their length up to two beats."""
    columns = []
    for folder in folders:
        begin, end, pitch, _, is_piano = read_notes(folder, _edges(read_pop909_labels(folder).beats))
        first = np.maximum(np.rint(begin * STEPS).astype(np.int64), 0)
        last = np.maximum(np.rint(end * STEPS).astype(np.int64), first + 1)
        weight = np.clip(end - begin, 0.1, 2.0)
        columns.append(np.column_stack([note_features(first, last, pitch), is_piano, weight]))
    table = np.concatenate(columns)
    features, is_piano, weight = table[:, :-2], table[:, -2], table[:, -1]
    odds = np.zeros(features.shape[1])
    for _ in range(20):  # Newton's method
        chance = 1 / (1 + np.exp(-features @ odds))
        slope = features.T @ (weight * (is_piano - chance))
        curve = (features * (weight * chance * (1 - chance))[:, None]).T @ features
        odds += np.linalg.solve(curve + 1e-6 * np.eye(len(odds)), slope)
    return odds


def tables(params: Params) -> dict[str, Any]:
    """The numbers as `hrpe_jax/analysis/fitted/chords.json` holds them."""
    quality = np.round(np.asarray(params["quality"]), 2).tolist()
    found = {"qualities": [list(row) for row in zip(QUALITIES, *quality, strict=True)]}
    foreign = params["foreign"]
    arrays = {"member": params["member"], "foreign_major": foreign[:, 0], "foreign_minor": foreign[:, 1]}
    arrays |= {name: params[name] for name in ("none", "begin")}
    return found | {name: np.round(np.asarray(table, float), 2).tolist() for name, table in arrays.items()}


def main() -> None:
    """Reads, fits, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="POP909's folder of songs")
    parser.add_argument("--splits", required=True, help="JSON file of splits")
    parser.add_argument("--limit", type=int, default=100, help="of training songs, drawn at random")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--output", default="hrpe_jax/analysis/fitted/chords.json", help="file to write")
    parser.add_argument("--notes", action="store_true", help="fit the weights of notes")
    args = parser.parse_args()
    names = json.loads(Path(args.splits).read_text(encoding="utf-8"))["train"]
    drawn = np.random.default_rng(0).permutation(len(names))[: args.limit]
    folders = [Path(args.input) / names[index] for index in drawn]
    if args.notes:
        print(f"_NOTE = ({', '.join(f'{value:.2f}' for value in fit_notes(folders).tolist())})")
        return
    songs = [(folder, merged) for folder in folders for merged in (False, True)]
    groups = [songs[i : i + SONGS] for i in range(0, len(songs), SONGS)]
    sizes = np.zeros(3, dtype=int)
    for group in groups:
        read = [read_song(*song) for song in group]
        many, slots = (sum(len(song[part]) for song in read) for part in (0, 2))
        chords = sum(int(song[3].sum()) for song in read) + slots // LONGEST
        sizes = np.maximum(sizes, [many, slots, chords])
    padded = tuple(sizes.tolist())
    params = fit([make_batch(group, padded) for group in groups], args.epochs)
    write_fitted(Path(args.output), tables(params))


if __name__ == "__main__":
    main()
