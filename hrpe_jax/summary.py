"""What came of a run, in its workdir: ``summary.json`` for programs, ``curves.svg`` for people."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax

from hrpe_jax.files import replace_file
from hrpe_jax.report.curves import draw_curves, panels, read_metrics
from hrpe_jax.training.loop import StageResult

CURVES, SUMMARY = "curves.svg", "summary.json"


def write_summary(
    workdir: Path, name: str, results: Sequence[StageResult], counted: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """Writes both files, over those of an earlier process.

    Args:
      workdir: of the run; its ``metrics.jsonl`` is what is drawn.
      name: of the run.
      results: of its stages.
      counted: by stage, the figures of the n-gram on the same songs.

    Returns:
      What ``summary.json`` holds: the "device" of this process, the "cores" beside it, and by stage what
      ``StageResult`` says of the whole training, "tokens_per_second" (the median of the lines of training)
      and "baseline".
    """
    lines = read_metrics(workdir / "metrics.jsonl")
    stages = {}
    for result in results:
        speeds = sorted(
            row["events_per_second"]
            for row in lines
            if row["stage"] == result.stage and "events_per_second" in row
        )
        stages[result.stage] = {
            **{key: value for key, value in asdict(result).items() if key not in ("stage", "resumed")},
            "tokens_per_second": round(speeds[len(speeds) // 2], 1) if speeds else None,
            "baseline": dict(counted.get(result.stage, {})),
        }
    device = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    summary = {"name": name, "device": device, "cores": os.cpu_count(), "stages": stages}
    best = {result.stage: result.best_step for result in results if result.best}
    shown = panels(lines, counted, best)
    if shown:
        replace_file(workdir / CURVES, draw_curves(name, shown).encode())
    replace_file(workdir / SUMMARY, (json.dumps(summary, indent=1) + "\n").encode())
    return summary
