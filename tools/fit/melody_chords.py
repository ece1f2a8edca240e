"""Counts the tables of `analysis.harmony_hmm` in training songs that have melody and chords.

    python tools/fit/melody_chords.py --input=FOLDER --splits=FILE [--input=... --splits=...]
        [--output=hrpe_jax/analysis/fitted/melody_chords.json] [--measure=test]

Folders and their splits (JSON: split -> names) go in pairs; "-" for splits takes every song, to measure only.
With --measure nothing is counted: prints how often, of the time in which a chord is written, the chords found
from the melody alone have its root, and its root with major or minor third, beside the tonic throughout; and
what metrics of chords and harmony are on average with the chords written and with those found.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from hrpe_jax.analysis.fitted import write_fitted
from hrpe_jax.analysis.harmony_hmm import beats, find_melody_chords, melody_chroma
from hrpe_jax.metrics.arrays import Undefined
from hrpe_jax.metrics.registry import BY_NAME
from hrpe_jax.score.score import ChordSpan, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.quality import CHORD_TONES
from tools.measure.metrics import read

STATES = 12
"""Chords of a mode; they are 96 % of the time."""
SOUND, FOLLOW, BEGIN = 5.0, 2.0, 1.0
"""Added to the counts: beats a pitch class, changes, songs."""


def triad(chord: Chord) -> str:
    """The state's quality for any chord: maj, min, dim, or 7 where it is a dominant."""
    tones = CHORD_TONES[chord.quality]
    third = "min" if 3 in tones and 4 not in tones else "maj"
    if third == "min":
        return "dim" if 6 in tones and 7 not in tones else "min"
    return "7" if 10 in tones else "maj"


def written(score: Score, chords: tuple[ChordSpan, ...], grid: np.ndarray) -> list[tuple[int, str] | None]:
    """(semitones above the tonic, quality) of the chord in the middle of each beat; None where none is."""
    middle = (grid[:-1] + grid[1:]) / 2
    at = np.searchsorted([span.onset for span in chords], middle, side="right") - 1
    found: list[tuple[int, str] | None] = []
    for index, tick in zip(at.tolist(), middle.tolist(), strict=True):
        span = chords[index] if index >= 0 else None
        if span is None or span.end <= tick or span.chord.is_none:
            found.append(None)
        else:
            found.append(((span.chord.root - score.key.tonic) % 12, triad(span.chord)))
    return found


def fit(mode: str, songs: list[Score]) -> dict[str, Any]:
    """The tables of a mode, as `hrpe_jax/analysis/fitted/melody_chords.json` holds them."""
    seen = []
    for score in songs:
        if score.key.mode == mode:
            grid, place = beats(score)
            seen.append((written(score, score.chords, grid), place, melody_chroma(score, grid)))
    time = Counter(chord for labels, _, _ in seen for chord in labels if chord)
    chords = [chord for chord, _ in time.most_common(STATES)]
    number = {chord: index for index, chord in enumerate(chords)}
    count = len(chords)
    begin, follow = np.full(count, BEGIN), np.full((count, count), FOLLOW)
    sound, changes = np.full((count, 12), SOUND), np.ones((3, 2))
    for labels, place, chroma in seen:
        before = None
        for label, where, heard in zip(labels, place, chroma, strict=True):
            state = number.get(label) if label else None
            if state is not None:
                sound[state] += heard
                if before is None:
                    begin[state] += 1
                else:
                    changes[where, int(state != before)] += 1
                    follow[before, state] += state != before
            before = state
    np.fill_diagonal(follow, 1e-9)
    logs = {
        "begin": np.log(begin / begin.sum()),
        "follow": np.log(follow / follow.sum(axis=1, keepdims=True)),
        "sound": np.log(sound / sound.sum(axis=1, keepdims=True)),
        "change": np.log(changes[:, 1] / changes.sum(axis=1)),
    }
    np.fill_diagonal(logs["follow"], 0.0)  # never looked at
    names = ", ".join(f'({degree}, "{quality}")' for degree, quality in chords)
    share = sum(time[chord] for chord in chords) / sum(time.values())
    print(f"{mode}: {len(seen)} songs, {share:.1%} of the time are {names}")
    return {"chords": chords} | {name: np.round(value, 2) + 0.0 for name, value in logs.items()}


def agreement(songs: list[Score]) -> str:
    """How often the chords found are those written, of all songs together."""
    right = Counter[str]()
    for score in songs:
        grid, _ = beats(score)
        found = written(score, find_melody_chords(score), grid)
        for ours, theirs in zip(found, written(score, score.chords, grid), strict=True):
            if theirs:
                right["time"] += 1
                right["tonic"] += theirs[0] == 0
                if ours:
                    right["root"] += ours[0] == theirs[0]
                    right["third"] += ours[0] == theirs[0] and (
                        (ours[1] in ("min", "dim")) == (theirs[1] in ("min", "dim"))
                    )
    share = {name: 100 * right[name] / max(right["time"], 1) for name in ("root", "third", "tonic")}
    return (
        f"{len(songs)} songs: root {share['root']:.1f} %, root and third {share['third']:.1f} %; the tonic "
        f"throughout {share['tonic']:.1f} %"
    )


def effect(songs: list[Score]) -> str:
    """Means of metrics of chords and harmony, with the chords that are written and with those found."""
    texts = []
    for name in ("cpi", "che", "cc", "ctd", "ctr", "mctd"):
        metric = BY_NAME[name]
        values = []
        for score in songs:
            found = replace(score, chords=find_melody_chords(score))
            try:
                values.append([metric.function(each, **metric.options) for each in (score, found)])
            except Undefined:
                continue
        written, own = np.mean(values, axis=0)
        texts.append(f"{name} {written:.3g} / {own:.3g}")
    return f"written / found: {', '.join(texts)}"


def main() -> None:
    """Counts, or measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", action="append", required=True, help="folder of songs")
    parser.add_argument("--splits", action="append", required=True, help="JSON file of splits, or -")
    parser.add_argument("--output", help="file to write")
    parser.add_argument("--measure", choices=("valid", "test"), help="split to measure on")
    args = parser.parse_args()
    songs: list[Score] = []
    for folder, splits in zip(args.input, args.splits, strict=True):
        split = args.measure or "train"
        names = None if splits == "-" else set(json.loads(Path(splits).read_text("utf-8"))[split])
        found = [score for score in read(folder, names) if score.melody and score.chords]
        if args.measure:
            print(f"{folder}: {agreement(found)}; {effect(found)}", flush=True)
        songs += found
    if args.measure:
        return
    tables = {mode: fit(mode, songs) for mode in ("major", "minor")}
    if args.output:
        write_fitted(Path(args.output), tables)


if __name__ == "__main__":
    main()
