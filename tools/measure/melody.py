"""How well the melody of POP909 is found when the names of its tracks are hidden.

    python tools/measure/melody.py --input=POP909 --splits=FILE --split=valid --tracks=apart|merged

`apart`: the share of songs where the MELODY track is chosen among MELODY, BRIDGE and PIANO, and the notes
found. `merged`: all notes are in one track, as a file with one channel would have them (of overlapping equal
pitches the first to begin ends first). A note found counts where one of the MELODY track has its pitch and
begins within 50 ms. Precision, recall and F1 are means over songs. `--flat` makes all notes equally loud,
`--without=BRIDGE` leaves that track out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from hrpe_jax.analysis.melody.find_melody import find_melody
from hrpe_jax.analysis.melody.line import Notes
from hrpe_jax.formats.midi.read import MidiFile, MidiTrack, read_midi
from tools.fit.melody import matches


def merge(midi: MidiFile) -> MidiFile:
    """All tracks in one, without name."""
    table = np.concatenate([track.array() for track in midi.tracks])
    table = table[np.lexsort((table[:, 2], table[:, 0]))]
    end = table[:, 0] + table[:, 1]
    ends = end.copy()
    ends[np.lexsort((table[:, 0], table[:, 2]))] = end[np.lexsort((end, table[:, 2]))]
    table[:, 1] = np.maximum(ends - table[:, 0], 1)
    return replace(midi, tracks=(MidiTrack("", 0, False, table),))


def flat(table: np.ndarray) -> np.ndarray:
    """Notes without dynamics."""
    table = table.copy()
    table[:, 3] = 90
    return table


def notes_of(midi: MidiFile, table: np.ndarray) -> Notes:
    """A note table in seconds."""
    onset, duration, pitch, velocity = table.T
    return Notes(
        midi.seconds(onset), midi.seconds(onset + duration), pitch.astype(float), velocity.astype(float)
    )


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="folder of POP909's songs")
    parser.add_argument("--splits", required=True, help="JSON file of splits")
    parser.add_argument("--split", default="valid", choices=("train", "valid", "test"))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--tracks", default="merged", choices=("merged", "apart"))
    parser.add_argument("--flat", action="store_true", help="all notes equally loud")
    parser.add_argument("--without", help="name of a track to leave out")
    args = parser.parse_args()
    names = json.loads(Path(args.splits).read_text())[args.split][: args.limit]
    rows, ways, wrong, seconds = [], [], [], []
    for name in names:
        midi = read_midi(Path(args.input) / name / f"{name}.mid")
        tracks = [track for track in midi.tracks if track.name != args.without]
        melody = next(index for index, track in enumerate(tracks) if track.name == "MELODY")
        truth = notes_of(midi, tracks[melody].array())
        if args.flat:
            tracks = [replace(track, rows=flat(track.array())) for track in tracks]
        hidden = replace(midi, tracks=tuple(replace(track, name="") for track in tracks))
        if args.tracks == "merged":
            hidden = merge(hidden)
        start = time.process_time()
        found = find_melody(hidden)
        seconds.append(time.process_time() - start)
        ways.append(found.how)
        if args.tracks == "apart" and found.track != melody:
            wrong.append(name)
        hits = int(matches(notes_of(midi, found.notes), truth).sum())
        ours, theirs = max(len(found.notes), 1), len(truth.onset)
        rows.append((hits / ours, hits / theirs, 2 * hits / (ours + theirs)))
    precision, recall, f1 = (round(float(value), 4) for value in np.mean(rows, axis=0))
    report = {"songs": len(names), "precision": precision, "recall": recall, "f1": f1}
    if args.tracks == "apart":
        report |= {"right_track": round(1 - len(wrong) / len(names), 4), "wrong": wrong}
    report |= {"how": {way: ways.count(way) for way in sorted(set(ways))}}
    report |= {"ms_a_song": round(1000 * float(np.median(seconds)), 2)}
    for key, value in report.items():
        print(f"{key:12} {value}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
