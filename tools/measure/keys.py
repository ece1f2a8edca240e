"""How often the key of POP909's songs is found.

    python tools/measure/keys.py --input=POP909 --splits=FILE --split=valid --chords=found|given

Beats and bars are those of beat_midi.txt; chords are found from the notes, or those of chord_midi.txt. Songs
with one key in key_audio.txt: how many have exactly that key, or its signature; how many are said to change.
Songs that change: the share of the time of each song with the right key. Beside them the same with the
Albrecht-Shanahan profiles alone.

The labels were found from the sound, and some name the relative of what a musician hears: `contradicted`
counts the songs whose label has more of three plain signs against it than for it, and the share of exact
keys is said for these and for the others.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrpe_jax.analysis.chords.find_chords import find_chords
from hrpe_jax.analysis.keys import chord_kind
from hrpe_jax.formats.charts.labels import read_pop909_labels
from hrpe_jax.formats.midi.read import read_midi
from hrpe_jax.readers.pop909 import MELODY_TRACK
from hrpe_jax.score.score import ChordSpan
from hrpe_jax.theory.chord import parse_harte
from hrpe_jax.theory.key import Key, find_key

TICKS = 12
"""Ticks a beat."""
KINDS = {"major": 0, "minor": 2}
"""Kind of the tonic's triad, see `chord_kind`."""


class KeySong(NamedTuple):
    """Notes, chords and keys of a song, in ticks; `last` is the last pitch that is sung."""

    onset: np.ndarray
    duration: np.ndarray
    pitch: np.ndarray
    bars: np.ndarray
    given: tuple[ChordSpan, ...]
    found: tuple[ChordSpan, ...]
    keys: list[tuple[float, float, Key]]
    last: int


def read_song(folder: Path) -> KeySong:
    """A song on the beats of its label file."""
    labels = read_pop909_labels(folder)
    midi = read_midi(folder / f"{folder.name}.mid")
    rows = np.concatenate([track.array() for track in midi.tracks if not track.is_drum])
    edges = np.append(labels.beats, 2 * labels.beats[-1] - labels.beats[-2])
    grid = np.arange(len(edges)) * TICKS

    def ticks(seconds: float | np.ndarray) -> np.ndarray:
        return np.interp(seconds, edges, grid)

    onset, end = ticks(midi.seconds(rows[:, 0])), ticks(midi.seconds(rows[:, 0] + rows[:, 1]))
    heard = end > onset
    onset, duration, pitch = onset[heard], (end - onset)[heard], rows[heard, 2]
    bars = np.array(labels.bars)
    given = []
    for row in labels.chords:
        begin, stop = round(float(ticks(row.start))), round(float(ticks(row.end)))
        if stop > begin:
            given.append(ChordSpan(begin, stop - begin, parse_harte(row.label)))
    found = find_chords(onset, duration, pitch, grid=grid, strong=bars)
    sung = next(track.array() for track in midi.tracks if track.name == MELODY_TRACK)
    last = int(sung[sung[:, 0].argmax(), 2])
    keys = [(float(ticks(row.start)), float(ticks(row.end)), Key.parse(row.label)) for row in labels.keys]
    return KeySong(onset, duration, pitch, grid[:-1][bars], tuple(given), found, keys, last)


def relative(key: Key) -> Key:
    """The key of the other mode with the same signature."""
    return Key((key.tonic + 9) % 12, "minor") if key.mode == "major" else Key((key.tonic + 3) % 12, "major")


def signs(song: KeySong, key: Key) -> tuple[bool, bool, float]:
    """Whether the melody and the chords given end on the tonic, and how long the tonic's triad sounds."""
    chords = [span for span in song.given if not span.chord.is_none]
    kind = KINDS[key.mode]
    tonic = [span for span in chords if span.chord.root == key.tonic]
    triad = sum(span.duration for span in tonic if chord_kind(span.chord.quality) == kind)
    return song.last % 12 == key.tonic, chords[-1].chord.root == key.tonic, triad


def contradicted(song: KeySong) -> bool:
    """Whether more of three signs name the label's relative: last note, last chord, longer triad."""
    label, other = signs(song, song.keys[0][2]), signs(song, relative(song.keys[0][2]))
    for_label = label[0] + label[1] + (label[2] > other[2])
    return for_label < other[0] + other[1] + (other[2] > label[2])


def share_right(song: KeySong, segments: tuple[tuple[int, Key], ...]) -> float:
    """Share of the labelled time with the right key."""
    right = total = 0.0
    begins = [begin for begin, _ in segments]
    ends = [*begins[1:], np.inf]
    begins[0] = -np.inf
    for start, stop, key in song.keys:
        total += stop - start
        for begin, end, (_, found) in zip(begins, ends, segments, strict=True):
            if found == key:
                right += max(0.0, min(stop, end) - max(start, begin))
    return right / max(total, 1e-9)


def mean_where(values: list[bool], where: list[bool]) -> float | None:
    """Share of the values there, if there is any."""
    chosen = [value for value, here in zip(values, where, strict=True) if here]
    return float(np.mean(chosen)) if chosen else None


def main() -> None:
    """Measures."""
    from hrpe_jax.analysis.keys import find_keys

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="folder of POP909's songs")
    parser.add_argument("--splits", required=True, help="JSON file of splits")
    parser.add_argument("--split", default="valid", choices=("train", "valid", "test"))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--chords", default="found", choices=("found", "given"))
    args = parser.parse_args()
    names = json.loads(Path(args.splits).read_text())[args.split][: args.limit]
    exact, right_signature, changed, profile, profile_share, seconds = [], [], [], [], [], []
    share: list[float] = []
    most: list[bool] = []
    against: list[bool] = []
    for name in names:
        song = read_song(Path(args.input) / name)
        chords = song.given if args.chords == "given" else song.found
        start = time.process_time()
        found = find_keys(song.onset, song.duration, song.pitch, chords, bars=song.bars)
        seconds.append(time.process_time() - start)
        plain = find_key(np.bincount(song.pitch % 12, weights=song.duration, minlength=12))
        if len({key for _, _, key in song.keys}) == 1:
            key = song.keys[0][2]
            exact.append(found.key == key)
            right_signature.append(found.key.fifths == key.fifths)
            changed.append(len(found.segments) > 1)
            profile.append(plain == key)
            against.append(contradicted(song))
        else:
            share.append(share_right(song, found.segments))
            profile_share.append(share_right(song, ((0, plain),)))
            most.append(found.key == max(song.keys, key=lambda row: row[1] - row[0])[2])
    report = {
        "one_key": len(exact),
        "exact": np.mean(exact),
        "signature": np.mean(right_signature),
        "said_to_change": np.mean(changed),
        "exact_profile": np.mean(profile),
        "contradicted": sum(against),
        "exact_contradicted": mean_where(exact, against),
        "exact_others": mean_where(exact, [not sign for sign in against]),
        "several_keys": len(share),
        "time_right": np.mean(share) if share else None,
        "time_right_profile": np.mean(profile_share) if share else None,
        "longest_right": np.mean(most) if most else None,
        "ms_a_song": 1000 * np.median(seconds),
    }
    report = {name: value if value is None else round(float(value), 4) for name, value in report.items()}
    for name, value in report.items():
        print(f"{name:20} {value}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
