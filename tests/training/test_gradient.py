"""Accumulating the gradient over parts of the rows changes neither the update nor what is carried on."""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.config import BatchConfig
from hrpe_jax.data.loader import train_batches
from hrpe_jax.models.config import BackboneModelConfig, HarmonyConfig, MelodyHarmonyConfig, MelodyModelConfig
from hrpe_jax.tasks import build_task
from hrpe_jax.training.train_step import gradient, join_rows, split_rows
from tests.training import dummy

KEY = jax.random.key(1)
SHAPE: dict[str, Any] = {"width": 8, "layers": 1, "heads": 1, "head_width": 8, "mlp_width": 8, "dropout": 0.0}
MODELS: dict[str, Any] = {
    "backbone": BackboneModelConfig(**SHAPE, residual_rank=1, harmony=HarmonyConfig(variant="none")),
    "melody": MelodyModelConfig(**SHAPE, memory=8, harmony=MelodyHarmonyConfig(variant="none")),
}


def jitted(function: Any) -> Any:
    """Compiled in a hurry: it runs twice."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


def test_rows_are_dealt_to_the_parts_and_come_back() -> None:
    axes = {"a": ("layers", "rows", None), "b": ("rows",), "none": None}
    tree = {"a": jnp.arange(2 * 6 * 3).reshape(2, 6, 3), "b": jnp.arange(6), "none": None}
    parts = split_rows(axes, tree, 3)
    np.testing.assert_array_equal(parts["b"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(parts["a"][1], tree["a"][:, 1::3])
    chex.assert_trees_all_equal(join_rows(axes, parts), tree)


class Whole(dummy.DummyTask):
    """The dummy without dropout."""

    def segment_loss(self, params: Any, carry: Any, segment: Any, key: jax.Array, train: bool) -> Any:
        return super().segment_loss(params, carry, segment, key, False)


@pytest.mark.parametrize(
    "stage",
    [
        "dummy",
        pytest.param("backbone", marks=pytest.mark.slow),
        pytest.param("melody", marks=pytest.mark.slow),
    ],
)
def test_parts_give_the_gradient_of_the_whole(fake_dataset: Any, stage: str) -> None:
    """Two steps, so that the memory of the first matters in the second; rows of very different weight."""
    task: Any = Whole() if stage == "dummy" else build_task(stage, MODELS[stage])
    shape = BatchConfig(rows=4, length=24, segments=2)
    if stage == "dummy":
        batches = [dummy.batch(step, rows=4) for step in range(2)]
    else:
        batches = list(train_batches(fake_dataset, stage, shape, seed=0, num_steps=2))
    for batch in batches:
        batch["weights"][:, 1] = 0
    params = jitted(task.init_params)(KEY)
    found = []
    for parts in (1, 2):
        run = jitted(lambda *inputs, parts=parts: gradient(task, *inputs, KEY, parts))
        carry = task.init_carry(4)
        for batch in batches:
            grads, carry, metrics = run(params, carry, batch)
        found.append((grads, carry, metrics))
    chex.assert_trees_all_close(*found, rtol=2e-4, atol=1e-6)
    assert float(found[0][2]["loss"][1]) == sum(batches[1]["weights"].ravel())
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(found[0][0])) > 1e-3


def test_parts_draw_different_dropout() -> None:
    """Equal rows in two parts: with the same numbers, both parts would have the same loss."""
    task = dummy.DummyTask()
    batch = {name: np.repeat(value[:, :1], 2, axis=1) for name, value in dummy.batch(0).items()}
    params, carry = task.init_params(KEY), task.init_carry(2)
    _, carried, _ = jitted(lambda *inputs: gradient(task, *inputs, KEY, 2))(params, carry, batch)
    assert not np.array_equal(carried.hidden[0], carried.hidden[1])
