"""Norm and gate: the plain formulas, and the gradients that automatic differentiation finds of those."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import Array

from hrpe_jax.ops import pointwise


def plain_norm(x: Array, scale: Array) -> Array:
    return x / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + pointwise.EPSILON) * scale


def plain_gate(gate: Array, up: Array) -> Array:
    return gate / (1 + jnp.exp(-gate)) * up


@functools.partial(jax.jit, static_argnums=0)
def _value_and_gradients(f: Callable[..., Array], weights: Array, *arguments: Array) -> Any:
    def total(*args: Array) -> tuple[Array, Array]:
        out = f(*args)
        return jnp.sum(out * weights), out

    return jax.grad(total, argnums=(0, 1), has_aux=True)(*arguments)


def same_with_gradients(ours: Callable[..., Array], plain: Callable[..., Array], *arguments: Array) -> None:
    weights = jnp.asarray(np.random.default_rng(1).normal(size=arguments[0].shape), jnp.float32)
    (got, value), (wanted, plain_value) = (
        _value_and_gradients(f, weights, *arguments) for f in (ours, plain)
    )
    np.testing.assert_allclose(value, plain_value, rtol=1e-5, atol=1e-5)
    for slope, plain_slope in zip(got, wanted, strict=True):
        np.testing.assert_allclose(slope, plain_slope, rtol=1e-4, atol=1e-4)


# Few shapes, many draws: every new shape compiles anew.
shapes = st.sampled_from([(1, 1, 1), (3, 5, 9), (2, 1, 4)])


@settings(max_examples=40)
@given(shapes, st.integers(0, 9), st.sampled_from([1e-3, 1.0, 30.0]))
def test_norm(shape: tuple[int, int, int], seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    x, scale = size * rng.normal(size=shape), rng.normal(size=shape[-1])
    same_with_gradients(pointwise.rms_norm, plain_norm, *(jnp.asarray(a, jnp.float32) for a in (x, scale)))


@settings(max_examples=40)
@given(shapes, st.integers(0, 9), st.sampled_from([0.1, 1.0, 10.0]))
def test_gate(shape: tuple[int, int, int], seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    both = (jnp.asarray(size * rng.normal(size=shape), jnp.float32) for _ in range(2))
    same_with_gradients(pointwise.swiglu, plain_gate, *both)


def test_extreme_gates_have_finite_gradients() -> None:
    gate = jnp.asarray([-1e4, -90.0, 0.0, 90.0, 1e4])
    slope = jax.jit(jax.grad(lambda x: jnp.sum(pointwise.swiglu(x, jnp.ones(5)))))(gate)
    np.testing.assert_allclose(slope, [0.0, 0.0, 0.5, 1.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_nothing_but_the_arguments_is_kept(dtype: jnp.dtype) -> None:
    gate, up = jnp.ones((4, 8), dtype), jnp.ones((4, 8), dtype)
    _, backward = jax.vjp(pointwise.swiglu, gate, up)
    assert [leaf.shape for leaf in jax.tree.leaves(backward)] == [(4, 8)] * 2
    assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(backward(gate)))
