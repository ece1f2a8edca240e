"""From logits to a token: grammar mask, penalty, temperature, top-k, top-p, and the draw.

Everything is a pure function of arrays whose settings are traced values, so that another temperature never
compiles anew. Nothing is sorted: the cut of top-k and top-p is found by halving an interval of scores, which
takes a fraction of the time on a CPU, and far less than that for the 12,395 tokens of the backbone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from hrpe_jax.sampling.programs import stored_jit

HALVINGS = 22
_WIDEST = 32.0  # nats below the likeliest token, where float32 has no weight left to speak of


class Settings(NamedTuple):
    """How tokens are drawn; scalars.

    Attributes:
        temperature: above 0; the logits are divided by it.
        top_k: keep the k likeliest tokens; 0 for all.
        top_p: then keep the likeliest tokens that together reach this probability; 1 for all.
        repetition_penalty: tokens said a moment ago are so many times less likely; None for no less.
    """

    temperature: ArrayLike = 1.0
    top_k: ArrayLike = 0
    top_p: ArrayLike = 1.0
    repetition_penalty: ArrayLike | None = None


def restrict(logits: Array, allowed: Array, settings: Settings, said: Array | None = None) -> Array:
    """Log scores of the tokens that may be drawn.

    The grammar goes first, so that top-k and top-p choose among what may follow. Tokens as likely as the last
    one kept are kept as well; "as likely" to within 1e-5 nats, and top-p never keeps what is 32 nats below
    the likeliest.

    Args:
        logits: float `[..., tokens]`.
        allowed: bool `[..., tokens]`, at least one true in each row.
        settings: see there.
        said: bool `[..., tokens]`, what the penalty falls on; None for nothing.

    Returns:
        float32 `[..., tokens]`, at most 0, -inf where a token may not be drawn; not normalised.
    """
    wide = logits.astype(jnp.float32)
    if said is not None:
        wide = wide - jnp.where(said, jnp.log(jnp.asarray(settings.repetition_penalty, jnp.float32)), 0.0)
    scores = jnp.where(allowed, wide, -jnp.inf)
    # The largest is 0 before the division: no temperature can make it overflow, and it is never cut.
    scores = (scores - scores.max(axis=-1, keepdims=True)) / settings.temperature
    top_k, top_p = jnp.asarray(settings.top_k), jnp.asarray(settings.top_p)

    def likeliest(scores: Array) -> Array:
        count = jnp.sum(scores > -_WIDEST, axis=-1, keepdims=True)
        return _cut(scores, jnp.ones_like(scores), jnp.minimum(top_k, count).astype(jnp.float32))

    def nucleus(scores: Array) -> Array:
        weights = jnp.exp(scores)
        return _cut(scores, weights, top_p * jnp.sum(weights, axis=-1, keepdims=True))

    scores = jax.lax.cond(top_k > 0, likeliest, lambda x: x, scores)
    return jax.lax.cond(top_p < 1, nucleus, lambda x: x, scores)


def _cut(scores: Array, weights: Array, wanted: Array) -> Array:
    """Keeps the highest scores whose weights reach `wanted [..., 1]`."""
    shape = (*scores.shape[:-1], 1)

    def halve(_: Array, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) / 2
        enough = jnp.sum(jnp.where(scores >= middle, weights, 0.0), axis=-1, keepdims=True) >= wanted
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    low = jnp.full(shape, -_WIDEST, jnp.float32)
    low, _ = jax.lax.fori_loop(0, HALVINGS, halve, (low, jnp.full(shape, 1e-5, jnp.float32)))
    return jnp.where(scores >= low, scores, -jnp.inf)


@stored_jit(static=(1,))  # one program to load instead of many
def row_keys(seed: ArrayLike, stage: int, rows: Any) -> Array:
    """A random key for each piece: what piece i draws does not depend on how many others are made with it.

    Args:
        seed: uint32 scalar.
        stage: a number of the stage, so that both stages draw independently.
        rows: int `[rows]`, numbers of the pieces.
    """
    key = jax.random.fold_in(jax.random.key(seed), stage)
    return jax.vmap(lambda row: jax.random.fold_in(key, row))(rows)


def uniforms(keys: Array, steps: Array) -> Array:
    """One random number in [0, 1) a row.

    Args:
        keys: from `row_keys`, `[rows]`.
        steps: int `[rows]` or scalar, another one for every draw of a row.
    """
    steps = jnp.broadcast_to(steps, keys.shape)
    return jax.vmap(lambda key, step: jax.random.uniform(jax.random.fold_in(key, step)))(keys, steps)


def pick(places: Array, scores: Array) -> Array:
    """The tokens that hold `places [rows]` in [0, 1) with all laid end to end, as wide as they are likely.

    Args:
        places: from `uniforms`.
        scores: from `restrict`, `[rows, tokens]`.

    Returns:
        int32 `[rows]`.
    """
    # In two steps, blocks and then the tokens of one: two short sums instead of a long one.
    count = scores.shape[-1]
    side = int(count**0.5) + 1
    weights = jnp.pad(jnp.exp(scores), ((0, 0), (0, side * side - count))).reshape(-1, side, side)
    blocks = jnp.sum(weights, axis=-1)
    block, place = _fall(blocks, places[:, None] * jnp.sum(blocks, axis=-1, keepdims=True))
    inside = jnp.take_along_axis(weights, block[:, None, None], axis=1)[:, 0]
    token, _ = _fall(inside, place)
    return (block * side + token).astype(jnp.int32)


def _fall(weights: Array, place: Array) -> tuple[Array, Array]:
    """Which of `weights [rows, n]` laid end to end holds `place [rows, 1]`, and how far into it.

    Where rounding puts the place behind the last one, it is the last of those with any weight.
    """
    before = jnp.sum(
        jnp.where(jnp.tri(weights.shape[-1], k=-1, dtype=bool), weights[:, None, :], 0.0), axis=-1
    )
    holds = (weights > 0) & (before <= place)
    number = jnp.max(jnp.where(holds, jnp.arange(weights.shape[-1]), 0), axis=-1)
    first = jnp.argmax(weights > 0, axis=-1)  # a place below all of them cannot be, but for rounding
    number = jnp.maximum(number, first)
    return number, place - jnp.take_along_axis(before, number[:, None], axis=-1)


def log_probability(logits: Array, tokens: Array) -> Array:
    """Log probability in nats of `tokens [rows]` under unrestricted `logits [rows, tokens]`."""
    wide = logits.astype(jnp.float32)
    chosen = jnp.take_along_axis(wide, tokens[:, None], axis=-1)[:, 0]
    return chosen - jax.nn.logsumexp(wide, axis=-1)
