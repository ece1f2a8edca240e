"""Run as a script, on eight host devices: the same steps on several meshes, and one training that moves.

Arguments: WORKDIR, and which meshes ("all", "some" or "none": compiling takes time). Prints a JSON object:
for each task and mesh, the losses of three steps and the norms of their gradients. WORKDIR holds afterwards a
training of the dummy that was stopped three times and went on on other devices each time.
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from typing import Any

import jax

from hrpe_jax.config import BackboneStageConfig, BatchConfig, MelodyStageConfig, MeshConfig, OptimizerConfig
from hrpe_jax.data.loader import train_batches
from hrpe_jax.errors import Stopped
from hrpe_jax.models.config import BackboneModelConfig, MelodyModelConfig
from hrpe_jax.tasks import build_task
from hrpe_jax.training.sharding import make_mesh, put_batch
from hrpe_jax.training.train_step import make_programs
from tests.conftest import FakeDataset
from tests.training import dummy

SHAPE: dict[str, Any] = {
    "width": 16,
    "layers": 1,
    "heads": 2,
    "head_width": 8,
    "mlp_width": 16,
    "dropout": 0.0,
}
COMMON: dict[str, Any] = {"steps": 3, "optimizer": OptimizerConfig(warmup_steps=1)}
CONFIGS = {
    "backbone": BackboneStageConfig(
        model=BackboneModelConfig(**SHAPE, residual_rank=2), batch=BatchConfig(rows=8, length=24), **COMMON
    ),
    "melody": MelodyStageConfig(
        model=MelodyModelConfig(**SHAPE, memory=8), batch=BatchConfig(rows=8, length=12, segments=2), **COMMON
    ),
}
MESHES: dict[str, dict[str, dict[str, Any]]] = {
    "backbone": {"1": {}, "2": {"data": 2}, "4 x 2, sharded": {"data": 4, "model": 2, "fsdp": True}},
    "melody": {
        "1": {},
        "2": {"data": 2},
        "2 x 2": {"data": 2, "model": 2},
        "4, sharded, in two parts": {"data": 4, "fsdp": True, "accumulate": 2},
        "8, sharded": {"data": 8, "fsdp": True},
    },
}
SOME: dict[str, Any] = {
    "melody": {name: MESHES["melody"][name] for name in ("1", "4, sharded, in two parts")}
}
MOVES = [  # devices, and the step before which the training is stopped there
    (MeshConfig(data=1), 3),
    (MeshConfig(data=8, fsdp=True), 6),
    (MeshConfig(data=2, model=2, fsdp=True), 8),
    (MeshConfig(data=2), None),
]


def three_steps(stage: str, data: int = 1, model: int = 1, fsdp: bool = False, accumulate: int = 1) -> Any:
    """Losses and gradient norms, by step."""
    config = CONFIGS[stage]
    config = replace(
        config,
        mesh=MeshConfig(data=data, model=model, fsdp=fsdp),
        batch=replace(config.batch, accumulate=accumulate),
    )
    task: Any = build_task(stage, config.model)
    mesh = make_mesh(config.mesh)
    programs = make_programs(task, config, mesh)
    state, carry = programs.init(jax.random.key(0)), programs.init_carry()
    found = []
    for batch in train_batches(FakeDataset(), stage, config.batch, seed=0, num_steps=3):
        state, carry, metrics = programs.train(state, carry, put_batch(mesh, task, batch), jax.random.key(1))
        found.append([float(metrics["loss"][0] / metrics["loss"][1]), float(metrics["grad_norm"][0])])
    whole = all(leaf.is_fully_replicated for leaf in jax.tree.leaves(state.params))
    assert whole == (not fsdp and model == 1)
    return found


class Stopping(dummy.Batches):
    """Stops its own process, in an orderly way, when a batch is drawn."""

    def __init__(self, at: int | None) -> None:
        super().__init__()
        self._at = at

    def __next__(self) -> Any:
        if self.step == self._at:
            signal.raise_signal(signal.SIGTERM)
        return super().__next__()


def move(workdir: str) -> None:
    """The training that goes from devices to devices."""
    for mesh, stop in MOVES:
        try:
            dummy.train(workdir, dummy.stage_config(mesh=mesh), batches=Stopping(stop))
        except Stopped:
            continue


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 8)
    move(sys.argv[1])
    stages = {
        stage: {name: three_steps(stage, **mesh) for name, mesh in meshes.items()}
        for stage, meshes in {"all": MESHES, "some": SOME, "none": {}}[sys.argv[2]].items()
    }
    print(json.dumps(stages))
