"""How long sampling takes from the command line: --help, the first run (it compiles), and later ones.

    python tools/bench_sample.py [--model=DIR] [--runs=3] [--bars=16 --num_pieces=4]

DIR is a workdir or a released model; without it, random parameters of the quickstart's size in 4/4 (of which
events are said is another matter, what a step costs is not). Every run is a process of its own; the first has
an empty compilation cache. Prints one JSON object, seconds of wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(cache: str, *arguments: str) -> tuple[float, str]:
    """Wall seconds and stdout of one `python -m hrpe_jax.sample`."""
    command = [sys.executable, "-m", "hrpe_jax.sample", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"bench_sample: {' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return seconds, done.stdout


def write_random_model(folder: Path) -> None:
    """A released model of the quickstart's size."""
    import jax

    from hrpe_jax.config_file import load_config
    from hrpe_jax.sampling.model import Model, StageModel, write_released
    from hrpe_jax.tasks import build_task

    stages = {}
    for name, config in load_config(ROOT / "configs" / "quickstart.py").stages.items():
        params = jax.jit(build_task(name, config.model).init_params)(jax.random.key(0))
        stages[name] = StageModel(config, params, 0, 0)
    write_released(Model("random", **stages), folder)


def main() -> int:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="workdir or released model (default: random parameters)")
    parser.add_argument("--runs", type=int, default=3, help="runs after the first")
    parser.add_argument("--num_pieces", type=int, default=4)
    parser.add_argument("--bars", type=int, default=16)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        arguments = [f"--output={place}/pieces", f"--num_pieces={flags.num_pieces}", f"--bars={flags.bars}"]
        if flags.model is None:
            write_random_model(Path(place) / "model")
            arguments += [f"--model={place}/model", "--key=C major", "--meter=4/4"]
        else:
            arguments.append(f"--model={flags.model.absolute()}")
        cache = f"{place}/cache"
        helps = [run(cache, "--help")[0] for _ in range(3)]
        first, _ = run(cache, *arguments)
        later = [run(cache, *arguments) for _ in range(flags.runs)]
        events = sum(
            len(json.loads(path.read_text())["generated_event_ids"])
            for path in Path(place, "pieces").glob("*.json")
        )
    seconds = sorted(wall for wall, _ in later)
    result = {
        "help_seconds": round(min(helps), 3),
        "first_run_seconds": round(first, 2),
        "later_run_seconds": round(seconds[len(seconds) // 2], 2),
        "num_pieces": flags.num_pieces,
        "bars": flags.bars,
        "melody_events": events,
        "model": "random, quickstart size" if flags.model is None else str(flags.model),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
