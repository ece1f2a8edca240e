"""The backbone stage's sampler: one jitted loop over a cache, grammar and length enforced by masks.

A row is `BOS KEY METER event... EOS`; any of its tokens may be given, the others are drawn. Rows end at
different times; from its EOS on a row is padding, and the loop ends with the last row.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec.grammar import backbone_mask
from hrpe_jax.model_config import BackboneModelConfig
from hrpe_jax.models import backbone as models
from hrpe_jax.sampling.logits import Settings, draw, log_probability, restrict, row_keys

STAGE = 0  # of `row_keys`
FREE = -1  # where a token is not given


def _beats_per_bar() -> np.ndarray:
    table = np.zeros(tokens.SIZE, np.int32)
    for token in range(tokens.METER0, tokens.NO_CHORD0):
        if tokens.VALID[token]:
            table[token] = tokens.id_meter(token).beats_per_bar
    table.setflags(write=False)
    return table


BEATS_PER_BAR = _beats_per_bar()  # int32 [SIZE], 0 where no meter


class Sampled(NamedTuple):
    """What a loop returns.

    Attributes:
        ids: int32 `[rows, capacity]`, padded.
        log_probability: float32 `[rows, capacity]`: of each token that followed another, in nats under the
            model itself (no mask, temperature 1); given tokens included, 0 at the first and at padding.
    """

    ids: Array
    log_probability: Array


class _State(NamedTuple):
    place: Array  # int scalar: the last token written
    ids: Array
    beats: Array  # int [rows]: beats said so far
    history: Any
    log_probability: Array


def features(ids: Array, place: Array, beats: Array) -> dict[str, Array]:
    """The model's inputs for the token at one place, as in the training records.

    Args:
        ids: `[rows, capacity]`, known up to `place`.
        place: int scalar.
        beats: `[rows]`, beats of all events up to and with this one.

    Returns:
        int32 `[rows, 1]` each.
    """
    token = jax.lax.dynamic_index_in_dim(ids, place, axis=1, keepdims=False)
    key = jnp.clip(ids[:, 1] - tokens.KEY0, 0, tokens.KEYS - 1)  # the model looks at it from place 1 on
    beats_per_bar = jnp.asarray(BEATS_PER_BAR)[ids[:, 2]]
    function = jnp.asarray(tokens.function_table())[key, token]
    columns = {
        "input_ids": token,
        "root_pc": jnp.asarray(tokens.ROOT)[token],
        "quality_code": jnp.asarray(tokens.QUALITY_CODE)[token],
        "function_code": function,
        "bar_phase": beats % jnp.maximum(beats_per_bar, 1),
        "key": key,
        "beats_per_bar": beats_per_bar,
        "positions": jnp.full_like(token, place),
        "segment_ids": token != tokens.PAD,
    }
    return {name: column.astype(jnp.int32)[:, None] for name, column in columns.items()}


@functools.partial(jax.jit, static_argnames="config")
def sample_backbone(
    config: BackboneModelConfig,
    params: Any,
    given: Array,
    bars: Array,
    seed: Array,
    rows: Array,
    settings: Settings,
) -> Sampled:
    """Draws chord sequences that end on the bar line after `bars` bars.

    Args:
        config: of the model.
        params: of the model.
        given: int32 `[rows, capacity]`: tokens that stand fixed, `FREE` elsewhere. The first is BOS, or EOS
            for a row that is not wanted. The capacity must hold BOS, KEY, METER, an event for every beat and
            EOS.
        bars: int scalar.
        seed: uint32 scalar.
        rows: int `[rows]`, numbers of the pieces.
        settings: of the draw.
    """
    model = models.Backbone(config)
    count, capacity = given.shape
    keys = row_keys(seed, STAGE, rows)
    beats_of = jnp.asarray(tokens.BEATS).astype(jnp.int32)
    kinds = jnp.asarray(tokens.KIND)

    def unfinished(state: _State) -> Array:
        last = jax.lax.dynamic_index_in_dim(state.ids, state.place, axis=1, keepdims=False)
        open_rows = (kinds[last] != tokens.KIND_EOS) & (kinds[last] != tokens.KIND_PAD)
        return (state.place < capacity - 1) & jnp.any(open_rows)

    def step(state: _State) -> _State:
        batch = features(state.ids, state.place, state.beats)
        logits, history = model.apply({"params": params}, batch, state.history)
        logits = logits[:, 0]
        left = bars * batch["beats_per_bar"][:, 0] - state.beats
        allowed = backbone_mask(batch["input_ids"][:, 0], left, xp=jnp)
        drawn = draw(keys, state.place, restrict(logits, allowed, settings))
        place = state.place + 1
        fixed = jax.lax.dynamic_index_in_dim(given, place, axis=1, keepdims=False)
        # A row that has ended stays ended, whatever was given for later places.
        ended = ~jnp.any(allowed & (kinds != tokens.KIND_PAD), axis=-1)
        token = jnp.where((fixed == FREE) | ended, drawn, fixed)
        likelihood = jnp.where(ended, 0.0, log_probability(logits, token))
        return _State(
            place,
            state.ids.at[:, place].set(token),
            state.beats + beats_of[token],
            history,
            state.log_probability.at[:, place].set(likelihood),
        )

    start = _State(
        jnp.zeros((), jnp.int32),
        jnp.full((count, capacity), tokens.PAD, jnp.int32).at[:, 0].set(given[:, 0]),
        jnp.zeros(count, jnp.int32),
        models.init_cache(config, count, capacity),
        jnp.zeros((count, capacity), jnp.float32),
    )
    end = jax.lax.while_loop(unfinished, step, start)
    return Sampled(end.ids, end.log_probability)
