"""Composes pieces over all keys, meters and controls, and checks each: it decodes, its bars are full, chords
and melody end together at the asked bar with a note that sounds into it, and what was asked for is there.

    python tools/measure/check_sampling.py --model=DIR [--pieces=1000] [--meters=4/4,3/4,6/8,2/4,12/8,5/4,7/8]

Prints a line for every failure and one JSON object with the counts; exit status 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from hrpe_jax.checkpoints.release import Model, load_model
from hrpe_jax.codec import backbone, melody_tokens, vocabulary
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.sampling.compose import Piece, compose_pieces
from hrpe_jax.sampling.controls import Controls, read_controls
from hrpe_jax.sampling.options import ComposeOptions
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.utils.jax_setup import enable_compilation_cache

METERS = "4/4,3/4,6/8,2/4,12/8,5/4,7/8"
KINDS = ("free", "chords", "gaps", "form", "prime", "prime chords", "backbone", "hot")


def opening(key: Key, meter: Meter) -> Score:
    """Two bars to go on from: tonic and dominant under a few notes."""
    bar, beat = meter.bar_ticks, meter.beat_ticks
    tonic, dominant = (
        Chord(key.tonic, "maj" if key.mode == "major" else "min"),
        Chord((key.tonic + 7) % 12, "7"),
    )
    notes = [Note(place, beat, 60 + key.scale[place // beat % 7] % 12) for place in range(0, 2 * bar, beat)]
    return Score(
        "opening",
        "",
        key,
        meter,
        100.0,
        tuple(notes),
        (ChordSpan(0, bar, tonic), ChordSpan(bar, bar, dominant)),
    )


def options_of(kind: str, key: Key, meter: Meter) -> dict[str, Any]:
    """Options of a kind."""
    plain: dict[str, Any] = {"key": key, "meter": meter, "bars": 4}
    if kind == "chords":
        return plain | {"chords": "I vi | ii7 V7 | %" if meter.beats_per_bar > 1 else "I vi V7"}
    if kind == "gaps":
        return plain | {"chords": "I ? | ? | ? V7 | ?" if meter.beats_per_bar > 1 else "I ? V7 ?"}
    if kind == "form":
        return plain | {"form": "AA'BA", "bars": 8}
    if kind == "prime":
        return {"prime": opening(key, meter), "bars": 3}
    if kind == "prime chords":
        return {"prime": opening(key, meter), "prime_use": "chords"}
    if kind == "backbone":
        return plain | {"stage": "backbone"}
    if kind == "hot":
        return plain | {"temperature": 20.0, "top_p": 1.0, "repetition_penalty": 3.0}
    return plain


def faults(piece: Piece, controls: Controls) -> Iterator[str]:
    """Yields what is wrong with a piece."""
    score, meter = piece.score, piece.score.meter
    beats = controls.bars * meter.beats_per_bar
    said = vocabulary.accepts_backbone(piece.backbone_ids, beats=beats)
    if said:
        yield said
    if controls.key not in (None, score.key) or controls.meter not in (None, meter):
        yield f"{score.key} in {meter}, asked for {controls.key} in {controls.meter}"
    if len(score.bar_starts()) != controls.bars or score.bar_resets:
        yield f"{len(score.bar_starts())} bars, asked for {controls.bars}"
    _, harmony = backbone.harmony_of_beats(score)
    if score.end != controls.bars * meter.bar_ticks or len(harmony) != beats:
        yield f"ends at tick {score.end}"
    asked = [] if controls.continued is None else list(controls.continued.harmony)
    for chord, length in controls.chords or ():
        asked += [-1 if chord is None else tokens.chord_id(chord.absorb_bass())] * length
    if any(lock not in (-1, int(said)) for lock, said in zip(asked, harmony, strict=False)):
        yield "a chord that was asked for is not there"
    if controls.form is not None:
        per_bar = meter.beats_per_bar
        for bar, source in enumerate(controls.form.chord_sources()):
            here, there = (harmony[n * per_bar : (n + 1) * per_bar].tolist() for n in (bar, source))
            if source >= 0 and here != there:
                yield f"bar {bar + 1} does not repeat the chords of bar {source + 1}"
    if controls.stage != "backbone":
        yield from _melody_faults(piece, controls)


def _melody_faults(piece: Piece, controls: Controls) -> Iterator[str]:
    score, ticks = piece.score, piece.score.meter.bar_ticks
    said = vocabulary.accepts_melody(piece.event_ids, score.meter, short_bars=False)
    if said:
        yield said
    if piece.event_ids.count(melody_tokens.BAR) != controls.bars:
        yield "the melody has another number of bars"
    if score.melody[-1].end <= score.end - ticks:
        yield "the melody is silent in the last bar"
    if controls.continued is not None:
        first = controls.continued.score.melody
        if [note.pitch for note in score.melody[: len(first)]] != [note.pitch for note in first]:
            yield "it does not begin with the prime"
    if controls.form is not None:
        bars = [
            [(note.onset % ticks, note.pitch) for note in score.melody if note.onset // ticks == bar]
            for bar in range(controls.bars)
        ]
        for bar, source in enumerate(controls.form.melody_sources()):
            if source >= 0 and bars[bar] != bars[source]:
                yield f"bar {bar + 1} does not repeat the notes of bar {source + 1}"


def check(model: Model, meters: Sequence[Meter], pieces: int) -> dict[str, Any]:
    """Composes at least so many pieces, each kind in each key, prints every fault, and counts."""
    calls = [
        (kind, Key.from_index(index), meters[(index + number) % len(meters)])
        for number, kind in enumerate(KINDS)
        for index in range(24)
    ]
    each = -(-pieces // len(calls))
    kinds: Counter[str] = Counter()
    failed, tonic, began = 0, 0, time.perf_counter()
    for seed, (kind, key, meter) in enumerate(calls):
        options = ComposeOptions(num_pieces=each, seed=seed, **options_of(kind, key, meter))
        controls = read_controls(options)
        for piece in compose_pieces(model, controls):
            kinds[kind] += 1
            tonic += piece.score.chords[-1].chord.root == key.tonic
            wrong = list(faults(piece, controls))
            failed += bool(wrong)
            for fault in wrong:
                print(f"{kind}, {key.name}, {meter}, seed {seed}, {piece.score.id}: {fault}")
    total = sum(kinds.values())
    return {
        "pieces": total,
        "failed": failed,
        "keys": 24,
        "meters": [str(meter) for meter in meters],
        "kinds": dict(kinds),
        "end_on_tonic": round(tonic / total, 3),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> int:
    """Prints the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="pretrained", help="workdir or released model")
    parser.add_argument("--pieces", type=int, default=1000, help="how many, at least")
    parser.add_argument("--meters", default=METERS)
    flags = parser.parse_args()
    enable_compilation_cache()
    meters = [Meter.parse(text) for text in flags.meters.split(",")]
    found = check(load_model(flags.model), meters, flags.pieces)
    print(json.dumps(found))
    return int(found["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
