"""The whole training step: what H-RPE adds to it, how it compares with PyTorch, and how well it uses a GPU.

    python tools/bench/step.py harmony [--lengths=256,512,1024] [--json=FILE]   H-RPE over RoPE alone
    python tools/bench/step.py torch [--json=FILE]     (pip install torch)    the same Transformer in PyTorch
    python tools/bench/step.py utilisation --config=configs/backbone_large.py   share of the device's peak
        [--set=model.remat=none ...]

All that is compared runs in one process, in turns; the figure is the median over rounds of the ratio.

What the step of six layers of width 256 on 8 x 256 events spent its time on, on two CPU cores, before it was
changed (CPU seconds; a PyTorch step has 1.38):

* 0.87 in matrix products at 65 GFLOP/s a core, as fast as PyTorch's;
* 0.4 more in the products of weight gradients: with leading axes [batch, length] they contract two axes at
  once, for which XLA's CPU backend copies both operands (39 against 68 GFLOP/s a core). All products are
  therefore written on flat tokens (``models.weights.matmul``);
* 0.35 in attention, whose gradient kept and read the whole square of weights: blocks of 64 queries skip
  what is in the future and compute the weights again (``ops.attention_xla``), 0.2;
* the rest in what belongs to no product: norms, SiLU, RoPE, layout.

On another machine (AVX-512, --one_core, layers not scanned, processor seconds; PyTorch has 0.70 eager, 0.56
to 0.61 compiled) that step still took 0.89. Found with ``perf record`` and ``getrusage``:

* 0.2 in the kernel, on 120,000 page faults: XLA's block of 400 MB of temporaries was mapped anew at every
  step. Kept in one heap (``hrpe_jax.utils.jax_setup``) it has none;
* dense products, 59 GFLOP, at 150 GFLOP/s by YNNPACK, where Eigen has 180 and PyTorch 170: the training step
  is compiled without the former (``training.step``);
* of the 0.80 that are left 0.33 are dense products, 0.11 attention in blocks (whose small products run at 95
  GFLOP/s), 0.02 the optimizer. 3.5 % are sines and cosines of RoPE, computed again where layers that are not
  scanned use them; scanned layers copy what the backward pass needs (4 %).

On a third machine (one core of an AMD EPYC 9004; PyTorch has 0.88 eager, 0.80 to 0.82 compiled) it took 0.90
as configured, scanned. By a trace of ``jax.profiler``, whose times were added up by what the compiled program
says of each kernel:

* 0.69 in products, the dense ones at 100 GFLOP/s; alone they have 110, PyTorch's 102;
* 0.05 in sines and cosines, computed again in every kernel that reads them, for each head: RoPE now looks
  them up (``ops.rope``);
* 0.08 in what a scan copies: on a CPU layers are run one by one (``models.layers.UNROLLED``);
* 0.015 in what norms and gates kept (``ops.pointwise``).

That leaves 0.77 to 0.79: 1.02 to 1.05 times the speed of torch.compile. The goal, 1.1, is not reached;
products are 0.69 of it. Tried there without effect: query, key and value as one product, gate and up as one,
larger blocks of attention, huge pages, YNNPACK, wider vectors, fast-math.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from common import in_turns, place, print_table, ratio, store, take_one_core

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.config import BackboneStageConfig, BatchConfig, MeshConfig, OptimizerConfig, StageConfig
from hrpe_jax.models import cache as caches
from hrpe_jax.models.config import BackboneModelConfig, HarmonyConfig, ModelConfig
from hrpe_jax.models.harmonic_attention import LayerMemory
from hrpe_jax.models.initializers import matmul, normal
from hrpe_jax.models.transformer import Stack
from hrpe_jax.ops import hrpe, losses
from hrpe_jax.tasks import build_task
from hrpe_jax.tasks.base import LinenTask
from hrpe_jax.training.flops import PEAK, peak_flops
from hrpe_jax.training.sharding import make_mesh
from hrpe_jax.training.train_step import make_programs
from hrpe_jax.utils.jax_setup import keep_freed_memory

VOCABULARY = 260


class Plain(nn.Module):
    """The project's blocks between an embedding and the same table as output, nothing else."""

    config: ModelConfig

    @nn.compact
    def __call__(self, ids: jax.Array, train: bool = False) -> jax.Array:
        """``[batch, length]`` to logits."""
        config = self.config
        table = self.param("embedding", normal(0.02, "vocab", "embed"), (VOCABULARY, config.width))
        positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape)
        absent = hrpe.Codes(jnp.zeros_like(ids), (), jnp.zeros(ids.shape, bool))
        none = HarmonyConfig(variant="none")
        past = caches.empty(config, ids.shape[0], 0, 0, 0, LayerMemory())
        past = caches.append(past, positions, jnp.ones_like(ids), absent)
        context = caches.context(past, ids.shape[1], config, none)
        x = (table[ids] * config.width**0.5).astype(jnp.dtype(config.dtype))
        x, _ = Stack(config, none, (), name="stack")(x, LayerMemory(), context, train)
        return matmul(x, table.T.astype(x.dtype)).astype(jnp.float32)


class PlainTask(LinenTask):
    """Predicts the next of random ids."""

    def __init__(self, config: ModelConfig) -> None:
        self.module = Plain(config)

    def _init(self, key: jax.Array) -> Any:
        return self.module.init(key, jnp.zeros((1, 4), jnp.int32))

    def init_carry(self, rows: int) -> None:
        """Nothing."""
        del rows

    def carry_axes(self) -> None:
        """Nothing."""

    def segment_loss(self, params: Any, carry: None, segment: Any, key: jax.Array, train: bool) -> Any:
        """Mean log loss."""
        del key
        ids = segment["ids"]
        logits = self.module.apply({"params": params}, ids[:, :-1], train=train)
        likelihood = losses.log_likelihood(logits, ids[:, 1:])
        return losses.weighted(-likelihood, jnp.ones_like(likelihood)), carry, {}


def stepper(task: Any, config: StageConfig, batch: dict[str, Any]) -> Callable[[], None]:
    """One training step on the same batch, again and again."""
    programs = make_programs(task, config, make_mesh(config.mesh))
    key = jax.random.key(0)
    kept = [programs.init(key), programs.init_carry()]

    def run() -> None:
        kept[0], kept[1], metrics = programs.train(kept[0], kept[1], batch, key)
        jax.block_until_ready((kept[0], metrics))

    return run


def chord_batch(rows: int, length: int) -> dict[str, Any]:
    """Random chord events, one song a row."""
    rng = np.random.default_rng(0)
    events = np.flatnonzero(tokens.VALID & (tokens.KIND == tokens.KIND_EVENT))
    ids = rng.choice(events, (1, rows, length + 1))
    now = ids[..., :-1]
    batch = {
        "input_ids": now,
        "target_ids": ids[..., 1:],
        "root_pc": tokens.ROOT[now],
        "quality_code": tokens.QUALITY_CODE[now],
        "function_code": tokens.function_table()[0][now],
        "bar_phase": rng.integers(0, 4, now.shape),
        "key": np.zeros_like(now),
        "beats_per_bar": np.full_like(now, 4),
        "positions": np.broadcast_to(np.arange(length), now.shape),
        "segment_ids": np.ones_like(now),
        "weights": np.ones_like(now),
    }
    return {name: jnp.asarray(value, jnp.int32) for name, value in batch.items()}


def harmony(args: argparse.Namespace) -> dict[str, Any]:
    """The backbone's step with each H-RPE over its step with RoPE alone."""
    kinds = {
        "RoPE": HarmonyConfig(variant="none"),
        "(0, 0)": HarmonyConfig(variant="query"),
        "five lags": HarmonyConfig(),
        "five lags, two sets of heads": HarmonyConfig(
            head_sets=(((0, 0), (0, 1), (1, 2)), ((0, 1), (1, 2), (2, 3), (3, 4)))
        ),
    }
    rows, figures = [], []
    for length in (int(n) for n in args.lengths.split(",")):
        batch_rows = max(1, args.events // length)
        runs = {}
        for name, kind in kinds.items():
            model = BackboneModelConfig(
                width=args.width, layers=args.layers, heads=args.heads, head_width=args.width // args.heads,
                mlp_width=args.mlp_width, dtype=args.dtype, dropout=0.0, harmony=kind,
            )  # fmt: skip
            config = BackboneStageConfig(model=model, batch=BatchConfig(rows=batch_rows, length=length))
            runs[name] = stepper(build_task("backbone", model), config, chord_batch(batch_rows, length))
        seconds = in_turns(runs, args.rounds, args.clock)
        ratios = {name: ratio(seconds[name], seconds["RoPE"]) for name in kinds if name != "RoPE"}
        step = statistics.median(seconds["RoPE"])
        figures.append({"length": length, "rows": batch_rows, "rope_seconds": step, "over_rope": ratios})
        rows.append((f"{batch_rows} x {length}", f"{step:.3f} s", *(f"{r:.2f}" for r in ratios.values())))
    print(f"Backbone, {args.layers} layers, width {args.width}, {args.heads} heads; H-RPE over RoPE alone")
    print_table(("events", "RoPE step", *(name for name in kinds if name != "RoPE")), rows)
    return {"figures": figures}


def against_torch(args: argparse.Namespace) -> dict[str, Any]:
    """The same Transformer, batch and precision in PyTorch, eager and compiled; the better one counts."""
    from torch_transformer import make_step

    ids = np.random.default_rng(0).integers(0, VOCABULARY, (1, args.rows, args.length + 1))
    model = ModelConfig(
        width=args.width, layers=args.layers, heads=args.heads, head_width=args.width // args.heads,
        mlp_width=args.mlp_width, dropout=0.0,
    )  # fmt: skip
    config = StageConfig(
        model=model,
        batch=BatchConfig(rows=args.rows, length=args.length),
        mesh=MeshConfig(data=jax.device_count()),
        optimizer=OptimizerConfig(),
    )
    runs: dict[str, Callable[[], Any]] = {
        "jax": stepper(PlainTask(model), config, {"ids": jnp.asarray(ids, jnp.int32)})
    }
    shape = (VOCABULARY, args.width, args.layers, args.heads, args.mlp_width)
    for name in args.torch.split(","):
        runs[f"torch {name}"] = make_step(ids[0], *shape, compiled=name == "compile", one=args.one_core)
    seconds = in_turns(runs, args.rounds, args.clock)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    best = min((name for name in median if name != "jax"), key=lambda name: median[name])
    speed = ratio(seconds[best], seconds["jax"])
    print(f"{args.layers} layers, width {args.width}, {args.rows} x {args.length} events, float32")
    print_table(("step", "seconds"), [(name, f"{value:.3f}") for name, value in median.items()])
    print(f"speed of the JAX step over {best}: {speed:.2f}")
    return {"seconds": median, "best_torch": best, "speed_over_torch": speed}


def utilisation(args: argparse.Namespace) -> dict[str, Any]:
    """Model FLOPs (6 x parameters x events, and attention's products) a second over the device's peak."""
    from hrpe_jax.workflows.load_config import load_config

    overrides = [f"stages.backbone.{change}" for change in args.set]
    config = load_config(args.config, overrides).stages.backbone
    if config is None:
        raise SystemExit(f"{args.config}: it trains no backbone; give a config that does")
    kind = jax.devices()[0].device_kind
    peak = peak_flops(jax.devices()[0])
    if peak is None:
        raise SystemExit(f"no peak is known for {kind}: utilisation is measured on {', '.join(PEAK)}")
    rows, length = args.rows, config.batch.length
    config = replace(config, batch=replace(config.batch, rows=rows, segments=1), mesh=MeshConfig())
    task = build_task("backbone", config.model)
    abstract = jax.eval_shape(task.init_params, jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(abstract))
    seconds = in_turns({"step": stepper(task, config, chord_batch(rows, length))}, args.rounds)["step"]
    model = config.model
    attention = 6 * model.layers * model.heads * model.head_width * length  # causal: half of 12
    flops = rows * length * (6 * count + attention)
    step = statistics.median(seconds)
    share = flops / step / peak
    print_table(
        ("device", "parameters", "events", "step", "share of peak"),
        [(kind, f"{count / 1e6:.0f} M", f"{rows} x {length}", f"{step:.3f} s", f"{share:.1%}")],
    )
    return {"parameters": count, "seconds": step, "share_of_peak": share}


MODES = {"harmony": harmony, "torch": against_torch, "utilisation": utilisation}


def main() -> None:
    """Runs one of the comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--lengths", default="256,512,1024")
    parser.add_argument("--events", type=int, default=2048, help="of a batch, whatever the length")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--mlp_width", type=int, default=680)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--devices", type=int, default=0, help="CPU devices to divide the rows among")
    parser.add_argument("--torch", default="eager,compile", help="which of eager and compile to run")
    parser.add_argument("--config", default="configs/backbone_large.py")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of its stage")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--one_core", action="store_true", help="processor time on one core: for a machine that others use"
    )
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    args.clock = time.perf_counter
    if args.one_core:
        take_one_core()
        args.clock = time.process_time
    keep_freed_memory()
    if args.devices:
        jax.config.update("jax_num_cpu_devices", args.devices)
    result = MODES[args.mode](args)
    settings = {key: value for key, value in vars(args).items() if key not in ("json", "clock")}
    packages = ("jax", "jaxlib", "flax", "numpy", "torch")
    store(args.json, {**place(packages), "settings": settings, **result})


if __name__ == "__main__":
    main()
