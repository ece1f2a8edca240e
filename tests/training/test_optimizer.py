"""Schedule, decay mask and clipping."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hrpe_jax.config import OptimizerConfig
from hrpe_jax.training.optimizer import average, decay_mask, learning_rate, make_optimizer


def test_the_rate_warms_up_and_decays_to_its_fraction() -> None:
    config = OptimizerConfig(learning_rate=0.2, warmup_steps=4, final_fraction=0.1)
    rate = learning_rate(config, 24)
    assert [float(rate(step)) for step in range(4)] == pytest.approx([0.05, 0.1, 0.15, 0.2])
    assert float(rate(14)) == pytest.approx(0.2 * 0.55)  # half-way of the cosine
    assert float(rate(24)) == pytest.approx(0.02)
    assert float(rate(99)) == pytest.approx(0.02)
    constant = learning_rate(OptimizerConfig(learning_rate=0.2, warmup_steps=0, schedule="constant"), 24)
    assert [float(constant(step)) for step in (0, 23)] == pytest.approx([0.2, 0.2])


def test_wsd_is_flat_until_its_last_part() -> None:
    config = OptimizerConfig(learning_rate=0.2, warmup_steps=4, schedule="wsd", decay_fraction=0.25)
    rate = learning_rate(config, 40)
    assert [float(rate(step)) for step in (0, 3, 20, 30)] == pytest.approx([0.05, 0.2, 0.2, 0.2])
    middle = 0.2 * (0.1 + 0.9 * (1 - 0.5**0.5))  # 1 - sqrt of half the way
    assert [float(rate(step)) for step in (35, 40, 99)] == pytest.approx([middle, 0.02, 0.02])
    never = learning_rate(OptimizerConfig(learning_rate=0.2, schedule="wsd", decay_fraction=0.0), 400)
    assert float(never(399)) == pytest.approx(0.2)


def test_the_average_forgets_where_it_began() -> None:
    """Against a loop in numpy, and its fixed point."""
    expected, ema = 5.0, {"a": jnp.asarray(5.0)}
    for step in range(200):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        ema = average(ema, {"a": jnp.asarray(float(step))}, jnp.asarray(step), 0.9)
        np.testing.assert_allclose(ema["a"], expected, rtol=1e-5)
    assert float(ema["a"]) == pytest.approx(199 - 9, abs=0.1)  # a ramp, decay / (1 - decay) steps late


def test_norms_biases_and_harmonic_tables_are_not_decayed() -> None:
    tree = {
        "stack": {
            "attention": {"query": 1, "tables": {"lag_0_1_cyclic": 1}},
            "attention_norm": {"scale": 1},
            "mlp": {"gate": 1, "bias": 1},
        }
    }
    assert decay_mask(tree, ["query"])["stack"]["attention"] == {
        "query": False,
        "tables": {"lag_0_1_cyclic": True},
    }
    assert decay_mask(tree) == {
        "stack": {
            "attention": {"query": True, "tables": {"lag_0_1_cyclic": False}},
            "attention_norm": {"scale": False},
            "mlp": {"gate": True, "bias": False},
        }
    }


def test_decay_and_clipping_are_what_the_config_says() -> None:
    params = {"kernel": jnp.full((2,), 4.0), "bias": jnp.full((2,), 4.0)}
    config = OptimizerConfig(learning_rate=0.5, schedule="constant", warmup_steps=0, weight_decay=0.1)
    optimizer = make_optimizer(config, 10)
    zeros = {name: jnp.zeros(2) for name in params}
    updates, _ = optimizer.update(zeros, optimizer.init(params), params)
    new = optax.apply_updates(params, updates)
    np.testing.assert_allclose(new["kernel"], 4.0 * (1 - 0.05))
    np.testing.assert_allclose(new["bias"], 4.0)

    huge = {name: jnp.full((2,), 1e6) for name in params}
    small = {
        name: leaf * 1e-3 for name, leaf in huge.items()
    }  # clipped, both are the same direction and length
    first, state = optimizer.update(huge, optimizer.init(params), params)
    second, other = optimizer.update(small, optimizer.init(params), params)
    for name in params:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-5)
    mu = optax.tree_utils.tree_get(state, "mu")
    norm = sum(float(jnp.sum(leaf**2)) for leaf in mu.values()) ** 0.5
    assert norm == pytest.approx((1 - config.b1) * config.clip_norm, rel=1e-5)
    assert optax.tree_utils.tree_get(other, "mu")["bias"].shape == (2,)
