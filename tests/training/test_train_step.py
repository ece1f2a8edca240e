"""The step: gradient of the weighted mean over all segments, the carry handed on, inputs donated."""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.config import MeshConfig
from hrpe_jax.training.sharding import make_mesh
from hrpe_jax.training.train_step import Programs, make_programs, scan_segments
from tests.training import dummy

KEY = jax.random.key(1)


@pytest.fixture(scope="module")
def programs() -> Programs:
    return make_programs(dummy.DummyTask(), dummy.stage_config(), make_mesh(MeshConfig(), jax.devices()[:1]))


def test_the_scan_is_a_loop_over_segments() -> None:
    task, batch = dummy.DummyTask(), dummy.batch(0)
    params, carry = task.init_params(KEY), task.init_carry(dummy.ROWS)
    loss, weight, scanned, metrics = scan_segments(task, params, carry, batch, KEY, train=True)
    total = 0.0
    for index in range(dummy.SEGMENTS):
        segment = {name: value[index] for name, value in batch.items()}
        key = jax.random.fold_in(KEY, index)
        (part, _), carry, _ = task.segment_loss(params, carry, segment, key, True)
        total += float(part)
    assert float(loss) == pytest.approx(total, rel=1e-5)
    assert float(weight) == pytest.approx(batch["weights"].sum())
    chex.assert_trees_all_close(scanned, carry, rtol=1e-5)
    assert metrics["loss"][1] == weight


def test_the_gradient_is_of_the_mean_over_all_segments(programs: Programs) -> None:
    """The first AdamW step moves each weight by the learning rate against the sign of its gradient."""
    task, batch = dummy.DummyTask(), dummy.batch(0)
    state, carry = programs.init(KEY), programs.init_carry()
    before = jax.device_get(state.params)
    step_key = jax.random.fold_in(KEY, 0)

    def mean(params: Any) -> jax.Array:
        loss, weight, _, _ = scan_segments(
            task, params, task.init_carry(dummy.ROWS), batch, step_key, train=True
        )
        return loss / weight

    grads = jax.grad(mean)(before)
    state, _, metrics = programs.train(state, carry, batch, KEY)
    norm = np.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(grads)))
    assert float(metrics["grad_norm"][0]) == pytest.approx(norm, rel=1e-4)
    moved = np.asarray(state.params["out"]["bias"] - before["out"]["bias"])
    rate = float(metrics["learning_rate"][0])
    np.testing.assert_allclose(moved, -rate * np.sign(grads["out"]["bias"]), rtol=1e-3)
    assert int(state.step) == 1


def test_steps_donate_compile_once_and_draw_their_own_numbers(programs: Programs) -> None:
    state, carry = programs.init(KEY), programs.init_carry()
    old = (state, carry)
    state, carry, first = programs.train(state, carry, dummy.batch(3), KEY)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(old[0].params))
    frozen = jax.device_get(state.params)
    for step in range(4, 7):
        state, carry, _ = programs.train(state, carry, dummy.batch(step), KEY)
    assert programs.train._cache_size() == 1  # type: ignore[attr-defined]
    assert int(carry.seen[0]) == 4 * dummy.SEGMENTS
    # Evaluation has no dropout: twice the same.
    scores = [programs.evaluate(frozen, programs.init_carry(), dummy.batch(3))[1] for _ in range(2)]
    assert scores[0]["loss"][0] == scores[1]["loss"][0]
    assert np.isfinite(float(first["loss"][0]))
