"""How well beats and bars are found in POP909's MIDI files.

    python tools/measure/beats.py --input=POP909 --splits=pop909.json [--split=test] [--limit=N]
        [--performed=SECONDS]

The reference is beat_midi.txt. F-measures count a beat as found within 70 ms of one given, each once (as
mir_eval.beat.f_measure; C. Raffel et al., ISMIR 2014), from the first note to the last and where the
reference has beats. The bars of the reference are themselves in doubt in some songs, so there is a figure
that needs none: the share of bar lines, given and found, on which a bass note begins. `level` is the share
of songs whose median beat is within a fifth of an octave of the reference's. With `--performed` the file's
tempo is taken away before the search: times in seconds are written at a nominal 120 bpm, each onset moved
by a normal deviate of that many seconds. Prints a table and last one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from hrpe_jax.analysis.beats.find_beats import find_beats
from hrpe_jax.errors import UserError
from hrpe_jax.formats.charts.labels import read_pop909_labels
from hrpe_jax.formats.midi.read import MidiFile, MidiTrack, read_midi

TOLERANCE = 0.07
LEVEL = 0.2
BASS = 7
"""Semitones under the middle of a piece's notes at which a note is bass."""
SPLITS = ("train", "valid", "test")


def f_measure(found: np.ndarray, given: np.ndarray) -> float:
    """2 x hits / (found + given) of two increasing sequences of seconds; each given beat is hit once."""
    hits = i = j = 0
    while i < len(found) and j < len(given):
        if abs(found[i] - given[j]) <= TOLERANCE:
            hits, i, j = hits + 1, i + 1, j + 1
        elif found[i] < given[j]:
            i += 1
        else:
            j += 1
    return 2 * hits / max(1, len(found) + len(given))


def performed(midi: MidiFile, jitter: float, seed: int) -> MidiFile:
    """The same notes at the same seconds, in a file that knows no tempo."""
    random = np.random.default_rng(seed)
    tracks = []
    for track in midi.tracks:
        rows = track.rows.copy()
        begin, end = midi.seconds(rows[:, 0]), midi.seconds(rows[:, 0] + rows[:, 1])
        rows[:, 0] = np.maximum(np.round((begin + random.normal(0.0, jitter, len(begin))) * 960), 0)
        rows[:, 1] = np.maximum(np.round((end - begin) * 960), 1)
        rows = rows[np.lexsort((rows[:, 2], rows[:, 0]))]
        tracks.append(MidiTrack(track.name, track.program, track.is_drum, rows))
    return MidiFile(ticks_per_quarter=480, tracks=tuple(tracks), tempos=((0, 120.0),), meters=((0, 4, 4),))


def bass_share(midi: MidiFile, bars: np.ndarray) -> float:
    """Share of these bar lines (seconds) on which a note of the bass begins, within 50 ms."""
    rows = np.concatenate([track.rows for track in midi.tracks if not track.is_drum])
    low = np.unique(midi.seconds(rows[rows[:, 2] < np.median(rows[:, 2]) - BASS, 0]))
    if not len(low) or not len(bars):
        return 0.0
    after = np.searchsorted(low, bars).clip(1, len(low) - 1)
    nearest = np.minimum(np.abs(bars - low[after - 1]), np.abs(bars - low[after]))
    return float((nearest < 0.05).mean())


def measure_song(folder: Path, jitter: float | None) -> dict[str, float | str]:
    """The figures of one song."""
    labels = read_pop909_labels(folder)
    midi = read_midi(folder / f"{folder.name}.mid")
    if jitter is not None:
        midi = performed(midi, jitter, seed=int(folder.name))
    start = time.process_time()
    beats = find_beats(midi)
    took = time.process_time() - start
    given, bars = np.array(labels.beats), np.array(labels.bars)
    sounding = midi.seconds([min(int(track.rows[0, 0]) for track in midi.tracks), midi.end])
    low = max(float(sounding[0]), float(given[0])) - TOLERANCE
    high = min(float(sounding[1]), float(given[-1])) + TOLERANCE

    def heard(times: np.ndarray) -> np.ndarray:
        return times[(times >= low) & (times <= high)]

    octaves = np.log2(np.median(np.diff(given)) / np.median(np.diff(beats.seconds)))
    return {
        "beats": f_measure(heard(beats.seconds), heard(given)),
        "bars": f_measure(heard(beats.seconds[beats.bars]), heard(given[bars])),
        "bass_given": bass_share(midi, heard(given[bars])),
        "bass_found": bass_share(midi, heard(beats.seconds[beats.bars])),
        "level": float(abs(octaves) < LEVEL),
        "ms": took * 1000,
        "how": " ".join([str(beats.meter), *beats.warnings]),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="POP909's folder of song folders")
    parser.add_argument("--splits", required=True, help="JSON file of splits")
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--limit", type=int, help="songs, evenly chosen; all where not given")
    parser.add_argument("--performed", type=float, metavar="SECONDS", help="take the tempo away; jitter")
    args = parser.parse_args()
    songs = sorted(json.loads(Path(args.splits).read_text(encoding="utf-8"))[args.split])
    if args.limit and args.limit < len(songs):
        songs = [songs[index * len(songs) // args.limit] for index in range(args.limit)]
    figures, failed = [], 0
    for song in songs:
        try:
            figures.append(measure_song(Path(args.input) / song, args.performed))
        except UserError as error:
            failed += 1
            print(error, file=sys.stderr)
    if not figures:
        sys.exit("no songs could be read: expected folders such as POP909/001 in --input")
    names = {
        "beats": "F of beats",
        "bars": "F of bar lines",
        "bass_given": "bass on given bar lines",
        "bass_found": "bass on found bar lines",
        "level": "right level",
    }
    means = {name: float(np.mean([row[name] for row in figures])) for name in (*names, "ms")}
    print(f"{len(figures)} songs of {args.split}, {failed} unreadable")
    for name, text in names.items():
        print(f"{text:<24}{100 * means[name]:>8.1f}")
    gain = np.array([float(row["bass_found"]) - float(row["bass_given"]) for row in figures])
    early = float((gain > 0.3).mean())  # of songs: here the reference is not to be believed
    print(f"{'bass clearly on found':<24}{100 * early:>8.1f}")
    good = float(np.mean([row["bars"] > 0.9 for row in figures]))  # type: ignore[operator]
    print(f"{'bars F > 0.9':<24}{100 * good:>8.1f}")
    print(f"{means['ms']:.2f} ms a song")
    for how, count in Counter(str(row["how"]) for row in figures).most_common():
        print(f"{count:>5} {how}")
    print(
        json.dumps(
            {
                "songs": len(figures),
                "split": args.split,
                "performed": args.performed,
                **{name: round(100 * means[name], 1) for name in names},
                "ms": round(means["ms"], 2),
            }
        )
    )


if __name__ == "__main__":
    main()
