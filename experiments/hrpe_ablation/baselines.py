"""Tables of counts on the same tokens and songs as the grid's models, as records like theirs.

    python experiments/hrpe_ablation/baselines.py --pop909=DATA

Fitted on the training songs, brought to C; what has a record is not measured again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rows import RECORDS, Calibration, add_record, by_name, plain

from experiments.baselines.ppm import PPM
from hrpe_jax.baselines.measure import (
    HARMONIES,
    HARMONY_CLASS,
    ROOT_CLASS,
    VOCABULARY,
    Predict,
    Sequence,
    Stage,
    chord_changes,
    rank,
    song_sequences,
)
from hrpe_jax.baselines.ngram import NGram, Repeat, what_followed
from hrpe_jax.codec import melody_tokens
from hrpe_jax.data.shards import Dataset, open_dataset
from hrpe_jax.utils import cli

MEMORY = 60.0
"""How much an n-gram of the song so far counts, as in `experiments/baselines`."""
STAGES: tuple[Stage, ...] = ("backbone", "melody")


def predictors(stage: Stage, dataset: Dataset) -> dict[str, Predict]:
    """What is measured, by name, fitted."""
    train, size = song_sequences(dataset, stage, "train"), VOCABULARY[stage]
    tokens = [song.tokens for song in train]
    ngram = NGram(5, size, "kneser-ney").fit(tokens)
    ppm = PPM(5, size, "c", MEMORY).fit(tokens)

    def by_ngram(song: Sequence) -> Any:
        return ngram.distributions(song.tokens)

    return {
        "5-gram, Kneser-Ney": by_ngram,
        "PPM-C with memory of the song, order 5": lambda song: ppm.distributions(song.tokens),
        "what followed last time, else 5-gram": Repeat(what_followed(8), by_ngram).fit(train).distributions,
    }


def song_sums(predict: Predict, stage: Stage, dataset: Dataset, split: str) -> dict[str, Any]:
    """As `measure.song_sums`, of a table of counts."""
    records = dataset.records(stage, split)
    names = [str(records[i]["id"]) for i in range(len(records))]
    rows, calibration = {}, Calibration()
    for name, song in zip(names, song_sequences(dataset, stage, split), strict=True):
        add = _backbone if stage == "backbone" else _melody
        rows[name] = add(predict, song, calibration)
    names.sort()
    columns = {key: [plain(rows[name][key]) for name in names] for key in rows[names[0]]}
    return {"songs": {"id": names, **columns}, "calibration": calibration.to_dict()}


def _score(row: dict[str, float], name: str, probability: np.ndarray, truth: int) -> bool:
    """Adds the nats and the hit of one prediction."""
    prefix, hit = (f"{name}_" if name else ""), rank(probability, truth) < 1
    row[f"{prefix}nll"] -= float(np.log(probability[truth]))
    row[f"{prefix}hit"] += hit
    return hit


def _backbone(predict: Predict, song: Sequence, calibration: Calibration) -> dict[str, float]:
    kinds = [f"{name}{what}" for name in ("", "token_", "chord_", "root_") for what in ("nll", "hit")]
    row = dict.fromkeys(["events", "changes", *kinds], 0.0)
    changes = chord_changes(song.tokens) & song.counted
    for position, probability in enumerate(predict(song)):
        truth = int(song.tokens[position])
        if song.counted[position]:
            row["events"] += 1
            _score(row, "", probability, truth)
        if changes[position]:
            row["changes"] += 1
            _score(row, "token", probability, truth)
            harmony, chord = np.bincount(HARMONY_CLASS, probability, HARMONIES), int(HARMONY_CLASS[truth])
            calibration.add(harmony.max(), _score(row, "chord", harmony, chord))
            _score(row, "root", np.bincount(ROOT_CLASS, harmony), int(ROOT_CLASS[chord]))
    return row


def _melody(predict: Predict, song: Sequence, calibration: Calibration) -> dict[str, float]:
    row = dict.fromkeys(["events", "nll", "hit", "pitches", "pitch_nll", "pitch_hit"], 0.0)
    for position, probability in enumerate(predict(song)):
        truth = int(song.tokens[position])
        if song.counted[position]:
            row["events"] += 1
            calibration.add(probability.max(), _score(row, "", probability, truth))
            if truth < melody_tokens.PITCHES:
                row["pitches"] += 1
                _score(row, "pitch", probability, truth)
    return row


def main(args: argparse.Namespace) -> None:
    """Measures what has no record yet."""
    dataset, records = open_dataset(Path(args.pop909)), Path(args.records)
    for stage in STAGES:
        if f"counts-{stage}" in by_name(records):
            continue
        found = []
        for name, predict in predictors(stage, dataset).items():
            cli.say(f"{stage}: {name}")
            about = {"stage": stage, "rung": name, "condition": "counts", "split": "test"}
            found.append({**about, **song_sums(predict, stage, dataset, "test")})
        add_record(records, {"name": f"counts-{stage}", "format": 1, "counts": found})


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--pop909", required=True, metavar="DATA", help="POP909, prepared")
    options.add_argument("--records", default=str(RECORDS), metavar="FILE", help="where records go")
    options.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
