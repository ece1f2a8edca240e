"""From records to numbers: rates over songs and seeds, differences with intervals, calibration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

DRAWS, SEED, LEVEL = 10_000, 0, 0.95
Record = dict[str, Any]

RATES = {
    "backbone": {
        "chord_nll": ("chord_nll", "changes"),
        "chord_accuracy": ("chord_hit", "changes"),
        "root_nll": ("root_nll", "changes"),
        "root_accuracy": ("root_hit", "changes"),
        "token_nll": ("token_nll", "changes"),
        "token_accuracy": ("token_hit", "changes"),
    },
    "melody": {
        "note_nll": ("nll", "pitches"),
        "nll": ("nll", "events"),
        "pitch_nll": ("pitch_nll", "pitches"),
        "pitch_accuracy": ("pitch_hit", "pitches"),
    },
}
"""Figures of merit: (column that is summed, column that counts)."""
MOVING_RATES = {
    "sequence_nll": ("sequence_nll", "sequences"),
    "sequence_accuracy": ("sequence_hit", "sequences"),
}
"""Of the backbone, where a record has them: chords at sequence places."""
HEADLINE = {"backbone": "chord_nll", "melody": "note_nll"}


@dataclass(frozen=True)
class Difference:
    """Of two rows, song by song.

    Attributes:
      value: how much more the first has, in the unit of the rate.
      low: of the 95 % interval, songs resampled.
      high: of the same.
      seeds: which both have.
    """

    value: float
    low: float
    high: float
    seeds: tuple[int, ...]


def read_records(folder: Path) -> list[Record]:
    """All records of a folder, by name."""
    found: list[Record] = []
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        found += record.get("counts", [record])  # baselines: several in one file
    return found


def select(records: Sequence[Record], stage: str, rung: str, condition: str) -> list[Record]:
    """The runs of one row on the test split, by seed."""
    found = [
        r
        for r in records
        if (r["stage"], r["rung"], r["condition"], r["split"]) == (stage, rung, condition, "test")
    ]
    return sorted(found, key=lambda r: r["seed"])


def looked_into(records: Sequence[Record], rung: str) -> list[Record]:
    """The runs of a backbone rung whose tables are shown: the pilot's as long as there are no others."""
    piloted = [r for r in records if r["split"] == "valid" and (r["stage"], r["rung"]) == ("backbone", rung)]
    return select(records, "backbone", rung, "full") or piloted


def rate(record: Record, name: str) -> float:
    """One figure of merit of one run."""
    total, count = _columns(record, name)
    return float(np.sum(record["songs"][total]) / np.sum(record["songs"][count]))


def _columns(record: Record, name: str) -> tuple[str, str]:
    return {**RATES[record["stage"]], **MOVING_RATES}[name]


def rates(runs: Sequence[Record], name: str) -> np.ndarray:
    """One figure of merit, by seed."""
    return np.array([rate(run, name) for run in runs])


def difference(runs: Sequence[Record], others: Sequence[Record], name: str) -> Difference | None:
    """A row less another, over the seeds that both have; None where they have none.

    Each song's difference is the mean over seeds; the interval resamples songs, `DRAWS` times.
    """
    by_seed = [{run["seed"]: run for run in some} for some in (runs, others)]
    seeds = tuple(sorted(by_seed[0].keys() & by_seed[1].keys()))
    if not seeds:
        return None
    total, count = _columns(runs[0], name)

    def sums(some: dict[int, Record], column: str) -> np.ndarray:
        return np.mean([some[seed]["songs"][column] for seed in seeds], axis=0)

    for seed in seeds:
        if by_seed[0][seed]["songs"]["id"] != by_seed[1][seed]["songs"]["id"]:
            raise ValueError(f"{runs[0]['name']}, {others[0]['name']}: measured on different songs")
    apart = sums(by_seed[0], total) - sums(by_seed[1], total)
    counts = sums(by_seed[0], count)
    drawn = np.random.default_rng(SEED).integers(0, len(apart), (DRAWS, len(apart)))
    means = apart[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(float(apart.sum() / counts.sum()), float(low), float(high), seeds)


def calibration_error(runs: Sequence[Record]) -> float:
    """Expected calibration error (Naeini et al., 2015): mean distance of confidence and accuracy over bins.

    Weighted by the predictions in each bin; 0 is best, in shares of 1; the mean over seeds.
    """
    errors = []
    for run in runs:
        count, confidence, hit = (
            np.array(run["calibration"][kind]) for kind in ("count", "confidence", "hit")
        )
        errors.append(np.abs(confidence - hit).sum() / count.sum())
    return float(np.mean(errors))
