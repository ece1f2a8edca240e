"""The benchmark of the step runs at all: what it measures is looked at by people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--width=16", "--layers=1", "--heads=2", "--mlp_width=16", "--rounds=1"]


@pytest.mark.slow
def test_harmony_over_rope_at_every_length(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    command = [sys.executable, str(ROOT / "tools/bench_step.py"), "harmony", "--lengths=8,16", "--events=16"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, f"--json={out}", *TINY], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(out.read_text())["figures"]
    assert [(figure["length"], figure["rows"]) for figure in figures] == [(8, 2), (16, 1)]
    assert all(ratio > 0 for figure in figures for ratio in figure["over_rope"].values())
