"""Compiles both stages of a config for TPUs, without a TPU: does it fit, what does it do, is attention fused?

    pip install -e .[tpu]
    python tools/bench/tpu_compile.py --config=backbone_large --topology=v5e:2x4 --topology=v5p:2x2x2

For each stage and topology the sharded training step goes through the real TPU compiler on the config's
mesh, and the sampler's loop on one chip. Printed per chip: memory (arguments, temporaries, results that are
no arguments, code) against the chip's, FLOPs, HBM traffic, collectives and kernels, all with loops multiplied
out (`hlo_cost`). FLOPs are those of matrix products; a Splash kernel is counted by the part of its square
that the causal mask leaves. A sampler's loop whose length depends on what is drawn counts once.

The columns over RoPE are ratios to the same step with model.harmony.variant=none. Fields of the config are
set as for training: --config.stages.backbone.batch.rows=8.

Exit code 1 if something does not fit its chip; the last line of output is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The compiler looks for the machine it runs on, and locks its TPUs; there are none.
os.environ |= {"JAX_PLATFORMS": "cpu", "TPU_SKIP_MDS_QUERY": "1", "TPU_WORKER_HOSTNAMES": "localhost"}
os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"
os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-8")

import hlo_cost
import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh

from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.config import StageConfig
from hrpe_jax.data.batches import BatchShape, backbone_batch, melody_batch
from hrpe_jax.errors import UserError
from hrpe_jax.models.cache import capacity, grow
from hrpe_jax.sampling import backbone_search as backbone_loop
from hrpe_jax.sampling import melody_batch as melody_loop
from hrpe_jax.sampling.backbone_loop import run_backbone
from hrpe_jax.sampling.controls import chord_tokens
from hrpe_jax.sampling.logits import Settings, row_keys
from hrpe_jax.sampling.melody_loop import run_melody
from hrpe_jax.sampling.sizes import unroll
from hrpe_jax.tasks import build_task
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.training.sharding import leaf_sharding, make_mesh, replicated
from hrpe_jax.training.train_step import make_programs
from hrpe_jax.utils import cli
from hrpe_jax.workflows.load_config import load_config

GIB = 2**30
MEMORY = {"v5e": 15.75, "v5p": 95.74, "v6e": 31.25}  # GiB of a chip that the compiler may use
BARS = 16  # of the pieces that are sampled: what the sample command does unless asked otherwise


def topology_devices(name: str) -> list[Any]:
    """The devices of a topology such as "v5e:2x4".

    Raises:
        UserError: no such topology, or no TPU compiler here.
    """
    kind = name.partition(":")[0]
    if kind not in MEMORY:
        raise UserError(
            f"--topology={name}: one of {', '.join(MEMORY)} expected, then its grid, as in v5e:2x4"
        )
    try:
        return list(topologies.get_topology_desc(platform="tpu", topology_name=name).devices)
    except Exception as error:
        raise UserError(
            f"--topology={name}: {str(error).splitlines()[0][:200]} (needs the extra: tpu)"
        ) from None


def without_harmony(config: StageConfig) -> StageConfig:
    """The same with plain RoPE."""
    harmony = dataclasses.replace(config.model.harmony, variant="none")
    return dataclasses.replace(config, model=dataclasses.replace(config.model, harmony=harmony))


def lower_training(stage: str, config: StageConfig, mesh: Mesh) -> Any:
    """The training step, ready to compile."""
    task, size = build_task(stage, config.model), config.batch
    programs = make_programs(task, config, mesh)
    layout: Any = {"backbone": backbone_batch, "melody": melody_batch}[stage]
    blank = layout([], None, BatchShape(size.rows, size.length, size.segments), range(size.rows))
    batch = {
        name: jax.ShapeDtypeStruct(
            value.shape,
            value.dtype,
            sharding=leaf_sharding(mesh, tuple(task.batch_axes(name, value.ndim)), value.shape),
        )
        for name, value in blank.items()
    }
    key = jax.eval_shape(lambda: jax.random.key(0))
    with jax.set_mesh(mesh):
        return programs.train.lower(*programs.abstract, batch, key)


def lower_sampling(stage: str, config: StageConfig, device: Any, pieces: int) -> Any:
    """The sampler's loop for some pieces side by side, on one chip, with as large a cache as it gets."""
    mesh = Mesh(np.array([device]), ("one",))
    shapes = jax.eval_shape(build_task(stage, config.model).init_params, jax.random.key(0))
    params = jax.eval_shape(lambda tree: unroll(config.model, tree)[1], shapes)
    unrolled = dataclasses.replace(config.model, scan_layers=False, remat="none")
    keys = jax.eval_shape(lambda: row_keys(0, 0, jax.numpy.arange(pieces)))
    settings = Settings(np.float32(1), np.int32(0), np.float32(1))
    arguments: Any
    if stage == "backbone":
        # A prefix as long as what the model looks back at makes the cache as large as it can be.
        said = [backbone_tokens.BOS, backbone_tokens.KEY0, backbone_tokens.meter_id(Meter(4, 4))]
        said += [backbone_tokens.chord_id(Chord(0, "maj")), backbone_tokens.chord_id(Chord(7, "maj"))] * BARS
        chords = backbone_loop.Request(
            key=said[1],
            keys=np.ones(24, bool),
            meter=said[2],
            locks=[],
            sources=None,
            prefix=said,
            phases=[],
            offset=0,
            bars=BARS,
            candidates=1,
            window=config.batch.length,
        )
        plan = backbone_loop.plan_of(chords, pieces)
        state = jax.eval_shape(
            lambda tree: backbone_loop.start(unrolled, tree, chords, plan, [said] * pieces), params
        )
        cache = jax.eval_shape(lambda c: grow(c, max(config.batch.length, capacity(c))), state.cache)
        function: Any = run_backbone
        arguments = (params, plan, state._replace(cache=cache))
        firsts = jax.ShapeDtypeStruct((pieces,), np.int32)
        arguments = (*arguments, np.int32(1), np.int32(1), np.int32(0), keys, firsts, settings)
        static: tuple = (unrolled, backbone_loop.STEPS)
    else:
        ids = chord_tokens(((Chord(0, "maj"), 4),) * BARS, Key(0, "major"), Meter(4, 4))
        asked = melody_loop.Request(
            bars=BARS,
            tempo=120.0,
            silent_bars=1,
            form=None,
            prefix=[melody_tokens.BOS],
            opening=None,
            segment=config.batch.length,
        )
        scores = [melody_loop.score_of(ids)] * pieces
        plan = melody_loop.melody_plan(scores, asked)
        start = jax.eval_shape(
            lambda tree: melody_loop.start(unrolled, tree, asked, plan, scores, pieces), params
        )
        most = config.model.memory + config.batch.length
        events = jax.eval_shape(lambda c: grow(c, most), start.cache.events)
        start = start._replace(cache=start.cache._replace(events=events))
        beats = (config.batch.length // 2 + 2) * 18
        window = melody_loop.Window(
            jax.ShapeDtypeStruct((pieces, beats, 3), np.int32),
            jax.ShapeDtypeStruct((pieces, beats), np.float32),
            np.zeros(pieces, np.int32),
        )
        function, static = run_melody, (unrolled, config.batch.length)
        arguments = (params, plan, window, start, np.int32(1), keys, settings)
    arguments = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=replicated(mesh)), arguments
    )
    return function.lower(*static, *arguments)


def kernel_flops(calls: list[tuple[str, int, list, list]]) -> float:
    """FLOPs of Splash kernels: products of queries with keys and of weights with values, under the mask.

    The forward kernel has one product of each kind; that for dq two and one, that for dk and dv two and two.
    """
    total = 0.0
    for label, times, operands, _ in calls:
        wide = [shape for shape in operands if len(shape) == 4]
        if "splash" not in label or len(wide) < 3:
            continue
        (batch, heads, rows, width), (_, _, columns, _), values = wide[0], wide[1], wide[2][-1]
        area = rows * columns - rows * rows / 2
        like_keys, like_values = (2, 2) if "dkv" in label else (2, 1) if "dq" in label else (1, 1)
        total += times * 2 * batch * heads * area * (like_keys * width + like_values * values)
    return total


def measure(lowered: Any, chip: str, hlo: Path | None = None) -> dict[str, Any]:
    """Compiles a program and reads what it costs a chip; ``hlo`` is where its text goes."""
    limit = MEMORY[chip]
    start, busy = time.perf_counter(), time.process_time()
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        used = re.search(r"Used ([\d.]+)G of", str(error))
        return {"fits": False, "total_gib": float(used[1]) if used else None, "limit_gib": limit}
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    memory = compiled.memory_analysis()
    parts = {
        "argument": memory.argument_size_in_bytes,
        "temp": memory.temp_size_in_bytes,
        "output": memory.output_size_in_bytes - memory.alias_size_in_bytes,
        "code": memory.generated_code_size_in_bytes,
    }
    text = compiled.as_text()
    if hlo is not None:
        hlo.parent.mkdir(parents=True, exist_ok=True)
        hlo.write_text(text, encoding="utf-8")
    cost = hlo_cost.summarize(text)
    in_kernels = kernel_flops(cost["kernel_calls"])
    return {
        **{f"{name}_gib": round(value / GIB, 3) for name, value in parts.items()},
        "total_gib": round(sum(parts.values()) / GIB, 3),
        "limit_gib": limit,
        "fits": sum(parts.values()) <= limit * GIB,
        "tflops": round((cost["flops"] + in_kernels) / 1e12, 4),
        "kernel_tflops": round(in_kernels / 1e12, 4),
        "hbm_gb": round(cost["bytes"] / 1e9, 3),
        "collectives": {
            kind: [count, round(size / 1e9, 4)] for kind, (count, size) in cost["collectives"].items()
        },
        "kernels": cost["kernels"],
        "compile_seconds": round(seconds, 1),
        "compile_cpu_seconds": round(busy, 1),
    }


def inspect_stage(
    stage: str, config: StageConfig, topology: str, flags: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Measures the programs of one stage on one topology, one row for each."""
    devices, chip = topology_devices(topology), topology.partition(":")[0]

    def row(program: str, lowered: Any) -> dict[str, Any]:
        name = f"{stage}-{program}-{topology.replace(':', '-')}.txt"
        found = measure(lowered, chip, Path(flags.hlo) / name if flags.hlo else None)
        print(f"{name}: compiled in {found.get('compile_seconds')} s", file=sys.stderr, flush=True)
        return {"stage": stage, "program": program, "topology": topology, **found}

    if "train" in flags.programs:
        mesh = make_mesh(config.mesh, devices)
        train = row("train", lower_training(stage, config, mesh)) | {"mesh": dict(mesh.shape)}
        train["fused"] = any("splash" in name for name in train.get("kernels", {}))
        if train.get("tflops") and config.model.harmony.relations and not flags.no_ratio:
            plain = row("rope", lower_training(stage, without_harmony(config), mesh))
            for figure in ("tflops", "hbm_gb"):
                train[f"{figure}_over_rope"] = round(train[figure] / plain[figure], 4)
        yield train
    if "sample" in flags.programs:
        yield row("sample", lower_sampling(stage, config, devices[0], flags.pieces))


COLUMNS = {
    "stage": "stage", "program": "program", "topology": "topology", "argument_gib": "args GiB",
    "temp_gib": "temp", "output_gib": "out", "total_gib": "total", "limit_gib": "of", "fits": "fits",
    "tflops": "TFLOP", "hbm_gb": "HBM GB", "fused": "fused", "tflops_over_rope": "FLOP/RoPE",
    "hbm_gb_over_rope": "HBM/RoPE", "compile_seconds": "compile s",
}  # fmt: skip


def show(rows: list[dict]) -> str:
    """The table, and under it each program's collectives."""
    cells = [list(COLUMNS.values())]
    cells += [[_cell(row.get(name)) for name in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    for row in rows:
        moved = ", ".join(f"{n} {kind} {gb:.3f} GB" for kind, (n, gb) in row.get("collectives", {}).items())
        kernels = ", ".join(f"{n} {name}" for name, n in row.get("kernels", {}).items())
        parts = "; ".join(filter(None, (moved, kernels)))
        lines.append(
            f"{row['stage']} {row['program']} {row['topology']}: {parts or 'no collectives, no kernels'}"
        )
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return {True: "yes", False: "NO"}[value] if isinstance(value, bool) else str(value)


def main() -> int:
    """Prints the table and the JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="config file")
    parser.add_argument("--topology", action="append", help="such as v5e:2x4; may be given again")
    parser.add_argument("--programs", nargs="+", default=["train", "sample"], choices=["train", "sample"])
    parser.add_argument("--pieces", type=int, default=4, help="sampled side by side (default: 4)")
    parser.add_argument("--hlo", metavar="DIR", help="where to write the text of what was compiled")
    parser.add_argument("--no_ratio", action="store_true", help="leave out the step without H-RPE")
    overrides, rest = cli.split_overrides(sys.argv[1:])
    flags = parser.parse_args(rest)
    rows: list[dict] = []
    try:
        config = load_config(flags.config, overrides)
        for topology in flags.topology or ["v5e:2x4"]:
            for stage, stage_config in config.stages.items():
                rows += inspect_stage(stage, stage_config, topology, flags)
    except UserError as error:
        sys.exit(f"error: {error}")
    print(show(rows))
    print(json.dumps({"config": flags.config, "jax": jax.__version__, "rows": rows}))
    return 0 if all(row["fits"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
