"""What a training would cost, before it is begun: parameters, memory, FLOPs, and time, from the compiler.

The step of every stage is compiled as training would compile it, and run twice on a batch of padding, which
costs what any batch costs. Nothing is read and nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax

from hrpe_jax.config import Config, StageConfig
from hrpe_jax.data.batches import BatchShape, blank_batch
from hrpe_jax.tasks import build_task
from hrpe_jax.training.flops import count_flops, model_flops, peak_flops
from hrpe_jax.training.optimizer import decay_mask
from hrpe_jax.training.progress import duration
from hrpe_jax.training.sharding import make_mesh, put_batch
from hrpe_jax.training.train_step import make_programs
from hrpe_jax.utils import cli


def dry_run(config: Config) -> list[dict[str, Any]]:
    """Compiles the step of every stage and prints on stdout what it costs.

    A mesh of more devices than are here is compiled for as many pretended CPU devices, and not timed.

    Args:
      config: the run.

    Returns:
      By stage what was printed, as plain values.

    Raises:
      UserError: a stage's mesh fits neither what is here nor a CPU.
    """
    pretended = _pretend(config)
    rows = []
    for stage, stage_config in config.stages.items():
        if pretended and stage_config.mesh.data == -1:
            stage_config = replace(stage_config, mesh=replace(stage_config.mesh, data=1))
        cli.say(f"{stage}: compiling")
        row = inspect_stage(stage, stage_config, pretended)
        print("\n".join(_spell(row)), flush=True)
        rows.append(row)
    times = [row["steps"] * row["seconds_per_step"] for row in rows if row["seconds_per_step"]]
    if len(times) == len(rows):
        print(f"all stages: {duration(sum(times))} of steps; validation, saving and pieces come on top")
    return rows


def inspect_stage(stage: str, config: StageConfig, pretended: bool = False) -> dict[str, Any]:
    """Compiles the step of one stage and measures it; see ``dry_run``.

    Args:
      stage: "backbone" or "melody".
      config: of the stage.
      pretended: whether devices are only simulated.
    """
    mesh = make_mesh(config.mesh)
    task = build_task(stage, config.model, config.label_smoothing)
    programs = make_programs(task, config, mesh)
    size = config.batch
    batch = put_batch(mesh, task, blank_batch(stage, BatchShape(size.rows, size.length, size.segments)))
    params = programs.abstract[0].params
    leaves, decays = jax.tree.leaves(params), jax.tree.leaves(decay_mask(params, config.optimizer.no_decay))
    device = mesh.devices.flat[0]

    began = time.perf_counter()
    traced = programs.train.trace(*programs.abstract, batch, jax.random.key(0))  # type: ignore[attr-defined]
    with jax.set_mesh(mesh):
        compiled = traced.lower().compile()
    row: dict[str, Any] = {
        "stage": stage,
        "steps": config.steps,
        "tokens": size.rows * size.length * size.segments,
        "devices": mesh.size,
        "device": f"pretended {device.device_kind}" if pretended else device.device_kind,
        "dtype": config.model.dtype,
        "parameters": sum(leaf.size for leaf in leaves),
        "decayed": sum(leaf.size for leaf, mask in zip(leaves, decays, strict=True) if mask),
        "model_flops": model_flops(stage, config, batch),
        "flops": count_flops(traced.jaxpr.jaxpr),
        "memory": memory_of(compiled),
        "memory_here": (device.memory_stats() or {}).get("bytes_limit"),
        "compile_seconds": time.perf_counter() - began,
        "seconds_per_step": None,
        "not_timed": "",
    }
    total = sum(row["memory"].values())
    if pretended:
        row["not_timed"] = f"its {mesh.size} devices are not here"
    elif row["memory_here"] and total > row["memory_here"]:
        row["not_timed"] = "it does not fit"
    else:
        row["seconds_per_step"] = _time(programs, compiled, batch, mesh)
        peak = peak_flops(device)
        if peak:
            row["peak_share"] = row["model_flops"] / row["seconds_per_step"] / (peak * mesh.size)
    return row


def memory_of(compiled: Any) -> dict[str, int]:
    """Bytes that a compiled program needs of each device, by what they hold; they add up."""
    found = compiled.memory_analysis()
    return {
        "state, carry and batch": found.argument_size_in_bytes,
        "activations": found.temp_size_in_bytes,
        "results": found.output_size_in_bytes - found.alias_size_in_bytes,
        "code": found.generated_code_size_in_bytes,
    }


def _time(programs: Any, compiled: Any, batch: Any, mesh: Any) -> float:
    """Seconds of the second step; the first one finds its memory."""
    key = jax.random.key(0)
    with jax.set_mesh(mesh):
        state, carry = programs.init(key), programs.init_carry()
        for _ in range(2):
            jax.block_until_ready((state, carry))
            began = time.perf_counter()
            state, carry, metrics = compiled(state, carry, batch, key)
            jax.block_until_ready((state, carry, metrics))
    return time.perf_counter() - began


def _pretend(config: Config) -> bool:
    """Asks JAX for as many CPU devices as the largest mesh, where it has not been asked for devices yet."""
    wanted = max(max(stage.mesh.data, 1) * stage.mesh.model for _, stage in config.stages.items())
    if wanted > 1 and getattr(jax.config, "jax_num_cpu_devices") < wanted:  # noqa: B009  (unknown to mypy)
        jax.config.update("jax_num_cpu_devices", wanted)  # says nothing to a GPU or a TPU
        return jax.default_backend() == "cpu"
    return False


def _spell(row: dict[str, Any]) -> Iterator[str]:
    total = sum(row["memory"].values())
    parts = ", ".join(f"{name} {_bytes(size)}" for name, size in row["memory"].items() if size)
    here = f" of {_bytes(row['memory_here'])}" if row["memory_here"] else ""
    undecayed = row["parameters"] - row["decayed"]
    yield f"{row['stage']}"
    yield f"  parameters    {row['parameters']:,}, {undecayed:,} of them without weight decay"
    yield f"  step          {row['tokens']:,} tokens on {row['devices']} x {row['device']}, {row['dtype']}"
    yield f"  memory        {_bytes(total)}{here} on each device: {parts}"
    more = row["flops"] / row["model_flops"]
    yield (
        f"  FLOPs         {_flops(row['model_flops'])} a step by the model's mathematics, "
        f"{_flops(row['flops'])} as it is computed ({more:.2f} times)"
    )
    if row["seconds_per_step"]:
        seconds = row["seconds_per_step"]
        share = f", {row['peak_share']:.0%} of the device's peak" if "peak_share" in row else ""
        rate = f"{_flops(row['model_flops'] / seconds)}/s, {row['tokens'] / seconds:,.0f} tokens/s"
        yield f"  time          {seconds:.3g} s a step (one was timed): {rate}{share}"
        yield f"  all steps     {row['steps']:,}: {duration(seconds * row['steps'])}"
    else:
        yield f"  time          not measured: {row['not_timed']}"
    yield f"  compilation   {row['compile_seconds']:.1f} s"


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"


def _flops(count: float) -> str:
    for unit in ("", "k", "M", "G", "T"):
        if count < 1000:
            return f"{count:.3g} {unit}FLOP"
        count /= 1000
    return f"{count:,.3g} PFLOP"
