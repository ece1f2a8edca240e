"""How well the chord finder names the chords of POP909, and where it errs.

    python tools/measure/chords.py --input=POP909 --splits=pop909.json [--split=test] [--limit=N]
        [--beats=given|found] [--tracks=apart|merged] [--qualities=pop909|all] [--errors]

Notes of all tracks except drums; the reference is chord_midi.txt. With `--beats=given` beats and bars are
those of beat_midi.txt; with `--beats=found` the MIDI file is all there is. With `--tracks=merged` nothing
says which track a note is from; with `--qualities=all` chords may be found that the reference never has.

Scores are those of mir_eval.chord (C. Raffel et al., "mir_eval: A Transparent Implementation of Common MIR
Metrics", ISMIR 2014), percent of the time that each metric compares, all songs in a row; `by song` is the
mean of the songs' own scores. mir_eval is needed for this command only: `pip install mir_eval`.

`--errors` prints how the errors divide: intervals between wrong roots, pairs of qualities where the root is
right, no-chords, and how far errors are from the nearest change of the reference. Prints one table and last
one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.analysis.chords.find_chords import FULL, POP, SegmentParams, find_chords
from hrpe_jax.errors import UserError
from hrpe_jax.formats.charts.labels import Pop909Labels, read_pop909_labels
from hrpe_jax.formats.midi.read import MidiFile, read_midi
from hrpe_jax.theory.chord import parse_harte, to_harte

METRICS = ("root", "majmin", "sevenths", "mirex", "majmin_inv", "sevenths_inv")
TICKS = 12
"""Grid ticks of a beat: chords may change at every beat."""

Labels = tuple[np.ndarray, list[str]]  # [n, 2] seconds, n labels in Harte's syntax


@dataclass
class Tally:
    """Sums over songs.

    Attributes:
        right: metric -> seconds judged right.
        compared: metric -> seconds judged at all.
        by_song: metric -> scores of the songs.
        confusions: kind -> what -> seconds, as `--errors` prints them.
        total: seconds of the reference.
        finding: processor seconds spent in `find_chords`.
    """

    right: Counter[str] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    by_song: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in METRICS})
    confusions: dict[str, Counter[str]] = field(default_factory=dict)
    total: float = 0.0
    finding: float = 0.0


def chords_at_beats(
    midi: MidiFile, beats: np.ndarray, bars: np.ndarray, merged: bool, params: SegmentParams
) -> tuple[Labels, float]:
    """Chords of a file whose beats are known.

    Args:
        midi: the file.
        beats: [n] seconds, increasing; the last beat is taken to be as long as the one before.
        bars: [n] whether a bar begins on each.
        merged: whether to forget which track a note is from.
        params: of the chord finder.

    Returns:
        Labels with their seconds, and the processor seconds that finding took.
    """
    tracks = [track.rows for track in midi.tracks if not track.is_drum]
    rows = np.concatenate(tracks)
    track = np.repeat(np.arange(len(tracks)), [len(notes) for notes in tracks])
    begin, end = midi.seconds(rows[:, 0]), midi.seconds(rows[:, 0] + rows[:, 1])
    edges = np.append(beats, 2 * beats[-1] - beats[-2])
    grid = np.arange(len(edges)) * TICKS
    start = time.process_time()
    onset, offset = np.interp(begin, edges, grid), np.interp(end, edges, grid)
    inside = (offset > 0) & (onset < grid[-1])
    onset, offset, pitch = onset[inside], offset[inside], rows[inside, 2]
    of_track = None if merged else track[inside]
    spans = find_chords(onset, offset - onset, pitch, grid=grid, strong=bars, tracks=of_track, params=params)
    took = time.process_time() - start
    places = [(span.onset // TICKS, span.end // TICKS) for span in spans]
    return (edges[np.array(places)], [to_harte(span.chord) for span in spans]), took


def compare(reference: Labels, found: Labels, tally: Tally) -> None:
    """Adds one song."""
    from mir_eval import chord, util

    low, high = float(reference[0].min()), float(reference[0].max())
    intervals, labels = util.adjust_intervals(*found, low, high, chord.NO_CHORD, chord.NO_CHORD)
    merged, wanted, given = util.merge_labeled_intervals(*reference, intervals, labels)
    seconds = util.intervals_to_durations(merged)
    tally.total += float(seconds.sum())
    for name in METRICS:
        score = getattr(chord, name)(wanted, given)
        judged = score >= 0
        right, compared = float((seconds * score)[judged].sum()), float(seconds[judged].sum())
        tally.right[name] += right
        tally.compared[name] += compared
        if compared:
            tally.by_song[name].append(right / compared)
    _count_errors(merged, wanted, given, tally)


def _count_errors(times: np.ndarray, wanted: list[str], given: list[str], tally: Tally) -> None:
    """Adds each stretch of time to the confusions that it shows."""
    kinds = tally.confusions
    for kind in ("wrong root", "quality", "no chord", "boundary"):
        kinds.setdefault(kind, Counter())
    for index, ((begin, end), label, answer) in enumerate(zip(times.tolist(), wanted, given, strict=True)):
        seconds = end - begin
        want, have = parse_harte(label), parse_harte(answer)
        if want.is_none or have.is_none:
            if want.is_none != have.is_none:
                kinds["no chord"][f"{want.quality} -> {have.quality}"] += seconds
        elif want.root != have.root:
            interval = (have.root - want.root) % 12
            kinds["wrong root"][f"{want.quality} -> +{interval} {have.quality}"] += seconds
        elif want.quality != have.quality:
            kinds["quality"][f"{want.quality} -> {have.quality}"] += seconds
        if want.root != have.root:
            beside = {parse_harte(wanted[i]).root for i in (index - 1, index + 1) if 0 <= i < len(wanted)}
            kinds["boundary"]["a neighbour's root" if have.root in beside else "a root of its own"] += seconds


def song_labels(folder: Path, args: argparse.Namespace, tally: Tally) -> tuple[Labels, Labels]:
    """The reference and the chords found for one song."""
    labels = read_pop909_labels(folder)
    midi = read_midi(folder / f"{folder.name}.mid")
    beats, bars = _found_beats(midi) if args.beats == "found" else _given_beats(labels)
    found, took = chords_at_beats(
        midi, beats, bars, args.tracks == "merged", FULL if args.qualities == "all" else POP
    )
    tally.finding += took
    # Chords outside the vocabulary would be judged by mir_eval as they are written: nothing is rewritten.
    times = np.array([(row.start, row.end) for row in labels.chords if row.end > row.start])
    return (times, [row.label for row in labels.chords if row.end > row.start]), found


def _given_beats(labels: Pop909Labels) -> tuple[np.ndarray, np.ndarray]:
    return np.array(labels.beats), np.array(labels.bars)


def _found_beats(midi: MidiFile) -> tuple[np.ndarray, np.ndarray]:
    from hrpe_jax.analysis.beats.find_beats import find_beats

    beats = find_beats(midi)
    bars = np.zeros(len(beats.seconds), dtype=bool)
    bars[[bar for bar in beats.bars if bar < len(bars)]] = True
    return np.asarray(beats.seconds), bars


def report(tally: Tally, songs: int, failed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Prints the table; returns what the JSON line says."""
    print(f"{songs} songs, {tally.total / 60:.0f} minutes, beats {args.beats}, {failed} unreadable")
    print(f"{'metric':<14}{'percent':>9}{'by song':>9}{'compared':>10}")
    scores = {}
    for name in METRICS:
        scores[name] = 100 * tally.right[name] / max(tally.compared[name], 1e-9)
        mean = 100 * float(np.mean(tally.by_song[name] or [0.0]))
        share = 100 * tally.compared[name] / max(tally.total, 1e-9)
        print(f"{name:<14}{scores[name]:9.2f}{mean:9.2f}{share:9.1f}%")
    if args.errors:
        for kind, counts in tally.confusions.items():
            print(f"{kind}: {100 * sum(counts.values()) / tally.total:.2f} % of the time")
            for what, seconds in counts.most_common(args.errors):
                print(f"    {100 * seconds / tally.total:6.2f} %  {what}")
    milliseconds = 1000 * tally.finding / max(songs, 1)
    print(f"find_chords: {milliseconds:.2f} ms a song")
    return {
        "songs": songs,
        "split": args.split,
        "beats": args.beats,
        "tracks": args.tracks,
        "qualities": args.qualities,
        **{name: round(score, 2) for name, score in scores.items()},
        "find_chords_ms": round(milliseconds, 2),
    }


def main() -> None:
    """Runs the measurement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="POP909's folder of songs")
    parser.add_argument("--splits", required=True, help="JSON file of splits")
    parser.add_argument("--split", default="test", choices=("train", "valid", "test"))
    parser.add_argument("--limit", type=int, help="only the first so many songs")
    parser.add_argument("--beats", default="given", choices=("given", "found"))
    parser.add_argument("--tracks", default="apart", choices=("apart", "merged"))
    parser.add_argument("--qualities", default="pop909", choices=("pop909", "all"))
    parser.add_argument("--errors", nargs="?", type=int, const=15, default=0, metavar="ROWS")
    args = parser.parse_args()
    try:
        import mir_eval  # noqa: F401
    except ImportError:
        sys.exit("measure_chords needs mir_eval: pip install mir_eval")
    names = json.loads(Path(args.splits).read_text(encoding="utf-8"))[args.split][: args.limit]
    tally, failed = Tally(), 0
    for name in names:
        try:
            reference, found = song_labels(Path(args.input) / name, args, tally)
        except UserError as error:
            print(f"left out: {error}")
            failed += 1
            continue
        compare(reference, found, tally)
    print(json.dumps(report(tally, len(names) - failed, failed, args)))


if __name__ == "__main__":
    main()
