"""Two processes of two devices each, joined over gloo, through the command that users run."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hrpe_jax.checkpoints.format import checkpoint_folder, load_stage, whole_steps
from hrpe_jax.workflows.load_config import load_config
from hrpe_jax.workflows.train import train

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow  # starts several processes; .ci/run runs it
LAST = 60
STAGE = {
    "model": {"width": 8, "layers": 1, "heads": 2, "head_width": 8, "mlp_width": 8, "memory": 8},
    "batch": {"rows": 4, "length": 12, "segments": 2},
    "steps": LAST,
    "log_every": 1,
    "eval_every": 20,
    "eval_batches": 2,
    "checkpoint_every": 20,
    "optimizer": {"warmup_steps": 2},
}
TIMES = ("steps_per_second", "events_per_second", "seconds", "busy", "peak_share")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled programs for the processes of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config with a data set of forty made-up tunes."""
    from hrpe_jax.preprocessing.build import build_dataset

    folder, rng = tmp_path_factory.mktemp("songs"), random.Random(0)
    tunes = []
    for number in range(40):
        bars = [f'"{rng.choice("CFG")}"' + "".join(rng.choices("CDEFGABc", k=4)) for _ in range(8)]
        tunes.append(f"X:{number}\nT:Tune {number}\nM:4/4\nL:1/4\nK:C\n{'|'.join(bars)}|\n")
    (folder / "book.abc").write_text("\n".join(tunes), encoding="utf-8")
    build_dataset(folder / "book.abc", folder / "data", workers=0)
    values = {"seed": 3, "data": {"path": str(folder / "data")}, "stages": {"melody": STAGE}}
    (folder / "two.py").write_text(f"def get_config():\n    return {values!r}\n", encoding="utf-8")
    return folder / "two.py"


@pytest.fixture(scope="module")
def alone(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workdir of the same training on one device of one host."""
    workdir = tmp_path_factory.mktemp("alone")
    train(load_config(config, []), workdir)
    return workdir


def start(config: Path, workdir: Path) -> list[subprocess.Popen[str]]:
    """Both hosts."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port = found.getsockname()[1]
    command = [
        sys.executable, "-m", "hrpe_jax.train", f"--config={config}", f"--workdir={workdir}",
        f"--coordinator=localhost:{port}", "--hosts=2",
    ]  # fmt: skip
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "2"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return [
        subprocess.Popen([*command, f"--host={host}"], cwd=ROOT, env=environment, **pipes)  # type: ignore[call-overload]
        for host in range(2)
    ]


def read_lines(workdir: Path) -> list[dict[str, Any]]:
    path = workdir / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def assert_same_training(one: Path, other: Path) -> None:
    """The same steps, each once, with the same figures but for rounding; the same parameters."""
    here, there = read_lines(one), read_lines(other)
    assert [(line["split"], line["step"]) for line in here] == [
        (line["split"], line["step"]) for line in there
    ]
    for a, b in zip(here, there, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-3), a["step"]
    left, right = (load_stage(workdir, "melody", "latest") for workdir in (one, other))
    assert left.step == right.step == LAST
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3), left.params, right.params)


def test_a_notice_to_one_host_stops_both_and_one_host_goes_on(
    config: Path, alone: Path, tmp_path: Path
) -> None:
    hosts = start(config, tmp_path)
    while len(read_lines(tmp_path)) < 3 and all(host.poll() is None for host in hosts):
        time.sleep(0.01)
    hosts[1].send_signal(signal.SIGTERM)
    said = [host.communicate(timeout=300) for host in hosts]
    assert [host.returncode for host in hosts] == [143, 143], said
    (step,) = whole_steps(checkpoint_folder(tmp_path, "melody"))[-1:]
    assert 3 <= step < LAST
    assert all(f"stopped: melody at step {step} of {LAST}, saved in" in err for _, err in said)
    train(load_config(config, []), tmp_path)  # one device now
    assert_same_training(tmp_path, alone)


def test_two_hosts_go_on_where_one_stopped(config: Path, alone: Path, tmp_path: Path) -> None:
    shutil.copytree(alone, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(checkpoint_folder(tmp_path, "melody") / str(LAST))
    hosts = start(config, tmp_path)
    said = [host.communicate(timeout=300) for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], said
    assert "resuming from step 40" in said[0][1]
    assert "melody  step" in said[0][0]  # the table
    assert "melody" not in said[1][0] + said[1][1]  # one host speaks
    assert_same_training(tmp_path, alone)
