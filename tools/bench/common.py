"""What the benchmarks share: where a figure was taken, timing in turns, and tables."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def place(packages: Sequence[str] = ("jax", "jaxlib", "flax", "numpy")) -> dict[str, Any]:
    """Device, versions and commit, to be stored beside every figure."""
    import jax

    def version_of(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    device = jax.devices()[0]
    return {
        "device": f"{device.platform} {device.device_kind}",
        "devices": jax.device_count(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in packages},
        "commit": commit.stdout.strip() or None,
    }


def take_one_core() -> None:
    """Binds the process to one core. To be called before anything starts threads."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def in_turns(
    runs: Mapping[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of every run, all of them once a round, so that a machine that slows down slows all of them.

    Args:
      runs: by name; each blocks until its work is done. Every one is called once before, uncounted.
      rounds: how often.
      clock: ``time.process_time`` counts this process's work only, whatever else the machine does. It is fair
        on one core: with more of them, threads that wait for each other count as well.
    """
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return seconds


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over rounds of ours / theirs."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def print_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A Markdown table, ready for the README."""
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def store(path: str | None, result: Mapping[str, Any]) -> None:
    """The result as the last line, and in a file if one is named."""
    text = json.dumps(result)
    if path:
        Path(path).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(text)
