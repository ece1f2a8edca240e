"""RoPE: against complex numbers, and its defining property."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.ops import rope


def test_equals_complex_rotation() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 5, 8)).astype(np.float32)
    positions = rng.integers(0, 1000, (2, 5))
    got = np.asarray(jax.jit(lambda x, at: rope.rotate(x, rope.rotation(at, 8)))(x, positions))
    for b, h, i in np.ndindex(2, 3, 5):
        for pair in range(4):
            angle = positions[b, i] * 10000.0 ** (-2 * pair / 8)
            turned = complex(x[b, h, i, pair], x[b, h, i, pair + 4]) * np.exp(1j * angle)
            expected = (turned.real, turned.imag)
            np.testing.assert_allclose(got[b, h, i, [pair, pair + 4]], expected, atol=1e-5)


def test_inner_product_depends_on_the_difference_only() -> None:
    m, n, offset = np.random.default_rng(0).integers(0, 501, (3, 1000))
    m[:2], n[1:3], offset[2:4] = 0, 500, 500
    q, k = np.linspace(-1, 1, 16, dtype=np.float32), np.cos(np.arange(16, dtype=np.float32))

    @jax.jit
    def products(i: jax.Array, j: jax.Array) -> jax.Array:
        q_turned, k_turned = (
            rope.rotate(jnp.broadcast_to(x, (1, 1, len(at), 16)), rope.rotation(at[None], 16))
            for x, at in ((q, i), (k, j))
        )
        return jnp.sum(q_turned * k_turned, axis=-1)

    here = products(m, n)
    np.testing.assert_allclose(products(m + offset, n + offset), here, rtol=1e-6, atol=2e-5)
    assert np.ptp(here) > 1


@pytest.mark.parametrize("width", [6, 32, 80])
def test_far_and_negative_positions_are_as_exact_as_near_ones(width: int) -> None:
    rng = np.random.default_rng(0)
    edges = [0, 1, rope.STEP - 1, rope.STEP, rope.STEP**2 - 1, rope.STEP**2, rope.STEP**3 - 1]
    far = np.concatenate([edges, *(rng.integers(0, rope.STEP**power, 50) for power in (1, 2, 3))])
    positions = np.concatenate([far, -far])
    turn = jax.jit(rope.rotation, static_argnums=1)(positions, width)
    angles = positions[:, None] * 10000.0 ** (-np.arange(0, width, 2) / width)
    np.testing.assert_allclose(turn.cos, np.cos(angles), atol=4e-7)
    np.testing.assert_allclose(turn.sin, np.sin(angles), atol=4e-7)


def test_one_program_serves_all_positions_and_keeps_the_bits_of_near_ones() -> None:
    """Pieces of before the third table are the same: for them it turns by nothing, exactly."""
    near = jnp.arange(5000)
    far, close = (jnp.asarray(table).reshape(rope.STEP, 32) for table in rope._tables(32, 10000.0)[1::-1])
    a, b = jnp.split(far[near // rope.STEP], 2, axis=-1), jnp.split(close[near % rope.STEP], 2, axis=-1)
    turn = rope.rotation(near, 32)
    np.testing.assert_array_equal(turn.cos, a[0] * b[0] - a[1] * b[1])
    np.testing.assert_array_equal(turn.sin, a[1] * b[0] + a[0] * b[1])


def test_position_zero_is_the_identity() -> None:
    x = jnp.arange(12.0).reshape(1, 1, 2, 6)
    np.testing.assert_array_equal(rope.rotate(x, rope.rotation(jnp.zeros((1, 2), int), 6)), x)


def test_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        rope.rotation(jnp.zeros((1, 2), int), 5)


def test_cyclic_rotation_sees_differences_of_the_code_only() -> None:
    rng = np.random.default_rng(0)
    q, k = (jnp.asarray(rng.normal(size=(1, 2, 5, 16)), jnp.float32) for _ in range(2))
    codes, present = jnp.asarray([[0, 3, 7, 11, 4]]), jnp.asarray([[True, True, False, True, True]])
    turn = rope.rotation(jnp.arange(5)[None], 16)

    @jax.jit
    def products(codes: jax.Array, present: jax.Array) -> jax.Array:
        both = rope.cyclic_rotation(turn, codes, present)
        return jnp.einsum("bhqd,bhkd->bhqk", rope.rotate(q, both), rope.rotate(k, both))

    here = products(codes, present)
    np.testing.assert_allclose(products((codes + 5) % 12, present), here, atol=1e-4)
    assert float(jnp.abs(products(codes.at[0, 1].set(4), present) - here).max()) > 0.1
    # An absent code says nothing: what stands in its place changes nothing, and neither does a whole turn.
    np.testing.assert_array_equal(products(codes.at[0, 2].set(1), present), here)
    np.testing.assert_allclose(products(codes + 12, present), here, atol=1e-4)
