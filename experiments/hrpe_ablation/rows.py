"""From records to numbers: rates over songs and seeds, differences with intervals, calibration."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hrpe_jax.utils.files import replace_file

RECORDS = Path(__file__).parent / "records.jsonl"
"""One line a run."""
BINS = 10
KINDS = ("count", "confidence", "hit")
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


def by_name(place: Path) -> dict[str, Record]:
    """The records of a file of JSON lines, or of a folder of JSON files, by name."""
    if place.suffix != ".jsonl":
        return {
            path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(place.glob("*.json"))
        }
    lines = place.read_text(encoding="utf-8").splitlines() if place.is_file() else []
    return {record["name"]: record for record in map(json.loads, lines)}


def read_records(place: Path) -> list[Record]:
    """All records, by name."""
    found: list[Record] = []
    for record in by_name(place).values():
        found += record.get("counts", [record])  # baselines: several in one
    return found


def add_record(place: Path, record: Record) -> None:
    """Adds a record, or takes the place of the one of its name; several processes may do so at once."""
    if place.suffix != ".jsonl":
        place.mkdir(parents=True, exist_ok=True)
        replace_file(place / f"{record['name']}.json", text(record).encode())
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.with_suffix(".lock"), "w") as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
        all_of_them = {**by_name(place), record["name"]: record}
        lines = [
            json.dumps(all_of_them[name]) + "\n" for name in sorted(all_of_them, key=lambda n: f"{n}.json")
        ]
        replace_file(place, "".join(lines).encode())


def text(record: Record) -> str:
    """A record as JSON, one line for each of its parts."""
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in record.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


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


class Calibration:
    """By bin: predictions, the sum of their likeliest class's probability, and how many of those came."""

    def __init__(self) -> None:
        self._sums = np.zeros((len(KINDS), BINS))

    def add(self, confidence: np.ndarray, hit: np.ndarray, count: np.ndarray | float = 1.0) -> None:
        """Adds predictions, arrays of any equal shape; those with ``count`` 0 do not count."""
        confidence, hit, count = (np.ravel(x) for x in np.broadcast_arrays(confidence, hit, count))
        which = np.minimum((confidence * BINS).astype(int), BINS - 1)
        for row, weight in zip(self._sums, (count, confidence * count, hit * count), strict=True):
            row += np.bincount(which, weight, BINS)

    def to_dict(self) -> dict[str, list[float]]:
        """Plain values for a record."""
        return {kind: [plain(x) for x in row] for kind, row in zip(KINDS, self._sums, strict=True)}


def plain(value: float) -> float:
    """Counts as whole numbers, sums to a ten-thousandth."""
    return int(value) if float(value).is_integer() else round(float(value), 4)
