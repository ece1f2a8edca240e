from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="needs the TPU compiler: pip install -e .[tpu]"
)

CONFIG = """
def get_config():
    model = dict(width=128, layers=2, heads=2, head_width=64, mlp_width=128, residual_rank=8, dropout=0.0,
                 dtype="bfloat16", harmony=dict(head_sets=(((0, 0), (0, 1)), ((1, 2),))))
    backbone = dict(model=model, batch=dict(rows={rows}, length=128), mesh=dict(data=2, model=2, fsdp=True))
    return dict(seed=0, stages=dict(backbone=backbone))
"""


def compile_for_tpu(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tools" / "bench" / "tpu_compile.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1200)


def test_a_sharded_step_is_compiled_and_attention_is_fused(tmp_path: Path) -> None:
    config = tmp_path / "tiny.py"
    config.write_text(CONFIG.format(rows=4))
    done = compile_for_tpu(f"--config={config}", "--topology=v5e:2x2", "--programs", "train", "--no_ratio")
    assert done.returncode == 0, done.stderr[-2000:]
    (row,) = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert row["fits"]
    assert row["fused"]
    assert row["mesh"] == {"data": 2, "model": 2}
    # Forward, dq, and dk with dv, in each of two layers.
    assert sum(row["kernels"].values()) == 6
    assert row["tflops"] > 0
    # Weights are gathered over "data", sums go over both axes.
    assert row["collectives"]["all-gather"][0] > 0
    assert row["collectives"]["all-reduce"][0] > 0


def test_bad_topologies_are_one_line(tmp_path: Path) -> None:
    config = tmp_path / "tiny.py"
    config.write_text(CONFIG.format(rows=4))
    for topology in ("v9:2x2", "v5e:7x9"):
        done = compile_for_tpu(f"--config={config}", f"--topology={topology}")
        assert done.returncode == 1
        assert f"--topology={topology}" in done.stderr.splitlines()[-1]
    done = compile_for_tpu(f"--config={config}", "--config.stages.backbone.batch.rows=3")
    assert done.returncode == 1
    assert "rows" in done.stderr.splitlines()[-1]
