"""Kills a real training at random moments, again and again, and compares it with one that was left alone.

  python tests/stress/torture_resume.py --data=DIR --kills=60
  python tests/stress/torture_resume.py --data=DIR --kills=20 --width=512 --layers=4 --steps=40

The first has small checkpoints, the second some of about 100 MB; both save every third step. DIR is any
prepared data set. Every life is ``python -m hrpe_jax.train`` in a process of its own. It is ended by SIGKILL
(half of these wait until a save is under way) or SIGTERM: while it starts, or at a random moment after its
first step. When a training comes to its end before all kills are done, another begins. Checked:

- after each SIGTERM: exit code 143, and the next life goes on from the very step that was saved;
- after each SIGKILL: the next life goes on from the last checkpoint that was whole then, or a later one;
- at the end: every array of the last checkpoint (parameters, optimizer, memory) and the whole record of
  metrics are those of the training left alone, to the last bit, no step missing and none twice.

With --workdir the tool itself may be stopped, and goes on where it was. The last line on stdout is a JSON
object with the counts; the exit status is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESUMED = re.compile(r"resuming from step (\d+)")
SAVED = re.compile(r"stopped: \w+ at step (\d+)")
TIMES = ("steps_per_second", "events_per_second", "seconds", "busy", "peak_share")
FIRST_STEP = 1800.0  # seconds until a life is given up that computes none


def write_config(path: Path, args: argparse.Namespace) -> None:
    """One stage with a memory, dropout and a validation, small in everything that costs time."""
    model = {"width": args.width, "layers": args.layers, "heads": 2, "head_width": max(args.width // 2, 8)}
    stage = {
        "model": {**model, "mlp_width": 2 * args.width, "memory": 16, "dropout": 0.1},
        "batch": {"rows": 2, "length": 16, "segments": 2},
        "steps": args.steps,
        "log_every": 1,
        "eval_every": max(args.steps // 8, 1),
        "eval_batches": 1,
        "checkpoint_every": args.checkpoint_every,
        "optimizer": {"warmup_steps": 5},
    }
    values = {"seed": 3, "data": {"path": str(args.data.absolute())}, "stages": {"melody": stage}}
    path.write_text(f"def get_config():\n    return {values!r}\n", encoding="utf-8")


class Life:
    """One process of the training in a workdir."""

    def __init__(self, config: Path, workdir: Path) -> None:
        self.workdir, self.folder = workdir, workdir / "checkpoints" / "melody"
        self._metrics = workdir / "metrics.jsonl"
        self._before = self._size()
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (lives as long as the process)
        command = [sys.executable, "-m", "hrpe_jax.train", f"--config={config}", f"--workdir={workdir}"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=self._log, start_new_session=True
        )

    def _size(self) -> int:
        return self._metrics.stat().st_size if self._metrics.exists() else 0

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def until(self, condition: Any, seconds: float = math.inf) -> None:
        """Waits until something holds, the process ends, or time is over."""
        limit = time.monotonic() + seconds
        while self.alive() and not condition() and time.monotonic() < limit:
            time.sleep(0.002)

    def steps(self) -> bool:
        """Whether it has computed a step: the file of metrics is another one than before."""
        return self._size() != self._before

    def saves(self) -> bool:
        """Whether a save is under way."""
        return self.folder.is_dir() and any(".orbax-checkpoint-tmp" in p.name for p in self.folder.iterdir())

    def end(self, number: int) -> None:
        """Sends a signal and waits."""
        if self.alive():
            os.kill(self.process.pid, number)
        self.process.wait()

    def said(self) -> str:
        """Its stderr."""
        self._log.seek(0)
        return self._log.read()


def last_whole(folder: Path) -> int:
    """The last checkpoint that has its final name, 0 if there is none."""
    names = [path.name for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []
    return max(map(int, names), default=0)


@dataclass
class State:
    """How far the torment has come; ``tormented.json`` in its folder.

    Attributes:
      kills: left to do.
      trainings: begun.
      expected: the step that the next life goes on from at least; 0 for a training that begins.
      exact: the very step that it goes on from, 0 if that is not known.
      counts: of everything; keys "wrong: ..." are failures.
    """

    kills: int
    trainings: int = 1
    expected: int = 0
    exact: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def save(self, path: Path) -> None:
        """Writes the file."""
        path.write_text(json.dumps(vars(self)), encoding="utf-8")


def load_state(path: Path, kills: int) -> State:
    """The state of a folder, a new one where there is none."""
    if not path.exists():
        return State(kills)
    state = State(**json.loads(path.read_text(encoding="utf-8")))
    state.counts = Counter(state.counts)
    return state


def torment(config: Path, folder: Path, kills: int, rng: random.Random) -> tuple[list[Path], Counter[str]]:
    """Trains and kills until all kills are done and the last training has ended.

    Returns:
      The workdirs, each with a training that came to its end, and the counts.
    """
    path = folder / "tormented.json"
    state = load_state(path, kills)
    counts, expected, exact, kills = state.counts, state.expected, state.exact, state.kills
    workdirs = [folder / f"killed{number}" for number in range(state.trainings)]
    while True:
        State(kills, len(workdirs), expected, exact, counts).save(path)
        life = Life(config, workdirs[-1])
        number = rng.choice([signal.SIGKILL, signal.SIGTERM])
        kind = ""
        if kills:
            if rng.random() < 0.15:
                kind = "while starting"
                life.until(life.steps, rng.uniform(0.0, 6.0))
            else:
                life.until(life.steps, FIRST_STEP)
                kind = "while training" if life.steps() else "while starting"
                life.until(lambda: False, rng.uniform(0.0, 1.5))
                if number == signal.SIGKILL and rng.random() < 0.5:
                    life.until(life.saves)
                    life.until(lambda: False, rng.uniform(0.0, 0.05))
            # What a life that was killed while saving has left behind stands there while the next one starts.
            kind = "while saving" if life.saves() and kind != "while starting" else kind
        else:
            life.until(lambda: False)
        ended = not life.alive()
        whole = last_whole(life.folder)
        life.end(number)
        said, code = life.said(), life.process.returncode
        found = RESUMED.search(said)
        resumed = int(found[1]) if found else None
        if resumed is not None and (resumed != exact if exact else resumed < expected):
            counts[f"wrong: resumed from {resumed}, not {exact or expected}"] += 1
        if resumed is None and max(expected, exact) and life.steps():
            counts["wrong: began anew"] += 1
        counts["half-written checkpoints removed"] += said.count("was cut short")
        if ended or code == 0:
            if code != 0:
                counts[f"wrong: exit {code}: {said.strip().splitlines()[-1:]}"] += 1
                return workdirs, counts
            if not kills:
                return workdirs, counts
            workdirs.append(folder / f"killed{len(workdirs)}")
            expected = exact = 0
            continue
        kills -= 1
        counts[f"{signal.Signals(number).name} {kind}"] += 1
        saved = SAVED.search(said)
        expected, exact = max(whole, expected), 0
        if number == signal.SIGKILL and code != -signal.SIGKILL:
            counts[f"wrong: exit {code} after SIGKILL"] += 1
        if number == signal.SIGTERM and saved:
            exact = int(saved[1])
            counts["stopped and saved"] += 1
            if code != 128 + signal.SIGTERM:
                counts[f"wrong: exit {code} after SIGTERM"] += 1
        elif number == signal.SIGTERM and kind != "while starting":
            counts[f"wrong: SIGTERM {kind} did not save: {said.strip().splitlines()[-1:]}"] += 1
        print(f"{kills} kills left; {signal.Signals(number).name} {kind}; whole {whole}", file=sys.stderr)


def record(workdir: Path) -> list[dict[str, Any]]:
    """The metrics, without what only tells the time."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def arrays(workdir: Path) -> dict[str, Any]:
    """Every array of the last checkpoint."""
    import jax
    import numpy as np
    import orbax.checkpoint as ocp

    folder = workdir / "checkpoints" / "melody"
    step = folder / str(last_whole(folder))
    with ocp.StandardCheckpointer() as checkpointer:
        trees = {name: checkpointer.restore(step / name) for name in ("params", "train", "carry")}
    leaves = jax.tree_util.tree_leaves_with_path(trees)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def differences(alone: Path, killed: Path) -> list[str]:
    """What is not the same to the last bit."""
    lines, others = record(alone), record(killed)
    found = [f"metrics: {a} / {b}" for a, b in zip(lines, others, strict=False) if a != b][:3]
    if len(lines) != len(others):
        found.append(f"metrics: {len(lines)} lines / {len(others)}")
    here, there = arrays(alone), arrays(killed)
    if here.keys() != there.keys():
        found.append(f"arrays: {here.keys() ^ there.keys()}")
    return found + [name for name in here if here[name].tobytes() != there[name].tobytes()]


def main() -> int:
    """Reads the options and torments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a prepared data set")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--checkpoint-every", type=int, default=3)
    parser.add_argument("--workdir", type=Path, help="keep everything there (default: a temporary folder)")
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.workdir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "torture.py"
        write_config(config, args)
        alone = Life(config, folder / "alone")
        alone.until(lambda: False)
        if alone.process.returncode != 0:
            print(alone.said(), file=sys.stderr)
            return 1
        workdirs, counts = torment(config, folder, args.kills, random.Random(args.seed))
        size = sum(p.stat().st_size for p in (alone.folder / str(args.steps)).rglob("*") if p.is_file())
        differ = [line for workdir in workdirs for line in differences(folder / "alone", workdir)]
    wrong = differ + [name for name in counts if name.startswith("wrong")]
    for line in wrong:
        print(line, file=sys.stderr)
    summary = {
        "kills": sum(counts[name] for name in counts if name.startswith("SIG")),
        "trainings": len(workdirs),
        "steps": args.steps,
        "checkpoint_bytes": size,
        **dict(sorted(counts.items())),
        "identical": not wrong,
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(summary))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
