"""From logits to a token: grammar mask, temperature, top-k and top-p in one sort, and the draw.

Everything is a pure function of arrays whose settings are traced values, so that another temperature never
compiles anew.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


class Settings(NamedTuple):
    """How tokens are drawn; scalars.

    Attributes:
        temperature: above 0; the logits are divided by it.
        top_k: keep the k likeliest tokens; 0 for all.
        top_p: then keep the likeliest tokens that together reach this probability; 1 for all.
    """

    temperature: ArrayLike = 1.0
    top_k: ArrayLike = 0
    top_p: ArrayLike = 1.0


def restrict(logits: Array, allowed: Array, settings: Settings) -> Array:
    """Log scores of the tokens that may be drawn.

    The grammar goes first, so that top-k and top-p choose among what may follow. Tokens exactly as likely as
    the last one kept are kept as well.

    Args:
        logits: float `[..., tokens]`.
        allowed: bool `[..., tokens]`, at least one true in each row.
        settings: see there.

    Returns:
        float32 `[..., tokens]`, at most 0, -inf where a token may not be drawn; not normalised.
    """
    scores = jnp.where(allowed, logits.astype(jnp.float32), -jnp.inf)
    # The largest is 0 before the division: no temperature can make it overflow, and it is never cut.
    scores = (scores - scores.max(axis=-1, keepdims=True)) / settings.temperature
    ranked = jnp.flip(jnp.sort(scores, axis=-1), axis=-1)
    size = logits.shape[-1]
    wanted = jnp.where(jnp.asarray(settings.top_k) > 0, settings.top_k, size)
    ranked = jnp.where(jnp.arange(size) < wanted, ranked, -jnp.inf)
    shares = jax.nn.softmax(ranked, axis=-1)
    before = jnp.cumsum(shares, axis=-1) - shares
    # At top_p = 1 rounding of the sum must not cut the tail.
    kept = ((before < settings.top_p) | (jnp.asarray(settings.top_p) >= 1)) & (ranked > -jnp.inf)
    least = jnp.min(jnp.where(kept, ranked, jnp.inf), axis=-1, keepdims=True)
    return jnp.where(scores >= least, scores, -jnp.inf)


def row_keys(seed: ArrayLike, stage: int, rows: Array) -> Array:
    """A random key for each piece: what piece i draws does not depend on how many others are made with it.

    Args:
        seed: uint32 scalar.
        stage: a number of the stage, so that both stages draw independently.
        rows: int `[rows]`, numbers of the pieces.
    """
    key = jax.random.fold_in(jax.random.key(seed), stage)
    return jax.vmap(lambda row: jax.random.fold_in(key, row))(rows)


def draw(keys: Array, step: Array, scores: Array) -> Array:
    """Draws one token a row.

    Args:
        keys: from `row_keys`, `[rows]`.
        step: int scalar, another one for every draw.
        scores: from `restrict`, `[rows, tokens]`.

    Returns:
        int32 `[rows]`.
    """
    now = jax.vmap(jax.random.fold_in, (0, None))(keys, step)
    return jax.vmap(jax.random.categorical)(now, scores).astype(jnp.int32)


def log_probability(logits: Array, tokens: Array) -> Array:
    """Log probability in nats of `tokens [rows]` under unrestricted `logits [rows, tokens]`."""
    wide = logits.astype(jnp.float32)
    chosen = jnp.take_along_axis(wide, tokens[:, None], axis=-1)[:, 0]
    return chosen - jax.nn.logsumexp(wide, axis=-1)
