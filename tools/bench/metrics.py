"""How long it takes to judge generated music: every metric, every control, and bootstrap intervals.

    python tools/bench/metrics.py [--pieces=1000] [--bars=32] [--draws=1000] [--linear=250,500,1000,2000]
    python tools/bench/metrics.py --muspy [--pieces=200]

The pieces are made up by a seed: phrases that come again, with chords. The first form prints seconds and peak
memory of `hrpe_jax.metrics.compare` on so many generated against so many reference pieces, and with --linear
for several numbers of them, each in a process of its own. The second writes the pieces as MIDI files and
times the metrics that MusPy has too on the same files, once read, in processor time; they take turns.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.metrics import harmony, rhythm
from hrpe_jax.metrics.arrays import piece_of
from hrpe_jax.metrics.compare import compare
from hrpe_jax.metrics.harmony import pitch_class_entropy
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import MAJOR_SCALE, Key
from hrpe_jax.theory.meter import Meter

BAR = 48


def make_up(seed: int, bars: int) -> Score:
    """A piece in 4/4: eight-bar phrases A A B A, some notes of them new each time, two chords a bar."""
    rng = np.random.default_rng(seed)
    key = Key(int(rng.integers(12)), "major")
    phrases = [[_bar(rng, key.tonic) for _ in range(max(1, bars // 4))] for _ in range(2)]
    notes, spans = [], []
    for index in range(bars):
        which = (0, 0, 1, 0)[index * 4 // bars]
        melody, chords = phrases[which][index % len(phrases[which])]
        for onset, duration, pitch in melody:
            moved = pitch + (int(rng.integers(-2, 3)) if rng.random() < 0.1 else 0)
            notes.append(Note(index * BAR + onset, duration, moved))
        spans += [ChordSpan(index * BAR + at, BAR // 2, chord) for at, chord in chords]
    return Score(f"piece{seed}", "", key, Meter(4, 4), 120.0, tuple(notes), tuple(spans))


def _bar(rng: np.random.Generator, tonic: int) -> tuple[list[tuple[int, int, int]], list[tuple[int, Chord]]]:
    steps = np.flatnonzero(rng.random(16) < 0.5) * 3
    onsets = steps if len(steps) else np.array([0])
    pitches = tonic + 60 + rng.choice(MAJOR_SCALE, len(onsets))
    lengths = np.diff(onsets, append=BAR)
    roots = (tonic + rng.choice(MAJOR_SCALE, 2)) % 12
    chords = [
        (at, Chord(int(root), str(rng.choice(["maj", "min", "7"]))))
        for at, root in zip((0, 24), roots, strict=True)
    ]
    melody = [(int(a), int(b), int(c)) for a, b, c in zip(onsets, lengths, pitches, strict=True)]
    return melody, chords


def run(pieces: int, bars: int, draws: int) -> dict[str, Any]:
    """One comparison in this process."""
    generated = [make_up(seed, bars) for seed in range(pieces)]
    reference = [make_up(seed, bars) for seed in range(pieces, 2 * pieces)]
    start, cpu = time.perf_counter(), time.process_time()
    found = compare(generated, reference, bars=bars, draws=draws)
    seconds = time.perf_counter() - start
    return {
        "pieces": pieces,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "metrics": len(found.metrics),
        "ssmd_silence": found.to_dict()["metrics"][0]["rows"][0]["value"],
    }


def against_muspy(pieces: int, bars: int, rounds: int) -> dict[str, Any]:
    """Milliseconds a piece of the metrics that both have, the files read before.

    From a Score, and on the arrays that all metrics of a piece share once they are made.
    """
    import muspy  # type: ignore[import-not-found]

    from hrpe_jax import read_score
    from hrpe_jax.formats.midi.write import write_midi

    with tempfile.TemporaryDirectory() as room:
        files = [Path(room, f"{seed}.mid") for seed in range(pieces)]
        for seed, file in enumerate(files):
            write_midi(make_up(seed, bars), file)
        scores = [read_score(file) for file in files]
        music = [muspy.read_midi(file) for file in files]
    for item in music:
        item.tracks = item.tracks[:1]
    arrays = [piece_of(score) for score in scores]
    ways: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
        "groove consistency": (
            lambda piece: rhythm.groove_consistency(piece, None),
            lambda item: muspy.groove_consistency(item, 4 * item.resolution),
        ),
        "pitch in scale rate": (
            lambda piece: harmony.in_key_share(piece, "notes"),
            lambda item: muspy.pitch_in_scale_rate(item, 0, "major"),
        ),
        "pitch-class entropy": (lambda piece: pitch_class_entropy(piece, bars), muspy.pitch_class_entropy),
    }
    report: dict[str, Any] = {"pieces": pieces}
    print(f"{'milliseconds a piece':22} {'Score':>8} {'arrays':>8} {'MusPy':>8}")
    for name, (own, other) in ways.items():
        taken: dict[str, float] = {}
        for _ in range(rounds):
            for who, function, inputs in (
                ("score", lambda score, f=own: f(piece_of(score)), scores),
                ("arrays", own, arrays),
                ("muspy", other, music),
            ):
                start = time.process_time()
                for item in inputs:
                    function(item)
                passed = 1000 * (time.process_time() - start) / pieces
                taken[who] = min(passed, taken.get(who, passed))
        report[name] = {who: round(passed, 4) for who, passed in taken.items()}
        print(f"{name:22} {taken['score']:8.3f} {taken['arrays']:8.3f} {taken['muspy']:8.3f}")
    return report


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pieces", type=int, default=1000)
    parser.add_argument("--bars", type=int, default=32)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--linear", help="measure for these numbers of pieces, separated by commas")
    parser.add_argument("--muspy", action="store_true", help="compare with MusPy's functions")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if args.muspy:
        print(json.dumps(against_muspy(args.pieces, args.bars, args.rounds)))
        return
    if not args.linear:
        print(json.dumps(run(args.pieces, args.bars, args.draws)))
        return
    for pieces in args.linear.split(","):
        command = [
            sys.executable,
            __file__,
            f"--pieces={pieces}",
            f"--bars={args.bars}",
            f"--draws={args.draws}",
        ]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
