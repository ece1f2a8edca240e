"""A small Task with a carry and dropout, and batches that are a function of the step: what the trainer asks
for.

Run as a script it trains until it kills itself: ``WORKDIR KILL_AT_STEP``.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import asdict, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from hrpe_jax.config import (
    BatchConfig,
    Config,
    MelodyStageConfig,
    OptimizerConfig,
    StagesConfig,
)
from hrpe_jax.models.config import MelodyModelConfig
from hrpe_jax.training.loop import StageResult, train_stage

VOCAB, WIDTH, ROWS, LENGTH, SEGMENTS = 12, 8, 8, 5, 2


@struct.dataclass
class Memory:
    """Hidden state of every row."""

    hidden: jax.Array
    seen: jax.Array


class DummyTask:
    """Predicts the next token from the present one and a running mean of embeddings."""

    def init_params(self, key: jax.Array) -> Any:
        a, b = jax.random.split(key)
        return {
            "events": jax.random.normal(a, (VOCAB, WIDTH)),
            "out": {"kernel": jax.random.normal(b, (WIDTH, VOCAB)) * 0.3, "bias": jnp.zeros(VOCAB)},
            "norm": {"scale": jnp.ones(WIDTH)},
        }

    def param_axes(self) -> Any:
        return {
            "events": ("vocab", "embed"),
            "out": {"kernel": ("embed", "vocab"), "bias": ("vocab",)},
            "norm": {"scale": ("embed",)},
        }

    def init_carry(self, rows: int) -> Any:
        return Memory(jnp.zeros((rows, WIDTH)), jnp.full((rows,), 0))  # weakly typed

    def carry_axes(self) -> Any:
        return Memory(("rows", "embed"), ("rows",))  # type: ignore[arg-type]

    def batch_axes(self, name: str, ndim: int) -> tuple[str, ...]:
        return ("segments", "rows", "length")[:ndim]

    def segment_loss(self, params: Any, carry: Memory, segment: Any, key: jax.Array, train: bool) -> Any:
        hidden = jnp.where(segment["reset"][:, None], 0.0, carry.hidden)
        x = params["events"][segment["ids"]]
        x = (x + jnp.cumsum(x, axis=1) * 0.1 + hidden[:, None]) * params["norm"]["scale"]
        if train:
            x = x * jax.random.bernoulli(key, 0.9, x.shape)
        logits = x @ params["out"]["kernel"] + params["out"]["bias"]
        losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), segment["targets"][..., None], -1)[..., 0]
        weights = segment["weights"]
        hits = (logits.argmax(-1) == segment["targets"]) * weights
        carry = Memory(jax.lax.stop_gradient(hidden * 0.5 + x.mean(1)), carry.seen + 1)
        return ((losses * weights).sum(), weights.sum()), carry, {"accuracy": (hits.sum(), weights.sum())}


class StatelessTask(DummyTask):
    """The same without a carry."""

    def init_carry(self, rows: int) -> Any:
        return None

    def carry_axes(self) -> Any:
        return None

    def segment_loss(self, params: Any, carry: Any, segment: Any, key: jax.Array, train: bool) -> Any:
        memory = Memory(jnp.zeros((ROWS, WIDTH)), jnp.zeros((ROWS,), jnp.int32))
        loss, _, metrics = super().segment_loss(params, memory, segment, key, train)
        return loss, None, metrics


def batch(step: int, rows: int = ROWS) -> dict[str, np.ndarray]:
    """The batch of a step: runs of ascending tokens, which are easy to learn."""
    rng = np.random.default_rng(step)
    start = rng.integers(0, VOCAB, (SEGMENTS, rows, 1))
    ids = ((start + np.arange(LENGTH + 1)) % VOCAB).astype(np.int32)
    return {
        "ids": ids[..., :-1],
        "targets": ids[..., 1:],
        "weights": (rng.random((SEGMENTS, rows, LENGTH)) < 0.8).astype(np.float32),
        "reset": rng.random((SEGMENTS, rows)) < 0.3,
    }


class Batches:
    """The iterator that the trainer asks for. ``kill_at``: die when the batch of that step is drawn."""

    def __init__(self, kill_at: int | None = None, poison_at: int | None = None) -> None:
        self.step, self.kill_at, self.poison_at = 0, kill_at, poison_at

    def __next__(self) -> dict[str, np.ndarray]:
        if self.step == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        made = batch(self.step)
        if self.step == self.poison_at:
            made["weights"] = made["weights"] * np.float32("nan")
        self.step += 1
        return made

    def get_state(self) -> int:
        return self.step

    def set_state(self, state: int) -> None:
        self.step = state

    def describe(self, step: int) -> list[dict[str, Any]]:
        return [{"id": f"song {step}", "row": row} for row in range(ROWS)]


def stage_config(**changes: Any) -> MelodyStageConfig:
    """A training of twelve steps whose intervals do not divide each other."""
    return replace(
        MelodyStageConfig(
            model=MelodyModelConfig(width=WIDTH, heads=2),
            batch=BatchConfig(rows=ROWS, length=LENGTH, segments=SEGMENTS),
            steps=12,
            log_every=2,
            eval_every=4,
            checkpoint_every=3,
            keep=2,
            optimizer=OptimizerConfig(learning_rate=0.05, warmup_steps=2),
        ),
        **changes,
    )


def record(config: MelodyStageConfig, seed: int = 0, vocabulary: str = "abc") -> dict[str, Any]:
    """What a checkpoint says of its run."""
    whole = Config(name="dummy", stages=StagesConfig(melody=config), seed=seed)
    return {
        "format": 2,
        "version": "0",
        "vocabulary": {"melody": vocabulary},
        "data": "d",
        "config": asdict(whole),
    }


def train(workdir: Any, config: MelodyStageConfig | None = None, **options: Any) -> StageResult:
    """Trains the dummy."""
    config = config or stage_config()
    seed = options.get("seed", 0)
    return train_stage(
        "melody",
        options.get("task", DummyTask()),
        config,
        options.get("batches", Batches()),
        options.get("valid", [batch(1000 + i) for i in range(3)]),
        seed=seed,
        workdir=workdir,
        record=record(config, seed, options.get("vocabulary", "abc")),
        **{name: options[name] for name in ("tensorboard", "callback", "initial") if name in options},
    )


if __name__ == "__main__":
    train(sys.argv[1], batches=Batches(kill_at=int(sys.argv[2])))
