"""How fast training batches come: batches and tokens a second for both stages, beside what a step takes.

    python tools/bench/pipeline.py --data=DIR [--rows=16 --length=256 --segments=1 --steps=400 --json]

DIR is what `python -m hrpe_jax.preprocess` wrote. The first batches of each stage, which read and decode the
songs, are reported on their own (`first_epoch`). `times_a_step` says how many times faster than a step of
`--step-seconds`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path


def measure(dataset, stage: str, shape, steps: int, threads: int) -> dict[str, float]:
    """Times `steps` batches of songs that are not yet in memory, then as many of songs that are."""
    from hrpe_jax.data.loader import train_batches

    # A quarter more than the tokens need: rows are not full to the last place.
    slots_a_batch = shape.rows * shape.length * shape.segments
    epoch = 1 + int(1.25 * sum(dataset.lengths(stage, "train")) / slots_a_batch)
    start = time.perf_counter()
    batches = train_batches(dataset, stage, shape, seed=0, num_steps=epoch + steps, threads=threads)
    for _ in range(epoch):
        next(batches)
    first = time.perf_counter() - start
    start, tokens, slots = time.perf_counter(), 0, 0
    for _ in range(steps):
        weights = next(batches)["weights"]
        tokens, slots = tokens + int((weights > 0).sum()), slots + weights.size
    seconds = time.perf_counter() - start
    return {
        "batches_per_second": round(steps / seconds, 1),
        "tokens_per_second": round(tokens / seconds),
        "filled": round(tokens / slots, 3),
        "first_epoch_batches": epoch,
        "first_epoch_seconds": round(first, 3),
    }


def main() -> int:
    """Prints one table or one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, type=Path, help="folder of shards")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--segments", type=int, default=1)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--step-seconds", type=float, default=0.5, help="what a training step takes")
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()

    from hrpe_jax.data.batches import BatchShape
    from hrpe_jax.data.shards import open_dataset
    from hrpe_jax.errors import UserError

    try:
        dataset = open_dataset(flags.data)
        shape = BatchShape(flags.rows, flags.length, flags.segments)
        results = {s: measure(dataset, s, shape, flags.steps, flags.threads) for s in ("backbone", "melody")}
    except UserError as error:
        print(f"bench_pipeline: {error}", file=sys.stderr)
        return 1
    for result in results.values():
        result["times_a_step"] = round(result["batches_per_second"] * flags.step_seconds, 1)
    if flags.json:
        print(json.dumps({"rows": flags.rows, "length": flags.length, "segments": flags.segments, **results}))
        return 0
    for stage, result in results.items():
        print(f"{stage}: " + ", ".join(f"{name} {value:,}" for name, value in result.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
