"""How long preprocessing takes from the command line, on one core and two, in the pool and on Beam, and how
much memory it takes: songs in, shards of both stages out.

    python tools/bench/preprocess.py --input=POP909 [--format=midi] [--splits=FILE] [--runs=3] [--limit=N]
    python tools/bench/preprocess.py --input=POP909 --beam_options="--direct_num_workers=2 ..." --beam
    python tools/bench/preprocess.py --input=POP909 --memory=100,300,900
    python tools/bench/preprocess.py --input=POP909 --reading

Every run is a process of its own and writes into a new folder; the ways to run take turns, so that a machine
that gets busier slows all of them alike. Prints a table and, last, one JSON object. With --memory it reads so
many files in turn and prints the peak resident memory of the parent and of its largest worker. With
--reading it only reads the MIDI files: bytes to notes, in this process; files a second of processor time,
best run.

Seconds are wall time of the whole command; files a second are those of the median run, start included; "cpu"
is processor time of the parent and of all workers together. All runs must write the same shards.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_RUN = """
import json, resource, sys
from hrpe_jax import preprocess
from hrpe_jax.utils import cli
code = cli.run(preprocess.main, preprocess.parser(), sys.argv[1:])
own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
usage = {"parent_mb": own.ru_maxrss / 1024, "worker_mb": workers.ru_maxrss / 1024}
usage["parent_cpu"] = own.ru_utime + own.ru_stime
usage["worker_cpu"] = workers.ru_utime + workers.ru_stime
print(json.dumps(usage))
sys.exit(code)
"""


def run(arguments: list[str]) -> dict[str, Any]:
    """One command: its counts, wall `seconds`, processor time, memory, and the `shards` that it wrote."""
    with tempfile.TemporaryDirectory() as room:
        command = [sys.executable, "-c", _RUN, f"--output={room}/data", *arguments]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
        if done.returncode:
            sys.exit(done.stderr.strip())
        counts, usage = map(json.loads, done.stdout.splitlines()[-2:])
        manifest = json.loads(Path(room, "data", "manifest.json").read_text("utf-8"))
    return {**counts, **usage, "seconds": seconds, "shards": manifest["shards"]}


def compare(ways: dict[str, list[str]], runs: int) -> dict[str, Any]:
    """Runs every way so many times, in turns, and prints a table."""
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, arguments in ways.items():
            taken[name].append(run(arguments))
    first = next(iter(taken.values()))[0]
    report: dict[str, Any] = {"files": first["found"], "songs": first["songs"]}
    print(f"{'way':12} {'seconds':>24} {'files/s':>8} {'cpu':>13} {'parent MB':>10} {'worker MB':>10}")
    for name, results in taken.items():
        seconds = [round(result["seconds"], 2) for result in results]
        middle = statistics.median(seconds)
        row = {
            "seconds": seconds,
            "files_per_second": round(first["found"] / middle, 1),
            "parent_cpu": round(statistics.median(result["parent_cpu"] for result in results), 1),
            "worker_cpu": round(statistics.median(result["worker_cpu"] for result in results), 1),
            "parent_mb": round(max(result["parent_mb"] for result in results)),
            "worker_mb": round(max(result["worker_mb"] for result in results)),
        }
        report[name] = row
        cpu = f"{row['parent_cpu']:5} + {row['worker_cpu']:5}"
        print(
            f"{name:12} {' '.join(map(str, seconds)):>24} {row['files_per_second']:8} {cpu} "
            f"{row['parent_mb']:10} {row['worker_mb']:10}"
        )
    if "1 worker" in report and "2 workers" in report:
        one, two = (statistics.median(report[name]["seconds"]) for name in ("1 worker", "2 workers"))
        report["speedup"] = round(one / two, 2)
        print(f"two workers are {report['speedup']} times as fast as one")
    report["same_shards"] = all(r["shards"] == first["shards"] for results in taken.values() for r in results)
    print(f"all runs wrote the same shards: {report['same_shards']}")
    return report


def memory(arguments: list[str], limits: list[int]) -> dict[str, Any]:
    """Peak memory over the number of files."""
    report = {}
    print(f"{'files':>8} {'parent MB':>10} {'worker MB':>10}")
    for limit in limits:
        result = run([*arguments, f"--limit={limit}"])
        report[str(result["found"])] = {name: round(result[name]) for name in ("parent_mb", "worker_mb")}
        print(f"{result['found']:8} {result['parent_mb']:10.0f} {result['worker_mb']:10.0f}")
    return report


def reading(folder: Path, runs: int) -> dict[str, float]:
    """Files a second of processor time: what `read_midi` does, and the parser in it alone."""
    import symusic

    from hrpe_jax.formats.midi.read import MidiError, read_midi

    def read(path: Path) -> None:
        with contextlib.suppress(MidiError):
            read_midi(path)

    def parse(path: Path) -> None:
        with contextlib.suppress(RuntimeError, ValueError):
            symusic.Score.from_midi(path.read_bytes())

    files = sorted(folder.rglob("*.mid"))
    best = {"read_midi": float("inf"), "symusic": float("inf")}
    for _ in range(runs + 1):  # the first fills the caches
        for name, function in (("read_midi", read), ("symusic", parse)):
            start = time.process_time()
            for path in files:
                function(path)
            best[name] = min(best[name], time.process_time() - start)
    report = {name: round(len(files) / seconds, 1) for name, seconds in best.items()}
    print(f"{len(files)} files: " + ", ".join(f"{name} {rate} a second" for name, rate in report.items()))
    return report


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="folder of songs, or the word chorales")
    parser.add_argument("--format", default="auto", help="as of preprocess")
    parser.add_argument("--splits", help="JSON file of splits")
    parser.add_argument("--limit", type=int, help="read only the first LIMIT files")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", default="1,2", help="numbers of processes, separated by commas")
    parser.add_argument("--beam", action="store_true", help="compare with Beam's DirectRunner too")
    parser.add_argument(
        "--beam_options", default="--direct_num_workers=2 --direct_running_mode=multi_threading"
    )
    parser.add_argument("--memory", help="measure memory for these numbers of files, separated by commas")
    parser.add_argument("--reading", action="store_true", help="measure reading alone")
    args = parser.parse_args()
    if args.reading:
        print(json.dumps(reading(Path(args.input), args.runs)))
        return
    source = args.input if args.input == "chorales" else str(Path(args.input).resolve())
    arguments = [f"--input={source}", f"--format={args.format}"]
    if args.splits:
        arguments.append(f"--splits={Path(args.splits).resolve()}")
    if args.memory:
        print(json.dumps(memory(arguments, [int(limit) for limit in args.memory.split(",")])))
        return
    if args.limit:
        arguments.append(f"--limit={args.limit}")
    ways = {}
    for workers in args.workers.split(","):
        ways[f"{workers} worker{'s' * (workers != '1')}"] = [*arguments, f"--workers={workers}"]
    if args.beam:
        ways["beam"] = [*arguments, "--runner=beam", f"--beam_options={args.beam_options}"]
    print(json.dumps(compare(ways, args.runs)))


if __name__ == "__main__":
    main()
