"""Attention: the reference against loops, every implementation against the reference, and what is refused."""

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

from hrpe_jax.ops.attention import cudnn as attention_cudnn_module
from hrpe_jax.ops.attention.attention import attention, choose
from hrpe_jax.ops.attention.cudnn import attention_cudnn
from hrpe_jax.ops.attention.splash import attention_splash
from hrpe_jax.ops.attention.types import Features, Side, mask, song_bits, song_features
from hrpe_jax.ops.attention.xla import BLOCK, GROUPS, attention_xla

BATCH, HEADS, WIDTH = 2, 4, 8
# What cuDNN is given runs anywhere through XLA; Splash is interpreted on a CPU.
FUSED: dict[str, Callable[..., jax.Array]] = {
    "xla": attention_xla,
    "cudnn": functools.partial(attention_cudnn, kernel="xla"),
    "splash": attention_splash,
}
if jax.default_backend() == "gpu":
    del FUSED["splash"]  # Pallas' TPU kernels are interpreted on a CPU only
# float32: songs are told apart by adding some hundreds to every logit, which costs cuDNN's form three digits.
TOLERANCE = {"xla": 2e-5, "cudnn": 2e-4, "splash": 2e-5}


def draw(
    length: int, slots: int, size: int = 3, groups: int = 1, seed: int = 0, dtype: Any = jnp.float32
) -> tuple[jax.Array, jax.Array, jax.Array, Side, Side, Features]:
    """Rows with an empty start (no memory yet), then songs of random length; queries are the last slots."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=shape), dtype)

    segments, positions = np.zeros((BATCH, slots), int), np.zeros((BATCH, slots), int)
    for row in range(BATCH):
        first, second = np.sort(rng.integers(0, slots, 2))
        segments[row, first:second], segments[row, second:] = 1, 2
        for song in (1, 2):
            positions[row, segments[row] == song] = np.arange((segments[row] == song).sum())
    keys = Side(jnp.asarray(positions), jnp.asarray(segments))
    queries = Side(*(x[:, slots - length :] for x in keys))
    q, k, v = (normal(BATCH, HEADS, n, WIDTH) for n in (length, slots, slots))
    return (
        q,
        k,
        v,
        queries,
        keys,
        Features(normal(BATCH, HEADS, length, size), normal(BATCH, groups, slots, size)),
    )


@functools.cache
def compiled(function: Callable[..., jax.Array], window: int | None) -> Callable[..., Any]:
    """The result, and the gradients with respect to queries, keys, values and query features."""

    def total(
        q: jax.Array, k: jax.Array, v: jax.Array, u: jax.Array, w: jax.Array, *rest: Any
    ) -> tuple[jax.Array, jax.Array]:
        queries, keys, weights = rest
        out = function(q, k, v, queries, keys, window=window, features=Features(u, w))
        return jnp.sum(out.astype(jnp.float32) * weights), out

    return jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2, 3), has_aux=True))


def outputs(
    function: Callable[..., jax.Array], case: tuple[Any, ...], window: int | None = None
) -> tuple[jax.Array, ...]:
    """See ``compiled``; the loss is the result weighted at random."""
    q, k, v, queries, keys, features = case
    weights = jnp.asarray(np.random.default_rng(1).normal(size=q.shape), jnp.float32)
    (_, out), slopes = compiled(function, window)(q, k, v, *features, queries, keys, weights)
    return (out, *slopes)


reference = functools.partial(attention, implementation="reference")


def test_reference_equals_loops() -> None:
    q, k, v, queries, keys, features = draw(5, 7, groups=2)
    rng = np.random.default_rng(2)
    bias = rng.normal(size=(BATCH, HEADS, 5, 7)).astype(np.float32)
    attend = jax.jit(functools.partial(reference, window=3))
    got = attend(q, k, v, queries, keys, bias=bias, features=features)
    got, q, k, v, queries, keys, (u, w) = jax.tree.map(np.asarray, (got, q, k, v, queries, keys, features))
    for b, h, i in np.ndindex(BATCH, HEADS, 5):
        seen = [
            j
            for j in range(7)
            if keys.segments[b, j] == queries.segments[b, i] > 0
            and 0 <= queries.positions[b, i] - keys.positions[b, j] < 3
        ]
        if not seen:
            np.testing.assert_array_equal(got[b, h, i], 0)
            continue
        logits = [
            q[b, h, i] @ k[b, h, j] / WIDTH**0.5 + bias[b, h, i, j] + u[b, h, i] @ w[b, h // 2, j]
            for j in seen
        ]
        weights = np.exp(np.array(logits))
        np.testing.assert_allclose(got[b, h, i], weights @ v[b, h, np.array(seen)] / weights.sum(), atol=1e-5)


SHAPES = [(1, 1, None), (1, 9, None), (5, 5, None), (70, 70, 16), (2 * BLOCK, 3 * BLOCK + 5, None)]


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize(("length", "slots", "window"), SHAPES)
def test_implementations_agree_in_value_and_gradient(
    name: str, length: int, slots: int, window: int | None
) -> None:
    case = draw(length, slots, groups=2, seed=length)
    for got, expected in zip(
        outputs(FUSED[name], case, window), outputs(reference, case, window), strict=True
    ):
        np.testing.assert_allclose(got, expected, atol=TOLERANCE[name])


@pytest.mark.parametrize("name", ["xla", "cudnn"])
def test_bfloat16_agrees_to_its_precision(name: str) -> None:
    case = draw(40, 70, seed=3, dtype=jnp.bfloat16)
    wide = jax.tree.map(lambda x: x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x, case)
    for got, expected in zip(outputs(FUSED[name], case), outputs(reference, wide), strict=True):
        assert got.dtype == jnp.bfloat16
        np.testing.assert_allclose(got.astype(jnp.float32), expected, atol=0.06)


@pytest.mark.skipif(jax.default_backend() != "gpu", reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("length", "slots", "window"), [(2, 2, None), (40, 70, None), (130, 130, 16), (256, 384, None)]
)
def test_cudnn_agrees_with_the_reference(length: int, slots: int, window: int | None, groups: int) -> None:
    """cuDNN's own kernel: at most twice as far from float32 as the reference in bfloat16, or 1 %."""
    case = draw(length, slots, groups=groups, seed=length, dtype=jnp.bfloat16)
    wide = jax.tree.map(lambda x: x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x, case)
    cudnn = functools.partial(attention, implementation="cudnn")
    exact, narrow = outputs(reference, wide, window), outputs(reference, case, window)
    for got, rounded, expected in zip(outputs(cudnn, case, window), narrow, exact, strict=True):
        apart, usual = (
            jnp.linalg.norm(x.astype(jnp.float32) - expected) / jnp.linalg.norm(expected)
            for x in (got, rounded)
        )
        assert apart < max(2 * usual, 1e-2)


def test_many_blocks_are_scanned_and_agree() -> None:
    length = BLOCK * (GROUPS + 3) + 7  # two blocks a group, the last one not whole
    case = draw(length, length + BLOCK, size=2)
    case = jax.tree.map(lambda x: x[:1, :1] if x.ndim == 4 else x[:1], case)
    for window in (None, 2 * BLOCK):
        for got, expected in zip(
            outputs(attention_xla, case, window), outputs(reference, case, window), strict=True
        ):
            np.testing.assert_allclose(got, expected, atol=2e-5)


# Few shapes, many draws: every new shape compiles anew.
@settings(max_examples=12)
@given(st.sampled_from([(1, 1), (3, 3), (2, 6)]), st.sampled_from([None, 1, 2]), st.integers(0, 2**31 - 1))
def test_blocks_agree_on_any_songs(shape: tuple[int, int], window: int | None, seed: int) -> None:
    case = draw(*shape, seed=seed)
    for got, expected in zip(
        outputs(attention_xla, case, window), outputs(reference, case, window), strict=True
    ):
        np.testing.assert_allclose(got, expected, atol=2e-5)


@pytest.mark.parametrize("name", FUSED)
def test_the_future_changes_nothing(name: str) -> None:
    q, k, v, queries, keys, features = draw(6, 9)

    @jax.jit
    def before(k: jax.Array, v: jax.Array, w: jax.Array) -> tuple[jax.Array, Any]:
        def total(k: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
            out = FUSED[name](q, k, v, queries, keys, features=Features(features.query, w))[:, :, :3]
            return jnp.sum(out), out

        slopes, out = jax.grad(total, argnums=(0, 1), has_aux=True)(k, v)
        return out, slopes

    out, slopes = before(k, v, features.key)
    later = (np.arange(9) >= 6).astype(np.float32)[:, None]
    np.testing.assert_array_equal(out, before(k + later, v + later, features.key + later)[0])
    for slope in slopes:
        assert not np.any(slope[:, :, 6:])
        assert np.any(slope[:, :, :6])


def test_memory_is_linear_in_length() -> None:
    """The compiler's own account of the temporaries of forward and backward, doubling the length."""

    def temporaries(length: int) -> int:
        x = jax.ShapeDtypeStruct((1, 2, length, 8), jnp.float32)
        side = Side(*[jax.ShapeDtypeStruct((1, length), jnp.int32)] * 2)

        def loss(x: jax.Array, side: Side) -> jax.Array:
            return jnp.sum(attention_xla(x, x, x, side, side))

        compiled = jax.jit(jax.grad(loss)).lower(x, side).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporaries(4096) < 2.2 * temporaries(2048)


def test_mask_is_causal_within_songs_and_skips_padding() -> None:
    side = Side(jnp.asarray([[0, 1, 0, 1, 0]]), jnp.asarray([[1, 1, 2, 2, 0]]))
    expected = [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(mask(side, side)[0, 0], np.asarray(expected, bool))


def test_window_limits_the_past() -> None:
    side = Side(jnp.arange(5)[None], jnp.ones((1, 5), int))
    np.testing.assert_array_equal(mask(side, side, window=2)[0, 0].sum(-1), [1, 2, 2, 2, 2])


@pytest.mark.parametrize("slots", [1, 2, 7, 8, 300])
def test_song_features_tell_every_song_apart(slots: int) -> None:
    songs = song_features(jnp.arange(slots + 1)[None], slots)
    assert songs.shape == (1, slots + 1, song_bits(slots))
    products = np.array(songs[0] @ songs[0].T)
    same = np.diagonal(products).copy()
    assert (same == same[0]).all()
    np.fill_diagonal(products, -np.inf)
    assert products.max() <= same[0] - 70  # exp(-70) is nothing beside 1


def test_platforms_choose() -> None:
    q, k, _, _, _, features = draw(5, 7)
    narrow = q.astype(jnp.bfloat16)
    assert choose("auto", q, k, platform="cpu") == "xla"
    assert choose("auto", q, k, platform="tpu") == "splash"
    assert choose("auto", narrow, k, platform="gpu") == "cudnn"
    assert choose("auto", q, k, platform="gpu") == "xla"  # cuDNN takes 16 bits only
    assert choose("auto", narrow[:, :, :1], k, features, platform="gpu") == "xla"  # decoding
    assert choose("auto", narrow, k, start=jnp.asarray(0), platform="tpu") == "xla"
    assert choose("auto", q, k, bias=jnp.zeros((2, 4, 5, 7)), platform="cpu") == "reference"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"implementation": "flash"}, r"implementation='flash': one of auto, reference"),
        ({"implementation": "cudnn"}, r"implementation='cudnn' (needs an NVIDIA GPU, not|takes bfloat16 or)"),
        ({"implementation": "xla", "bias": jnp.zeros((2, 4, 5, 7))}, r"takes no dense bias"),
        ({"implementation": "splash", "start": jnp.asarray(1)}, r"takes no `start`: use 'xla'"),
        ({"window": 0}, r"window=0: at least 1"),
        ({"bias": jnp.zeros((2, 4, 5, 6))}, r"bias has shape \(2, 4, 5, 6\)"),
        ({"features": Features(jnp.zeros((2, 4, 5, 3)), jnp.zeros((2, 1, 7, 2)))}, r"features.key has shape"),
        (
            {"features": Features(jnp.zeros((2, 4, 5, 3)), jnp.zeros((2, 3, 7, 3)))},
            r"3 groups: a divisor of 4",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    q, k, v, queries, keys, _ = draw(5, 7)
    with pytest.raises(ValueError, match=message):
        attention(q, k, v, queries, keys, **changes)


def test_a_head_without_room_for_its_features_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_cudnn_module, "max_width", lambda: 128)  # more on Hopper
    q = jnp.zeros((1, 2, 4, 96), jnp.bfloat16)
    features = Features(jnp.zeros((1, 2, 4, 32)), jnp.zeros((1, 1, 4, 32)))
    with pytest.raises(ValueError, match=r"heads of at most 128: .* features are 128, and 3 more"):
        choose("cudnn", q, q, features, platform="gpu")
    assert choose("auto", q, q, features, platform="gpu") == "xla"


def test_shapes_that_do_not_match_are_refused_before_compilation() -> None:
    q, k, v, queries, keys, _ = draw(5, 7)
    for wrong, message in (
        ((q[0], k, v, queries, keys), "q has shape"),
        ((q, k[:, :2], v, queries, keys), "k has shape"),
        ((q, k, v[:, :, :6], queries, keys), "v has shape"),
        ((q, k, v, keys, keys), "queries.positions has shape"),
        ((k, q, v[:, :, :5], keys, queries), "7 queries and 5 keys"),
    ):
        with pytest.raises(ValueError, match=message):
            jax.jit(attention)(*wrong)


@pytest.mark.parametrize("name", ["reference", "xla"])
def test_padding_may_hold_anything(name: str) -> None:
    """Also NaN, which a weight of zero does not silence; neither in the value nor in the gradient."""
    q, k, v, queries, keys, features = draw(9, 9)
    segments = keys.segments.at[:, 3:5].set(0)
    keys, queries = keys._replace(segments=segments), queries._replace(segments=segments)
    dirty = [x.at[:, :, 3:5].set(jnp.nan) for x in (k, v)]
    spoiled = Features(features.query, features.key.at[:, :, 3:5].set(jnp.inf))

    def loss(q, k, v, features):
        out = attention(q, k, v, queries, keys, features=features, implementation=name)
        return jnp.sum(out**2 * (segments > 0)[:, None, :, None]), out

    slopes = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))
    clean, found = slopes(q, k, v, features), slopes(q, *dirty, spoiled)
    for a, b in zip(jax.tree.leaves(clean), jax.tree.leaves(found), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["auto", "reference", "xla"])
def test_no_queries_give_nothing(name: str) -> None:
    q, k, v, queries, keys, _ = draw(5, 7)
    none = Side(*(x[:, :0] for x in queries))
    out = attention(q[:, :, :0], k, v, none, keys, implementation=name)
    assert (out.shape, out.dtype) == ((*q.shape[:2], 0, v.shape[-1]), v.dtype)
    empty = attention(q[:, :, :0], k[:, :, :0], v[:, :, :0], none, none, implementation=name)
    assert empty.shape == out.shape
