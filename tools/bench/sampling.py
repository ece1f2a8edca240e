"""How fast sampling is: tokens a second beside Hugging Face's `generate`, time per token far into a piece,
the wait for a first piece, and a thousand pieces.

    python tools/bench/sampling.py [--model=DIR] [--only=tokens,length,start,pieces] [--output=FILE.json]

DIR is a workdir or a released model; without it, random parameters of the size that the POP909 configs train,
in 4/4. Every figure is also stored as JSON. Needs torch and transformers for `tokens`, whose GPT-2 has as
many layers, heads and tokens, the same width, a key-value cache and the same settings of the draw; both
programs run in turns in one process, the other one with each number of threads, of which the best counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import numpy as np

ROOT = common.ROOT
EVENTS = 256  # of a melody, timed against the other program
FAR, NEAR, STRETCH = 20_000, 500, 256  # events into a piece


def random_model(folder: Path) -> None:
    """A released model with random parameters."""
    import jax

    from hrpe_jax.checkpoints.release import Model, StageModel, write_released
    from hrpe_jax.tasks import build_task
    from hrpe_jax.workflows.load_config import load_config

    stages = {}
    for name in ("backbone", "melody"):
        config = getattr(load_config(ROOT / "configs" / f"{name}_pop909.py").stages, name)
        params = jax.jit(build_task(name, config.model).init_params)(jax.random.key(0))
        stages[name] = StageModel(config, params, 0, 0)
    write_released(Model("random", **stages), folder)


def our_melodies(model: Any, rows: int, events: int) -> Callable[[], None]:
    """Writes `events` events of `rows` melodies over given chords."""
    import jax

    from hrpe_jax.codec import melody_tokens
    from hrpe_jax.sampling.controls import chord_tokens, read_controls
    from hrpe_jax.sampling.logits import Settings
    from hrpe_jax.sampling.melody_batch import Request, melodies
    from hrpe_jax.sampling.options import ComposeOptions
    from hrpe_jax.sampling.sizes import unroll

    controls = read_controls(ComposeOptions(chords="C Am F G", bars=events))
    assert controls.chords
    assert controls.key
    assert controls.meter
    chords = chord_tokens(controls.chords, controls.key, controls.meter)
    stage = model.stage("melody")
    config, params = unroll(stage.config.model, jax.device_put(stage.params))
    request = Request(events, 120.0, 1, None, [melody_tokens.BOS], None, stage.config.batch.length)
    settings = Settings(np.float32(1), np.int32(0), np.float32(0.95))

    def run() -> None:
        written = 0
        for ids, _ in melodies(config, params, request, [chords] * rows, range(rows), 0, settings):
            written += ids.shape[1]
            if written >= events:
                return

    return run


def their_melodies(model: Any, rows: int, events: int, threads: int) -> Callable[[], None]:
    """The same number of tokens by `generate`."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = model.stage("melody").config.model
    gpt2 = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=260,
            n_positions=1024,
            n_embd=shape.width,
            n_layer=shape.layers,
            n_head=shape.heads,
            bos_token_id=129,
            eos_token_id=None,
            pad_token_id=128,
        )
    ).eval()
    first = torch.full((rows, 1), 129)
    mask = torch.ones_like(first)

    def run() -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            gpt2.generate(
                first,
                attention_mask=mask,
                max_new_tokens=events,
                min_new_tokens=events,
                do_sample=True,
                top_k=0,
                top_p=0.95,
            )

    return run


def tokens(model: Any, rounds: int, counts: list[int]) -> dict[str, Any]:
    """Melody tokens a second at 1 and 32 rows, and how many times those of Hugging Face."""
    found: dict[str, Any] = {}
    for rows in (1, 32):
        runs = {"ours": our_melodies(model, rows, EVENTS)}
        for threads in sorted(set(counts)):
            runs[f"generate, {threads} threads"] = their_melodies(model, rows, EVENTS, threads)
        seconds = common.in_turns(runs, rounds)
        rate = {
            name: round(rows * EVENTS / sorted(took)[len(took) // 2], 1) for name, took in seconds.items()
        }
        best = min((name for name in runs if name != "ours"), key=lambda name: min(seconds[name]))
        found[f"batch {rows}"] = {
            "tokens_per_second": rate,
            "times": round(common.ratio(seconds[best], seconds["ours"]), 2),
        }
    return found


def length(model: Any) -> dict[str, Any]:
    """Milliseconds of processor time a token, near the start of a piece and far into it.

    Not of the wall clock: the two stretches lie a minute apart, in which a shared machine may change.
    """
    from hrpe_jax.sampling.controls import read_controls
    from hrpe_jax.sampling.options import ComposeOptions
    from hrpe_jax.sampling.stage_calls import melody_calls, write_chords

    controls = read_controls(ComposeOptions(chords="C Am F G", bars=10_000, num_pieces=1))
    chords, _ = write_chords(model, controls, [0])
    warm = 0
    for ids, _ in melody_calls(model, controls, [0], chords):  # compiles every size of the cache
        warm += ids.shape[1]
        if warm >= 6 * STRETCH:
            break
    times, place, last = [], 0, time.process_time()
    for ids, _ in melody_calls(model, controls, [0], chords):
        now = time.process_time()
        place += ids.shape[1]
        times.append((place, (now - last) / ids.shape[1] * 1000))
        last = now
        if place >= FAR + 4 * STRETCH:
            break

    def around(where: int) -> float:
        near = [ms for at, ms in times if where < at <= where + 4 * STRETCH]
        return sorted(near)[len(near) // 2]

    near, far = around(NEAR), around(min(FAR, place - 4 * STRETCH))
    return {
        "events": place,
        "ms_near": round(near, 4),
        "ms_far": round(far, 4),
        "ratio": round(far / near, 3),
    }


def command(cache: str, *arguments: str) -> float:
    """Wall seconds of one `python -m hrpe_jax.sample`."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "hrpe_jax.sample", *arguments],
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": cache},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"bench_sampling: exit {done.returncode}: {done.stderr.strip()}")
    return time.perf_counter() - start


def start(model: str, place: str, runs: int) -> dict[str, Any]:
    """Seconds from the start of the process to its end, one piece: compiling, and compiled before."""
    asked = [f"--model={model}", f"--output={place}/one", "--num_pieces=1", "--bars=16", "--meter=4/4"]
    cache = f"{place}/cache"
    first = command(cache, *asked)
    later = sorted(command(cache, *asked, f"--seed={seed}") for seed in range(runs))
    return {
        "help": round(min(command(cache, "--help") for _ in range(3)), 3),
        "first": round(first, 2),
        "later": round(later[len(later) // 2], 2),
    }


def pieces(model: str, place: str, count: int) -> dict[str, Any]:
    """Seconds for many pieces of 16 bars, the start of the process and writing the files included."""
    asked = [f"--model={model}", f"--output={place}/many", "--bars=16", "--meter=4/4"]
    cache = f"{place}/cache"
    command(cache, *asked, "--num_pieces=33")  # compiles
    return {"pieces": count, "seconds": round(command(cache, *asked, f"--num_pieces={count}"), 1)}


def main() -> int:
    """Prints the table, and JSON on the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="workdir or released model (default: random parameters)")
    parser.add_argument("--only", default="tokens,length,start,pieces", help="parts, with commas between")
    parser.add_argument("--rounds", type=int, default=3)
    every = ",".join(map(str, sorted({1, os.cpu_count() or 1})))
    parser.add_argument("--threads", default=every, help="threads that the other program tries")
    parser.add_argument("--pieces", type=int, default=1000)
    parser.add_argument("--output", help="file for the JSON")
    flags = parser.parse_args()
    only = flags.only.split(",")
    with tempfile.TemporaryDirectory() as place:
        if flags.model is None:
            random_model(Path(place) / "model")
        folder = str(flags.model.absolute() if flags.model else Path(place) / "model")
        from hrpe_jax.checkpoints.release import load_model

        model = load_model(folder)
        shape = model.stage("melody").config.model
        result: dict[str, Any] = {
            "place": common.place(),
            "model": "random parameters" if flags.model is None else flags.model.name,
            "melody": {
                name: getattr(shape, name) for name in ("layers", "width", "heads", "mlp_width", "memory")
            },
        }
        rows = []
        if "tokens" in only:
            counts = [int(count) for count in flags.threads.split(",")]
            result["tokens"] = tokens(model, flags.rounds, counts)
            for name, entry in result["tokens"].items():
                rates = ", ".join(f"{who} {rate:,.0f}" for who, rate in entry["tokens_per_second"].items())
                rows.append((f"melody tokens a second, {name}", rates, f"{entry['times']} times"))
        if "length" in only:
            result["length"] = entry = length(model)
            rows.append(
                (
                    f"processor ms a token at {NEAR:,} and {FAR:,}",
                    f"{entry['ms_near']}, {entry['ms_far']}",
                    entry["ratio"],
                )
            )
        if "start" in only:
            result["start"] = entry = start(folder, place, 3)
            rows.append(("start to one piece of 16 bars, compiled before", f"{entry['later']} s", ""))
            rows.append(("the very first, which compiles", f"{entry['first']} s", ""))
            rows.append(("--help", f"{entry['help']} s", ""))
        if "pieces" in only:
            result["pieces"] = entry = pieces(folder, place, flags.pieces)
            rows.append((f"{entry['pieces']:,} pieces of 16 bars", f"{entry['seconds']} s", ""))
        common.print_table(("figure", "measured", "ratio"), rows)
    common.store(flags.output, json.loads(json.dumps(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
