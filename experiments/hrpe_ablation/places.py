"""Where in a song a rung is right, and where it is not: chord changes by what a plain search expects there.

    python experiments/hrpe_ablation/places.py --pop909=DATA --models=DIR --rung=lag4_repeats

DIR is what `run.py --keep=DIR` kept of all seeds of the rung; their predictions are averaged. On validation
songs, since it is read to find out what to do next. Writes a record beside those of the runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import average
import jax
import jax.numpy as jnp
import numpy as np

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.data.loader import eval_batches
from hrpe_jax.data.shards import open_dataset
from hrpe_jax.ops import losses, repeats
from hrpe_jax.tasks.backbone import root_quality, root_quality_of
from hrpe_jax.utils import cli

REMEMBERED = 1024  # events: more than any song has
PLACES = (
    "what followed the longest earlier agreement comes",
    "what followed the next longest comes",
    "another chord of this song comes",
    "a chord comes that the song has not had",
)
AGREEMENTS = ((0, 0), (1, 1), (2, 3), (4, 7), (8, None))
"""Events for which the past agrees with an earlier place: from, to."""


def changes(batch: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a batch `[rows, length]`: where a chord changes, which of `PLACES`, for how long the past agrees."""
    ids, targets = batch["input_ids"], batch["target_ids"]
    chord, target = (np.asarray(root_quality_of(jnp.asarray(x))) for x in (ids, targets))
    counted = (batch["weights"] > 0) & (batch["positions"] >= tokens.PREFIX_LENGTH - 1)
    changed = counted & (target > 0) & (target != chord)
    known = jnp.where(batch["segment_ids"] > 0, ids, repeats.NOTHING)
    _, found = repeats.follow(
        repeats.empty(ids.shape[0], REMEMBERED), known, jnp.asarray(batch["bar_phase"]),
        jnp.asarray(tokens.BEATS)[ids], jnp.asarray(batch["positions"] == 0),
    )  # fmt: skip
    agree = np.asarray(found.agree)
    expected = np.asarray(root_quality_of(jnp.maximum(found.event, 0)))
    right = (agree > 0) & (expected == target[..., None])
    had = np.zeros_like(changed)
    for row, songs in enumerate(batch["segment_ids"]):
        for column in np.flatnonzero(changed[row]):
            same = songs[: column + 1] == songs[column]
            had[row, column] = target[row, column] in chord[row, : column + 1][same]
    place = np.select([right[..., 0], right[..., 1], had], [0, 1, 2], 3)
    return changed, place, agree[..., 0]


def main(args: argparse.Namespace) -> int:
    """Measures and writes the record."""
    names, task, params, config = average.averaged(args.rung, Path(args.models))

    @jax.jit
    def scored(segment: dict[str, Any]) -> tuple[jax.Array, jax.Array]:
        chords = root_quality(task.apply({"params": params}, segment)[0])
        target = root_quality_of(segment["target_ids"])
        return -losses.log_likelihood(chords, target), losses.rank(chords, target) < 1

    batches = eval_batches(open_dataset(args.pop909, verify=True), "backbone", config.batch, split="valid")
    columns: list[tuple[np.ndarray, ...]] = []
    for step in range(len(batches)):
        batch = {name: leaf[0] for name, leaf in batches[step].items()}
        changed, place, agree = changes(batch)
        columns.append(tuple(np.asarray(x)[changed] for x in (*scored(batch), place, agree)))
    nll, hit, place, agree = (np.concatenate(column) for column in zip(*columns, strict=True))

    def sums(where: np.ndarray) -> dict[str, float]:
        return {
            "count": int(where.sum()),
            "nll": round(float(nll[where].sum(dtype=np.float64)), 3),
            "hit": int(hit[where].sum()),
        }

    found = {
        "places": {name: sums(place == number) for number, name in enumerate(PLACES)},
        "agreements": {
            _span(low, high): sums((agree >= low) & (agree <= (agree.max() if high is None else high)))
            for low, high in AGREEMENTS
        },
    }
    record = average.write_record(args, "places", names, "valid", found)
    print(f"{record['name']}: {len(nll)} chord changes, nll {nll.mean():.3f}, accuracy {hit.mean():.3f}")
    return 0


def _span(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more"
    return f"{low}" if low == high else f"{low} to {high}"


def parser() -> argparse.ArgumentParser:
    """The options."""
    return average.parser(__doc__)


if __name__ == "__main__":
    sys.exit(cli.run(main, parser()))
