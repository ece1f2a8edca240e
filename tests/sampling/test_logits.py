"""Masks, temperature, top-k and top-p against loops, and draws that stay inside them."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.sampling.logits import Settings, log_probability, pick, restrict, row_keys, uniforms


def restrict_by_loops(
    logits: list[float], allowed: list[bool], temperature: float, top_k: int, top_p: float
) -> list[float]:
    """Log probabilities after renormalising, -inf where cut."""
    order = sorted((i for i, ok in enumerate(allowed) if ok), key=lambda i: -logits[i])
    if top_k:
        order = order[:top_k]
    weights = {i: math.exp((logits[i] - logits[order[0]]) / temperature) for i in order}
    total = sum(weights.values())
    kept, reached = [], 0.0
    for i in order:
        if reached >= top_p and top_p < 1:
            break
        kept.append(i)
        reached += weights[i] / total
    total = sum(weights[i] for i in kept)
    return [math.log(weights[i] / total) if i in kept else -math.inf for i in range(len(logits))]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("top_k", [0, 1, 3, 50])
@pytest.mark.parametrize("top_p", [0.2, 0.9, 1.0])
def test_restrict_is_what_loops_say(temperature: float, top_k: int, top_p: float):
    generator = np.random.default_rng(int(top_k + 100 * top_p))
    logits = generator.normal(0, 3, (5, 17))
    allowed = generator.random((5, 17)) < 0.6
    allowed[:, 4] = True
    scores = restrict(jnp.asarray(logits), jnp.asarray(allowed), Settings(temperature, top_k, top_p))
    expected = [
        restrict_by_loops(row.tolist(), mask.tolist(), temperature, top_k, top_p)
        for row, mask in zip(logits, allowed, strict=True)
    ]
    np.testing.assert_allclose(jax.nn.log_softmax(scores), expected, atol=1e-5)


def test_tokens_as_likely_as_the_last_one_kept_are_kept_too():
    scores = restrict(jnp.array([[2.0, 1.0, 1.0, 0.0]]), jnp.ones((1, 4), bool), Settings(1.0, 2, 1.0))
    assert np.isfinite(scores[0]).tolist() == [True, True, True, False]


@pytest.mark.parametrize("temperature", [1e-30, 1e-6, 1e6, 1e30])
def test_no_temperature_breaks_the_mask(temperature: float):
    logits = jnp.array([[5.0, -1e9, 80.0, -80.0, 1e9]])
    allowed = jnp.array([[True, False, False, True, False]])
    scores = restrict(logits, allowed, Settings(temperature, 0, 0.9))
    assert not np.isnan(scores).any()
    drawn = [
        int(pick(uniforms(row_keys(seed, 0, jnp.arange(1)), jnp.array(3)), scores)[0]) for seed in range(20)
    ]
    assert set(drawn) <= {0, 3}
    if temperature < 1:
        assert set(drawn) == {0}


def test_draws_follow_the_scores():
    scores = jnp.log(jnp.array([0.5, 0.3, 0.2, 0.0]))
    keys = row_keys(1, 0, jnp.arange(4000))
    drawn = np.asarray(pick(uniforms(keys, jnp.array(0)), jnp.tile(scores, (4000, 1))))
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 4000, [0.5, 0.3, 0.2, 0.0], atol=0.03)


def test_a_piece_draws_the_same_whatever_else_is_drawn():
    alone, among = row_keys(5, 1, jnp.array([2])), row_keys(5, 1, jnp.arange(4))
    assert (jax.random.key_data(alone)[0] == jax.random.key_data(among)[2]).all()
    others = row_keys(5, 0, jnp.arange(4)), row_keys(6, 1, jnp.arange(4))
    for keys in others:
        assert (jax.random.key_data(keys) != jax.random.key_data(among)).any()


def test_log_probability_is_of_the_unrestricted_model():
    logits = np.random.default_rng(0).normal(size=(3, 9))
    tokens = np.array([0, 4, 8])
    expected = jax.nn.log_softmax(jnp.asarray(logits))[np.arange(3), tokens]
    np.testing.assert_allclose(log_probability(jnp.asarray(logits), jnp.asarray(tokens)), expected, rtol=1e-5)


def test_other_settings_do_not_compile_anew():
    compiled = jax.jit(restrict)
    for settings in (Settings(1.0, 0, 1.0), Settings(0.3, 5, 0.5)):
        values = Settings(
            np.float32(settings.temperature), np.int32(settings.top_k), np.float32(settings.top_p)
        )
        compiled(jnp.zeros((2, 8)), jnp.ones((2, 8), bool), values)
    assert compiled._cache_size() == 1
