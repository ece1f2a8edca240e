"""How long preprocessing takes from the command line: songs in, shards of both stages out.

    python tools/bench_preprocess.py --input=POP909 [--splits=FILE] [--runs=3] [--workers=2]

Every run is a process of its own and writes into a new folder. Prints one JSON object: seconds of wall time
of each run, the songs, and songs a second of the median run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(arguments: list[str]) -> tuple[float, dict[str, int]]:
    """Wall seconds of one `python -m hrpe_jax.preprocess`, and the counts it printed."""
    with tempfile.TemporaryDirectory() as room:
        command = [sys.executable, "-m", "hrpe_jax.preprocess", f"--output={room}/data", *arguments]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr.strip())
    return seconds, json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="folder of songs, or the word chorales")
    parser.add_argument("--splits", help="JSON file of splits")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    source = args.input if args.input == "chorales" else str(Path(args.input).resolve())
    arguments = [f"--input={source}", f"--workers={args.workers}"]
    if args.splits:
        arguments.append(f"--splits={Path(args.splits).resolve()}")
    runs = [run(arguments) for _ in range(args.runs)]
    seconds = [round(taken, 2) for taken, _ in runs]
    songs = runs[0][1]["songs"]
    rate = round(songs / statistics.median(seconds), 1)
    print(json.dumps({"seconds": seconds, "songs": songs, "songs_per_second": rate, "workers": args.workers}))


if __name__ == "__main__":
    main()
